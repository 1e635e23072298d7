#include "requests.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <ctime>

namespace racoon::kernel_pfkey {

using namespace pfkey;

std::uint32_t RequestIds::take(std::uint32_t wanted) {
    if (wanted == 0) return 0;
    Use& use = used_[wanted];
    if (use.users++ != 0) return use.number;
    if (wanted <= kManualReqIdMax && numbers_.count(wanted) == 0) {
        use.number = wanted;
    } else {
        for (std::uint32_t i = 0; i < kManualReqIdMax && use.number == 0; ++i) {
            if (numbers_.count(next_) == 0 && !others_(next_)) use.number = next_;
            next_ = next_ % kManualReqIdMax + 1;
        }
    }
    if (use.number == 0) {
        used_.erase(wanted);
        return 0;
    }
    numbers_.insert(use.number);
    return use.number;
}

void RequestIds::give_back(std::uint32_t wanted) {
    const auto at = used_.find(wanted);
    if (at == used_.end() || --at->second.users != 0) return;
    numbers_.erase(at->second.number);
    used_.erase(at);
}

namespace {

constexpr std::uint32_t kWholeTag = 128;  // bits of AES-GCM's

/// What the kernel cuts an integrity value to: PF_KEY has no word for it.
std::uint32_t truncation(std::uint32_t number, const Dialect& d) {
    switch (number) {
        case 5:
            return d.hmac_sha256_bits;
        case 6:
            return 192;
        case 7:
            return 256;
        default:
            return 96;
    }
}

Address whole(const racoon_addr& a, std::uint16_t port = 0) {
    Address out;
    out.addr = a;
    out.addr.port = port;
    out.proto = 0;
    out.prefix = a.family == 6 ? 128 : 32;
    return out;
}

std::uint64_t seconds(std::int64_t ns) {
    return ns <= 0 ? 0 : static_cast<std::uint64_t>((ns + 999'999'999) / 1'000'000'000);
}

Key key_of(const racoon_kernel_alg& alg) {
    Key k;
    k.bits = static_cast<std::uint16_t>(alg.key_size * 8);
    k.bytes.assign(alg.key, alg.key + alg.key_size);
    return k;
}

}  // namespace

std::string cannot(const racoon_kernel_sa& sa, const Dialect& d) {
    const std::string system = std::string("PF_KEY of ") + d.name;
    if (sa.is_aead != 0 && !d.aead) return system + " has no combined algorithms";
    if (sa.is_aead != 0 && sa.enc.icv_bits != kWholeTag)
        return system + " has no combined algorithms with a shortened tag";
    if ((sa.flags & RACOON_SA_ESN) != 0) return "PF_KEY has no extended sequence numbers";
    if (sa.enc.key_size > sizeof(sa.enc.key) || sa.auth.key_size > sizeof(sa.auth.key))
        return "a key longer than its field";
    const auto known = [](std::uint8_t (*map)(std::uint8_t), std::uint32_t id) {
        return id != 0 && id < 256 && map(static_cast<std::uint8_t>(id)) != 0;
    };
    // Methods of compression have a list of their own, which is the same everywhere.
    const bool comp = sa.protocol == RACOON_IPPROTO_COMP;
    const bool numbered =
        comp ? sa.enc.pfkey_id != 0 && sa.enc.pfkey_id < 256 : known(d.encryption, sa.enc.pfkey_id);
    if (sa.enc.name[0] != '\0' && !numbered)
        return std::string("PF_KEY has no number for ") + sa.enc.name;
    if (sa.auth.name[0] == '\0') return "";
    if (!known(d.authentication, sa.auth.pfkey_id))
        return std::string("PF_KEY has no number for ") + sa.auth.name;
    const std::uint32_t bits = truncation(sa.auth.pfkey_id, d);
    if (sa.auth.icv_bits == bits) return "";
    return std::string("the kernel cuts ") + sa.auth.name + " to " + std::to_string(bits) +
           " bits through PF_KEY, not to " + std::to_string(sa.auth.icv_bits);
}

Message sa_message(std::uint8_t type, const racoon_kernel_sa& sa, std::uint32_t reqid,
                   const Dialect& d) {
    Message m;
    m.type = type;
    m.satype = satype_of(sa.protocol);
    Sa out;
    out.spi = sa.spi;
    const std::uint32_t window = sa.replay_window < d.max_window ? sa.replay_window : d.max_window;
    const std::uint32_t units = (window + d.window_unit - 1) / d.window_unit;
    out.replay = static_cast<std::uint8_t>(units < 255 ? units : 255);
    if (units > 255) m.replay = units;
    out.auth = d.authentication(static_cast<std::uint8_t>(sa.auth.pfkey_id));
    out.encrypt = static_cast<std::uint8_t>(sa.enc.pfkey_id);
    if (sa.protocol == RACOON_IPPROTO_COMP)
        out.flags |= d.raw_cpi;
    else
        out.encrypt = d.encryption(out.encrypt);
    m.sa2 = Sa2{static_cast<std::uint8_t>(sa.mode), 0, reqid};
    m.src = whole(sa.src);
    m.dst = whole(sa.dst);
    // Linux wants the key of ESP's cipher even where it is empty, and both lifetimes or none.
    if (sa.protocol == RACOON_IPPROTO_ESP) m.encrypt_key = key_of(sa.enc);
    if (sa.auth.pfkey_id != 0) m.auth_key = key_of(sa.auth);
    if (sa.soft_ns > 0 || sa.hard_ns > 0 || sa.soft_bytes != 0 || sa.hard_bytes != 0) {
        m.soft = Lifetime{0, sa.soft_bytes, seconds(sa.soft_ns), 0};
        m.hard = Lifetime{0, sa.hard_bytes, seconds(sa.hard_ns), 0};
    }
    if ((sa.flags & RACOON_SA_UDP_ENCAP) != 0) {
        m.natt_type = (sa.flags & RACOON_SA_NON_IKE_MARKER) != 0 ? kUdpEncapsulationNonIke
                                                                 : kUdpEncapsulation;
        m.natt_sport = sa.src.port;
        m.natt_dport = sa.dst.port;
        // It is the peer's: the source of what comes in, and of what goes out the destination.
        if (sa.peer_original.family != 0) {
            const bool source = sa.direction == RACOON_DIR_IN || d.natt_oar == 0;
            (source ? m.oai : m.oar) = whole(sa.peer_original);
        }
        if (sa.esp_frag != 0) m.natt_frag = static_cast<std::uint16_t>(sa.esp_frag);
        if (d.natt_port_in_sa) {
            out.natt_port = sa.dst.port;
            out.flags |= 0x0002;  // SADB_X_EXT_NATT
        }
    }
    m.sa = out;
    return m;
}

// Lifetimes are in it as they were, or an UPDATE would end them.
std::optional<Message> move_message(const Message& sa, bool inbound, std::uint16_t port,
                                    const Dialect& d) {
    if (!sa.natt_type || *sa.natt_type == 0) return {};
    Message m;
    m.type = kUpdate;
    m.satype = sa.satype;
    m.sa = sa.sa;
    if (m.sa) m.sa->state = kMature;
    m.sa2 = sa.sa2;
    m.hard = sa.hard;
    m.soft = sa.soft;
    m.src = sa.src;
    m.dst = sa.dst;
    m.proxy = sa.proxy;
    m.natt_type = sa.natt_type;
    m.natt_sport = inbound ? port : sa.natt_sport;
    m.natt_dport = inbound ? sa.natt_dport : port;
    m.oai = sa.oai;
    m.oar = sa.oar;
    m.natt_frag = sa.natt_frag;
    if (d.natt_move == Move::Keyless) return m;
    m.auth_key = sa.auth_key;
    m.encrypt_key = sa.encrypt_key;
    // Linux tells no empty key, and wants one all the same.
    if (!m.encrypt_key && sa.satype == kSaEsp) m.encrypt_key = Key{};
    return m;
}

Message name_sa(std::uint8_t type, const racoon_kernel_sa_id& id) {
    Message m;
    m.type = type;
    m.satype = satype_of(id.protocol);
    m.sa = Sa{id.spi, 0, kMature, 0, 0, 0, 0};
    m.src = whole(id.src.family != 0 ? id.src : id.dst);
    m.dst = whole(id.dst);
    return m;
}

Message spi_message(const racoon_kernel_spi_request& r, std::uint32_t reqid) {
    Message m;
    m.type = kGetSpi;
    m.satype = satype_of(r.protocol);
    m.sa2 = Sa2{static_cast<std::uint8_t>(r.mode), 0, reqid};
    m.src = whole(r.src);
    m.dst = whole(r.dst);
    m.range = SpiRange{r.min_spi, r.max_spi};
    // A CPI has 16 bits.
    if (r.protocol == RACOON_IPPROTO_COMP) m.range->max = std::min(r.max_spi, 0xffffu);
    return m;
}

std::uint32_t kernel_priority(std::int32_t priority) {
    return static_cast<std::uint32_t>(std::int64_t{0x80000000} - priority);
}

std::int32_t priority_of_kernel(std::uint32_t priority) {
    const std::int64_t value = std::int64_t{0x80000000} - priority;
    return static_cast<std::int32_t>(std::min<std::int64_t>(value, 0x7fffffff));
}

Message policy_message(std::uint8_t type, const racoon_kernel_policy& p, std::uint32_t direction,
                       const std::uint32_t* reqids) {
    const bool out = direction == RACOON_DIR_OUT;
    const racoon_selector& s = p.selector;
    const auto side = [&](const racoon_addr& a, std::uint8_t prefix) {
        Address address = whole(a, a.port);
        address.prefix = prefix;
        address.proto = s.protocol == 0 ? kProtoAny : s.protocol;
        return address;
    };
    Message m;
    m.type = type;
    m.src = out ? side(s.local, s.local_prefix) : side(s.remote, s.remote_prefix);
    m.dst = out ? side(s.remote, s.remote_prefix) : side(s.local, s.local_prefix);
    Policy policy;
    policy.type = p.action == RACOON_POLICY_IPSEC     ? kPolicyIpsec
                  : p.action == RACOON_POLICY_DISCARD ? kPolicyDiscard
                                                      : kPolicyNone;
    policy.dir = static_cast<std::uint8_t>(direction);
    policy.priority = kernel_priority(p.priority);
    if (type == kSpdDelete) {
        // Named by direction and selector alone.
        m.policies.push_back(policy);
        return m;
    }
    for (std::uint32_t i = 0; i < p.template_count; ++i) {
        const racoon_kernel_template& t = p.templates[i];
        Request r;
        r.proto = static_cast<std::uint16_t>(t.protocol);
        r.mode = static_cast<std::uint8_t>(t.mode);
        // A request id is taken with unique alone; use stays use, since only that may be absent.
        r.reqid = reqids[i];
        r.level = t.level == RACOON_LEVEL_USE ? kLevelUse
                  : reqids[i] != 0            ? kLevelUnique
                                              : kLevelRequire;
        if (t.mode == RACOON_MODE_TUNNEL) {
            r.src = out ? t.local : t.remote;
            r.dst = out ? t.remote : t.local;
            r.src.port = r.dst.port = 0;
        }
        policy.requests.push_back(r);
    }
    m.policies.push_back(policy);
    return m;
}

namespace {

bool is_zero(const racoon_addr& a) {
    return std::all_of(std::begin(a.bytes), std::end(a.bytes), [](auto b) { return b == 0; });
}

bool take_request(const Request& from, bool outbound, racoon_kernel_template* to) {
    if ((from.mode != kModeTunnel && from.mode != kModeTransport) || from.proto > 255) return false;
    to->protocol = from.proto;
    to->mode = from.mode;
    to->reqid = from.reqid;
    to->level = from.level == kLevelUse ? RACOON_LEVEL_USE
                : from.reqid != 0       ? RACOON_LEVEL_UNIQUE
                                        : RACOON_LEVEL_REQUIRE;
    if (!is_zero(from.src)) (outbound ? to->local : to->remote) = from.src;
    if (!is_zero(from.dst)) (outbound ? to->remote : to->local) = from.dst;
    to->local.port = to->remote.port = 0;
    return true;
}

}  // namespace

std::optional<racoon_kernel_policy> read_whole_policy(const Message& m, const Dialect& d) {
    const Policy* from = m.policy();
    if (from == nullptr || !m.src || !m.dst || (from->dir != kDirIn && from->dir != kDirOut) ||
        (d.forward && (from->id & 7) > 2))  // on Linux a socket's
        return {};
    const bool outbound = from->dir == kDirOut;
    racoon_kernel_policy out{};
    out.struct_size = sizeof(out);
    out.direction = outbound ? RACOON_DIR_OUT : RACOON_DIR_IN;
    if (d.priority) out.priority = priority_of_kernel(from->priority);
    racoon_selector& s = out.selector;
    s.local = outbound ? m.src->addr : m.dst->addr;
    s.remote = outbound ? m.dst->addr : m.src->addr;
    s.local_prefix = outbound ? m.src->prefix : m.dst->prefix;
    s.remote_prefix = outbound ? m.dst->prefix : m.src->prefix;
    s.protocol = m.src->proto == kProtoAny ? std::uint8_t{0} : m.src->proto;
    const bool ports = s.local.port != 0 || s.remote.port != 0;
    const unsigned bits = s.local.family == 6 ? 128 : 32;
    // What stands there for ICMP is no port.
    if (s.local.family == 0 || s.local.family != s.remote.family || s.local_prefix > bits ||
        s.remote_prefix > bits ||
        (ports && (s.protocol == IPPROTO_ICMP || s.protocol == IPPROTO_ICMPV6)))
        return {};
    for (const Request& r : from->requests) {
        if (out.template_count == std::size(out.templates) ||
            !take_request(r, outbound, &out.templates[out.template_count++]))
            return {};
    }
    out.action = from->type == kPolicyDiscard                        ? RACOON_POLICY_DISCARD
                 : from->type != kPolicyIpsec || !out.template_count ? RACOON_POLICY_NONE
                                                                     : RACOON_POLICY_IPSEC;
    return out;
}

racoon_addr end_of(const std::optional<Address>& address,
                   const std::optional<std::uint16_t>& port) {
    racoon_addr out{};
    if (address) out = address->addr;
    if (port) out.port = *port;
    return out;
}

void read_info(const Message& m, racoon_kernel_sa_info* out) {
    out->protocol = protocol_of(m.satype);
    out->idle_ns = -1;
    if (m.sa) {
        out->spi = m.sa->spi;
        out->state = m.sa->state;
        out->replay_window = m.sa->replay;
    }
    if (m.sa2) {
        out->mode = m.sa2->mode;
        out->reqid = m.sa2->reqid;
    }
    out->src = end_of(m.src, m.natt_sport);
    out->dst = end_of(m.dst, m.natt_dport);
    if (!m.current) return;
    out->bytes = m.current->bytes;
    out->packets = m.current->allocations;
}

}  // namespace racoon::kernel_pfkey
