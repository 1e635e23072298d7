// Cuts an IP packet where the kernel will not: with a header of ours, as AH has, which covers whole packets and
// is fragmented afterwards (RFC 4302 3.3.4), or before it goes into an SA with a bound (esp_frag).
#pragma once

#include <functional>

#include "packet.hpp"

namespace racoon::kernel_userspace {

/// Calls `each` with pieces of at most `mtu` bytes. `id` names the packet in IPv6; IPv4 has its own, and its
/// pieces can be cut again. False: it cannot be cut, since it has options, is a piece in IPv6, or the way is
/// too narrow for anything.
bool split_packet(ByteView packet, std::size_t mtu, std::uint32_t id,
                  const std::function<void(ByteView piece)>& each);

}  // namespace racoon::kernel_userspace
