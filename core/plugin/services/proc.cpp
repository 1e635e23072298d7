// racoon.proc/1: helper programs for what blocks, forks or has thread affinity. Which programs exist
// is said by the installed manifest alone; a module names one by its index.
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>

#include <fmt/format.h>

#include "base/unique_fd.hpp"
#include "log/log.hpp"
#include "plugin/callout.hpp"
#include "plugin/messages.hpp"
#include "plugin/module_context.hpp"
#include "plugin/path_trust.hpp"
#include "plugin/services/services.hpp"

namespace racoon::plugin {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxHelpers = 64;  // running, per module
constexpr std::size_t kMaxFds = 16;      // handed over at once
constexpr std::size_t kMaxMessage = 64 << 10;
constexpr std::size_t kMaxUnsent = 1 << 20;
constexpr int kChannel = 3;      // the helper's end
constexpr Duration kGrace = 2s;  // from end of file on the channel to SIGKILL
constexpr Duration kReapEvery = 20ms;

// Between fork and exec only async-signal-safe calls are allowed: all is prepared before.
struct Launch {
    const char* program;
    uid_t uid;
    gid_t gid;
    bool change_user;
    int channel;
    std::array<int, kMaxFds> fds;
    std::size_t fd_count;
};

[[noreturn]] void run_child(const Launch& l) {
    // Everything to numbers above the final ones first, so that nothing is overwritten.
    constexpr int kAbove = 64;
    const int channel = ::fcntl(l.channel, F_DUPFD, kAbove);
    std::array<int, kMaxFds> moved{};
    for (std::size_t i = 0; i < l.fd_count; ++i) moved[i] = ::fcntl(l.fds[i], F_DUPFD, kAbove);
    const int null = ::open("/dev/null", O_RDWR);
    bool good = channel >= 0 && null >= 0;
    for (int fd = 0; fd <= 2; ++fd) good = good && ::dup2(null, fd) >= 0;
    good = good && ::dup2(channel, kChannel) >= 0;
    int next = kChannel + 1;
    for (std::size_t i = 0; i < l.fd_count; ++i, ++next) good = good && ::dup2(moved[i], next) >= 0;
    const long limit = ::sysconf(_SC_OPEN_MAX);
    for (int fd = next; fd < (limit > 0 && limit < 65536 ? limit : 65536); ++fd) ::close(fd);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int s = 1; s < 32; ++s) ::signal(s, SIG_DFL);
    if (l.change_user)
        good = good && ::setgroups(0, nullptr) == 0 && ::setgid(l.gid) == 0 && ::setuid(l.uid) == 0;
    if (good) {
        const char* const argv[] = {l.program, nullptr};
        const char* const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", nullptr};
        ::execve(l.program, const_cast<char* const*>(argv), const_cast<char* const*>(env));
    }
    ::_exit(127);
}

}  // namespace

class HelperSet {
  public:
    explicit HelperSet(ModuleContext& module) : module_(module) {}
    ~HelperSet() {
        for (auto& [token, h] : running_) {
            release(h);
            ::kill(h.pid, SIGKILL);
            int status = 0;
            while (::waitpid(h.pid, &status, 0) < 0 && errno == EINTR) {
            }
        }
    }

    racoon_status start(std::uint32_t index, const std::int32_t* fds, std::size_t fd_count,
                        const racoon_proc_events& events, void* arg, std::uint64_t* token,
                        racoon_error* err);
    racoon_status send(std::uint64_t token, ByteView bytes);
    void kill(std::uint64_t token) {
        const auto it = running_.find(token);
        if (it != running_.end()) ::kill(it->second.pid, SIGKILL);
    }

  private:
    struct Running {
        pid_t pid = -1;
        UniqueFd channel;
        std::uint64_t watch = 0;
        std::uint64_t timer = 0;
        bool wants_write = false;
        bool closed = false;  // end of file, or a broken frame
        TimePoint closed_at;
        racoon_proc_events events{};
        void* arg = nullptr;
        Bytes in, out;
    };

    void release(Running& h) {
        if (h.watch != 0) module_.shared.runtime.unwatch(std::exchange(h.watch, 0));
        if (h.timer != 0) module_.shared.runtime.cancel(std::exchange(h.timer, 0));
        h.channel.reset();
    }
    bool rewatch(std::uint64_t token, Running& h);
    void on_ready(std::uint64_t token, unsigned ready);
    bool read_some(Running& h);
    bool write_some(Running& h);
    void deliver(std::uint64_t token);
    void close_channel(std::uint64_t token, Running& h);
    void reap(std::uint64_t token);

