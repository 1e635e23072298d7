#include "backend.hpp"

#include <errno.h>
#include <fcntl.h>
#include <linux/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>
#include <vector>

namespace racoon::kernel_xfrm {
namespace {

constexpr std::size_t kMaxSas = 1u << 20;
constexpr std::size_t kMaxPolicies = 1u << 18;
constexpr int kIpXfrmPolicy = 17;    // IP_XFRM_POLICY of <linux/in.h>
constexpr int kIpv6XfrmPolicy = 35;  // IPV6_XFRM_POLICY

using sdk::status_of_errno;

racoon_status refuse(racoon_error* err, const std::string& what, int error) {
    return sdk::refuse_errno(err, what, error);
}

racoon_kernel_alg algorithm(const char* name, std::uint32_t key_size, std::uint32_t icv_bits) {
    racoon_kernel_alg a{};
    std::strncpy(a.xfrm_name, name, sizeof(a.xfrm_name) - 1);
    a.key_size = key_size;
    a.icv_bits = icv_bits;
    for (std::uint32_t i = 0; i < key_size; ++i) a.key[i] = static_cast<std::uint8_t>(i * 7 + 1);
    return a;
}

bool wants_fwd(const racoon_kernel_policy& p) {
    return p.direction == RACOON_DIR_IN && p.action == RACOON_POLICY_IPSEC &&
           p.templates[0].mode == RACOON_MODE_TUNNEL;
}

racoon_status refuse_policy(racoon_error* err, const racoon_kernel_policy& policy, int error) {
    if (error == EEXIST)
        return sdk::fail(err, RACOON_STATE, "the kernel has a policy with this selector", error);
    if (error == EINVAL && policy.direction == RACOON_DIR_OUT) {
        for (std::uint32_t i = 0; i < policy.template_count; ++i) {
            const racoon_kernel_template& t = policy.templates[i];
            if (t.mode == RACOON_MODE_TUNNEL && t.level == RACOON_LEVEL_USE) {
                return sdk::fail(err, RACOON_INVALID_ARGUMENT,
                                 "Linux takes no tunnel of level \"use\" in an out policy; write "
                                 "\"require\"",
                                 error);
            }
        }
    }
    return refuse(err, "policy", error);
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

int Backend::try_sa(std::uint8_t family, std::uint32_t protocol, bool aead, std::uint32_t flags) {
    racoon_kernel_sa sa{};
    sa.flags = flags;
    sa.protocol = protocol;
    sa.is_aead = aead ? 1 : 0;
    sa.enc = aead ? algorithm("rfc4106(gcm(aes))", 20, 128) : algorithm("cbc(aes)", 16, 0);
    if (!aead) sa.auth = algorithm("hmac(sha256)", 32, 128);
    return try_sa(family, sa);
}

int Backend::try_compression() {
    racoon_kernel_sa sa{};
    sa.protocol = RACOON_IPPROTO_COMP;
    sa.enc = algorithm("deflate", 0, 0);
    sa.spi = 0x7261;  // a CPI has 16 bits
    return try_sa(4, sa);
}

// Between addresses of documentation (RFC 5737, RFC 3849), so that no packet can meet it.
int Backend::try_sa(std::uint8_t family, racoon_kernel_sa sa, std::optional<SaFacts>* facts,
                    const SaForm& form) {
    sa.struct_size = sizeof(sa);
    sa.direction = RACOON_DIR_OUT;
    sa.mode = RACOON_MODE_TUNNEL;
    sa.src.family = sa.dst.family = family;
    const std::uint8_t v4[] = {192, 0, 2, 1};
    const std::uint8_t v6[] = {0x20, 0x01, 0x0d, 0xb8};
    std::memcpy(sa.src.bytes, family == 4 ? v4 : v6, 4);
    std::memcpy(sa.dst.bytes, family == 4 ? v4 : v6, 4);
    sa.dst.bytes[family == 4 ? 3 : 15] = 2;
    if (sa.spi == 0) sa.spi = 0x72616300;  // "rac"
    racoon_kernel_sa_id id{};
    id.protocol = sa.protocol;
    id.dst = sa.dst;
    int error = EEXIST;
    // Another racoon may be trying at this moment.
    for (int attempt = 0; attempt < 16 && error == EEXIST; ++attempt, ++sa.spi) {
        Request request = new_sa(XFRM_MSG_NEWSA, sa, form);
        id.spi = sa.spi;
        error = requests_.transact(request);
    }
    if (error != 0) return error;
    if (facts != nullptr) {
        Request question = get_sa(id, sa.mark);
        requests_.transact(question, [&](const Message& m) { *facts = read_sa(m); });
    }
    Request away = delete_sa(id, sa.mark);
    return requests_.transact(away);
}

// An older kernel takes an SA with attributes that it does not know, and forgets them.
std::uint64_t Backend::try_marks() {
    racoon_kernel_sa sa{};
    sa.protocol = RACOON_IPPROTO_ESP;
    sa.enc = algorithm("cbc(aes)", 16, 0);
    sa.auth = algorithm("hmac(sha256)", 32, 128);
    sa.mark = {0x7261, 0xffff};
    sa.output_mark = {0x63, 0xff};
    sa.if_id = 0x7261;
    std::optional<SaFacts> facts;
    if (try_sa(4, sa, &facts) != 0 || !facts) return 0;
    std::uint64_t flags = 0;
    if (sdk::same_mark(facts->marks.mark, sa.mark) &&
        sdk::same_mark(facts->marks.output_mark, sa.output_mark))
        flags |= RACOON_CAP_MARK;
    if (facts->marks.if_id == sa.if_id) flags |= RACOON_CAP_IF_ID;
    return flags;
}

bool Backend::knows_direction() {
    racoon_kernel_sa sa{};
    sa.protocol = RACOON_IPPROTO_ESP;
    sa.enc = algorithm("cbc(aes)", 16, 0);
    sa.auth = algorithm("hmac(sha256)", 32, 128);
    std::optional<SaFacts> facts;
    return try_sa(4, sa, &facts, SaForm{true}) == 0 && facts && facts->directed;
}

racoon_status Backend::probe(racoon_error* err) {
    const bool own = !opened_;
    int error = own ? requests_.open() : 0;
    if (error == EPROTONOSUPPORT) {
        return sdk::fail(err, RACOON_NOT_SUPPORTED,
                         "this kernel has no XFRM netlink: CONFIG_XFRM_USER", error);
    }
    if (error != 0) return refuse(err, "XFRM netlink socket", error);
    error = try_sa(4, RACOON_IPPROTO_ESP, false);
    if (own) requests_.close();
    if (error == 0) return RACOON_OK;
    const char* text = "the kernel refuses an ESP SA";
    if (error == EPROTONOSUPPORT) text = "this kernel has no ESP: CONFIG_INET_ESP";
    if (error == ENOSYS || error == ENOENT) {
        text =
            "this kernel lacks AES-CBC or HMAC-SHA2-256: CONFIG_CRYPTO_AES, _CBC, _HMAC, _SHA256, "
            "_AUTHENC";
    }
    if (error == EPERM || error == EACCES) text = "no permission to use XFRM: CAP_NET_ADMIN";
    return sdk::fail(err, RACOON_NOT_SUPPORTED, text, error);
}

// Newer kernels have left it out.
bool Backend::takes_non_ike() {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int type = UDP_ENCAP_ESPINUDP_NON_IKE;
    const bool taken =
        fd >= 0 && ::setsockopt(fd, IPPROTO_UDP, UDP_ENCAP, &type, sizeof(type)) == 0;
    if (fd >= 0) ::close(fd);
    return taken;
}

void Backend::capabilities(racoon_kernel_caps* out) {
    out->max_replay_window = XFRMA_REPLAY_ESN_MAX;
    if (!capabilities_) {
        const bool own = !opened_;
        if (own && requests_.open() != 0) {
            requests_.close();
            out->max_replay_window = 0;
            return;
        }
        std::uint64_t flags = RACOON_CAP_UDP_ENCAP | RACOON_CAP_TRANSPORT_MODE |
                              RACOON_CAP_TRUNC_128 | RACOON_CAP_FWD_POLICY |
                              RACOON_CAP_BYTE_LIFETIME;
        // With a cipher and a hash they need an algorithm of their own (authencesn).
        if (try_sa(4, RACOON_IPPROTO_ESP, false, RACOON_SA_ESN) == 0) flags |= RACOON_CAP_ESN;
        if (try_sa(4, RACOON_IPPROTO_ESP, true) == 0) flags |= RACOON_CAP_AEAD;
        if (try_sa(6, RACOON_IPPROTO_ESP, false) == 0) flags |= RACOON_CAP_IPV6;
        if (try_sa(4, RACOON_IPPROTO_AH, false) == 0) flags |= RACOON_CAP_AH;
        if (try_compression() == 0) flags |= RACOON_CAP_IPCOMP;
        flags |= try_marks();
        if (takes_non_ike()) flags |= RACOON_CAP_NON_IKE_MARKER;
        directions_ = knows_direction();
        log(RACOON_LOG_DEBUG, std::string("SA direction: ") + (directions_ ? "yes" : "no"));
        if (own) requests_.close();
        capabilities_ = flags;
    }
    out->flags = *capabilities_;
}

racoon_status Backend::supports(const racoon_kernel_sa& asked, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    racoon_kernel_sa sa = asked;
    const bool integrity = sa.auth.xfrm_name[0] != '\0';
    const racoon_kernel_alg& one = integrity ? sa.auth : sa.enc;
    if (sa.enc.key_size > sizeof(sa.enc.key) || sa.auth.key_size > sizeof(sa.auth.key)) {
        return sdk::fail(err, RACOON_INVALID_ARGUMENT, "a key longer than its field");
    }
    if (one.xfrm_name[0] == '\0') {
        return sdk::fail(err, RACOON_NOT_SUPPORTED,
                         "the module has no name of the kernel's for it");
    }
    // The other half is what probe() found.
    if (sa.is_aead == 0 && sa.protocol == RACOON_IPPROTO_ESP) {
        if (integrity) {
            sa.enc = algorithm("cbc(aes)", 16, 0);
        } else {
            sa.auth = algorithm("hmac(sha256)", 32, 128);
        }
    }
    // A real key, for ciphers that refuse degenerate ones.
    for (racoon_kernel_alg* alg : {&sa.enc, &sa.auth}) {
        for (std::uint32_t i = 0; i < alg->key_size && i < sizeof(alg->key); ++i) {
            alg->key[i] = static_cast<std::uint8_t>(i * 7 + 1);
        }
    }
    const int error = try_sa(4, sa);
    if (error == 0) return RACOON_OK;
    return sdk::fail(err, RACOON_NOT_SUPPORTED,
                     "the kernel has no " + std::string(one.xfrm_name) + " for it (" +
                         std::strerror(error) + ")",
                     error);
}

// ---- opening and closing

racoon_status Backend::open(const racoon_kernel_events& events, racoon_error* err) {
    if (opened_) return sdk::fail(err, RACOON_STATE, "the backend is open already");
    int error = requests_.open();
    if (error == 0) error = event_socket_.open();
    if (error != 0) {
        requests_.close();
        event_socket_.close();
        return refuse(err, "XFRM netlink socket", error);
    }
    std::vector<std::string> leftovers;
    std::string text;
    const sdk::Journal::Opened journal = journal_.open(settings_.journal, &leftovers, &text);
    if (journal == sdk::Journal::Opened::InUse) {
        requests_.close();
        event_socket_.close();
        return sdk::fail(err, RACOON_BUSY, text);
    }
    if (journal == sdk::Journal::Opened::No) {
        log(RACOON_LOG_WARNING, "no journal, so a crash would leave SAs behind: " + text);
    }
    remove_leftovers(leftovers);
    stale_larvals_ = read_larvals();
    keep_.clear();
    events_ = events;
    const auto callback = [](void* arg, std::uint32_t) noexcept {
        static_cast<Backend*>(arg)->on_readable();
    };
    const racoon_status status = host_.fd->watch(host_.host->ctx, event_socket_.fd(),
                                                 RACOON_FD_READ, callback, this, &watch_);
    if (status != RACOON_OK) {
        requests_.close();
        event_socket_.close();
        journal_.close();
        return sdk::fail(err, status, "the event socket cannot be watched");
    }
    std::string left;
    if (!larval_lifetime_.raise(settings_.larval_lifetime_s, journal_, &left)) {
        log(RACOON_LOG_INFO, std::string(sdk::LarvalLifetime::kSetting) + " stays at " + left +
                                 " s; an SA whose SPI has died by then is added anew");
    }
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
        remove_policy(p.policy, p.policy.direction);
        if (p.fwd_index != 0) remove_policy(p.policy, RACOON_DIR_FWD);
    }
    while (!sas_.empty()) {
        delete_in_kernel(sas_.begin()->second);
        forget(sas_.begin());
    }
    while (acquires_.first() != 0) acquire_done(acquires_.first(), RACOON_CANCELLED);
    policies_.clear();
    by_index_.clear();
    foreign_.forget();
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
        racoon_kernel_mark mark{};
        if (sdk::parse_sa_entry(entry, &id, &reqid, &mark)) {
            bool ours = false;
            Marks marks;
            Request question = get_sa(id, mark);
            requests_.transact(question, [&](const Message& m) {
                const auto facts = read_sa(m);
                ours = facts && facts->info.reqid == reqid &&
                       sdk::same_address(facts->info.src, id.src) &&
                       sdk::same_mark(facts->marks.mark, mark);
                if (facts) marks = facts->marks;
            });
            const auto kept = keep_.find(key_of(id.dst, id.protocol, id.spi));
            if (ours && kept != keep_.end() && kept->second.reqid == reqid &&
                sdk::same_address(kept->second.id.src, id.src) &&
                sdk::same_mark(kept->second.mark, mark) && kept->second.if_id == marks.if_id) {
                sas_.insert(*kept);
                continue;  // it stays in the journal, too
            }
            Request away = delete_sa(id, mark);
            if (ours && requests_.transact(away) == 0) ++removed;
        } else if (sdk::parse_policy_entry(entry, &policy)) {
            const auto facts = look_up_policy(policy, policy.direction);
            const bool ours = facts && facts->reqid == policy.templates[0].reqid &&
                              facts->priority == kernel_priority(policy.priority);
            Request away = name_policy(XFRM_MSG_DELPOLICY, policy, policy.direction);
            if (ours && requests_.transact(away) == 0) ++removed;
        }
        journal_.remove(entry);
    }
    if (removed != 0) {
        log(RACOON_LOG_NOTIFY, "removed " + std::to_string(removed) +
                                   " SAs and policies that an earlier run had left");
    }
}

racoon_status Backend::bind_socket(std::int32_t fd, std::uint32_t family, racoon_error* err) {
    const bool v4 = family == 4;
    for (const std::uint8_t direction :
         {std::uint8_t{XFRM_POLICY_IN}, std::uint8_t{XFRM_POLICY_OUT}}) {
        xfrm_userpolicy_info policy{};
        policy.dir = direction;
        policy.action = XFRM_POLICY_ALLOW;  // and no template: in the clear
        policy.sel.family = v4 ? AF_INET : AF_INET6;
        policy.lft.soft_byte_limit = policy.lft.hard_byte_limit = XFRM_INF;
        policy.lft.soft_packet_limit = policy.lft.hard_packet_limit = XFRM_INF;
        if (::setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? kIpXfrmPolicy : kIpv6XfrmPolicy,
                         &policy, sizeof(policy)) != 0) {
            return refuse(err, "bypass policy of an IKE socket", errno);
        }
    }
    return RACOON_OK;
}

