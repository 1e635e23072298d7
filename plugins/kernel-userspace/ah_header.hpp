// The IP header around AH (RFC 4302 3.3.3.1): where AH stands behind it, and what of it the ICV covers.
// Options of IPv4, and of IPv6 those for hosts on the way and for the destination, are known; routing and
// fragment headers are not, and nothing is done with a packet that has one.
//
//     auto at = place_for_ah(packet, flow);
//     set_next(packet, *at, kProtoAh);
//     if (!cover(packet.first(*at), &covered)) drop;
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "packet.hpp"

namespace racoon::kernel_userspace {

/// Where AH in transport mode goes into a packet: behind the headers for hosts on the way. Nothing: a header
/// that says where the packet goes next is in it.
std::optional<std::size_t> place_for_ah(ByteView packet, const Flow& flow);

/// What stands at `at`, by the header before it.
std::uint8_t next_at(ByteView packet, std::size_t at);

/// Writes the packet's length into its header. IPv4's checksum does not follow.
void set_length(std::span<std::uint8_t> packet);
/// Writes what stands at `at`, into whichever header comes before, and the packet's length; IPv4's checksum
/// follows. `at` is a place between headers, as place_for_ah and parse_packet find them.
void set_next(std::span<std::uint8_t> packet, std::size_t at, std::uint8_t next);

/// The headers before AH as the ICV covers them: what may change on the way is zero. False: there is
/// something in them that cannot be covered.
bool cover(ByteView headers, Bytes* out);

}  // namespace racoon::kernel_userspace
