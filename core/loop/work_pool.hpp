// WorkPool: worker threads of our own for Diffie-Hellman and other arithmetic that must not run on
// the loop (libuv's pool is shared with getaddrinfo and sized by the environment). Bounded: a full
// queue answers Busy, it never grows.
#pragma once

#include <cstddef>
#include <memory>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/unique_function.hpp"
#include "loop/event_loop.hpp"

namespace racoon::loop {

using WorkToken = Strong<struct WorkTokenTag, std::uint64_t>;

class WorkPool {
  public:
    /// threads 0: one per processor, at least 1. Threads start with the first job, with all signals
    /// blocked.
    WorkPool(EventLoop& loop, unsigned threads, std::size_t queue_limit);
    /// Waits for running jobs; queued ones are cancelled.
    ~WorkPool();

    /// `job` runs on a worker, then `done` on the loop; done(false): cancelled before it began.
    Result<WorkToken> submit(UniqueFunction<void()> job, UniqueFunction<void(bool)> done);
    void cancel(WorkToken token);
    std::size_t queued() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace racoon::loop
