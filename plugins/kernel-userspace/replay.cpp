#include "replay.hpp"

#include <algorithm>

namespace racoon::kernel_userspace {

ReplayWindow::ReplayWindow(std::uint32_t packets)
    : size_(packets == 0 ? 0 : (std::clamp(packets, kLeastWindow, kMostWindow) + 63) / 64 * 64),
      ring_(size_ / 64 + 1) {}

std::optional<std::uint64_t> ReplayWindow::infer(std::uint32_t low, bool esn) const {
    if (!esn || size_ == 0) return low == 0 ? std::nullopt : std::optional<std::uint64_t>(low);
    // RFC 4303 appendix A2.2: which half of 2^32 around the window the lower half can lie in.
    const auto top_low = static_cast<std::uint32_t>(top_);
    const std::uint64_t high = top_ >> 32;
    std::uint64_t upper = high;
    if (top_low >= size_ - 1) {
        if (low < top_low - (size_ - 1)) upper = high + 1;
    } else if (low >= top_low - (size_ - 1)) {  // wraps on purpose
        if (high == 0) return {};
        upper = high - 1;
    }
    if (upper >> 32 != 0) return {};
    const std::uint64_t sequence = upper << 32 | low;
    return sequence == 0 ? std::nullopt : std::optional<std::uint64_t>(sequence);
}

bool ReplayWindow::fresh(std::uint64_t sequence) const {
    if (sequence > top_ || size_ == 0) return true;
    if (top_ - sequence >= size_) return false;
    return (ring_[sequence / 64 % ring_.size()] >> (sequence % 64) & 1) == 0;
}

void ReplayWindow::accept(std::uint64_t sequence) {
    if (sequence > top_) {
        const std::uint64_t words =
            std::min<std::uint64_t>(sequence / 64 - top_ / 64, ring_.size());
        for (std::uint64_t i = 1; i <= words; ++i) ring_[(top_ / 64 + i) % ring_.size()] = 0;
        top_ = sequence;
    }
    ring_[sequence / 64 % ring_.size()] |= std::uint64_t{1} << (sequence % 64);
}

}  // namespace racoon::kernel_userspace
