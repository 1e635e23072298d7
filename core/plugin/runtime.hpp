// Runtime: the time, timers, descriptors and threads that the services of the plugin host are made of.
// The daemon implements it over its event loop, tests with a clock of their own.
#pragma once

#include <cstdint>
#include <memory>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/unique_function.hpp"

namespace racoon::loop {
class EventLoop;
class WorkPool;
}  // namespace racoon::loop

namespace racoon::plugin {

class Runtime {
  public:
    virtual ~Runtime() = default;

    /// Any thread.
    virtual TimePoint now() const = 0;
    virtual std::int64_t wall_ns() const = 0;
    /// Any thread: runs `callback` on the main loop, in order.
    virtual void post(UniqueFunction<void()> callback) = 0;
    /// Any thread: are we on the main loop's?
    virtual bool on_main_thread() const = 0;

    // Main thread only. Tokens are never 0; cancelling what has gone is harmless.
    virtual std::uint64_t arm(Duration delay, UniqueFunction<void()> callback) = 0;
    virtual void cancel(std::uint64_t timer) = 0;
    /// `events`: 1 readable, 2 writable (RACOON_FD_…). Level-triggered.
    virtual Result<std::uint64_t> watch(int fd, unsigned events,
                                        UniqueFunction<void(unsigned)> callback) = 0;
    virtual void unwatch(std::uint64_t watch) = 0;
    /// `job` on a worker, then done(true) on the main loop; done(false): cancelled before it began.
    /// Busy: the queue is full.
    virtual Result<std::uint64_t> submit(UniqueFunction<void()> job,
                                         UniqueFunction<void(bool)> done) = 0;
    virtual void cancel_work(std::uint64_t work) = 0;
};

/// Over the daemon's loop and workers, which must outlive it. To be made on the main thread.
std::unique_ptr<Runtime> make_loop_runtime(loop::EventLoop& loop, loop::WorkPool& workers);

}  // namespace racoon::plugin
