// The Internet checksum (RFC 1071): of IPv4 headers, and of TCP, UDP and ICMPv6 with their pseudo header.
#pragma once

#include <cstdint>

#include <racoon/plugin/kernel.h>

#include "bytes.hpp"

namespace racoon::kernel_userspace {

/// Adds `data` to a sum that is not folded yet; only the last part of a whole may have an odd size.
std::uint64_t add_to_sum(std::uint64_t sum, ByteView data);
/// The sum in 16 bits, host order, not inverted.
std::uint16_t folded(std::uint64_t sum);
/// Of the pseudo header (RFC 9293 3.1, RFC 8200 8.1).
std::uint64_t pseudo_header_sum(const racoon_addr& source, const racoon_addr& destination,
                                std::uint8_t protocol, std::size_t size);

/// What belongs into the checksum field, which is zero in `segment`.
std::uint16_t upper_checksum(const racoon_addr& source, const racoon_addr& destination,
                             std::uint8_t protocol, ByteView segment);
/// Makes the checksum of the IPv4 header that `packet` begins with anew.
void renew_header_checksum(std::span<std::uint8_t> packet);

}  // namespace racoon::kernel_userspace
