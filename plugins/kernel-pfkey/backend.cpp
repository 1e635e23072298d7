#include "backend.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace racoon::kernel_pfkey {
namespace {

using namespace pfkey;
using sdk::refuse_errno;
using sdk::status_of_errno;

constexpr std::size_t kMaxSas = 1u << 20;
constexpr std::size_t kMaxPolicies = 1u << 18;

racoon_kernel_alg algorithm(const char* name, std::uint32_t number, std::uint32_t key_size,
                            std::uint32_t icv_bits) {
    racoon_kernel_alg a{};
    std::strncpy(a.name, name, sizeof(a.name) - 1);
    a.pfkey_id = number;
    a.key_size = key_size;
    a.icv_bits = icv_bits;
    for (std::uint32_t i = 0; i < key_size; ++i) a.key[i] = static_cast<std::uint8_t>(i * 7 + 1);
    return a;
}

/// Its request ids are the kernel's own.
bool is_foreign(std::uint32_t policy_id) {
    return policy_id >= RACOON_FOREIGN_POLICY_FIRST && policy_id <= RACOON_FOREIGN_POLICY_LAST;
}

bool wants_fwd(const racoon_kernel_policy& p) {
    return native_dialect().forward && p.direction == RACOON_DIR_IN &&
           p.action == RACOON_POLICY_IPSEC && p.templates[0].mode == RACOON_MODE_TUNNEL;
}

}  // namespace

Backend::SaKey Backend::key_of(const racoon_addr& dst, std::uint32_t protocol, std::uint32_t spi) {
    SaKey key{};
    key[0] = dst.family;
    key[1] = static_cast<std::uint8_t>(protocol);
    for (std::size_t i = 0; i < 4; ++i) key[2 + i] = static_cast<std::uint8_t>(spi >> (24 - 8 * i));
    std::memcpy(key.data() + 6, dst.bytes, dst.family == 4 ? 4 : 16);
    return key;
}

// ---- what this kernel can do

int Backend::try_sa(std::uint8_t family, std::uint32_t protocol, std::uint32_t flags) {
    racoon_kernel_sa sa{};
    sa.flags = flags;
    if ((flags & RACOON_SA_UDP_ENCAP) != 0) sa.src.port = sa.dst.port = 4500;
    sa.protocol = protocol;
    if (protocol == RACOON_IPPROTO_ESP) sa.enc = algorithm("aes", 12, 16, 0);
    if (protocol == RACOON_IPPROTO_COMP)
        sa.enc = algorithm("deflate", 2, 0, 0);
    else
        sa.auth = algorithm("hmac_sha1", 3, 20, 96);
    return try_sa(family, sa);
}

bool Backend::try_combined() {
    if (!requests_.dialect().aead) return false;
    racoon_kernel_sa sa{};
    sa.protocol = RACOON_IPPROTO_ESP;
    sa.is_aead = 1;
    sa.enc = algorithm("aes_gcm_16", 20, 20, 128);
    return try_sa(4, sa) == 0;
}

// Between addresses of documentation (RFC 5737, RFC 3849), so that no packet can meet it.
int Backend::try_sa(std::uint8_t family, racoon_kernel_sa sa) {
    sa.struct_size = sizeof(sa);
    sa.direction = RACOON_DIR_OUT;
    sa.mode = RACOON_MODE_TUNNEL;
    sa.src.family = sa.dst.family = family;
    const std::uint8_t v4[] = {192, 0, 2, 1};
    const std::uint8_t v6[] = {0x20, 0x01, 0x0d, 0xb8};
    std::memcpy(sa.src.bytes, family == 4 ? v4 : v6, 4);
    std::memcpy(sa.dst.bytes, family == 4 ? v4 : v6, 4);
    sa.dst.bytes[family == 4 ? 3 : 15] = 2;
    sa.spi = sa.protocol == RACOON_IPPROTO_COMP ? 0x7261 : 0x72616b00;  // "ra", "rak"
    racoon_kernel_sa_id id{};
    id.protocol = sa.protocol;
    id.src = sa.src;
    id.dst = sa.dst;
    int error = EEXIST;
    // Another racoon may be trying at this moment.
    for (int attempt = 0; attempt < 16 && error == EEXIST; ++attempt, ++sa.spi) {
        Message m = sa_message(kAdd, sa, 0, requests_.dialect());
        id.spi = sa.spi;
        error = requests_.transact(m);
    }
    if (error != 0) return error;
    Message away = name_sa(kDelete, id);
    return requests_.transact(away);
}

