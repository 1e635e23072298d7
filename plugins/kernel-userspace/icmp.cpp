#include "icmp.hpp"

#include <algorithm>

#include "checksum.hpp"
#include "outer.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::uint8_t kIcmp4 = 1;
constexpr std::uint8_t kIcmp6 = 58;
constexpr std::size_t kMost4 = 576;   // of the message with its header (RFC 1812 4.3.2.3)
constexpr std::size_t kMost6 = 1280;  // RFC 4443 2.4 (c)

bool is_unicast(const racoon_addr& a) {
    if (a.family == 6) return a.bytes[0] != 0xff;
    return a.bytes[0] != 0 && a.bytes[0] < 224;
}

// Errors about errors could go on for ever; of ICMP only the questions and answers of ping are none.
bool may_be_error(ByteView packet, const Flow& flow) {
    if (flow.protocol != kIcmp4 && flow.protocol != kIcmp6) return false;
    if (flow.header >= flow.size) return true;
    const std::uint8_t type = packet[flow.header];
    return flow.protocol == kIcmp4 ? type != 8 && type != 0 : type < 128;
}

}  // namespace

Bytes too_big(ByteView packet, const Flow& flow, std::uint32_t mtu) {
    if (flow.fragment_offset != 0 || !is_unicast(flow.source) || !is_unicast(flow.destination) ||
        may_be_error(packet, flow)) {
        return {};
    }
    const bool v4 = flow.source.family == 4;
    const std::size_t quoted =
        std::min(flow.size, (v4 ? kMost4 - kIpv4Header : kMost6 - kIpv6Header) - 8);
    Writer message;
    message.u8(v4 ? 3 : 2);
    message.u8(v4 ? 4 : 0);
    message.u16(0);
    message.u32(mtu);  // for IPv4 two bytes that are zero, then the MTU
    message.bytes(packet.first(quoted));
    Bytes body = message.take();
    Outer ends;
    ends.src = flow.destination;
    ends.dst = flow.source;
    if (v4) {
        const auto sum = static_cast<std::uint16_t>(~folded(add_to_sum(0, body)));
        body[2] = static_cast<std::uint8_t>(sum >> 8);
        body[3] = static_cast<std::uint8_t>(sum);
    }
    Bytes out = make_packet(ends, v4 ? kIcmp4 : kIcmp6, body);
    const auto answer = v4 ? std::nullopt : parse_packet(out);
    if (answer) renew_checksum(out, *answer);
    return out;
}

}  // namespace racoon::kernel_userspace
