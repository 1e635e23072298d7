// EventLoop: timers, descriptors, signals and posted calls on one thread; libuv underneath, nothing
// of it visible.
//
//     RACOON_TRY(auto loop, EventLoop::make());
//     auto token = loop->arm(10s, [&] { … });
//     loop->watch(fd, kReadable, [&](unsigned ready) { … });
//     loop->run();                                    // until stop()
//
// Main thread only, but for post(). Callbacks may arm, cancel, watch and unwatch anything, also
// themselves. Cancelling what has fired or gone is harmless.
#pragma once

#include <cstdint>
#include <memory>

#include "base/clock.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/unique_function.hpp"

namespace racoon::loop {

using TimerToken = Strong<struct TimerTokenTag, std::uint64_t>;
using WatchToken = Strong<struct WatchTokenTag, std::uint64_t>;
constexpr unsigned kReadable = 1;
constexpr unsigned kWritable = 2;

class EventLoop {
  public:
    static Result<std::unique_ptr<EventLoop>> make();
    ~EventLoop();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    /// Monotonic time, fresh at each call.
    TimePoint now() const { return monotonic_now(); }
    /// Calls back once after `delay` (at once if not positive); timers may fire up to 1 ms late.
    TimerToken arm(Duration delay, UniqueFunction<void()> callback);
    void cancel(TimerToken token);

    /// Level-triggered readiness of `fd`, which stays the caller's; unwatch before closing it.
    Result<WatchToken> watch(int fd, unsigned events, UniqueFunction<void(unsigned)> callback);
    void change(WatchToken token, unsigned events);
    void unwatch(WatchToken token);

    /// Runs `callback` each time the signal arrives.
    Status on_signal(int signal, UniqueFunction<void()> callback);
    /// Any thread: runs `callback` on the loop, in order of posting.
    void post(UniqueFunction<void()> callback);

    /// Runs until stop(). Returns at once if stop() came before.
    void run();
    void stop();

  private:
    struct Impl;
    explicit EventLoop(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace racoon::loop