racoon_status Backend::probe(racoon_error* err) {
    const bool own = !opened_;
    int error = own ? requests_.open() : 0;
    if (error == EAFNOSUPPORT || error == EPROTONOSUPPORT)
        return sdk::fail(err, RACOON_NOT_SUPPORTED,
                         "this kernel has no PF_KEY: CONFIG_NET_KEY (module af_key)", error);
    if (error == EPERM || error == EACCES)
        return sdk::fail(err, RACOON_NOT_SUPPORTED, "no permission to use PF_KEY: CAP_NET_ADMIN",
                         error);
    if (error != 0) return refuse_errno(err, "PF_KEY socket", error);
    error = try_sa(4, RACOON_IPPROTO_ESP);
    if (own) requests_.close();
    if (error == 0) return RACOON_OK;
    const char* text = "the kernel refuses an ESP SA";
    if (error == EPROTONOSUPPORT) text = "this kernel has no ESP: CONFIG_INET_ESP";
    if (error == ENOSYS || error == ENOENT)
        text =
            "this kernel lacks AES-CBC or HMAC-SHA1: CONFIG_CRYPTO_AES, _CBC, _HMAC, _SHA1, "
            "_AUTHENC";
    if (error == EPERM || error == EACCES) text = "no permission to use PF_KEY: CAP_NET_ADMIN";
    return sdk::fail(err, RACOON_NOT_SUPPORTED, text, error);
}

void Backend::capabilities(racoon_kernel_caps* out) {
    out->max_replay_window = requests_.dialect().max_window;
    if (!capabilities_) {
        const bool own = !opened_;
        if (own && requests_.open() != 0) {
            out->max_replay_window = 0;
            return;
        }
        std::uint64_t flags =
            RACOON_CAP_TRANSPORT_MODE | RACOON_CAP_BYTE_LIFETIME | RACOON_CAP_EVENT_BUFFER;
        if (requests_.dialect().forward) flags |= RACOON_CAP_FWD_POLICY;
        if (try_sa(6, RACOON_IPPROTO_ESP) == 0) flags |= RACOON_CAP_IPV6;
        if (try_sa(4, RACOON_IPPROTO_AH) == 0) flags |= RACOON_CAP_AH;
        if (try_sa(4, RACOON_IPPROTO_COMP) == 0) flags |= RACOON_CAP_IPCOMP;
        if (requests_.dialect().hmac_sha256_bits == 128) flags |= RACOON_CAP_TRUNC_128;
        if (try_combined()) flags |= RACOON_CAP_AEAD;
        if (requests_.dialect().udp_encap != 0 &&
            try_sa(4, RACOON_IPPROTO_ESP, RACOON_SA_UDP_ENCAP) == 0)
            flags |= RACOON_CAP_UDP_ENCAP;
        if ((flags & RACOON_CAP_UDP_ENCAP) != 0 && takes_non_ike())
            flags |= RACOON_CAP_NON_IKE_MARKER;
        if (own) requests_.close();
        capabilities_ = flags;
    }
    out->flags = *capabilities_;
}

racoon_status Backend::supports(const racoon_kernel_sa& asked, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    const std::string lack = cannot(asked, requests_.dialect());
    if (!lack.empty()) return sdk::fail(err, RACOON_NOT_SUPPORTED, lack);
    racoon_kernel_sa sa = asked;
    const bool integrity = sa.auth.name[0] != '\0';
    const std::string name = integrity ? sa.auth.name : sa.enc.name;
    // The other half is what probe() found.
    if (sa.protocol == RACOON_IPPROTO_ESP && sa.is_aead == 0) {
        if (integrity)
            sa.enc = algorithm("aes", 12, 16, 0);
        else
            sa.auth = algorithm("hmac_sha1", 3, 20, 96);
    }
    // A real key, for ciphers that refuse degenerate ones.
    for (racoon_kernel_alg* alg : {&sa.enc, &sa.auth})
        for (std::uint32_t i = 0; i < alg->key_size; ++i)
            alg->key[i] = static_cast<std::uint8_t>(i * 7 + 1);
    const int error = try_sa(4, sa);
    if (error == 0) return RACOON_OK;
    return sdk::fail(
        err, RACOON_NOT_SUPPORTED,
        "the kernel has no " + name + " for it (" + std::string(std::strerror(error)) + ")", error);
}

