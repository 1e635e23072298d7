#include "backend.hpp"

#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>

#include "algorithms.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::int64_t kLarvalNs = 30'000'000'000;
constexpr std::int64_t kRestartNs = 1'000'000'000;
constexpr std::uint32_t kMostWindow = 4096;
// Addresses of a family that the NAT-T port may be listened on: normally the wildcard alone.
constexpr std::size_t kUdpPerFamily = 4;
constexpr std::size_t kMaxSas = 1u << 17;

racoon_status refuse(racoon_error* err, const Failure& failure) {
    return sdk::fail(err, RACOON_NOT_SUPPORTED, failure.text, failure.os_errno);
}

// The frame held keys; a volatile write is not optimised away.
void wipe(Bytes& bytes) {
    volatile std::uint8_t* p = bytes.data();
    for (std::size_t i = 0; i < bytes.size(); ++i) p[i] = 0;
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

racoon_status Backend::probe(racoon_error* err) {
    Failure failure;
    const Fd tun = open_tun("", &failure);
    if (!tun) return refuse(err, failure);
    const Fd raw = open_raw(4, settings_.mark, &failure);
    if (!raw) return refuse(err, failure);
    return RACOON_OK;
}

void Backend::capabilities(racoon_kernel_caps* out) {
    out->max_replay_window = kMostWindow;
    out->flags = RACOON_CAP_AEAD | RACOON_CAP_UDP_ENCAP | RACOON_CAP_IPV6 | RACOON_CAP_ESN |
                 RACOON_CAP_TRUNC_128 | RACOON_CAP_BYTE_LIFETIME | RACOON_CAP_TRANSPORT_MODE;
}

racoon_status Backend::supports(const racoon_kernel_sa& sa, racoon_error* err) {
    std::string text;
    if (sa.protocol != RACOON_IPPROTO_ESP) {
        return sdk::fail(err, RACOON_NOT_SUPPORTED, "kernel-userspace does ESP only");
    }
    const bool encryption = sa.enc.xfrm_name[0] != '\0';
    const bool integrity = sa.auth.xfrm_name[0] != '\0';
    if (encryption || !integrity) find_encryption(sa.enc, sa.is_aead != 0, &text);
    if (integrity && text.empty()) find_integrity(sa.auth, &text);
    if (text.empty()) return RACOON_OK;
    return sdk::fail(err, RACOON_NOT_SUPPORTED, text);
}

racoon_status Backend::open(const racoon_kernel_events& events, racoon_error* err) {
    if (opened_) return sdk::fail(err, RACOON_STATE, "the backend is open already");
    Failure failure;
    tun_ = open_tun(settings_.device, &failure);
    const bool ready = tun_ && start_tun(settings_.device, settings_.mtu, &failure) &&
                       (raw4_ = open_raw(4, settings_.mark, &failure)) &&
                       routes_.open(settings_.device, settings_.table, settings_.mark, &failure);
    if (!ready) {
        tun_ = Fd();
        raw4_ = Fd();
        routes_.close();
        return sdk::fail(err, RACOON_IO, failure.text, failure.os_errno);
    }
    raw6_ = open_raw(6, settings_.mark, &failure);
    if (!raw6_) log(RACOON_LOG_NOTIFY, "no ESP over IPv6: " + failure.text);
    for (const std::uint8_t family : {std::uint8_t{4}, std::uint8_t{6}}) {
        for (std::size_t i = 0; i < kUdpPerFamily; ++i) {
            Fd fd = open_udp(family, settings_.mark, &failure);
            if (!fd && family == 6) break;  // this host has none
            if (!fd) return sdk::fail(err, RACOON_IO, failure.text, failure.os_errno);
            udp_.push_back({std::move(fd), family, false});
        }
    }
    events_ = events;
    opened_ = true;
    if (start_data(err)) return RACOON_OK;
    close();
    return RACOON_IO;
}

void Backend::close() {
    if (!opened_) return;
    opened_ = false;
    if (restart_armed_) host_.timer->cancel(host_.host->ctx, restart_timer_);
    if (larval_armed_) host_.timer->cancel(host_.host->ctx, larval_timer_);
    restart_armed_ = larval_armed_ = false;
    if (data_runs_) host_.proc->kill(host_.host->ctx, data_);
    data_runs_ = false;
    ++generation_;
    routes_.close();
    tun_ = Fd();
    raw4_ = Fd();
    raw6_ = Fd();
    udp_.clear();
    sas_.clear();
    larvals_.clear();
    policies_.clear();
    std::map<std::uint32_t, Pending> left;
    left.swap(pending_);
    for (const auto& [number, pending] : left) complete(pending, RACOON_CANCELLED, nullptr, 0);
}

racoon_status Backend::bind_socket(std::int32_t fd, std::uint32_t, racoon_error* err) {
    const std::uint32_t mark = settings_.mark;
    if (::setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0) return RACOON_OK;
    return sdk::fail(err, RACOON_IO, "firewall mark of an IKE socket (needs CAP_NET_ADMIN)", errno);
}

// A socket that has gone leaves its place: the data process cannot be handed another one.
racoon_status Backend::bind_natt_socket(std::int32_t fd, std::uint32_t family, racoon_error* err) {
    for (UdpSocket& udp : udp_) {
        if (udp.used || udp.family != family) continue;
        Failure failure;
        if (!share_port(fd, udp.fd.get(), &failure)) {
            return sdk::fail(err, RACOON_IO, failure.text, failure.os_errno);
        }
        udp.used = true;
        return RACOON_OK;
    }
    return sdk::fail(
        err, RACOON_NOT_SUPPORTED,
        "kernel-userspace listens on at most 4 addresses of a family for NAT-T; use the "
        "wildcard address, or restart");
}

racoon_status Backend::sa_move(const racoon_kernel_sa_id& id, const racoon_addr& peer, racoon_op op,
                               racoon_error* err) {
    const auto at = sas_.find(key_of(id.dst, id.protocol, id.spi));
    if (at == sas_.end() || at->second.info.state == 0) {
        return sdk::fail(err, RACOON_NOT_FOUND, "no such SA");
    }
    racoon_kernel_sa_info& info = at->second.info;
    racoon_addr& end = info.direction == RACOON_DIR_IN ? info.src : info.dst;
    if (!sdk::same_address(end, peer)) {
        return sdk::fail(err, RACOON_INVALID_ARGUMENT, "an SA moves to another address");
    }
    end.port = peer.port;
    const std::uint32_t number = ++numbers_;
    Writer out = begin_frame(Message::SaMove, number);
    write_move(out, {id.dst, id.protocol, id.spi}, peer);
    if (!send(out.view())) return sdk::fail(err, RACOON_IO, "no data process");
    pending_[number] = {op, true, {}};
    return RACOON_PENDING;
}

// ---- the data process

bool Backend::start_data(racoon_error* err) {
    static const racoon_proc_events handlers = {
        sizeof(racoon_proc_events),
        [](void* arg, racoon_span bytes) noexcept {
            const Link link = *static_cast<Link*>(arg);
            if (link.generation == link.owner->generation_) {
                link.owner->on_message({bytes.data, bytes.size});
            }
        },
        [](void* arg, int32_t wait_status) noexcept {
            const Link link = *static_cast<Link*>(arg);
            link.owner->links_.erase(link.generation);
            if (link.generation == link.owner->generation_) link.owner->on_ended(wait_status);
        }};
    // The place of a socket that is not there is taken by another one, so that numbers stay.
    std::vector<std::int32_t> fds{tun_.get(), raw4_.get(), raw6_ ? raw6_.get() : raw4_.get()};
    for (const UdpSocket& udp : udp_) fds.push_back(udp.fd.get());
    Link& link = links_[++generation_];
    link = {this, generation_};
    const racoon_status status = host_.proc->start(host_.host->ctx, 0, fds.data(), fds.size(),
                                                   &handlers, &link, &data_, err);
    data_runs_ = status == RACOON_OK;
    if (!data_runs_) {
        links_.erase(generation_);
        return false;
    }
    Writer settings = begin_frame(Message::Settings, 0);
    write_settings(settings, {static_cast<std::uint32_t>(settings_.mtu), settings_.copy_df});
    send(settings.view());
    for (const auto& [id, policy] : policies_) send_policy(policy);
    return true;
}

void Backend::restart() {
    restart_armed_ = false;
    if (!opened_ || data_runs_) return;
    racoon_error error{};
    error.struct_size = sizeof(error);
    Failure failure;
    if (!renew_device(&failure)) {
        log(RACOON_LOG_ERROR, "the TUN device cannot be made anew: " + failure.text);
    } else if (!start_data(&error)) {
        log(RACOON_LOG_ERROR, std::string("the data process does not start: ") + error.text);
    } else {
        return;
    }
    arm_restart();  // what is missing, a descriptor or a process, may be there later
}

void Backend::arm_restart() {
    const auto callback = [](void* arg) noexcept { static_cast<Backend*>(arg)->restart(); };
    restart_armed_ =
        host_.timer->arm(host_.host->ctx, kRestartNs, callback, this, &restart_timer_) == RACOON_OK;
}

// Whoever deleted the device took its routes away as well.
bool Backend::renew_device(Failure* failure) {
    if (tun_lives(tun_)) return true;
    tun_ = open_tun(settings_.device, failure);
    if (tun_ && start_tun(settings_.device, settings_.mtu, failure) &&
        routes_.renew(settings_.device, failure)) {
        return true;
    }
    tun_ = Fd();
    return false;
}

bool Backend::send(ByteView frame) {
    return data_runs_ &&
           host_.proc->send(host_.host->ctx, data_, {frame.data(), frame.size()}) == RACOON_OK;
}

void Backend::send_policy(const racoon_kernel_policy& policy) {
    Writer out = begin_frame(Message::PolicySet, 0);
    write_policy(out, policy);
    send(out.view());
}

void Backend::on_message(ByteView bytes) {
    const auto frame = parse_frame(bytes);
    if (!frame || !opened_) return;
    Reader in(frame->body);
    switch (frame->type) {
        case Message::Reply:
            return on_reply(*frame);
        case Message::Event:
            if (const auto event = read_event(frame->body)) on_event(*event);
            return;
        case Message::Log: {
            const std::uint32_t level = in.u8();
            const ByteView text = in.rest();
            log(level >= RACOON_LOG_ERROR && level <= RACOON_LOG_DEBUG2 ? level : RACOON_LOG_NOTIFY,
                std::string(text.begin(), text.end()));
            return;
        }
        case Message::Ready: {
            const std::uint32_t uid = in.u32();
            log(RACOON_LOG_INFO, "data process without capabilities, uid " + std::to_string(uid));
            if (uid == 0) {
                log(RACOON_LOG_NOTIFY, "the data process keeps uid 0: no other is mapped here");
            }
            return;
        }
        default:
            log(RACOON_LOG_WARNING, "unknown message from the data process");
            return;
    }
}

void Backend::complete(const Pending& pending, racoon_status status, const void* result,
                       std::size_t size) {
    if (pending.op != 0) host_.op->complete(host_.host->ctx, pending.op, status, result, size);
}

void Backend::on_reply(const Frame& frame) {
    const auto at = pending_.find(frame.number);
    if (at == pending_.end()) return;
    const Pending pending = at->second;
    pending_.erase(at);
    Reader in(frame.body);
    const auto status = static_cast<racoon_status>(in.u32());
    const auto sa = sas_.find(pending.key);
    if (status != RACOON_OK || !in.ok()) {
        const ByteView text = in.rest();
        if (pending.installs) {
            log(RACOON_LOG_ERROR, "SA refused: " + std::string(text.begin(), text.end()));
            if (sa != sas_.end()) sas_.erase(sa);
        }
        return complete(pending, in.ok() ? status : RACOON_INTERNAL, nullptr, 0);
    }
    if (pending.installs) return complete(pending, RACOON_OK, nullptr, 0);
    const auto facts = read_facts(in.rest());
    if (!facts || sa == sas_.end()) return complete(pending, RACOON_NOT_FOUND, nullptr, 0);
    racoon_kernel_sa_info& info = sa->second.info;
    info.state = facts->state;
    info.bytes = facts->bytes;
    info.packets = facts->packets;
    info.idle_ns = facts->idle_ns;
    info.replay_window = facts->replay_window;
    complete(pending, RACOON_OK, &info, sizeof(info));
}

void Backend::on_event(racoon_kernel_event event) {
    const auto sa = sas_.find(key_of(event.dst, event.protocol, event.spi));
    switch (event.type) {
        case RACOON_KERNEL_ACQUIRE:
            if (policies_.count(event.policy_id) == 0) return;
            break;
        case RACOON_KERNEL_MAPPING:
            if (sa == sas_.end()) return;
            break;
        case RACOON_KERNEL_EXPIRE_SOFT:
            if (sa == sas_.end()) return;
            sa->second.info.state = 2;
            break;
        case RACOON_KERNEL_EXPIRE_HARD:
            if (sa == sas_.end()) return;
            sas_.erase(sa);
            break;
        default:
            return;
    }
    events_.event(events_.arg, &event);
}

void Backend::emit(std::uint32_t type, const Sa& sa) {
    racoon_kernel_event event{};
    event.struct_size = sizeof(event);
    event.type = type;
    event.policy_id = sa.policy_id;
    event.protocol = sa.info.protocol;
    event.spi = sa.info.spi;
    event.src = sa.info.src;
    event.dst = sa.info.dst;
    events_.event(events_.arg, &event);
}

// Its SAs died with it: the sequence numbers are lost, and to use a key again with old numbers would
// break GCM. The core is told, and a new process starts with the policies, so that traffic negotiates
// anew.
void Backend::on_ended(std::int32_t wait_status) {
    data_runs_ = false;
    if (!opened_) return;
    const std::string how = WIFSIGNALED(wait_status)
                                ? "signal " + std::to_string(WTERMSIG(wait_status))
                                : "status " + std::to_string(WEXITSTATUS(wait_status));
    log(RACOON_LOG_ERROR, "the data process ended with " + how + "; its SAs are lost");
    std::map<std::uint32_t, Pending> left;
    left.swap(pending_);
    for (const auto& [number, pending] : left) complete(pending, RACOON_IO, nullptr, 0);
    std::map<SaKey, Sa> lost;
    for (auto it = sas_.begin(); it != sas_.end();) {
        const auto next = std::next(it);
        if (it->second.info.state != 0) lost.insert(sas_.extract(it));
        it = next;
    }
    arm_restart();
    racoon_kernel_event failed{};
    failed.struct_size = sizeof(failed);
    failed.type = RACOON_KERNEL_FAILED;
    events_.event(events_.arg, &failed);
    for (const auto& [key, sa] : lost) {
        if (opened_) emit(RACOON_KERNEL_SA_DELETED, sa);
    }
}

// ---- SAs

racoon_status Backend::spi_get(const racoon_kernel_spi_request& r, racoon_op,
                               racoon_kernel_spi_result* out, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    const bool any = r.min_spi == 0 && r.max_spi == 0;
    const std::uint32_t least = any ? 0x100 : r.min_spi;
    const std::uint32_t most = any ? 0xffffffffu : r.max_spi;
    const bool family_known = r.dst.family == 4 || r.dst.family == 6;
    if (!family_known || r.src.family != r.dst.family || least == 0 || least > most) {
        return sdk::fail(err, RACOON_INVALID_ARGUMENT,
                         "SPI request with malformed addresses or range");
    }
    if (sas_.size() >= kMaxSas) return sdk::fail(err, RACOON_NO_MEMORY, "too many SAs");
    const std::uint64_t span = std::uint64_t{most} - least + 1;
    for (int attempt = 0; attempt < 4096; ++attempt) {
        std::uint32_t drawn = 0;
        std::uint8_t bytes[sizeof(drawn)] = {};
        if (host_.random->fill(host_.host->ctx, bytes, sizeof(bytes)) != RACOON_OK) {
            return sdk::fail(err, RACOON_IO, "no random numbers");
        }
        std::memcpy(&drawn, bytes, sizeof(drawn));
        const auto spi = static_cast<std::uint32_t>(least + drawn % span);
        const SaKey key = key_of(r.dst, r.protocol, spi);
        if (sas_.count(key) != 0) continue;
        Sa sa;
        sa.info.struct_size = sizeof(sa.info);
        sa.info.idle_ns = -1;
        sa.info.direction = RACOON_DIR_IN;
        sa.info.protocol = r.protocol;
        sa.info.mode = r.mode;
        sa.info.reqid = r.reqid;
        sa.info.spi = spi;
        sa.info.src = r.src;
        sa.info.dst = r.dst;
        sa.serial = ++serial_;
        sas_.emplace(key, sa);
        larvals_.push_back({host_.now_ns() + kLarvalNs, sa.serial, key});
        arm_larval_timer();
        out->spi = spi;
        return RACOON_OK;
    }
    return sdk::fail(err, RACOON_NOT_FOUND, "no free SPI in the range");
}

void Backend::arm_larval_timer() {
    if (larval_armed_ || larvals_.empty()) return;
    const std::int64_t now = host_.now_ns();
    const std::int64_t delay = larvals_.front().ends > now ? larvals_.front().ends - now : 0;
    const auto callback = [](void* arg) noexcept { static_cast<Backend*>(arg)->on_larval_timer(); };
    larval_armed_ =
        host_.timer->arm(host_.host->ctx, delay, callback, this, &larval_timer_) == RACOON_OK;
}

void Backend::on_larval_timer() {
    larval_armed_ = false;
    const std::int64_t now = host_.now_ns();
    while (opened_ && !larvals_.empty() && larvals_.front().ends <= now) {
        const Larval due = larvals_.front();
        larvals_.pop_front();
        const auto at = sas_.find(due.key);
        if (at == sas_.end() || at->second.serial != due.serial || at->second.info.state != 0)
            continue;
        const Sa gone = at->second;
        sas_.erase(at);
        emit(RACOON_KERNEL_EXPIRE_HARD, gone);
    }
    if (opened_) arm_larval_timer();
}

racoon_status Backend::install(const racoon_kernel_sa& sa, racoon_op op, racoon_error* err) {
    if (sa.protocol != RACOON_IPPROTO_ESP) {
        return sdk::fail(err, RACOON_NOT_SUPPORTED, "kernel-userspace does ESP only");
    }
    if (sa.dst.family == 6 && !raw6_) {
        return sdk::fail(err, RACOON_NOT_SUPPORTED, "no ESP over IPv6 on this machine");
    }
    if (sas_.size() >= kMaxSas) return sdk::fail(err, RACOON_NO_MEMORY, "too many SAs");
    const std::uint32_t number = ++numbers_ == 0 ? ++numbers_ : numbers_;
    Writer out = begin_frame(Message::SaSet, number);
    write_sa(out, sa);
    Bytes frame = out.take();
    const bool sent = send(frame);
    wipe(frame);
    if (!sent) return sdk::fail(err, RACOON_IO, "the data process does not answer");
    const SaKey key = key_of(sa.dst, sa.protocol, sa.spi);
    Sa entry;
    entry.info.struct_size = sizeof(entry.info);
    entry.info.state = 1;
    entry.info.idle_ns = -1;
    entry.info.replay_window = sa.direction == RACOON_DIR_IN ? sa.replay_window : 0;
    entry.info.direction = sa.direction;
    entry.info.protocol = sa.protocol;
    entry.info.mode = sa.mode;
    entry.info.spi = sa.spi;
    entry.info.reqid = sa.reqid;
    entry.info.src = sa.src;
    entry.info.dst = sa.dst;
    entry.policy_id = sa.policy_id;
    entry.serial = ++serial_;
    sas_[key] = entry;
    pending_[number] = {op, true, key};
    return RACOON_PENDING;
}

racoon_status Backend::sa_update(const racoon_kernel_sa& sa, racoon_op op, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    const racoon_status valid = sdk::check_sa(sa, err);
    if (valid != RACOON_OK) return valid;
    const auto at = sas_.find(key_of(sa.dst, sa.protocol, sa.spi));
    if (at != sas_.end() && at->second.info.state != 0) {
        return sdk::fail(err, RACOON_STATE, "the SA is complete already");
    }
    return install(sa, op, err);
}

racoon_status Backend::sa_add(const racoon_kernel_sa& sa, racoon_op op, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    const racoon_status valid = sdk::check_sa(sa, err);
    if (valid != RACOON_OK) return valid;
    if (sas_.count(key_of(sa.dst, sa.protocol, sa.spi)) != 0) {
        return sdk::fail(err, RACOON_STATE, "an SA with this SPI exists");
    }
    return install(sa, op, err);
}

racoon_status Backend::sa_delete(const racoon_kernel_sa_id& id, racoon_op, racoon_error* err) {
    const auto at = sas_.find(key_of(id.dst, id.protocol, id.spi));
    if (at == sas_.end()) return sdk::fail(err, RACOON_NOT_FOUND, "no such SA");
    const bool complete = at->second.info.state != 0;
    sas_.erase(at);
    if (!complete) return RACOON_OK;
    Writer out = begin_frame(Message::SaDelete, 0);
    write_name(out, {id.dst, id.protocol, id.spi});
    send(out.view());
    return RACOON_OK;
}

racoon_status Backend::sa_query(const racoon_kernel_sa_id& id, racoon_op op,
                                racoon_kernel_sa_info* out, racoon_error* err) {
    const SaKey key = key_of(id.dst, id.protocol, id.spi);
    const auto at = sas_.find(key);
    if (at == sas_.end()) return sdk::fail(err, RACOON_NOT_FOUND, "no such SA");
    if (at->second.info.state == 0) {
        *out = at->second.info;
        return RACOON_OK;
    }
    const std::uint32_t number = ++numbers_ == 0 ? ++numbers_ : numbers_;
    Writer frame = begin_frame(Message::SaQuery, number);
    write_name(frame, {id.dst, id.protocol, id.spi});
    if (!send(frame.view())) return sdk::fail(err, RACOON_IO, "the data process does not answer");
    pending_[number] = {op, false, key};
    return RACOON_PENDING;
}

racoon_status Backend::sa_dump(EachSa each, void* arg, racoon_error*) {
    // A copy, since `each` may delete.
    const std::map<SaKey, Sa> all = sas_;
    for (const auto& [key, sa] : all) each(arg, &sa.info);
    return RACOON_OK;
}

// ---- policies

racoon_status Backend::check(const racoon_kernel_policy& policy, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    const racoon_status valid = sdk::check_policy(policy, err);
    if (valid != RACOON_OK) return valid;
    const racoon_kernel_template& t = policy.templates[0];
    const bool tunnel = t.mode == RACOON_MODE_TUNNEL;
    if (policy.action == RACOON_POLICY_IPSEC &&
        (policy.template_count != 1 || t.protocol != RACOON_IPPROTO_ESP ||
         (tunnel && (t.local.family == 0 || t.local.family != t.remote.family)))) {
        return sdk::fail(err, RACOON_NOT_SUPPORTED,
                         "kernel-userspace does policies of one ESP rule only");
    }
    if (policy.action == RACOON_POLICY_IPSEC && t.level == RACOON_LEVEL_USE) {
        log(RACOON_LOG_NOTIFY, "level use is taken as require: nothing is sent in the clear");
    }
    return RACOON_OK;
}

racoon_status Backend::policy_add(const racoon_kernel_policy& policy, racoon_op,
                                  racoon_error* err) {
    const racoon_status valid = check(policy, err);
    if (valid != RACOON_OK) return valid;
    for (const auto& [id, other] : policies_)
        if (id == policy.id || sdk::same_place(other, policy))
            return sdk::fail(err, RACOON_STATE, "the policy exists");
    Failure failure;
    if (policy.direction == RACOON_DIR_OUT && !routes_.add(policy, &failure)) {
        return sdk::fail(err, RACOON_IO, failure.text, failure.os_errno);
    }
    policies_[policy.id] = policy;
    send_policy(policy);
    return RACOON_OK;
}

racoon_status Backend::policy_delete(std::uint32_t policy_id, racoon_op, racoon_error* err) {
    if (policies_.erase(policy_id) == 0) return sdk::fail(err, RACOON_NOT_FOUND, "no such policy");
    routes_.remove(policy_id);
    Writer out = begin_frame(Message::PolicyDelete, 0);
    out.u32(policy_id);
    send(out.view());
    return RACOON_OK;
}

racoon_status Backend::policy_update(std::uint32_t old_id, const racoon_kernel_policy& policy,
                                     racoon_op, racoon_error* err) {
    const racoon_status valid = check(policy, err);
    if (valid != RACOON_OK) return valid;
    const auto at = policies_.find(old_id);
    if (at == policies_.end()) return sdk::fail(err, RACOON_NOT_FOUND, "no such policy");
    if (!sdk::same_place(at->second, policy))
        return sdk::fail(err, RACOON_INVALID_ARGUMENT, "the policy is for other traffic");
    if (policy.id != old_id && policies_.count(policy.id) != 0)
        return sdk::fail(err, RACOON_STATE, "the policy exists");
    Failure failure;
    if (policy.direction == RACOON_DIR_OUT && !routes_.replace(old_id, policy, &failure)) {
        return sdk::fail(err, RACOON_IO, failure.text, failure.os_errno);
    }
    policies_.erase(at);
    policies_[policy.id] = policy;
    Writer out = begin_frame(Message::PolicyUpdate, 0);
    out.u32(old_id);
    write_policy(out, policy);
    send(out.view());
    return RACOON_OK;
}

racoon_status Backend::policy_dump(EachPolicy each, void* arg, racoon_error*) {
    const std::map<std::uint32_t, racoon_kernel_policy> all = policies_;
    for (const auto& [id, policy] : all) each(arg, &policy);
    return RACOON_OK;
}

racoon_status Backend::acquire_done(std::uint64_t token, racoon_status status) {
    Writer out = begin_frame(Message::AcquireDone, 0);
    out.u64(token);
    out.u8(status == RACOON_OK ? 1 : 0);
    return send(out.view()) ? RACOON_OK : RACOON_IO;
}

}  // namespace racoon::kernel_userspace
