#include "base/clock.hpp"

#include <ctime>

namespace racoon {

TimePoint monotonic_now() {
    timespec ts{};
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return TimePoint(std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec));
}

std::int64_t wall_seconds() {
    return static_cast<std::int64_t>(std::time(nullptr));
}

}  // namespace racoon