// ---- opening and closing

racoon_status Backend::open(const racoon_kernel_events& events, racoon_error* err) {
    if (opened_) return sdk::fail(err, RACOON_STATE, "the backend is open already");
    const auto refuse = [&](racoon_status status, const std::string& text, int error = 0) {
        requests_.close();
        event_socket_.close();
        journal_.close();
        return sdk::fail(err, status, text, error);
    };
    int error = requests_.open(events.event_buffer);
    if (error == 0) error = event_socket_.open(events.event_buffer);
    if (error != 0)
        return refuse(status_of_errno(error), std::string("PF_KEY socket: ") + std::strerror(error),
                      error);
    std::vector<std::string> leftovers;
    std::string text;
    const sdk::Journal::Opened journal = journal_.open(settings_.journal, &leftovers, &text);
    if (journal == sdk::Journal::Opened::InUse) return refuse(RACOON_BUSY, text);
    if (journal == sdk::Journal::Opened::No)
        log(RACOON_LOG_WARNING, "no journal, so a crash would leave SAs behind: " + text);
    remove_leftovers(leftovers);
    stale_larvals_ = read_larvals();
    keep_.clear();
    // Acquires come to those who registered for the protocol. One that the kernel lacks is no failure.
    int registered = 0;
    for (const std::uint8_t satype : {kSaEsp, kSaAh, kSaIpComp}) {
        Message m;
        m.type = kRegister;
        m.satype = satype;
        error = event_socket_.transact(m);
        if (error == 0) ++registered;
    }
    if (registered == 0)
        return refuse(status_of_errno(error),
                      std::string("PF_KEY registers no protocol: ") + std::strerror(error), error);
    events_ = events;
    const auto callback = [](void* arg, std::uint32_t) noexcept {
        static_cast<Backend*>(arg)->on_readable();
    };
    const racoon_status status = host_.fd->watch(host_.host->ctx, event_socket_.fd(),
                                                 RACOON_FD_READ, callback, this, &watch_);
    if (status != RACOON_OK) return refuse(status, "the event socket cannot be watched");
    if (!larval_lifetime_.raise(settings_.larval_lifetime_s, journal_, &text))
        log(RACOON_LOG_INFO, std::string(sdk::LarvalLifetime::kSetting) + " stays at " + text +
                                 " s; an SA whose SPI has died by then is added anew");
    acquires_.live_for(larval_lifetime_.seconds());
    opened_ = true;
    return RACOON_OK;
}

void Backend::close() {
    if (!opened_) return;
    opened_ = false;
    host_.fd->unwatch(host_.host->ctx, watch_);
    event_socket_.close();
    for (auto& [id, p] : policies_) {
        remove_policy(p, p.policy.direction);
        if (p.fwd_index != 0) remove_policy(p, RACOON_DIR_FWD);
        give_back_reqids(p);
    }
    policies_.clear();
    by_index_.clear();
    foreign_.forget();
    while (!sas_.empty()) {
        Message m = name_sa(kDelete, sas_.begin()->second.id);
        requests_.transact(m);
        forget(sas_.begin());
    }
    while (acquires_.first() != 0) acquire_done(acquires_.first(), RACOON_CANCELLED);
    larval_lifetime_.lower(journal_);
    journal_.close();
    requests_.close();
}