    ModuleContext& module_;
    std::map<std::uint64_t, Running> running_;
    std::uint64_t next_ = 1;
};

racoon_status HelperSet::start(std::uint32_t index, const std::int32_t* fds, std::size_t fd_count,
                               const racoon_proc_events& events, void* arg, std::uint64_t* token,
                               racoon_error* err) {
    const Manifest& manifest = module_.manifest;
    if (index >= manifest.helpers.size())
        return put_error(err, RACOON_INVALID_ARGUMENT,
                         fmt::format("found helper index {}, expected less than {} [{}]", index,
                                     manifest.helpers.size(), kMsgHelper));
    if (fd_count > kMaxFds || (fd_count != 0 && !fds)) return RACOON_INVALID_ARGUMENT;
    if (running_.size() >= kMaxHelpers)
        return put_error(err, RACOON_BUSY, "too many helpers running");
    const Helper& helper = manifest.helpers[index];
    const TrustReport trust = walk_trusted(helper.program, default_trust());
    if (!trust.trusted)
        return put_error(err, RACOON_DENIED,
                         fmt::format("helper {}: {}: {} [{}]", helper.program,
                                     trust.steps.back().path, trust.steps.back().text, kMsgHelper));
    const passwd* user = ::getpwnam(helper.user.c_str());  // main thread only
    if (!user)
        return put_error(err, RACOON_NOT_FOUND,
                         fmt::format("helper {}: user \"{}\" does not exist: create it [{}]",
                                     helper.program, log::escaped(helper.user, 40), kMsgHelper));
    int pair[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return put_error(err, RACOON_IO, std::strerror(errno));
    UniqueFd ours(pair[0]);
    const UniqueFd theirs(pair[1]);
    ::fcntl(ours.get(), F_SETFL, O_NONBLOCK);

    Launch launch{helper.program.c_str(), user->pw_uid, user->pw_gid, user->pw_uid != ::geteuid(),
                  theirs.get(),           {},           fd_count};
    for (std::size_t i = 0; i < fd_count; ++i) launch.fds[i] = fds[i];
    const pid_t pid = ::fork();
    if (pid < 0) return put_error(err, RACOON_IO, std::strerror(errno));
    if (pid == 0) run_child(launch);

    const std::uint64_t id = next_++;
    Running& h = running_[id];
    h.pid = pid;
    h.channel = std::move(ours);
    h.events = events;
    h.arg = arg;
    if (!rewatch(id, h)) {
        release(h);
        ::kill(pid, SIGKILL);
        int status = 0;
        while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        running_.erase(id);
        return put_error(err, RACOON_IO, "cannot watch the helper's channel");
    }
    *token = id;
    return RACOON_OK;
}

bool HelperSet::rewatch(std::uint64_t token, Running& h) {
    if (h.watch != 0) module_.shared.runtime.unwatch(std::exchange(h.watch, 0));
    h.wants_write = !h.out.empty();
    const unsigned events = RACOON_FD_READ | (h.wants_write ? RACOON_FD_WRITE : 0);
    auto watching = module_.shared.runtime.watch(
        h.channel.get(), events, [this, token](unsigned ready) { on_ready(token, ready); });
    if (!watching) return false;
    h.watch = *watching;
    return true;
}

bool HelperSet::read_some(Running& h) {
    std::array<std::uint8_t, 16384> buffer{};
    const ssize_t n = ::recv(h.channel.get(), buffer.data(), buffer.size(), 0);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    append(h.in, ByteView(buffer).first(static_cast<std::size_t>(n)));
    return true;
}

bool HelperSet::write_some(Running& h) {
    while (!h.out.empty()) {
        const ssize_t n = ::send(h.channel.get(), h.out.data(), h.out.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN;
        h.out.erase(h.out.begin(), h.out.begin() + n);
    }
    return true;
}

// The callback may start, kill or send to any helper, so the entry is looked up anew each time.
void HelperSet::deliver(std::uint64_t token) {
    while (true) {
        const auto it = running_.find(token);
        if (it == running_.end()) return;
        Running& h = it->second;
        Reader in(h.in);
        const auto size = in.u32();
        if (!size) return;
        if (*size > kMaxMessage) {
            LOGE("", fmt::format(
                         "{}: helper sent a frame of {} bytes, expected {} at most: stopped [{}]",
                         module_.name, *size, kMaxMessage, kMsgHelper));
            ::kill(h.pid, SIGKILL);
            h.in.clear();
            close_channel(token, h);
            return;
        }
        const auto body = in.bytes(*size);
        if (!body) return;
        const Bytes message = to_bytes(*body);
        h.in.erase(h.in.begin(), h.in.begin() + 4 + static_cast<std::ptrdiff_t>(message.size()));
        if (h.events.message) {
            const Callout call(module_.name, "helper's message");
            h.events.message(h.arg, racoon_span{message.data(), message.size()});
        }
    }
}

void HelperSet::on_ready(std::uint64_t token, unsigned ready) {
    auto it = running_.find(token);
    if (it == running_.end() || it->second.closed) return;
    bool open = true;
    if ((ready & RACOON_FD_WRITE) != 0) open = write_some(it->second);
    if (open && (ready & RACOON_FD_READ) != 0) open = read_some(it->second);
    deliver(token);
    it = running_.find(token);
    if (it == running_.end() || it->second.closed) return;
    Running& h = it->second;
    if (!open || (h.wants_write != !h.out.empty() && !rewatch(token, h))) close_channel(token, h);
}

void HelperSet::close_channel(std::uint64_t token, Running& h) {
    if (h.closed) return;
    h.closed = true;
    h.closed_at = module_.shared.runtime.now();
    release(h);
    reap(token);
}

void HelperSet::reap(std::uint64_t token) {
    const auto it = running_.find(token);
    if (it == running_.end()) return;
    Running& h = it->second;
    h.timer = 0;
    int status = 0;
    const pid_t pid = ::waitpid(h.pid, &status, WNOHANG);
    if (pid == 0 || (pid < 0 && errno == EINTR)) {
        if (module_.shared.runtime.now() - h.closed_at > kGrace) ::kill(h.pid, SIGKILL);
        h.timer = module_.shared.runtime.arm(kReapEvery, [this, token] { reap(token); });
        return;
    }
    const Running gone = std::move(h);
    running_.erase(it);
    if (!gone.events.ended) return;
    const Callout call(module_.name, "helper's ended");
    gone.events.ended(gone.arg, status);
}

racoon_status HelperSet::send(std::uint64_t token, ByteView bytes) {
    const auto it = running_.find(token);
    if (it == running_.end() || it->second.closed) return RACOON_NOT_FOUND;
    Running& h = it->second;
    if (bytes.size() > kMaxMessage) return RACOON_INVALID_ARGUMENT;
    if (h.out.size() + bytes.size() > kMaxUnsent) return RACOON_BUSY;
    Writer frame;
    frame.counted32(bytes);
    append(h.out, frame.view());
    // A broken channel shows itself to on_ready too, which tells the module.
    if (!write_some(h)) return RACOON_IO;
    if (h.wants_write != !h.out.empty() && !rewatch(token, h)) return RACOON_IO;
    return RACOON_OK;
}

void HelperSetDeleter::operator()(HelperSet* set) const {
    delete set;
}

std::unique_ptr<HelperSet, HelperSetDeleter> make_helper_set(ModuleContext& module) {
    return std::unique_ptr<HelperSet, HelperSetDeleter>(new HelperSet(module));
}

namespace {

racoon_status start(void* host, std::uint32_t index, const std::int32_t* fds, std::size_t fd_count,
                    const racoon_proc_events* events, void* arg, std::uint64_t* token,
                    racoon_error* err) noexcept {
    if (!host || !events || !token) return RACOON_INVALID_ARGUMENT;
    ModuleContext& m = ModuleContext::of(host);
    if (!m.helpers) return RACOON_STATE;
    racoon_proc_events copy{};
    copy_sized(&copy, sizeof copy, events);
    return m.helpers->start(index, fds, fd_count, copy, arg, token, err);
}

racoon_status send(void* host, std::uint64_t token, racoon_span bytes) noexcept {
    if (!host || (!bytes.data && bytes.size != 0)) return RACOON_INVALID_ARGUMENT;
    ModuleContext& m = ModuleContext::of(host);
    return m.helpers ? m.helpers->send(token, {bytes.data, bytes.size}) : RACOON_STATE;
}

void kill(void* host, std::uint64_t token) noexcept {
    if (host && ModuleContext::of(host).helpers) ModuleContext::of(host).helpers->kill(token);
}

constexpr racoon_proc_service kTable = {sizeof(racoon_proc_service), start, send, kill};

}  // namespace

const racoon_proc_service* proc_service() {
    return &kTable;
}

}  // namespace racoon::plugin
