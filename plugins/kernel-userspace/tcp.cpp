#include "tcp.hpp"

#include <algorithm>
#include <cstring>

#include "checksum.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::size_t kSequenceAt = 4;
constexpr std::size_t kFlagsAt = 13;
constexpr std::size_t kChecksumAt = 16;
constexpr std::uint8_t kOptionEnd = 0;
constexpr std::uint8_t kOptionNop = 1;
constexpr std::uint8_t kOptionSegmentSize = 2;

std::uint16_t get_u16(ByteView p, std::size_t at) {
    return static_cast<std::uint16_t>(p[at] << 8 | p[at + 1]);
}
void put_u16(std::span<std::uint8_t> p, std::size_t at, std::size_t value) {
    p[at] = static_cast<std::uint8_t>(value >> 8);
    p[at + 1] = static_cast<std::uint8_t>(value);
}

}  // namespace

std::optional<std::size_t> tcp_payload_at(ByteView packet, const Flow& flow) {
    if (flow.protocol != kProtoTcp || flow.fragment) return {};
    if (flow.size > packet.size() || flow.header + kTcpHeader > flow.size) return {};
    const std::size_t size = std::size_t{packet[flow.header + 12]} / 16 * 4;
    if (size < kTcpHeader || flow.header + size > flow.size) return {};
    return flow.header + size;
}

bool is_syn(ByteView packet, const Flow& flow) {
    return flow.protocol == kProtoTcp && !flow.fragment &&
           flow.header + kTcpHeader <= std::min(flow.size, packet.size()) &&
           (packet[flow.header + kFlagsAt] & tcp_flag::kSyn) != 0;
}

bool clamp_segment_size(std::span<std::uint8_t> packet, const Flow& flow, std::size_t mtu) {
    const auto end = tcp_payload_at(packet, flow);
    if (!end || !is_syn(packet, flow)) return false;
    const std::size_t headers = (flow.source.family == 4 ? kIpv4Header : kIpv6Header) + kTcpHeader;
    if (mtu <= headers) return false;
    const std::size_t most = std::min<std::size_t>(mtu - headers, 0xffff);
    for (std::size_t at = flow.header + kTcpHeader; at < *end;) {
        const std::uint8_t kind = packet[at];
        if (kind == kOptionEnd) return false;
        if (kind == kOptionNop) {
            ++at;
            continue;
        }
        if (at + 2 > *end) return false;
        const std::size_t size = packet[at + 1];
        if (size < 2 || at + size > *end) return false;
        if (kind == kOptionSegmentSize && size == 4) {
            const std::uint16_t was = get_u16(packet, at + 2);
            if (was <= most) return false;
            // RFC 1624: only the difference, so that a wrong checksum stays one. At an odd place the bytes
            // of the two words that it touches are swapped.
            const auto turned = [&](std::size_t v) {
                const std::size_t swapped = (v & 0xff) << 8 | v >> 8;
                return (at - flow.header) % 2 == 0 ? v : swapped;
            };
            const std::size_t sum_at = flow.header + kChecksumAt;
            std::uint64_t sum = static_cast<std::uint16_t>(~get_u16(packet, sum_at));
            sum += turned(static_cast<std::uint16_t>(~was)) + turned(most);
            put_u16(packet, at + 2, most);
            put_u16(packet, sum_at, static_cast<std::uint16_t>(~folded(sum)));
            return true;
        }
        at += size;
    }
    return false;
}

std::optional<TcpSegments> TcpSegments::cut(ByteView packet, const Flow& flow, std::size_t size) {
    const auto payload = tcp_payload_at(packet, flow);
    if (!payload || *payload > kMostHead || *payload >= flow.size || size == 0) return {};
    return TcpSegments(packet.first(flow.size), flow, *payload, size);
}

// IPv4's identification counts on; sequence numbers go on; FIN and PSH belong to the last one, CWR to the
// first (RFC 3168 6.1.2).
bool TcpSegments::next(ByteView* head, ByteView* payload) {
    const std::size_t left = packet_.size() - head_size_ - done_;
    if (left == 0) return false;
    const std::size_t size = std::min(size_, left);
    *payload = packet_.subspan(head_size_ + done_, size);
    const std::span<std::uint8_t> out = std::span(head_).first(head_size_);
    std::memcpy(out.data(), packet_.data(), head_size_);
    if (flow_.source.family == 4) {
        put_u16(out, 2, head_size_ + size);
        put_u16(out, 4, (flow_.fragment_id + number_) & 0xffff);
        renew_header_checksum(out);
    } else {
        put_u16(out, 4, head_size_ + size - kIpv6Header);
    }
    const std::size_t tcp = flow_.header;
    std::uint32_t sequence = 0;
    for (std::size_t i = 0; i < 4; ++i) sequence = sequence << 8 | out[tcp + kSequenceAt + i];
    sequence += static_cast<std::uint32_t>(done_);
    put_u16(out, tcp + kSequenceAt, sequence >> 16);
    put_u16(out, tcp + kSequenceAt + 2, sequence & 0xffff);
    unsigned flags = out[tcp + kFlagsAt];
    if (left > size) flags &= ~unsigned{tcp_flag::kFin | tcp_flag::kPush};
    if (done_ != 0) flags &= ~unsigned{tcp_flag::kReduced};
    out[tcp + kFlagsAt] = static_cast<std::uint8_t>(flags);
    put_u16(out, tcp + kChecksumAt, 0);
    std::uint64_t sum =
        pseudo_header_sum(flow_.source, flow_.destination, kProtoTcp, head_size_ - tcp + size);
    sum = add_to_sum(add_to_sum(sum, out.subspan(tcp)), *payload);
    put_u16(out, tcp + kChecksumAt, static_cast<std::uint16_t>(~folded(sum)));
    done_ += size;
    ++number_;
    *head = out;
    return true;
}

}  // namespace racoon::kernel_userspace