// Only what is still what we had written down: an SPI or a selector may belong to somebody else now.
void Backend::remove_leftovers(const std::vector<std::string>& entries) {
    std::size_t removed = 0;
    for (const std::string& entry : entries) {
        if (sdk::LarvalLifetime::recover(entry)) {
            journal_.remove(entry);
            continue;
        }
        racoon_kernel_sa_id id{};
        racoon_kernel_policy policy{};
        std::uint32_t reqid = 0;
        bool ours = false;
        if (sdk::parse_sa_entry(entry, &id, &reqid)) {
            Message question = name_sa(kGet, id);
            requests_.transact(question, [&](const Message& m) {
                ours = m.sa2 && m.sa2->reqid == reqid && m.src &&
                       sdk::same_address(m.src->addr, id.src);
            });
            const auto kept = keep_.find(key_of(id.dst, id.protocol, id.spi));
            if (ours && kept != keep_.end() && sdk::same_address(kept->second.id.src, id.src)) {
                Sa taken = kept->second;
                if (taken.reqid != 0) taken.kernel_reqid = reqids_.take(taken.reqid);
                if (taken.kernel_reqid == reqid) {
                    sas_[kept->first] = taken;
                    continue;  // it stays in the journal, too
                }
                reqids_.give_back(taken.reqid);
            }
            Message away = name_sa(kDelete, id);
            if (ours && requests_.transact(away) == 0) ++removed;
        } else if (sdk::parse_policy_entry(entry, &policy)) {
            const std::uint32_t wanted = policy.templates[0].reqid;
            // PF_KEY looks policies up by number alone; they are searched.
            const Message named = policy_message(kSpdDelete, policy, policy.direction, nullptr);
            Message question;
            question.type = kSpdDump;
            requests_.transact(question, [&](const Message& m) {
                const pfkey::Policy* p = m.policy();
                if (p == nullptr || p->dir != policy.direction || !m.src || !m.dst) return;
                const std::uint32_t has = p->requests.empty() ? 0 : p->requests[0].reqid;
                ours = ours ||
                       (p->priority == named.policies[0].priority && has == wanted &&
                        sdk::same_address(m.src->addr, named.src->addr) &&
                        sdk::same_address(m.dst->addr, named.dst->addr) &&
                        m.src->prefix == named.src->prefix && m.dst->prefix == named.dst->prefix);
            });
            Message away = named;
            if (ours && requests_.transact(away) == 0) ++removed;
        }
        journal_.remove(entry);
    }
    if (removed != 0)
        log(RACOON_LOG_NOTIFY, "removed " + std::to_string(removed) +
                                   " SAs and policies that an earlier run had left");
}

racoon_status Backend::bind_socket(std::int32_t fd, std::uint32_t family, racoon_error* err) {
    const Dialect& d = requests_.dialect();
    for (const std::uint8_t direction : {kDirIn, kDirOut}) {
        Message m;
        pfkey::Policy policy;
        policy.type = kPolicyBypass;
        policy.dir = direction;
        m.policies.push_back(policy);
        const std::vector<std::uint8_t> bytes = encode(m, d);
        if (::setsockopt(fd, family == 4 ? IPPROTO_IP : IPPROTO_IPV6,
                         family == 4 ? d.ip_policy : d.ipv6_policy, bytes.data() + kHeaderSize,
                         static_cast<socklen_t>(bytes.size() - kHeaderSize)) != 0)
            return refuse_errno(err, "bypass policy of an IKE socket", errno);
    }
    return RACOON_OK;
}

// ---- SAs

racoon_status Backend::spi_get(const racoon_kernel_spi_request& r, racoon_op,
                               racoon_kernel_spi_result* out, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    const bool any = r.min_spi == 0 && r.max_spi == 0;
    const bool family_known = r.dst.family == 4 || r.dst.family == 6;
    if (!family_known || r.src.family != r.dst.family || (!any && r.min_spi == 0) ||
        r.min_spi > r.max_spi)
        return sdk::fail(err, RACOON_INVALID_ARGUMENT,
                         "SPI request with malformed addresses or range");
    if (sas_.size() >= kMaxSas) return sdk::fail(err, RACOON_NO_MEMORY, "too many SAs");
    const std::uint32_t own_reqid = is_foreign(r.policy_id) ? 0 : r.reqid;
    const std::uint32_t reqid = is_foreign(r.policy_id) ? r.reqid : reqids_.take(r.reqid);
    if (reqid == 0 && r.reqid != 0)
        return sdk::fail(err, RACOON_NO_MEMORY, "PF_KEY has no request id left");
    racoon_kernel_spi_request asked = r;
    if (any) {
        asked.min_spi = 0x100;
        asked.max_spi = 0x0fffffff;
    }
    std::uint32_t spi = 0;
    Message m = spi_message(asked, reqid);
    const int error = requests_.transact(m, [&](const Message& answer) {
        if (answer.sa) spi = answer.sa->spi;
    });
    if (error != 0 || spi == 0) {
        reqids_.give_back(own_reqid);
        if (error != 0) return refuse_errno(err, "SPI allocation", error);
        return sdk::fail(err, RACOON_INTERNAL, "the kernel gave no SPI");
    }
    Sa sa;
    sa.id.struct_size = sizeof(sa.id);
    sa.id.protocol = r.protocol;
    sa.id.spi = spi;
    sa.id.src = r.src;
    sa.id.dst = r.dst;
    sa.direction = RACOON_DIR_IN;
    sa.mode = r.mode;
    sa.reqid = own_reqid;
    sa.kernel_reqid = reqid;
    sas_[key_of(r.dst, r.protocol, spi)] = sa;
    journal_.add(sdk::sa_entry(sa.id, sa.kernel_reqid));
    out->spi = spi;
    return RACOON_OK;
}

