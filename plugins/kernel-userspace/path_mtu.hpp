// What is known of the MTU on the way to each peer (RFC 4301 8.2): learned from the kernel, which hears
// ICMP's "packet too big", and forgotten after a while, since ways change.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include <racoon/plugin/kernel.h>

namespace racoon::kernel_userspace {

class PathMtus {
  public:
    static constexpr std::size_t kMost = 4096;                    // peers
    static constexpr std::int64_t kLifetimeNs = 600'000'000'000;  // RFC 1191 6.3: ten minutes

    /// Less than any link may have (RFC 791, RFC 8200 5) is somebody's invention, and raised to that.
    static std::uint32_t least(std::uint8_t family) { return family == 4 ? 552 : 1280; }

    /// False: that was known.
    bool learn(const racoon_addr& peer, std::uint32_t mtu, std::int64_t now);
    /// Bytes with the outer IP header; 0: nothing is known.
    std::uint32_t of(const racoon_addr& peer, std::int64_t now) const;

  private:
    using Key = std::array<std::uint8_t, 17>;
    struct Entry {
        std::uint32_t mtu = 0;
        std::int64_t ends = 0;
    };
    static Key key_of(const racoon_addr& peer);
    std::map<Key, Entry> known_;
};

}  // namespace racoon::kernel_userspace
