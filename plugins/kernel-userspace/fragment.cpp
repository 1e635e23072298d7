#include "fragment.hpp"

#include <algorithm>

#include "ah_header.hpp"
#include "checksum.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::uint8_t kFragment = 44;
constexpr std::size_t kFragmentHeader = 8;
constexpr std::size_t kUnit = 8;  // offsets count in it

void put_u16(std::span<std::uint8_t> packet, std::size_t at, std::size_t value) {
    packet[at] = static_cast<std::uint8_t>(value >> 8);
    packet[at + 1] = static_cast<std::uint8_t>(value);
}

// RFC 8200 4.5: behind what stands for hosts on the way.
Bytes fragment_headers(ByteView packet, std::size_t at, std::uint32_t id) {
    Bytes headers(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(at));
    Writer fragment;
    fragment.u8(next_at(packet, at));
    fragment.u8(0);
    fragment.u16(0);
    fragment.u32(id);
    const ByteView bytes = fragment.view();
    headers.insert(headers.end(), bytes.begin(), bytes.end());
    return headers;
}

}  // namespace

bool split_packet(ByteView packet, std::size_t mtu, std::uint32_t id,
                  const std::function<void(ByteView piece)>& each) {
    const auto flow = parse_packet(packet);
    if (!flow || flow->size != packet.size()) return false;
    const bool v4 = flow->source.family == 4;
    if (flow->fragment && !v4) return false;
    const auto at = place_for_ah(packet, *flow);
    if (!at || (v4 && *at != kIpv4Header)) return false;
    const Bytes headers = v4 ? Bytes(packet.begin(), packet.begin() + kIpv4Header)
                             : fragment_headers(packet, *at, id);
    if (mtu < headers.size() + kUnit) return false;
    const std::size_t most = (mtu - headers.size()) / kUnit * kUnit;
    for (std::size_t done = *at; done < packet.size();) {
        const std::size_t size = std::min(most, packet.size() - done);
        const std::size_t offset = done - *at;
        const bool more = flow->more_fragments || done + size < packet.size();
        Bytes piece = headers;
        const ByteView body = packet.subspan(done, size);
        piece.insert(piece.end(), body.begin(), body.end());
        if (v4) {
            put_u16(piece, 6, (more ? 0x2000u : 0u) | (flow->fragment_offset + offset) / kUnit);
            set_next(piece, *at, packet[9]);
        } else {
            put_u16(piece, *at + kFragmentHeader - 6, offset | (more ? 1u : 0u));
            set_next(piece, *at, kFragment);
        }
        each(piece);
        done += size;
    }
    return true;
}

}  // namespace racoon::kernel_userspace