Backend::Sa Backend::entry_of(const racoon_kernel_sa& sa) {
    Sa entry;
    entry.id.struct_size = sizeof(entry.id);
    entry.id.protocol = sa.protocol;
    entry.id.spi = sa.spi;
    entry.id.src = sa.src;
    entry.id.dst = sa.dst;
    entry.state = 1;
    entry.direction = sa.direction;
    entry.mode = sa.mode;
    entry.reqid = is_foreign(sa.policy_id) ? 0 : sa.reqid;
    if (entry.reqid == 0) entry.kernel_reqid = sa.reqid;
    entry.policy_id = sa.policy_id;
    return entry;
}

racoon_status Backend::keep(const racoon_kernel_sa& sa, racoon_error* err) {
    if (opened_) return sdk::fail(err, RACOON_STATE, "the backend is open already");
    if (keep_.size() < kMaxSas) keep_[key_of(sa.dst, sa.protocol, sa.spi)] = entry_of(sa);
    return RACOON_OK;
}

racoon_status Backend::install(std::uint8_t type, const racoon_kernel_sa& sa, racoon_error* err) {
    const std::string lack = cannot(sa, requests_.dialect());
    if (!lack.empty()) return sdk::fail(err, RACOON_NOT_SUPPORTED, lack);
    if (sa.sequence != 0)
        return sdk::fail(err, RACOON_NOT_SUPPORTED,
                         "PF_KEY cannot say where the sequence numbers of an SA begin");
    if (sas_.size() >= kMaxSas) return sdk::fail(err, RACOON_NO_MEMORY, "too many SAs");
    Sa entry = entry_of(sa);
    if (entry.reqid != 0) entry.kernel_reqid = reqids_.take(entry.reqid);
    if (entry.kernel_reqid == 0 && sa.reqid != 0)
        return sdk::fail(err, RACOON_NO_MEMORY, "PF_KEY has no request id left");
    const std::string line = sdk::sa_entry(entry.id, entry.kernel_reqid);
    const SaKey key = key_of(sa.dst, sa.protocol, sa.spi);
    journal_.add(line);
    Message m = sa_message(type, sa, entry.kernel_reqid, requests_.dialect());
    int error = requests_.transact(m);
    if (error == ESRCH && type == kUpdate) {
        // The larval SA has died of age meanwhile.
        m.type = kAdd;
        m.seq = 0;
        error = requests_.transact(m);
    }
    wipe(m);
    if (error != 0) {
        if (sas_.count(key) == 0) journal_.remove(line);
        reqids_.give_back(entry.reqid);
        return refuse_errno(err, "SA " + std::string(sa.enc.name) + " " + sa.auth.name, error);
    }
    const auto before = sas_.find(key);
    if (before != sas_.end()) {
        const std::string old = sdk::sa_entry(before->second.id, before->second.kernel_reqid);
        if (old != line) journal_.remove(old);
        reqids_.give_back(before->second.reqid);
    }
    sas_[key] = entry;
    return RACOON_OK;
}

racoon_status Backend::sa_update(const racoon_kernel_sa& sa, racoon_op, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    racoon_status valid = sdk::check_sa(sa, err);
    if (valid == RACOON_OK) valid = sdk::refuse_marks(sa, err);
    if (valid != RACOON_OK) return valid;
    const auto at = sas_.find(key_of(sa.dst, sa.protocol, sa.spi));
    if (at != sas_.end() && at->second.state != 0)
        return sdk::fail(err, RACOON_STATE, "the SA is complete already");
    return install(at != sas_.end() ? kUpdate : kAdd, sa, err);
}

