#include "log/rate_limit.hpp"

#include <algorithm>
#include <utility>

namespace racoon::log {

namespace {

std::uint64_t mix(std::uint64_t hash, std::string_view text) {
    for (const char c : text) {
        hash ^= static_cast<std::uint8_t>(c);
        hash *= 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    return hash ^ (hash >> 32);
}

}  // namespace

std::string RateLimit::Pass::note() const {
    if (suppressed == 0) return "";
    return " (" + std::to_string(suppressed) + " more like this were not logged)";
}

RateLimit::RateLimit(unsigned burst, Duration interval, std::uint64_t key)
    : burst_(std::max(burst, 1u)), interval_(interval), key_(key) {}

RateLimit::Pass RateLimit::allow(std::string_view cause, std::string_view peer, TimePoint now) {
    const std::uint64_t key = mix(mix(key_ ^ 0x51ed270b, cause) + 1, peer) | 1;
    Slot& slot = slots_[key % slots_.size()];
    if (slot.key != key) {
        // Taken over only from a cause that has been quiet: else the two share the allowance, and a
        // flood of peers cannot buy itself fresh allowances.
        if (slot.key == 0 || slot.full_at <= now) slot = Slot{key, now, 0};
    }
    const TimePoint start = std::max(slot.full_at, now);
    if (start - now > interval_ * (burst_ - 1)) {
        ++slot.suppressed;
        return {};
    }
    slot.full_at = start + interval_;
    return {true, std::exchange(slot.suppressed, 0)};
}

}  // namespace racoon::log
