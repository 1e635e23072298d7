#include "checksum.hpp"

#include <bit>
#include <cstring>

namespace racoon::kernel_userspace {
namespace {

// The sum has the same value in either byte order, but for the order of its bytes (RFC 1071 2 B): words
// are added as they lie in memory, and turned once at the end.
std::uint64_t native(std::uint64_t sum) {
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    if constexpr (std::endian::native == std::endian::little) {
        sum = (sum & 0xff) << 8 | sum >> 8;
    }
    return sum;
}

}  // namespace

std::uint64_t add_to_sum(std::uint64_t sum, ByteView data) {
    const std::uint8_t* p = data.data();
    std::size_t left = data.size();
    std::uint64_t words[4] = {};  // of 32 bits each, so that none overflows in any packet
    for (; left >= 16; left -= 16, p += 16) {
        std::uint32_t part[4];
        std::memcpy(part, p, sizeof(part));
        for (int i = 0; i < 4; ++i) words[i] += part[i];
    }
    std::uint64_t here = words[0] + words[1] + words[2] + words[3];
    for (; left >= 2; left -= 2, p += 2) {
        std::uint16_t part = 0;
        std::memcpy(&part, p, sizeof(part));
        here += part;
    }
    std::uint64_t out = sum + native(here);
    if (left != 0) out += std::uint64_t{*p} << 8;
    return out;
}

std::uint16_t folded(std::uint64_t sum) {
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(sum);
}

std::uint64_t pseudo_header_sum(const racoon_addr& source, const racoon_addr& destination,
                                std::uint8_t protocol, std::size_t size) {
    const std::size_t width = source.family == 4 ? 4 : 16;
    std::uint64_t sum = add_to_sum(0, ByteView(source.bytes).first(width));
    sum = add_to_sum(sum, ByteView(destination.bytes).first(width));
    return sum + protocol + size;
}

std::uint16_t upper_checksum(const racoon_addr& source, const racoon_addr& destination,
                             std::uint8_t protocol, ByteView segment) {
    const std::uint64_t sum = pseudo_header_sum(source, destination, protocol, segment.size());
    return static_cast<std::uint16_t>(~folded(add_to_sum(sum, segment)));
}

void renew_header_checksum(std::span<std::uint8_t> packet) {
    if (packet.empty()) return;
    const std::size_t header = std::size_t{packet[0]} % 16 * 4;
    if (header < 20 || header > packet.size()) return;
    packet[10] = packet[11] = 0;
    const auto sum =
        static_cast<std::uint16_t>(~folded(add_to_sum(0, ByteView(packet).first(header))));
    packet[10] = static_cast<std::uint8_t>(sum >> 8);
    packet[11] = static_cast<std::uint8_t>(sum);
}

}  // namespace racoon::kernel_userspace
