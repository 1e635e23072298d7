// Puts datagrams together that the kernel fragmented before they came to the TUN device: ESP in transport
// mode is for whole datagrams (RFC 4303 3.3.4), and so is a policy that names ports. Pieces come in order,
// as a host sends them; others are given up. Bounded in number and in time.
#pragma once

#include <cstdint>
#include <deque>

#include "packet.hpp"

namespace racoon::kernel_userspace {

class Reassembly {
  public:
    static constexpr std::size_t kMost = 16;                    // datagrams at a time
    static constexpr std::int64_t kLifetimeNs = 2'000'000'000;  // of one

    /// Takes a fragment. The whole datagram when this was the last piece, else empty.
    Bytes add(ByteView packet, const Flow& flow, std::int64_t now);
    std::size_t waiting() const { return parts_.size(); }

  private:
    struct Part {
        racoon_addr source{};
        racoon_addr destination{};
        std::uint8_t protocol = 0;
        std::uint32_t id = 0;
        std::int64_t ends = 0;
        Bytes packet;  // with the header of the first fragment
        std::size_t header = 0;
    };
    std::deque<Part> parts_;  // oldest first
};

}  // namespace racoon::kernel_userspace
