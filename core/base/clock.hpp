// Time as the core sees it: nanoseconds on the monotonic clock, given from outside. The engine never
// reads a clock; wall time exists only for logs and files.
#pragma once

#include <chrono>
#include <cstdint>

namespace racoon {

using Duration = std::chrono::nanoseconds;

struct MonotonicClock {  // not std::chrono::steady_clock: nothing may call now() by accident
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<MonotonicClock>;
    static constexpr bool is_steady = true;
};
using TimePoint = MonotonicClock::time_point;

/// CLOCK_MONOTONIC; for the loop and programs, not for the engine.
TimePoint monotonic_now();
/// Seconds since the epoch, UTC.
std::int64_t wall_seconds();

}  // namespace racoon