racoon_status Backend::sa_add(const racoon_kernel_sa& sa, racoon_op, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    racoon_status valid = sdk::check_sa(sa, err);
    if (valid == RACOON_OK) valid = sdk::refuse_marks(sa, err);
    if (valid != RACOON_OK) return valid;
    if (sas_.count(key_of(sa.dst, sa.protocol, sa.spi)) != 0)
        return sdk::fail(err, RACOON_STATE, "an SA with this SPI exists");
    return install(kAdd, sa, err);
}

void Backend::forget(std::map<SaKey, Sa>::iterator at) {
    journal_.remove(sdk::sa_entry(at->second.id, at->second.kernel_reqid));
    reqids_.give_back(at->second.reqid);
    sas_.erase(at);
}

racoon_status Backend::sa_delete(const racoon_kernel_sa_id& id, racoon_op, racoon_error* err) {
    const auto at = sas_.find(key_of(id.dst, id.protocol, id.spi));
    if (at == sas_.end()) return sdk::fail(err, RACOON_NOT_FOUND, "no such SA of ours");
    Message m = name_sa(kDelete, at->second.id);
    const int error = requests_.transact(m);
    if (error != 0 && error != ESRCH) return refuse_errno(err, "deleting an SA", error);
    forget(at);
    return RACOON_OK;
}

racoon_status Backend::sa_query(const racoon_kernel_sa_id& id, racoon_op,
                                racoon_kernel_sa_info* out, racoon_error* err) {
    const auto at = sas_.find(key_of(id.dst, id.protocol, id.spi));
    if (at == sas_.end()) return sdk::fail(err, RACOON_NOT_FOUND, "no such SA of ours");
    Sa& sa = at->second;
    racoon_kernel_sa_info info{};
    Message m = name_sa(kGet, sa.id);
    const int error =
        requests_.transact(m, [&](const Message& answer) { read_info(answer, &info); });
    if (error != 0) return refuse_errno(err, "asking for an SA", error);
    info.struct_size = sizeof(info);
    info.state = sa.state;
    info.direction = sa.direction;
    info.reqid = sa.reqid != 0 ? sa.reqid : sa.kernel_reqid;
    if (info.packets != 0 && host_.clock != nullptr) {
        if (info.packets != sa.seen_packets) {
            sa.seen_packets = info.packets;
            sa.seen_ns = host_.now_ns();
        }
        info.idle_ns = host_.now_ns() - sa.seen_ns;
    }
    *out = info;
    return RACOON_OK;
}

racoon_status Backend::sa_dump(EachSa each, void* arg, racoon_error*) {
    std::vector<racoon_kernel_sa_id> ids;
    ids.reserve(sas_.size());
    for (const auto& [key, sa] : sas_) ids.push_back(sa.id);
    for (const racoon_kernel_sa_id& id : ids) {
        racoon_kernel_sa_info info{};
        // One that has just gone is reported by its event.
        if (sa_query(id, 0, &info, nullptr) == RACOON_OK) each(arg, &info);
    }
    return RACOON_OK;
}

// ---- policies

bool Backend::take_reqids(Policy& p) {
    for (std::uint32_t i = 0; i < p.policy.template_count; ++i) {
        const std::uint32_t wanted = p.policy.templates[i].reqid;
        p.reqids[i] = reqids_.take(wanted);
        if (p.reqids[i] != 0 || wanted == 0) continue;
        while (i-- != 0) reqids_.give_back(p.policy.templates[i].reqid);
        return false;
    }
    return true;
}

void Backend::give_back_reqids(const Policy& p) {
    for (std::uint32_t i = 0; i < p.policy.template_count; ++i)
        reqids_.give_back(p.policy.templates[i].reqid);
}

std::string Backend::entry_of(const Policy& p, std::uint32_t direction) const {
    racoon_kernel_policy as_installed = p.policy;
    as_installed.templates[0].reqid = p.reqids[0];
    return sdk::policy_entry(as_installed, direction);
}