// The kernel takes ESP off this socket by itself, and leaves what else comes.
racoon_status Backend::give_esp(int fd, int type, std::uint32_t family, racoon_error* err) {
    if (::setsockopt(fd, IPPROTO_UDP, UDP_ENCAP, &type, sizeof(type)) == 0) return RACOON_OK;
    const int error = errno;
    if (family == 6) {  // kernels before 5.8
        log(RACOON_LOG_NOTIFY, "no ESP in UDP over IPv6: this kernel is too old for it");
        return RACOON_OK;
    }
    return refuse(err, "ESP in UDP on a socket of IKE", error);
}

racoon_status Backend::bind_natt_socket(std::int32_t fd, std::uint32_t family, racoon_error* err) {
    return give_esp(fd, UDP_ENCAP_ESPINUDP, family, err);
}

racoon_status Backend::bind_ike_socket(std::int32_t fd, std::uint32_t family, racoon_error* err) {
    return give_esp(fd, UDP_ENCAP_ESPINUDP_NON_IKE, family, err);
}

racoon_status Backend::sa_move(const racoon_kernel_sa_id& id, const racoon_addr& peer, racoon_op,
                               racoon_error* err) {
    const auto at = sas_.find(key_of(id.dst, id.protocol, id.spi));
    if (at == sas_.end()) return sdk::fail(err, RACOON_NOT_FOUND, "no such SA of ours");
    const bool inbound = at->second.direction == RACOON_DIR_IN;
    if (peer.port == 0 ||
        !sdk::same_address(inbound ? at->second.id.src : at->second.id.dst, peer)) {
        return sdk::fail(err, RACOON_INVALID_ARGUMENT, "an SA moves to another address");
    }
    std::optional<Request> update;
    Request question = get_sa(at->second.id, at->second.mark);
    int error = requests_.transact(question, [&](const Message& m) {
        if (auto moved = moved_sa(m, inbound, peer.port)) update.emplace(std::move(*moved));
    });
    if (error == 0 && !update) {
        return sdk::fail(err, RACOON_INVALID_ARGUMENT, "the SA is not in UDP");
    }
    if (error == 0) {
        error = requests_.transact(*update);
        std::fill(update->bytes().begin(), update->bytes().end(), std::uint8_t{0});
    }
    if (error != 0) return refuse(err, "another port of an SA in UDP", error);
    return RACOON_OK;
}

