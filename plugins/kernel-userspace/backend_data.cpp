// The keeper's end of the data process: its start, its end, and what it says.
#include <sys/wait.h>

#include <cerrno>
#include <cstring>

#include "backend.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::int64_t kRestartNs = 1'000'000'000;

}  // namespace

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
    std::vector<std::int32_t> fds{tun_.get()};
    for (const auto& [v4, v6] : {std::pair(&esp4_, &esp6_), {&ah4_, &ah6_}, {&comp4_, &comp6_}}) {
        fds.push_back(v4->get());
        fds.push_back((*v6 ? v6 : v4)->get());
    }
    Failure failure;
    Fd data_end;
    if (!make_handover(&handover_, &data_end, &failure)) {
        sdk::fail(err, RACOON_IO, failure.text, failure.os_errno);
        return false;
    }
    fds.push_back(data_end.get());
    Link& link = links_[++generation_];
    link = {this, generation_};
    const racoon_status status = host_.proc->start(host_.host->ctx, 0, fds.data(), fds.size(),
                                                   &handlers, &link, &data_, err);
    data_runs_ = status == RACOON_OK;
    if (!data_runs_) {
        links_.erase(generation_);
        return false;
    }
    for (std::uint8_t place = 0; place < kMostUdp; ++place) {
        if (udp_[place].fd && !hand_over(handover_, place, udp_[place].fd.get(), &failure)) {
            log(RACOON_LOG_ERROR, failure.text);
        }
    }
    Writer settings = begin_frame(Message::Settings, 0);
    write_settings(settings, {static_cast<std::uint32_t>(settings_.mtu), settings_.copy_df});
    send("the settings", settings.view(), nullptr);
    for (const racoon_kernel_policy* policy : policies_by_age()) send_policy(*policy);
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

// What a command did not reach must not go on with what it had: an SA that was deleted, a policy that is
// another one now. It is ended, and the next one begins with what is right.
racoon_status Backend::send(const std::string& what, ByteView frame, racoon_error* err) {
    if (!data_runs_) {
        return sdk::fail(err, RACOON_IO, "there is no data process at the moment", ESRCH);
    }
    const racoon_status status =
        host_.proc->send(host_.host->ctx, data_, {frame.data(), frame.size()});
    if (status == RACOON_OK) return RACOON_OK;
    const int error = status == RACOON_BUSY        ? ENOBUFS
                      : status == RACOON_NOT_FOUND ? ESRCH
                      : status == RACOON_NO_MEMORY ? ENOMEM
                                                   : EPIPE;
    const std::string text =
        std::string("the data process takes no command: ") + std::strerror(error);
    log(RACOON_LOG_ERROR, what + ": " + text + "; it is started anew");
    host_.proc->kill(host_.host->ctx, data_);
    return sdk::fail(err, RACOON_IO, text, error);
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
    if (pending.then) pending.then(status);
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
        // What setkey asks about may have ended meanwhile.
        if (pending.installs || !pending.then)
            log(RACOON_LOG_ERROR, pending.what + ": the data process refuses it: " +
                                      std::string(text.begin(), text.end()));
        if (pending.installs && sa != sas_.end()) sas_.erase(sa);
        return complete(pending, in.ok() ? status : RACOON_INTERNAL, nullptr, 0);
    }
    if (pending.installs) {
        if (sa != sas_.end() && !sa->second.note.manual)
            tell_setkey(sa->second.info.direction == RACOON_DIR_IN ? pfkey::kUpdate : pfkey::kAdd,
                        sa->second);
        return complete(pending, RACOON_OK, nullptr, 0);
    }
    if (pending.policy_id != 0) {
        const auto policy = policies_.find(pending.policy_id);
        const auto idle = read_idle(in.rest());
        if (policy != policies_.end() && idle && *idle >= 0)
            policy->second.used = wall_seconds() - *idle / 1'000'000'000;
        return complete(pending, RACOON_OK, nullptr, 0);
    }
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
            setkey_acquire(event);
            break;
        case RACOON_KERNEL_MAPPING:
            if (sa == sas_.end() || sa->second.note.manual) return;
            break;
        case RACOON_KERNEL_EXPIRE_SOFT:
        case RACOON_KERNEL_EXPIRE_HARD: {
            if (sa == sas_.end()) return;
            sa->second.info.state = event.type == RACOON_KERNEL_EXPIRE_SOFT ? 2 : 3;
            const bool manual = sa->second.note.manual;
            setkey_expire(sa->second, event.type == RACOON_KERNEL_EXPIRE_HARD);
            if (event.type == RACOON_KERNEL_EXPIRE_HARD) sas_.erase(sa);
            if (manual) return;
            break;
        }
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
    for (const auto& [number, pending] : left) {
        log(RACOON_LOG_ERROR, pending.what + ": the data process ended before it answered");
        complete(pending, RACOON_IO, nullptr, 0);
    }
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
        setkey_expire(sa, true);
        if (opened_ && !sa.note.manual) emit(RACOON_KERNEL_SA_DELETED, sa);
    }
}

}  // namespace racoon::kernel_userspace