int Backend::add_policy(const Policy& p, std::uint32_t direction, std::uint32_t* index) {
    const std::string line = entry_of(p, direction);
    journal_.add(line);
    Message m = policy_message(kSpdAdd, p.policy, direction, p.reqids.data());
    const int error = requests_.transact(m, [&](const Message& answer) {
        if (answer.policy() != nullptr) *index = answer.policy()->id;
    });
    if (error != 0) journal_.remove(line);
    return error;
}

int Backend::replace_policy(const Policy& old, const Policy& p, std::uint32_t direction,
                            std::uint32_t* index) {
    const std::string was = entry_of(old, direction);
    const std::string line = entry_of(p, direction);
    journal_.add(line);
    Message m = policy_message(kSpdUpdate, p.policy, direction, p.reqids.data());
    const int error = requests_.transact(m, [&](const Message& answer) {
        if (answer.policy() != nullptr) *index = answer.policy()->id;
    });
    if (line != was) journal_.remove(error == 0 ? was : line);
    return error;
}

int Backend::remove_policy(const Policy& p, std::uint32_t direction) {
    Message m = policy_message(kSpdDelete, p.policy, direction, p.reqids.data());
    const int error = requests_.transact(m);
    if (error != 0 && error != ENOENT && error != ESRCH) return error;
    journal_.remove(entry_of(p, direction));
    return 0;
}

// The inbound policy whose companion has this selector.
Backend::Policy* Backend::same_fwd(const racoon_kernel_policy& policy, std::uint32_t direction) {
    for (auto& [id, p] : policies_) {
        if (p.policy.direction == direction && id != policy.id &&
            sdk::same_selector(p.policy.selector, policy.selector))
            return &p;
    }
    return nullptr;
}

racoon_status Backend::policy_add(const racoon_kernel_policy& policy, racoon_op,
                                  racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    racoon_status valid = sdk::check_policy(policy, err);
    if (valid == RACOON_OK) valid = sdk::refuse_marks(policy, err);
    if (valid != RACOON_OK) return valid;
    if (policies_.count(policy.id) != 0) return sdk::fail(err, RACOON_STATE, "the policy exists");
    if (policies_.size() >= kMaxPolicies)
        return sdk::fail(err, RACOON_NO_MEMORY, "too many policies");
    if (policy.direction == RACOON_DIR_FWD && !requests_.dialect().forward)
        return sdk::fail(err, RACOON_NOT_SUPPORTED, "this system has no fwd policies");
    // Forwarded packets are checked by a direction of their own. Whoever says only "in" means them
    // too; an explicit fwd policy takes the companion's place.
    if (policy.direction == RACOON_DIR_FWD) {
        Policy* in = same_fwd(policy, RACOON_DIR_IN);
        if (in != nullptr && in->fwd_index != 0) {
            remove_policy(*in, RACOON_DIR_FWD);
            by_index_.erase(in->fwd_index);
            in->fwd_index = 0;
        }
    }
    Policy entry;
    entry.policy = policy;
    if (!take_reqids(entry))
        return sdk::fail(err, RACOON_NO_MEMORY, "PF_KEY has no request id left");
    const int error = add_policy(entry, policy.direction, &entry.index);
    if (error != 0) {
        give_back_reqids(entry);
        if (error == EEXIST)
            return sdk::fail(err, RACOON_STATE, "the kernel has a policy with this selector",
                             error);
        return refuse_errno(err, "policy", error);
    }
    end_stale_larvals(entry.policy, entry.reqids.data());
    add_companion(&entry);
    return hold(entry);
}

void Backend::add_companion(Policy* in) {
    if (!wants_fwd(in->policy) || same_fwd(in->policy, RACOON_DIR_FWD) != nullptr) return;
    const int error = add_policy(*in, RACOON_DIR_FWD, &in->fwd_index);
    if (error != 0)
        log(RACOON_LOG_NOTIFY,
            std::string("no fwd policy beside an inbound one: ") + std::strerror(error));
}

racoon_status Backend::hold(const Policy& entry) {
    by_index_[entry.index] = entry.policy.id;
    if (entry.fwd_index != 0) by_index_[entry.fwd_index] = entry.policy.id;
    policies_[entry.policy.id] = entry;
    return RACOON_OK;
}