// ---- SAs

racoon_status Backend::spi_get(const racoon_kernel_spi_request& r, racoon_op,
                               racoon_kernel_spi_result* out, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    const bool any = r.min_spi == 0 && r.max_spi == 0;
    const bool family_known = r.dst.family == 4 || r.dst.family == 6;
    if (!family_known || r.src.family != r.dst.family || (!any && r.min_spi == 0) ||
        r.min_spi > r.max_spi) {
        return sdk::fail(err, RACOON_INVALID_ARGUMENT,
                         "SPI request with malformed addresses or range");
    }
    if (sas_.size() >= kMaxSas) return sdk::fail(err, RACOON_NO_MEMORY, "too many SAs");
    std::uint32_t spi = 0;
    Request request = allocate_spi(r, 0, {}, directions_);
    const int error = requests_.transact(request, [&](const Message& m) {
        if (const auto facts = read_sa(m)) spi = facts->info.spi;
    });
    if (error != 0) return refuse(err, "SPI allocation", error);
    if (spi == 0) return sdk::fail(err, RACOON_INTERNAL, "the kernel gave no SPI");
    Sa sa;
    sa.id.struct_size = sizeof(sa.id);
    sa.id.protocol = r.protocol;
    sa.id.spi = spi;
    sa.id.src = r.src;
    sa.id.dst = r.dst;
    sa.direction = RACOON_DIR_IN;
    sa.mode = r.mode;
    sa.reqid = r.reqid;
    sas_[key_of(r.dst, r.protocol, spi)] = sa;
    journal_.add(sdk::sa_entry(sa.id, sa.reqid, sa.mark));
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
    entry.reqid = sa.reqid;
    entry.policy_id = sa.policy_id;
    entry.mark = sa.mark;
    entry.if_id = sa.if_id;
    return entry;
}

