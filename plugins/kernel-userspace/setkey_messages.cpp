#include "setkey_messages.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <string>

#include <racoon/kernel_backend.hpp>

#include "algorithms.hpp"

namespace racoon::kernel_userspace {

using namespace pfkey;

namespace {

struct Numbered {
    std::uint8_t number;
    const char* xfrm_name;
    std::uint32_t icv_bits;  // PF_KEY has no word for it: as Linux cuts it there
};
constexpr Numbered kIntegrity[] = {
    {2, "hmac(md5)", 96},     {3, "hmac(sha1)", 96},    {5, "hmac(sha256)", 96},
    {6, "hmac(sha384)", 192}, {7, "hmac(sha512)", 256}, {9, "xcbc(aes)", 96},
};
constexpr Numbered kEncryption[] = {
    {3, "cbc(des3_ede)", 0},      {11, "ecb(cipher_null)", 0}, {12, "cbc(aes)", 0},
    {13, "rfc3686(ctr(aes))", 0}, {22, "cbc(camellia)", 0},
};
constexpr std::uint8_t kNullIntegrity = 251;
constexpr std::uint8_t kDeflate = 2;
constexpr std::uint32_t kMostCpi = 0xffff;
constexpr std::uint64_t kMostSeconds = 0x7fffffff;  // and no product overflows

template <std::size_t N>
const Numbered* find(const Numbered (&list)[N], std::uint8_t number) {
    const auto at = std::find_if(std::begin(list), std::end(list),
                                 [&](const Numbered& one) { return one.number == number; });
    return at == std::end(list) ? nullptr : at;
}

/// Any is transport mode, as in Linux; 0: none that there is.
std::uint32_t mode_of(std::uint8_t mode) {
    if (mode == kModeAny || mode == kModeTransport) return RACOON_MODE_TRANSPORT;
    return mode == kModeTunnel ? RACOON_MODE_TUNNEL : 0;
}

bool take_ends(const Message& m, racoon_addr* src, racoon_addr* dst) {
    if (!m.src || !m.dst || m.src->addr.family != m.dst->addr.family) return false;
    *src = m.src->addr;
    *dst = m.dst->addr;
    src->port = dst->port = 0;
    return true;
}

/// 0, ENOSYS or EINVAL.
int take_algorithm(const Numbered* known, const std::optional<Key>& key, racoon_kernel_alg* out) {
    if (known == nullptr) return ENOSYS;
    std::strcpy(out->xfrm_name, known->xfrm_name);
    out->pfkey_id = known->number;
    out->icv_bits = known->icv_bits;
    if (!key) return 0;
    if (key->bits % 8 != 0 || key->bytes.size() > sizeof(out->key)) return EINVAL;
    out->key_size = static_cast<std::uint32_t>(key->bytes.size());
    std::copy(key->bytes.begin(), key->bytes.end(), out->key);
    return 0;
}

int take_algorithms(const Message& m, racoon_kernel_sa* out) {
    const pfkey::Sa& sa = *m.sa;
    std::string why;
    if (out->protocol == RACOON_IPPROTO_COMP) {
        if (sa.encrypt != kDeflate) return ENOSYS;
        std::strcpy(out->enc.xfrm_name, "deflate");
        out->enc.pfkey_id = sa.encrypt;
        return sa.spi > kMostCpi ? EINVAL : 0;
    }
    const bool integrity = sa.auth != 0 && sa.auth != kNullIntegrity;
    if (integrity) {
        if (const int e = take_algorithm(find(kIntegrity, sa.auth), m.auth_key, &out->auth))
            return e;
        if (find_integrity(out->auth, &why) == nullptr) return EINVAL;
    }
    if (out->protocol == RACOON_IPPROTO_AH) return integrity && sa.encrypt == 0 ? 0 : EINVAL;
    if (sa.encrypt == 0) return EINVAL;
    if (const int e = take_algorithm(find(kEncryption, sa.encrypt), m.encrypt_key, &out->enc))
        return e;
    return find_encryption(out->enc, false, &why) == nullptr ? EINVAL : 0;
}

void take_lifetimes(const Message& m, racoon_kernel_sa* out) {
    const auto ns = [](std::uint64_t seconds) {
        return static_cast<std::int64_t>(std::min(seconds, kMostSeconds)) * 1'000'000'000;
    };
    if (m.soft) {
        out->soft_ns = ns(m.soft->addtime);
        out->soft_bytes = m.soft->bytes;
    }
    if (m.hard) {
        out->hard_ns = ns(m.hard->addtime);
        out->hard_bytes = m.hard->bytes;
    }
}

Address whole(const racoon_addr& a) {
    Address out;
    out.addr = a;
    out.addr.port = 0;
    out.prefix = a.family == 6 ? 128 : 32;
    return out;
}

std::uint64_t seconds(std::int64_t ns) {
    return ns <= 0 ? 0 : static_cast<std::uint64_t>((ns + 999'999'999) / 1'000'000'000);
}

std::uint64_t epoch(std::int64_t wall_seconds) {
    return wall_seconds > 0 ? static_cast<std::uint64_t>(wall_seconds) : 0;
}

}  // namespace

bool is_satype(std::uint8_t satype) {
    return satype == kSaUnspec || protocol_of(satype) != 0;
}

SaNote note_of(const racoon_kernel_sa& sa, std::int64_t wall_seconds) {
    SaNote note;
    note.authentication = static_cast<std::uint8_t>(sa.auth.pfkey_id);
    note.encryption = static_cast<std::uint8_t>(sa.enc.pfkey_id);
    note.flags = sa.flags;
    note.soft_ns = sa.soft_ns;
    note.hard_ns = sa.hard_ns;
    note.soft_bytes = sa.soft_bytes;
    note.hard_bytes = sa.hard_bytes;
    note.peer_original = sa.peer_original;
    note.created = wall_seconds;
    return note;
}

int read_name(const Message& m, racoon_kernel_sa_id* out) {
    *out = {};
    out->struct_size = sizeof(*out);
    out->protocol = protocol_of(m.satype);
    if (out->protocol == 0 || !m.sa || !take_ends(m, &out->src, &out->dst)) return EINVAL;
    out->spi = m.sa->spi;
    return 0;
}

int read_sa(const Message& m, racoon_kernel_sa* out) {
    *out = {};
    out->struct_size = sizeof(*out);
    racoon_kernel_sa_id name{};
    if (const int error = read_name(m, &name)) return error;
    out->protocol = name.protocol;
    out->spi = name.spi;
    out->src = name.src;
    out->dst = name.dst;
    out->mode = mode_of(m.sa2.value_or(Sa2{}).mode);
    out->reqid = m.sa2 ? m.sa2->reqid : 0;
    out->replay_window = m.replay ? *m.replay : m.sa->replay;
    if (out->mode == 0 || out->spi == 0 || m.sa->state > kDying) return EINVAL;
    take_lifetimes(m, out);
    if (m.natt_type && *m.natt_type != 0) {
        const bool possible = *m.natt_type == kUdpEncapsulation && m.natt_sport && m.natt_dport &&
                              *m.natt_sport != 0 && *m.natt_dport != 0 &&
                              out->protocol == RACOON_IPPROTO_ESP;
        if (!possible) return EINVAL;
        out->flags |= RACOON_SA_UDP_ENCAP;
        out->src.port = *m.natt_sport;
        out->dst.port = *m.natt_dport;
        if (m.oai) out->peer_original = m.oai->addr;
    }
    return take_algorithms(m, out);
}

int read_spi_request(const Message& m, racoon_kernel_spi_request* out) {
    *out = {};
    out->struct_size = sizeof(*out);
    out->protocol = protocol_of(m.satype);
    out->mode = mode_of(m.sa2.value_or(Sa2{}).mode);
    out->reqid = m.sa2 ? m.sa2->reqid : 0;
    if (out->protocol == 0 || out->mode == 0 || !m.range || !take_ends(m, &out->src, &out->dst))
        return EINVAL;
    out->min_spi = m.range->min;
    out->max_spi = m.range->max;
    if (out->protocol == RACOON_IPPROTO_COMP) out->max_spi = std::min(out->max_spi, kMostCpi);
    return out->min_spi == 0 || out->min_spi > out->max_spi ? EINVAL : 0;
}

int read_place(const Message& m, racoon_kernel_policy* out) {
    *out = {};
    out->struct_size = sizeof(*out);
    const Policy* from = m.policy();
    if (from == nullptr || !m.src || !m.dst || from->dir < kDirIn || from->dir > kDirFwd)
        return EINVAL;
    const bool outbound = from->dir == kDirOut;
    out->direction = from->dir == kDirIn ? RACOON_DIR_IN
                     : outbound          ? RACOON_DIR_OUT
                                         : RACOON_DIR_FWD;
    const Address &local = outbound ? *m.src : *m.dst, &remote = outbound ? *m.dst : *m.src;
    racoon_selector& s = out->selector;
    s.local = local.addr;
    s.remote = remote.addr;
    s.local_prefix = local.prefix;
    s.remote_prefix = remote.prefix;
    s.protocol = m.src->proto == kProtoAny ? std::uint8_t{0} : m.src->proto;
    if (s.local.family != s.remote.family) return EINVAL;
    // What stands there for ICMP is no port, and this stack does not tell messages of ICMP apart.
    const bool icmp = s.protocol == IPPROTO_ICMP || s.protocol == IPPROTO_ICMPV6;
    if (icmp && (s.local.port != 0 || s.remote.port != 0)) return EOPNOTSUPP;
    out->priority = static_cast<std::int32_t>(
        std::min<std::int64_t>(std::int64_t{0x80000000} - from->priority, 0x7fffffff));
    return 0;
}

int read_policy(const Message& m, const std::function<std::uint32_t()>& fresh,
                racoon_kernel_policy* out) {
    if (const int error = read_place(m, out)) return error;
    const Policy& from = *m.policy();
    const bool outbound = out->direction == RACOON_DIR_OUT;
    if (from.type > kPolicyBypass) return EINVAL;
    out->action = from.type == kPolicyDiscard ? RACOON_POLICY_DISCARD : RACOON_POLICY_NONE;
    if (from.type != kPolicyIpsec) return 0;
    if (from.requests.size() > std::size(out->templates)) return ENOBUFS;
    for (const Request& r : from.requests) {
        racoon_kernel_template& t = out->templates[out->template_count++];
        t.protocol = r.proto;
        t.mode = mode_of(r.mode);
        if (t.mode == 0 || r.level > kLevelUnique || protocol_of(satype_of(t.protocol)) != r.proto)
            return EINVAL;
        t.level = r.level == kLevelUse      ? RACOON_LEVEL_USE
                  : r.level == kLevelUnique ? RACOON_LEVEL_UNIQUE
                                            : RACOON_LEVEL_REQUIRE;
        if (t.level == RACOON_LEVEL_UNIQUE) {
            t.reqid = r.reqid > kManualReqIdMax ? 0 : r.reqid;
            if (t.reqid == 0) t.reqid = fresh();
            if (t.reqid == 0) return ENOBUFS;
        }
        if (t.mode != RACOON_MODE_TUNNEL) continue;
        if (r.src.family == 0 || r.src.family != r.dst.family) return EINVAL;
        t.local = outbound ? r.src : r.dst;
        t.remote = outbound ? r.dst : r.src;
        t.local.port = t.remote.port = 0;
    }
    if (out->template_count != 0) out->action = RACOON_POLICY_IPSEC;
    return 0;
}

Message describe(std::uint8_t type, const racoon_kernel_sa_info& info, const SaNote& note,
                 std::int64_t wall_seconds) {
    Message m;
    m.type = type;
    m.satype = satype_of(info.protocol);
    m.reserved = 1;
    pfkey::Sa sa;
    sa.spi = info.spi;
    sa.state = static_cast<std::uint8_t>(std::min<std::uint32_t>(info.state, kDead));
    sa.replay = static_cast<std::uint8_t>(std::min<std::uint32_t>(info.replay_window, 255));
    sa.auth = note.authentication;
    sa.encrypt = note.encryption;
    m.sa = sa;
    m.sa2 = Sa2{static_cast<std::uint8_t>(info.mode), 0, info.reqid};
    m.src = whole(info.src);
    m.dst = whole(info.dst);
    m.hard = Lifetime{0, note.hard_bytes, seconds(note.hard_ns), 0};
    m.soft = Lifetime{0, note.soft_bytes, seconds(note.soft_ns), 0};
    const std::int64_t idle = info.idle_ns / 1'000'000'000;
    const std::uint64_t used = info.idle_ns < 0 ? 0 : epoch(wall_seconds - idle);
    m.current =
        Lifetime{static_cast<std::uint32_t>(std::min<std::uint64_t>(info.packets, 0xffffffff)),
                 info.bytes, epoch(note.created), used};
    if (info.state != kLarval) {
        if (sa.auth != 0) m.auth_key.emplace();
        if (sa.encrypt != 0 && info.protocol == RACOON_IPPROTO_ESP) m.encrypt_key.emplace();
    }
    if ((note.flags & RACOON_SA_UDP_ENCAP) != 0) {
        m.natt_type = (note.flags & RACOON_SA_NON_IKE_MARKER) != 0 ? kUdpEncapsulationNonIke
                                                                   : kUdpEncapsulation;
        m.natt_sport = info.src.port;
        m.natt_dport = info.dst.port;
        if (note.peer_original.family != 0) m.oai = whole(note.peer_original);
    }
    return m;
}

Message describe(std::uint8_t type, const racoon_kernel_policy& p, std::uint32_t index,
                 std::int64_t created, std::int64_t used) {
    const bool out = p.direction == RACOON_DIR_OUT;
    const racoon_selector& s = p.selector;
    const auto side = [&](const racoon_addr& a, std::uint8_t prefix) {
        Address address;
        address.addr = a;
        address.prefix = prefix;
        address.proto = s.protocol == 0 ? kProtoAny : s.protocol;
        return address;
    };
    Message m;
    m.type = type;
    m.reserved = 1;
    m.src = out ? side(s.local, s.local_prefix) : side(s.remote, s.remote_prefix);
    m.dst = out ? side(s.remote, s.remote_prefix) : side(s.local, s.local_prefix);
    m.current = Lifetime{0, 0, epoch(created), epoch(used)};
    m.hard = m.soft = Lifetime{};
    Policy policy;
    policy.type = p.action == RACOON_POLICY_IPSEC     ? kPolicyIpsec
                  : p.action == RACOON_POLICY_DISCARD ? kPolicyDiscard
                                                      : kPolicyNone;
    policy.dir = static_cast<std::uint8_t>(p.direction);
    policy.id = index;
    policy.priority = static_cast<std::uint32_t>(std::int64_t{0x80000000} - p.priority);
    for (std::uint32_t i = 0; i < p.template_count; ++i) {
        const racoon_kernel_template& t = p.templates[i];
        Request r;
        r.proto = static_cast<std::uint16_t>(t.protocol);
        r.mode = static_cast<std::uint8_t>(t.mode);
        r.level = t.level == RACOON_LEVEL_USE ? kLevelUse
                  : t.reqid != 0              ? kLevelUnique
                                              : kLevelRequire;
        r.reqid = t.reqid;
        if (t.mode == RACOON_MODE_TUNNEL) {
            r.src = out ? t.local : t.remote;
            r.dst = out ? t.remote : t.local;
            r.src.port = r.dst.port = 0;
        }
        policy.requests.push_back(r);
    }
    m.policies.push_back(std::move(policy));
    return m;
}

Message refusal(const Message& request, int error) {
    Message m;
    m.type = request.type;
    m.satype = request.satype;
    m.seq = request.seq;
    m.pid = request.pid;
    m.error = static_cast<std::uint8_t>(error);
    return m;
}

std::uint32_t index_for(std::uint32_t count, std::uint32_t direction) {
    return count * 8 + (direction == RACOON_DIR_IN ? 0 : direction == RACOON_DIR_OUT ? 1 : 2);
}

}  // namespace racoon::kernel_userspace
