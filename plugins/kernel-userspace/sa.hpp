// An SA in the data process, and the SAs that one packet passes through.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>

#include <racoon/plugin/kernel.h>

#include "ah.hpp"
#include "comp.hpp"
#include "esp.hpp"

namespace racoon::kernel_userspace {

inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
/// Rules of one policy, and so SAs around one packet.
inline constexpr std::size_t kMostLayers = 4;

struct Sa {
    racoon_kernel_sa facts{};    // keys wiped
    std::unique_ptr<EspSa> esp;  // one of the three
    std::unique_ptr<AhSa> ah;
    std::unique_ptr<CompSa> comp;
    std::uint32_t state = 1;
    std::uint64_t serial = 0;
    std::uint64_t bytes = 0;
    std::uint64_t packets = 0;
    racoon_addr told{};  // where the core knows its packets to come from now
    std::int64_t told_since = 0;
    unsigned told_times = 0;  // since then
    std::int64_t last_used = -1;
    std::int64_t soft_at = kNever;
    std::int64_t hard_at = kNever;

    bool tunnel() const { return facts.mode == RACOON_MODE_TUNNEL; }
    bool encapsulated() const { return (facts.flags & RACOON_SA_UDP_ENCAP) != 0; }
    /// Zero bytes between UDP and ESP: the non-IKE marker, where it has one.
    std::size_t marker() const {
        return encapsulated() && (facts.flags & RACOON_SA_NON_IKE_MARKER) != 0 ? kNonIkeMarker : 0;
    }
    /// Bytes that its outer packets have at most; 0: any number.
    std::size_t bound() const { return encapsulated() ? facts.esp_frag : 0; }
    bool inbound() const { return facts.direction == RACOON_DIR_IN; }
    std::uint32_t replay_window() const {
        return esp ? esp->replay_window() : ah ? ah->replay_window() : 0;
    }
    /// The longest packet, with its IP header, that this SA makes one of at most `way` bytes of; 0: none.
    std::size_t most_inside(std::size_t way) const;
};

/// Innermost first, as the rules of a policy are.
class Layers {
  public:
    bool empty() const { return count_ == 0; }
    std::size_t size() const { return count_; }
    bool full() const { return count_ == kMostLayers; }
    std::span<Sa* const> all() const { return std::span(sas_).first(count_); }
    Sa& outermost() const { return *sas_[count_ - 1]; }
    void add_outer(Sa& sa) { sas_[count_++] = &sa; }
    void add_inner(Sa& sa) {
        for (std::size_t i = count_; i > 0; --i) sas_[i] = sas_[i - 1];
        sas_[0] = &sa;
        ++count_;
    }
    /// ESP alone, whose outer header the kernel may write.
    bool only_esp() const { return count_ == 1 && sas_[0]->esp; }
    /// All in transport mode, the outermost in UDP: a NAT may have changed what a checksum covers.
    bool checksum_behind_nat() const;
    /// As Sa::most_inside, through all of them.
    std::size_t most_inside(std::size_t way) const;

  private:
    std::array<Sa*, kMostLayers> sas_{};
    std::size_t count_ = 0;
};

}  // namespace racoon::kernel_userspace