racoon_status Backend::keep(const racoon_kernel_sa& sa, racoon_error* err) {
    if (opened_) return sdk::fail(err, RACOON_STATE, "the backend is open already");
    if (keep_.size() < kMaxSas) keep_[key_of(sa.dst, sa.protocol, sa.spi)] = entry_of(sa);
    return RACOON_OK;
}

// 0, or errno. What no device takes stays the kernel's own work.
int Backend::put_sa(std::uint16_t type, const racoon_kernel_sa& sa) {
    const auto attempt = [&](Offload offload) {
        Request request = new_sa(type, sa, {directions_, offload});
        const int error = requests_.transact(request);
        std::fill(request.bytes().begin(), request.bytes().end(), std::uint8_t{0});
        return error;
    };
    const int error = attempt(settings_.offload);
    if (error == 0 || error == ESRCH || error == EEXIST || settings_.offload == Offload::Off)
        return error;
    const int without = attempt(Offload::Off);
    if (without == 0 && !std::exchange(offload_refused_, true))
        log(RACOON_LOG_NOTIFY,
            std::string("no offload of ESP: the kernel or the device refuses it (") +
                std::strerror(error) + ")");
    return without;
}

racoon_status Backend::install(std::uint16_t type, const racoon_kernel_sa& sa, racoon_error* err) {
    if (sas_.size() >= kMaxSas) return sdk::fail(err, RACOON_NO_MEMORY, "too many SAs");
    const Sa entry = entry_of(sa);
    const std::string line = sdk::sa_entry(entry.id, entry.reqid, entry.mark);
    journal_.add(line);
    int error = put_sa(type, sa);
    if (type == XFRM_MSG_UPDSA && error == ESRCH)  // the larval SA has died of age
        error = put_sa(XFRM_MSG_NEWSA, sa);
    const SaKey key = key_of(sa.dst, sa.protocol, sa.spi);
    if (error != 0) {
        if (sas_.count(key) == 0) journal_.remove(line);
        return refuse(err, "SA " + std::string(sa.enc.xfrm_name) + " " + sa.auth.xfrm_name, error);
    }
    const auto before = sas_.find(key);
    if (before != sas_.end()) {
        const std::string old =
            sdk::sa_entry(before->second.id, before->second.reqid, before->second.mark);
        if (old != line) journal_.remove(old);
    }
    sas_[key] = entry;
    return RACOON_OK;
}