racoon_status Backend::policy_update(std::uint32_t old_id, const racoon_kernel_policy& policy,
                                     racoon_op, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    racoon_status valid = sdk::check_policy(policy, err);
    if (valid == RACOON_OK) valid = sdk::refuse_marks(policy, err);
    if (valid != RACOON_OK) return valid;
    const auto at = policies_.find(old_id);
    if (at == policies_.end()) return sdk::fail(err, RACOON_NOT_FOUND, "no such policy of ours");
    if (!sdk::same_place(at->second.policy, policy))
        return sdk::fail(err, RACOON_INVALID_ARGUMENT, "the policy is for other traffic");
    if (policy.id != old_id && policies_.count(policy.id) != 0)
        return sdk::fail(err, RACOON_STATE, "the policy exists");
    const Policy old = at->second;
    Policy entry;
    entry.policy = policy;
    if (!take_reqids(entry))
        return sdk::fail(err, RACOON_NO_MEMORY, "PF_KEY has no request id left");
    const int error = replace_policy(old, entry, policy.direction, &entry.index);
    if (error != 0) {
        give_back_reqids(entry);
        return refuse_errno(err, "policy", error);
    }
    policies_.erase(at);
    by_index_.erase(old.index);
    by_index_.erase(old.fwd_index);
    if (old.fwd_index == 0) {
        add_companion(&entry);
    } else if (!wants_fwd(policy)) {
        remove_policy(old, RACOON_DIR_FWD);
    } else if (replace_policy(old, entry, RACOON_DIR_FWD, &entry.fwd_index) != 0) {
        entry.fwd_index = 0;
        remove_policy(old, RACOON_DIR_FWD);
        add_companion(&entry);  // which tells why not
    }
    give_back_reqids(old);
    return hold(entry);
}

racoon_status Backend::policy_delete(std::uint32_t policy_id, racoon_op, racoon_error* err) {
    const auto at = policies_.find(policy_id);
    if (at == policies_.end()) return sdk::fail(err, RACOON_NOT_FOUND, "no such policy of ours");
    const Policy gone = at->second;
    int error = remove_policy(gone, gone.policy.direction);
    if (error == 0 && gone.fwd_index != 0) error = remove_policy(gone, RACOON_DIR_FWD);
    if (error != 0) return refuse_errno(err, "deleting a policy", error);
    policies_.erase(at);
    by_index_.erase(gone.index);
    by_index_.erase(gone.fwd_index);
    give_back_reqids(gone);
    if (gone.policy.direction == RACOON_DIR_FWD) {
        Policy* in = same_fwd(gone.policy, RACOON_DIR_IN);
        if (in != nullptr && wants_fwd(in->policy) &&
            add_policy(*in, RACOON_DIR_FWD, &in->fwd_index) == 0)
            by_index_[in->fwd_index] = in->policy.id;
    }
    return RACOON_OK;
}

racoon_status Backend::policy_dump(EachPolicy each, void* arg, racoon_error*) {
    const std::map<std::uint32_t, Policy> all = policies_;
    for (const auto& [id, p] : all) each(arg, &p.policy);
    return RACOON_OK;
}

// ---- acquires

// The kernel would keep a larval SA that it was told of an error for until it dies of age, and refuse the
// traffic meanwhile. GETSPI with the acquire's number gives it an SPI instead; deleting that lets the next
// packet acquire at once.
racoon_status Backend::acquire_done(std::uint64_t token, racoon_status) {
    const std::optional<Acquire> acquire = acquires_.take(token);
    return acquire ? status_of_errno(end_larval(acquire->larval)) : racoon_status{RACOON_NOT_FOUND};
}

int Backend::end_larval(Message m) {
    std::uint32_t spi = 0;
    const int error = requests_.transact(m, [&](const Message& answer) {
        if (answer.sa) spi = answer.sa->spi;
    });
    if (error != 0 || spi == 0) return error == 0 ? EIO : error;
    racoon_kernel_sa_id id{};
    id.protocol = protocol_of(m.satype);
    id.spi = spi;
    id.src = m.src->addr;
    id.dst = m.dst->addr;
    Message away = name_sa(kDelete, id);
    return requests_.transact(away);
}

}  // namespace racoon::kernel_pfkey
