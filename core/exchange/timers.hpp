// Timers: a binary heap of deadlines; nothing looks at all SAs once a second.
//
//     Timer retry;                                   // a member: goes with its owner
//     retry.arm(timers, now + 2s, [this] { resend(); });
//     while (timers.fire_one(now)) {}
//
// A cancelled or re-armed timer leaves a stale heap entry behind, which is dropped when it surfaces,
// or by a rebuild when the stale ones outnumber the live ones.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/unique_function.hpp"

namespace racoon::exchange {

class Timers {
  public:
    using Id = std::uint64_t;
    using Callback = UniqueFunction<void()>;

    Id add(TimePoint when, Callback callback);
    void cancel(Id id);
    /// The earliest deadline; empty when nothing is due ever.
    std::optional<TimePoint> next() const;
    /// Calls the callback of one timer that is due at `now`; false when there is none. The callback
    /// may arm and cancel any timer.
    bool fire_one(TimePoint now);
    std::size_t size() const { return live_.size(); }

  private:
    struct Entry {
        TimePoint when;
        Id id;
        // Later deadlines sink; equal ones fire in the order of arming.
        friend bool operator<(const Entry& a, const Entry& b) {
            return a.when != b.when ? a.when > b.when : a.id > b.id;
        }
    };
    void prune();
    std::vector<Entry> heap_;
    std::unordered_map<Id, Callback> live_;
    Id last_ = 0;
};

/// One timer of its owner: cancelled with it.
class Timer {
  public:
    Timer() = default;
    ~Timer() { cancel(); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    /// Replaces what was armed before. `timers` outlives this.
    void arm(Timers& timers, TimePoint when, Timers::Callback callback);
    void cancel();
    bool armed() const { return timers_ != nullptr; }
    TimePoint when() const { return when_; }

  private:
    Timers* timers_ = nullptr;
    Timers::Id id_ = 0;
    TimePoint when_{};
};

}  // namespace racoon::exchange
