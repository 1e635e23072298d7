#include "fake_host.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#ifdef RACOON_LINKED_PLUGIN
extern "C" const racoon_plugin racoon_plugin_v1;
#endif

namespace racoon::test {
namespace {

using namespace std::chrono_literals;

std::int64_t monotonic() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

FakeHost& self(void* host) {
    return *static_cast<FakeHost*>(host);
}

bool write_all(int fd, const std::uint8_t* data, std::size_t size) {
    while (size > 0) {
        const ssize_t n = ::send(fd, data, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {
            pollfd p{fd, POLLOUT, 0};
            ::poll(&p, 1, 1000);
            continue;
        }
        if (n <= 0) return false;
        data += n;
        size -= static_cast<std::size_t>(n);
    }
    return true;
}

}  // namespace

struct FakeHost::Services {
    static void reap(Helper* h) {
        if (h->pid < 0) return;
        ::kill(h->pid, SIGKILL);
        ::waitpid(h->pid, &h->wait_status, 0);
        h->pid = -1;
    }
    static const std::string* setting(void* host, const char* key) {
        const auto at = self(host).settings_.find(key);
        return at == self(host).settings_.end() ? nullptr : &at->second;
    }

    static inline const racoon_log_service log = {
        sizeof(racoon_log_service), [](void*, uint32_t) noexcept -> int32_t { return 1; },
        [](void* host, uint32_t level, const char* text, size_t size) noexcept {
            const std::string line = std::to_string(level) + " " + std::string(text, size) + "\n";
            self(host).log += line;
            if (self(host).verbose) std::fputs(line.c_str(), stderr);
        }};
    static inline const racoon_clock_service clock = {
        sizeof(racoon_clock_service), [](void* host) noexcept { return self(host).now(); },
        [](void*) noexcept -> int64_t { return std::int64_t{std::time(nullptr)} * 1'000'000'000; }};
    static inline const racoon_timer_service timer = {
        sizeof(racoon_timer_service),
        [](void* host, int64_t delay, void (*callback)(void*) RACOON_NOEXCEPT, void* arg,
           uint64_t* token) noexcept -> racoon_status {
            FakeHost& h = self(host);
            *token = h.next_token_++;
            h.timers_[*token] = {h.now() + delay, callback, arg};
            return RACOON_OK;
        },
        [](void* host, uint64_t token) noexcept { self(host).timers_.erase(token); }};
    static inline const racoon_fd_service fd = {
        sizeof(racoon_fd_service),
        [](void* host, int32_t number, uint32_t wanted,
           void (*callback)(void*, uint32_t) RACOON_NOEXCEPT, void* arg,
           uint64_t* token) noexcept -> racoon_status {
            FakeHost& h = self(host);
            *token = h.next_token_++;
            h.watches_[*token] = {number, wanted, callback, arg};
            return RACOON_OK;
        },
        [](void* host, uint64_t token) noexcept { self(host).watches_.erase(token); }};
    static inline const racoon_proc_service proc = {
        sizeof(racoon_proc_service),
        [](void* host, uint32_t index, const int32_t* fds, size_t count,
           const racoon_proc_events* handlers, void* arg, uint64_t* token,
           racoon_error* err) noexcept {
            return self(host).start_helper(index, fds, count, handlers, arg, token, err);
        },
        [](void* host, uint64_t token, racoon_span bytes) noexcept -> racoon_status {
            const auto at = self(host).helpers_.find(token);
            if (at == self(host).helpers_.end()) return RACOON_NOT_FOUND;
            std::vector<std::uint8_t> frame;
            for (int shift = 24; shift >= 0; shift -= 8) {
                frame.push_back(static_cast<std::uint8_t>(bytes.size >> shift));
            }
            frame.insert(frame.end(), bytes.data, bytes.data + bytes.size);
            return write_all(at->second.fd, frame.data(), frame.size()) ? RACOON_OK : RACOON_IO;
        },
        // Its end is told when the channel is seen to be closed, as the daemon does it.
        [](void* host, uint64_t token) noexcept {
            const auto at = self(host).helpers_.find(token);
            if (at != self(host).helpers_.end()) reap(&at->second);
        }};
    static inline const racoon_conf_service conf = {
        sizeof(racoon_conf_service),
        [](void* host, const racoon_section*, const char* key,
           int32_t* out) noexcept -> racoon_status {
            const std::string* v = setting(host, key);
            if (v == nullptr) return RACOON_NOT_FOUND;
            *out = *v == "on" ? 1 : 0;
            return RACOON_OK;
        },
        [](void* host, const racoon_section*, const char* key,
           int64_t* out) noexcept -> racoon_status {
            const std::string* v = setting(host, key);
            if (v == nullptr) return RACOON_NOT_FOUND;
            *out = std::atoll(v->c_str());
            return RACOON_OK;
        },
        [](void* host, const racoon_section*, const char* key,
           int64_t* out) noexcept -> racoon_status {
            const std::string* v = setting(host, key);
            if (v == nullptr) return RACOON_NOT_FOUND;
            *out = std::atoll(v->c_str()) * 1'000'000'000;
            return RACOON_OK;
        },
        [](void* host, const racoon_section*, const char* key,
           racoon_span* out) noexcept -> racoon_status {
            const std::string* v = setting(host, key);
            if (v == nullptr) return RACOON_NOT_FOUND;
            *out = {reinterpret_cast<const std::uint8_t*>(v->data()), v->size()};
            return RACOON_OK;
        },
        [](void*, const char*, racoon_span*) noexcept -> racoon_status {
            return RACOON_NOT_FOUND;
        }};
    static inline const racoon_random_service random = {
        sizeof(racoon_random_service),
        [](void*, uint8_t* out, size_t size) noexcept -> racoon_status {
            return ::getrandom(out, size, 0) == static_cast<ssize_t>(size) ? RACOON_OK : RACOON_IO;
        }};
    static inline const racoon_op_service op = {
        sizeof(racoon_op_service),
        [](void* host, racoon_op token, racoon_status status, const void* result,
           size_t size) noexcept {
            Completion c;
            c.status = status;
            const auto* bytes = static_cast<const std::uint8_t*>(result);
            if (bytes != nullptr) c.result.assign(bytes, bytes + size);
            self(host).done_[token] = std::move(c);
        },
        [](void*, racoon_op) noexcept -> int32_t { return 1; }};

    static const void* find(void*, const char* name) noexcept {
        const std::string wanted = name;
        if (wanted == RACOON_SERVICE_LOG) return &log;
        if (wanted == RACOON_SERVICE_CLOCK) return &clock;
        if (wanted == RACOON_SERVICE_TIMER) return &timer;
        if (wanted == RACOON_SERVICE_FD) return &fd;
        if (wanted == RACOON_SERVICE_PROC) return &proc;
        if (wanted == RACOON_SERVICE_CONF) return &conf;
        if (wanted == RACOON_SERVICE_RANDOM) return &random;
        if (wanted == RACOON_SERVICE_OP) return &op;
        return nullptr;
    }
};

FakeHost::FakeHost(Clock clock) : clock_(clock) {
    host_.struct_size = sizeof(host_);
    host_.abi_major = RACOON_ABI_MAJOR;
    host_.abi_minor = RACOON_ABI_MINOR;
    host_.version = "test";
    host_.ctx = this;
    host_.get_service = &Services::find;
    host_.provide = [](void* ctx, const char* point, const char*, const void* vtable, void* impl,
                       racoon_error*) noexcept -> racoon_status {
        if (std::strcmp(point, RACOON_POINT_KERNEL) != 0) return RACOON_INVALID_ARGUMENT;
        self(ctx).table_ = static_cast<const racoon_kernel*>(vtable);
        self(ctx).impl_ = impl;
        return RACOON_OK;
    };
}

FakeHost::~FakeHost() {
    close();
    if (plugin_ != nullptr && plugin_ctx_ != nullptr) {
        if (plugin_->stop != nullptr) plugin_->stop(plugin_ctx_);
        plugin_->destroy(plugin_ctx_);
    }
    while (!helpers_.empty()) end_helper(helpers_.begin()->first, false);
}

racoon_error* FakeHost::err() {
    err_ = {};
    err_.struct_size = sizeof(err_);
    return &err_;
}

bool FakeHost::load(const std::string& name) {
#ifdef RACOON_LINKED_PLUGIN
    plugin_ = name.empty() ? nullptr : &racoon_plugin_v1;
#else
    const std::string path = std::string(RACOON_BUILD_DIR) + "/lib/racoon/modules/" + name + ".so";
    void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == nullptr) {
        error_ = ::dlerror();
        return false;
    }
    plugin_ = static_cast<const racoon_plugin*>(::dlsym(handle, RACOON_PLUGIN_SYMBOL));
    if (plugin_ == nullptr || plugin_->magic != RACOON_PLUGIN_MAGIC) {
        error_ = path + ": no plugin";
        return false;
    }
#endif
    racoon_status status = plugin_->init(&host_, &plugin_ctx_, err());
    if (status == RACOON_OK && plugin_->configure != nullptr) {
        void* pending = nullptr;
        // The services do not look at the section; it only has to be there.
        auto* section = reinterpret_cast<const racoon_section*>(this);
        status = plugin_->configure(plugin_ctx_, section, &pending, err());
        if (status == RACOON_OK) plugin_->commit(plugin_ctx_, pending);
    }
    if (status == RACOON_OK && plugin_->start != nullptr)
        status = plugin_->start(plugin_ctx_, err());
    error_ = err_.text;
    return status == RACOON_OK && table_ != nullptr;
}

bool FakeHost::open() {
    racoon_kernel_events sink{};
    sink.struct_size = sizeof(sink);
    sink.arg = this;
    sink.event_buffer = event_buffer;
    sink.event = [](void* arg, const racoon_kernel_event* event) noexcept {
        self(arg).events.push_back(*event);
        if (self(arg).on_event) self(arg).on_event(*event);
    };
    opened_ = table_->open(impl_, &sink, err()) == RACOON_OK;
    error_ = err_.text;
    return opened_;
}

void FakeHost::close() {
    if (opened_) table_->close(impl_);
    opened_ = false;
}

void FakeHost::crash() {
    while (!helpers_.empty()) end_helper(helpers_.begin()->first, false);
    opened_ = false;
    static auto* const abandoned = new std::vector<void*>;  // their processes are imagined dead
    abandoned->push_back(plugin_ctx_);
    plugin_ctx_ = nullptr;
    timers_.clear();
    watches_.clear();
}

racoon_status FakeHost::finish(racoon_status status, racoon_op op, Completion* out) {
    error_ = err_.text;
    if (status != RACOON_PENDING) return status;
    if (!run_until([&] { return done_.count(op) != 0; }, 20s)) return RACOON_TIMEOUT;
    const Completion completion = done_[op];
    done_.erase(op);
    if (out != nullptr) *out = completion;
    return completion.status;
}

racoon_status FakeHost::spi_get(const racoon_kernel_spi_request& request, std::uint32_t* spi) {
    racoon_kernel_spi_result out{};
    const racoon_op op = next_op_++;
    Completion later;
    const racoon_status status =
        finish(table_->spi_get(impl_, &request, op, &out, err()), op, &later);
    if (later.result.size() == sizeof(out)) std::memcpy(&out, later.result.data(), sizeof(out));
    *spi = out.spi;
    return status;
}

racoon_status FakeHost::sa_update(const racoon_kernel_sa& sa) {
    const racoon_op op = next_op_++;
    return finish(table_->sa_update(impl_, &sa, op, err()), op, nullptr);
}

racoon_status FakeHost::sa_add(const racoon_kernel_sa& sa) {
    const racoon_op op = next_op_++;
    return finish(table_->sa_add(impl_, &sa, op, err()), op, nullptr);
}

racoon_status FakeHost::sa_delete(const racoon_kernel_sa_id& id) {
    const racoon_op op = next_op_++;
    return finish(table_->sa_delete(impl_, &id, op, err()), op, nullptr);
}

racoon_status FakeHost::sa_query(const racoon_kernel_sa_id& id, racoon_kernel_sa_info* info) {
    *info = {};
    info->struct_size = sizeof(*info);
    const racoon_op op = next_op_++;
    Completion later;
    const racoon_status status = finish(table_->sa_query(impl_, &id, op, info, err()), op, &later);
    if (later.result.size() == sizeof(*info)) std::memcpy(info, later.result.data(), sizeof(*info));
    return status;
}

std::vector<racoon_kernel_sa_info> FakeHost::sa_dump() {
    std::vector<racoon_kernel_sa_info> all;
    const auto each = [](void* arg, const racoon_kernel_sa_info* sa) noexcept {
        static_cast<std::vector<racoon_kernel_sa_info>*>(arg)->push_back(*sa);
    };
    table_->sa_dump(impl_, each, &all, err());
    return all;
}

racoon_status FakeHost::policy_add(const racoon_kernel_policy& policy) {
    const racoon_op op = next_op_++;
    return finish(table_->policy_add(impl_, &policy, op, err()), op, nullptr);
}

racoon_status FakeHost::policy_delete(std::uint32_t id) {
    const racoon_op op = next_op_++;
    return finish(table_->policy_delete(impl_, id, op, err()), op, nullptr);
}

racoon_status FakeHost::sa_move(const racoon_kernel_sa_id& id, const racoon_addr& peer) {
    const racoon_op op = next_op_++;
    return finish(table_->sa_move(impl_, &id, &peer, op, err()), op, nullptr);
}

racoon_status FakeHost::policy_update(std::uint32_t old_id, const racoon_kernel_policy& policy) {
    const racoon_op op = next_op_++;
    return finish(table_->policy_update(impl_, old_id, &policy, op, err()), op, nullptr);
}

std::vector<racoon_kernel_policy> FakeHost::policy_dump() {
    std::vector<racoon_kernel_policy> all;
    const auto each = [](void* arg, const racoon_kernel_policy* policy) noexcept {
        static_cast<std::vector<racoon_kernel_policy>*>(arg)->push_back(*policy);
    };
    table_->policy_dump(impl_, each, &all, err());
    return all;
}

std::size_t FakeHost::count(std::uint32_t type) const {
    std::size_t n = 0;
    for (const auto& event : events) n += event.type == type ? 1 : 0;
    return n;
}

const racoon_kernel_event* FakeHost::last(std::uint32_t type) const {
    for (auto it = events.rbegin(); it != events.rend(); ++it) {
        if (it->type == type) return &*it;
    }
    return nullptr;
}

std::int64_t FakeHost::now() const {
    return clock_ == Clock::Virtual ? virtual_now_ : monotonic();
}

bool FakeHost::fire_timer() {
    auto first = timers_.end();
    for (auto it = timers_.begin(); it != timers_.end(); ++it) {
        if (it->second.at <= now() &&
            (first == timers_.end() || it->second.at < first->second.at)) {
            first = it;
        }
    }
    if (first == timers_.end()) return false;
    const Timer timer = first->second;
    timers_.erase(first);
    timer.callback(timer.arg);
    return true;
}

void FakeHost::advance(std::chrono::nanoseconds by) {
    const std::int64_t target = virtual_now_ + by.count();
    while (true) {
        std::int64_t next = target;
        for (const auto& [token, timer] : timers_) next = std::min(next, timer.at);
        virtual_now_ = std::max(virtual_now_, next);
        if (!fire_timer() && virtual_now_ >= target) return;
    }
}

void FakeHost::step(std::chrono::milliseconds wait) {
    while (fire_timer()) {
    }
    std::int64_t timeout = wait.count();
    for (const auto& [token, timer] : timers_) {
        if (clock_ == Clock::Virtual) break;
        const std::int64_t until = (timer.at - now()) / 1'000'000 + 1;
        timeout = std::max<std::int64_t>(0, std::min(timeout, until));
    }
    std::vector<pollfd> polled;
    std::vector<std::pair<std::uint64_t, bool>> owners;  // token, is a helper
    for (const auto& [token, w] : watches_) {
        short wanted = 0;
        if ((w.events & RACOON_FD_READ) != 0) wanted |= POLLIN;
        if ((w.events & RACOON_FD_WRITE) != 0) wanted |= POLLOUT;
        polled.push_back({w.fd, wanted, 0});
        owners.emplace_back(token, false);
    }
    for (const auto& [token, h] : helpers_) {
        polled.push_back({h.fd, POLLIN, 0});
        owners.emplace_back(token, true);
    }
    if (::poll(polled.data(), polled.size(), static_cast<int>(timeout)) <= 0) return;
    for (std::size_t i = 0; i < polled.size(); ++i) {
        if (polled[i].revents == 0) continue;
        if (owners[i].second) {
            serve_helper(owners[i].first);
            continue;
        }
        const auto at = watches_.find(owners[i].first);
        if (at == watches_.end()) continue;
        const Watch w = at->second;
        std::uint32_t ready = 0;
        if ((polled[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) ready |= RACOON_FD_READ;
        if ((polled[i].revents & POLLOUT) != 0) ready |= RACOON_FD_WRITE;
        w.callback(w.arg, ready);
    }
}

bool FakeHost::run_until(const std::function<bool()>& done, std::chrono::milliseconds at_most) {
    const std::int64_t end = monotonic() + at_most.count() * 1'000'000;
    while (!done()) {
        if (monotonic() > end) return false;
        step(50ms);
    }
    return true;
}

std::string FakeHost::manifest_text() const {
    return std::string(plugin_->manifest, plugin_->manifest_size);
}

racoon_status FakeHost::start_helper(std::uint32_t, const std::int32_t* fds, std::size_t count,
                                     const racoon_proc_events* handlers, void* arg,
                                     std::uint64_t* token, racoon_error* err) {
    // The one helper that a kernel backend has: the first "program" of its manifest.
    const std::string text = manifest_text();
    const std::string word = "\"program\": \"";
    const std::size_t at = text.find(word);
    if (at == std::string::npos) return RACOON_NOT_FOUND;
    const std::size_t begin = at + word.size();
    const std::string program = std::string(RACOON_BUILD_DIR) + "/lib/racoon/helper/" +
                                text.substr(begin, text.find('"', begin) - begin);
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return RACOON_IO;
    const pid_t pid = ::fork();
    if (pid == 0) {
        // First out of the way of the numbers that are to be given, then onto them.
        std::vector<int> high;
        high.push_back(::fcntl(pair[1], F_DUPFD, 100));
        for (std::size_t i = 0; i < count; ++i) high.push_back(::fcntl(fds[i], F_DUPFD, 100));
        for (std::size_t i = 0; i < high.size(); ++i) ::dup2(high[i], 3 + static_cast<int>(i));
        for (int fd = 3 + static_cast<int>(high.size()); fd < 256; ++fd) ::close(fd);
        ::execl(program.c_str(), program.c_str(), static_cast<char*>(nullptr));
        ::_exit(127);
    }
    ::close(pair[1]);
    if (pid < 0) {
        ::close(pair[0]);
        if (err != nullptr) std::strcpy(err->text, "fork failed");
        return RACOON_IO;
    }
    *token = next_token_++;
    Helper& h = helpers_[*token];
    h.pid = pid;
    h.fd = pair[0];
    h.events = *handlers;
    h.arg = arg;
    return RACOON_OK;
}

void FakeHost::serve_helper(std::uint64_t token) {
    const auto at = helpers_.find(token);
    if (at == helpers_.end()) return;
    std::uint8_t buffer[65536];
    const ssize_t n = ::recv(at->second.fd, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return end_helper(token, true);
    auto& in = at->second.in;
    in.insert(in.end(), buffer, buffer + n);
    while (true) {
        const auto again = helpers_.find(token);
        if (again == helpers_.end() || again->second.in.size() < 4) return;
        auto& have = again->second.in;
        std::size_t size = 0;
        for (int i = 0; i < 4; ++i) size = size << 8 | have[static_cast<std::size_t>(i)];
        if (have.size() < 4 + size) return;
        const std::vector<std::uint8_t> frame(have.begin() + 4,
                                              have.begin() + 4 + static_cast<std::ptrdiff_t>(size));
        have.erase(have.begin(), have.begin() + 4 + static_cast<std::ptrdiff_t>(size));
        Helper h;
        h.events = again->second.events;
        h.arg = again->second.arg;
        h.events.message(h.arg, {frame.data(), frame.size()});
    }
}

void FakeHost::end_helper(std::uint64_t token, bool tell) {
    const auto at = helpers_.find(token);
    if (at == helpers_.end()) return;
    Helper h = at->second;
    helpers_.erase(at);
    ::close(h.fd);
    Services::reap(&h);
    if (tell) h.events.ended(h.arg, h.wait_status);
}

std::vector<int> FakeHost::helper_pids() const {
    std::vector<int> pids;
    for (const auto& [token, h] : helpers_)
        if (h.pid >= 0) pids.push_back(h.pid);
    return pids;
}

}  // namespace racoon::test
