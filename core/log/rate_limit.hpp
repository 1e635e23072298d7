// RateLimit: how often one cause may speak about one peer, in bounded memory.
//
//     log::RateLimit limit(5, 60s);               // 5 lines, then one a minute
//     if (auto pass = limit.allow("no-config", peer, now)) LOGW(…, text + pass.note());
//
// Causes and peers share a fixed table by a keyed hash: a flood from forged addresses neither grows
// it nor can aim at the slot of a chosen peer. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace racoon::log {

class RateLimit {
  public:
    struct Pass {
        bool allowed = false;
        std::uint64_t suppressed = 0;  // since the last line that passed
        explicit operator bool() const { return allowed; }
        /// "" or " (17 more like this were not logged)".
        std::string note() const;
    };

    /// `burst` lines at once, then one each `interval`.
    RateLimit(unsigned burst, Duration interval, std::uint64_t key = 0);

    Pass allow(std::string_view cause, std::string_view peer, TimePoint now);

  private:
    struct Slot {
        std::uint64_t key = 0;
        TimePoint full_at{};  // when all of the burst will be available again
        std::uint64_t suppressed = 0;
    };
    unsigned burst_;
    Duration interval_;
    std::uint64_t key_;
    std::array<Slot, 512> slots_{};
};

}  // namespace racoon::log
