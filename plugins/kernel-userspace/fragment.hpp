// Cuts an IP packet that goes out with a header of ours, where the kernel will not: AH covers whole packets
// and is fragmented afterwards (RFC 4302 3.3.4).
#pragma once

#include <functional>

#include "packet.hpp"

namespace racoon::kernel_userspace {

/// Calls `each` with pieces of at most `mtu` bytes. `id` names the packet in IPv6; IPv4 has its own. False: it
/// cannot be cut, since it has options, is a piece itself, or the way is too narrow for anything.
bool split_packet(ByteView packet, std::size_t mtu, std::uint32_t id,
                  const std::function<void(ByteView piece)>& each);

}  // namespace racoon::kernel_userspace
