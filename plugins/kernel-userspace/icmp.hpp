// "Packet too big": what a tunnel says to whom sent a packet that does not fit and may not be fragmented.
#pragma once

#include "packet.hpp"

namespace racoon::kernel_userspace {

/// Destination unreachable, fragmentation needed (RFC 792, RFC 1191 4) or packet too big (RFC 4443 3.2) to
/// the sender of `packet`, with the MTU that would do. It comes from the packet's destination: an address
/// that the sender's host takes from the device, which an own one of its would not be. Empty: nobody may be
/// told (RFC 1122 3.2.2).
Bytes too_big(ByteView packet, const Flow& flow, std::uint32_t mtu);

}  // namespace racoon::kernel_userspace
