// A host for one kernel backend, without the daemon: it loads the module, serves log, clock, timer,
// fd, proc, conf, random and op from a poll loop, and records events and completed operations.
//
//     FakeHost host(FakeHost::Clock::Virtual);
//     host.set("device", "racoon1");
//     host.load("kernel-sim");
//     host.open();
//     host.advance(30s);                        // virtual clock only
//     host.run_until([&] { return … ; });       // waits for descriptors, at most a minute
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <racoon/plugin.h>

namespace racoon::test {

struct Completion {
    racoon_status status = RACOON_INTERNAL;
    std::vector<std::uint8_t> result;
};

class FakeHost {
  public:
    enum class Clock : std::uint8_t { Real, Virtual };
    explicit FakeHost(Clock clock);
    ~FakeHost();
    FakeHost(const FakeHost&) = delete;
    FakeHost& operator=(const FakeHost&) = delete;

    void set(const std::string& key, const std::string& value) { settings_[key] = value; }
    /// Loads RACOON_BUILD_DIR/lib/racoon/modules/NAME.so, runs init, configure, commit and start.
    /// False: error() says why.
    bool load(const std::string& name);
    std::uint32_t event_buffer = 0;  // what open() asks for
    bool open();
    void close();
    /// Ends the helpers at once and forgets the backend, as if the daemon had been killed.
    void crash();

    const racoon_kernel& table() const { return *table_; }
    void* impl() const { return impl_; }
    const std::string& error() const { return error_; }
    racoon_error* err();
    /// Of the last call that failed.
    int os_errno() const { return err_.os_errno; }

    // Synchronous forms: they run the loop until a PENDING operation is completed.
    racoon_status spi_get(const racoon_kernel_spi_request& request, std::uint32_t* spi);
    racoon_status sa_update(const racoon_kernel_sa& sa);
    racoon_status sa_add(const racoon_kernel_sa& sa);
    racoon_status sa_delete(const racoon_kernel_sa_id& id);
    racoon_status sa_query(const racoon_kernel_sa_id& id, racoon_kernel_sa_info* info);
    std::vector<racoon_kernel_sa_info> sa_dump();
    racoon_status sa_move(const racoon_kernel_sa_id& id, const racoon_addr& peer);
    racoon_status policy_add(const racoon_kernel_policy& policy);
    racoon_status policy_delete(std::uint32_t id);
    racoon_status policy_update(std::uint32_t old_id, const racoon_kernel_policy& policy);
    std::vector<racoon_kernel_policy> policy_dump();

    std::vector<racoon_kernel_event> events;
    /// Called as events arrive, after they were recorded.
    std::function<void(const racoon_kernel_event&)> on_event;
    std::size_t count(std::uint32_t type) const;
    const racoon_kernel_event* last(std::uint32_t type) const;
    std::string log;
    bool verbose = false;

    std::int64_t now() const;
    void advance(std::chrono::nanoseconds by);
    /// Serves what is ready; waits at most `wait` for it.
    void step(std::chrono::milliseconds wait);
    bool run_until(const std::function<bool()>& done,
                   std::chrono::milliseconds at_most = std::chrono::seconds(60));
    std::vector<int> helper_pids() const;
    std::size_t open_watches() const { return watches_.size(); }
    std::size_t open_timers() const { return timers_.size(); }

  private:
    struct Timer {
        std::int64_t at;
        void (*callback)(void*) RACOON_NOEXCEPT;
        void* arg;
    };
    struct Watch {
        int fd;
        std::uint32_t events;
        void (*callback)(void*, std::uint32_t) RACOON_NOEXCEPT;
        void* arg;
    };
    struct Helper {
        int pid = -1;  // -1: it has been ended, which is not told yet
        int wait_status = 0;
        int fd = -1;
        racoon_proc_events events{};
        void* arg = nullptr;
        std::vector<std::uint8_t> in;
    };
    struct Services;

    racoon_status finish(racoon_status status, racoon_op op, Completion* out);
    racoon_status start_helper(std::uint32_t index, const std::int32_t* fds, std::size_t count,
                               const racoon_proc_events* handlers, void* arg, std::uint64_t* token,
                               racoon_error* err);
    void serve_helper(std::uint64_t token);
    void end_helper(std::uint64_t token, bool tell);
    bool fire_timer();
    std::string manifest_text() const;

    Clock clock_;
    std::int64_t virtual_now_ = 1'000'000'000;
    std::map<std::string, std::string> settings_;
    racoon_host host_{};
    const racoon_plugin* plugin_ = nullptr;
    void* plugin_ctx_ = nullptr;
    const racoon_kernel* table_ = nullptr;
    void* impl_ = nullptr;
    bool opened_ = false;
    racoon_error err_{};
    std::string error_;
    racoon_op next_op_ = 1;
    std::map<racoon_op, Completion> done_;
    std::uint64_t next_token_ = 1;
    std::map<std::uint64_t, Timer> timers_;
    std::map<std::uint64_t, Watch> watches_;
    std::map<std::uint64_t, Helper> helpers_;
    friend struct Services;
};

}  // namespace racoon::test
