// The receiver's window against replayed packets (RFC 4303 3.4.3 and appendix A; RFC 6479's ring of
// words). Sequence numbers are 64 bits inside; without ESN the upper half stays zero.
//
//     auto sequence = window.infer(low, esn);       // before the ICV is checked
//     if (!sequence || !window.fresh(*sequence)) drop;
//     …verify…
//     window.accept(*sequence);                     // only now
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace racoon::kernel_userspace {

inline constexpr std::uint32_t kLeastWindow = 64;
inline constexpr std::uint32_t kMostWindow = 4096;

class ReplayWindow {
  public:
    /// `packets` is raised to 64 and cut at 4096; 0: nothing is a replay, as of an SA by hand, whose peer may begin
    /// with 1 again.
    explicit ReplayWindow(std::uint32_t packets);

    std::uint32_t size() const { return size_; }
    /// The whole number of a packet that carries the lower half. Nothing: it could only lie before
    /// the first or after the last number that exists.
    std::optional<std::uint64_t> infer(std::uint32_t low, bool esn) const;
    bool fresh(std::uint64_t sequence) const;
    void accept(std::uint64_t sequence);

  private:
    std::uint32_t size_;
    std::uint64_t top_ = 0;  // greatest number accepted; 0: none yet
    std::vector<std::uint64_t>
        ring_;  // one word more than the window, so that moving clears a word
};

}  // namespace racoon::kernel_userspace