racoon_status Backend::sa_update(const racoon_kernel_sa& sa, racoon_op, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    const racoon_status valid = sdk::check_sa(sa, err);
    if (valid != RACOON_OK) return valid;
    const auto at = sas_.find(key_of(sa.dst, sa.protocol, sa.spi));
    if (at != sas_.end() && at->second.state != 0) {
        return sdk::fail(err, RACOON_STATE, "the SA is complete already");
    }
    // The kernel looks a larval SA up by destination, protocol and SPI alone.
    return install(at != sas_.end() ? XFRM_MSG_UPDSA : XFRM_MSG_NEWSA, sa, err);
}

racoon_status Backend::sa_add(const racoon_kernel_sa& sa, racoon_op, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    const racoon_status valid = sdk::check_sa(sa, err);
    if (valid != RACOON_OK) return valid;
    if (sas_.count(key_of(sa.dst, sa.protocol, sa.spi)) != 0) {
        return sdk::fail(err, RACOON_STATE, "an SA with this SPI exists");
    }
    return install(XFRM_MSG_NEWSA, sa, err);
}

void Backend::forget(std::map<SaKey, Sa>::iterator at) {
    journal_.remove(sdk::sa_entry(at->second.id, at->second.reqid, at->second.mark));
    sas_.erase(at);
}

void Backend::delete_in_kernel(const Sa& sa) {
    Request request = delete_sa(sa.id, sa.mark);
    requests_.transact(request);
}

racoon_status Backend::sa_delete(const racoon_kernel_sa_id& id, racoon_op, racoon_error* err) {
    const auto at = sas_.find(key_of(id.dst, id.protocol, id.spi));
    if (at == sas_.end()) return sdk::fail(err, RACOON_NOT_FOUND, "no such SA of ours");
    Request request = delete_sa(at->second.id, at->second.mark);
    const int error = requests_.transact(request);
    if (error != 0 && error != ESRCH) return refuse(err, "deleting an SA", error);
    forget(at);
    return RACOON_OK;
}

racoon_status Backend::sa_query(const racoon_kernel_sa_id& id, racoon_op,
                                racoon_kernel_sa_info* out, racoon_error* err) {
    const auto at = sas_.find(key_of(id.dst, id.protocol, id.spi));
    if (at == sas_.end()) return sdk::fail(err, RACOON_NOT_FOUND, "no such SA of ours");
    SaFacts facts;
    Request request = get_sa(at->second.id, at->second.mark);
    const int error = requests_.transact(request, [&](const Message& m) {
        if (const auto read = read_sa(m)) facts = *read;
    });
    if (error != 0) return refuse(err, "asking for an SA", error);
    *out = facts.info;
    out->struct_size = sizeof(*out);
    out->state = at->second.state;
    out->direction = at->second.direction;
    if (facts.last_used != 0) {
        const std::int64_t idle =
            std::int64_t{std::time(nullptr)} - static_cast<std::int64_t>(facts.last_used);
        out->idle_ns = idle > 0 ? idle * 1'000'000'000 : 0;
        return RACOON_OK;
    }
    if (out->packets == 0 || host_.clock == nullptr) return RACOON_OK;
    if (out->packets != at->second.seen_packets) {
        at->second.seen_packets = out->packets;
        at->second.seen_ns = host_.now_ns();
    }
    out->idle_ns = host_.now_ns() - at->second.seen_ns;
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

std::optional<PolicyFacts> Backend::look_up_policy(const racoon_kernel_policy& policy,
                                                   std::uint32_t direction, int* error) {
    std::optional<PolicyFacts> facts;
    Request request = name_policy(XFRM_MSG_GETPOLICY, policy, direction);
    const int result = requests_.transact(request, [&](const Message& m) {
        if (const auto read = read_policy(m)) facts = read;
    });
    if (error != nullptr) *error = result != 0 || facts ? result : EIO;
    return facts;
}

int Backend::add_policy(const racoon_kernel_policy& policy, std::uint32_t direction,
                        std::uint32_t* index) {
    const std::string line = sdk::policy_entry(policy, direction);
    journal_.add(line);
    Request request = new_policy(XFRM_MSG_NEWPOLICY, policy, direction);
    int error = requests_.transact(request);
    if (error != 0) {
        journal_.remove(line);
        return error;
    }
    // Without its index no acquire could be told from those of others.
    const auto facts = look_up_policy(policy, direction, &error);
    if (facts)
        *index = facts->index;
    else
        remove_policy(policy, direction);
    return error;
}

int Backend::replace_policy(const racoon_kernel_policy& old, const racoon_kernel_policy& policy,
                            std::uint32_t direction, std::uint32_t* index) {
    const std::string was = sdk::policy_entry(old, direction);
    const std::string line = sdk::policy_entry(policy, direction);
    journal_.add(line);
    Request request = new_policy(XFRM_MSG_UPDPOLICY, policy, direction);
    const int error = requests_.transact(request);
    if (line != was) journal_.remove(error == 0 ? was : line);
    if (error != 0) return error;
    // The new one has the index of the old one unless the kernel says otherwise.
    if (const auto facts = look_up_policy(policy, direction)) *index = facts->index;
    return 0;
}

int Backend::remove_policy(const racoon_kernel_policy& policy, std::uint32_t direction) {
    Request request = name_policy(XFRM_MSG_DELPOLICY, policy, direction);
    const int error = requests_.transact(request);
    if (error != 0 && error != ENOENT) return error;
    journal_.remove(sdk::policy_entry(policy, direction));
    return 0;
}

// The inbound policy whose companion has this selector.
Backend::Policy* Backend::same_fwd(const racoon_kernel_policy& policy, std::uint32_t direction) {
    for (auto& [id, p] : policies_) {
        if (p.policy.direction == direction && id != policy.id &&
            sdk::same_selector(p.policy.selector, policy.selector) &&
            sdk::same_mark(p.policy.mark, policy.mark) && p.policy.if_id == policy.if_id) {
            return &p;
        }
    }
    return nullptr;
}

racoon_status Backend::policy_add(const racoon_kernel_policy& policy, racoon_op,
                                  racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    const racoon_status valid = sdk::check_policy(policy, err);
    if (valid != RACOON_OK) return valid;
    if (policies_.count(policy.id) != 0) return sdk::fail(err, RACOON_STATE, "the policy exists");
    if (policies_.size() >= kMaxPolicies)
        return sdk::fail(err, RACOON_NO_MEMORY, "too many policies");
    // Forwarded packets are checked by a direction of their own. Whoever says only "in" means them
    // too; an explicit fwd policy takes the companion's place.
    if (policy.direction == RACOON_DIR_FWD) {
        Policy* in = same_fwd(policy, RACOON_DIR_IN);
        if (in != nullptr && in->fwd_index != 0) {
            remove_policy(in->policy, RACOON_DIR_FWD);
            by_index_.erase(in->fwd_index);
            in->fwd_index = 0;
        }
    }
    Policy entry;
    entry.policy = policy;
    const int error = add_policy(policy, policy.direction, &entry.index);
    if (error != 0) return refuse_policy(err, policy, error);
    end_stale_larvals(policy);
    add_companion(&entry);
    return hold(entry);
}

void Backend::add_companion(Policy* in) {
    if (!wants_fwd(in->policy) || same_fwd(in->policy, RACOON_DIR_FWD) != nullptr) return;
    const int error = add_policy(in->policy, RACOON_DIR_FWD, &in->fwd_index);
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
    const racoon_status valid = sdk::check_policy(policy, err);
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
    entry.index = old.index;
    const int error = replace_policy(old.policy, policy, policy.direction, &entry.index);
    if (error != 0) return refuse_policy(err, policy, error);
    policies_.erase(at);
    by_index_.erase(old.index);
    by_index_.erase(old.fwd_index);
    if (old.fwd_index == 0) {
        add_companion(&entry);
    } else if (!wants_fwd(policy)) {
        remove_policy(old.policy, RACOON_DIR_FWD);
    } else {
        entry.fwd_index = old.fwd_index;
        if (replace_policy(old.policy, policy, RACOON_DIR_FWD, &entry.fwd_index) != 0) {
            entry.fwd_index = 0;
            remove_policy(old.policy, RACOON_DIR_FWD);
            add_companion(&entry);  // which tells why not
        }
    }
    return hold(entry);
}

racoon_status Backend::policy_delete(std::uint32_t policy_id, racoon_op, racoon_error* err) {
    const auto at = policies_.find(policy_id);
    if (at == policies_.end()) return sdk::fail(err, RACOON_NOT_FOUND, "no such policy of ours");
    const Policy gone = at->second;
    int error = remove_policy(gone.policy, gone.policy.direction);
    if (error == 0 && gone.fwd_index != 0) error = remove_policy(gone.policy, RACOON_DIR_FWD);
    if (error != 0) return refuse(err, "deleting a policy", error);
    policies_.erase(at);
    by_index_.erase(gone.index);
    by_index_.erase(gone.fwd_index);
    if (gone.policy.direction == RACOON_DIR_FWD) {
        Policy* in = same_fwd(gone.policy, RACOON_DIR_IN);
        if (in != nullptr && wants_fwd(in->policy) &&
            add_policy(in->policy, RACOON_DIR_FWD, &in->fwd_index) == 0) {
            by_index_[in->fwd_index] = in->policy.id;
        }
    }
    return RACOON_OK;
}

racoon_status Backend::policy_dump(EachPolicy each, void* arg, racoon_error*) {
    const std::map<std::uint32_t, Policy> all = policies_;
    for (const auto& [id, p] : all) each(arg, &p.policy);
    return RACOON_OK;
}

// ---- acquires

// A larval SA cannot be deleted by its SPI of zero. ALLOCSPI on the same tuple gives it one; deleting
// that lets the next packet acquire at once. If an SA has replaced it, the pair makes and removes a
// state of its own.
racoon_status Backend::acquire_done(std::uint64_t token, racoon_status) {
    const std::optional<Acquire> acquire = acquires_.take(token);
    return acquire ? status_of_errno(end_larval(*acquire)) : racoon_status{RACOON_NOT_FOUND};
}

int Backend::end_larval(const Acquire& of) {
    std::uint32_t spi = 0;
    Request request = allocate_spi(of.larval, of.sequence, of.marks);
    const int error = requests_.transact(request, [&](const Message& m) {
        if (const auto facts = read_sa(m)) spi = facts->info.spi;
    });
    if (error != 0 || spi == 0) return error == 0 ? EIO : error;
    racoon_kernel_sa_id id{};
    id.protocol = of.larval.protocol;
    id.spi = spi;
    id.dst = of.larval.dst;
    Request away = delete_sa(id, of.marks.mark);
    return requests_.transact(away);
}

}  // namespace racoon::kernel_xfrm
