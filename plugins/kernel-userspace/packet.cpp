#include "packet.hpp"

#include <algorithm>
#include <cstring>

#include "checksum.hpp"
#include "outer.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kIcmp6 = 58;
constexpr std::uint8_t kDccp = 33;
constexpr std::uint8_t kSctp = 132;
constexpr std::uint8_t kUdpLite = 136;
constexpr int kMaxExtensionHeaders = 8;

void set_address(racoon_addr* to, std::uint8_t family, ByteView bytes) {
    to->family = family;
    std::copy(bytes.begin(), bytes.end(), to->bytes);
}

bool has_ports(std::uint8_t protocol) {
    return protocol == kTcp || protocol == kUdp || protocol == kDccp || protocol == kSctp ||
           protocol == kUdpLite;
}

void read_ports(Reader& in, Flow& flow) {
    if (!has_ports(flow.protocol)) {
        flow.ports_known = true;
        return;
    }
    const std::uint16_t from = in.u16();
    const std::uint16_t to = in.u16();
    if (!in.ok()) return;
    flow.source.port = from;
    flow.destination.port = to;
    flow.ports_known = true;
}

std::optional<Flow> parse_ipv4(ByteView packet) {
    Reader in(packet);
    Flow flow;
    const std::size_t header = std::size_t{in.u8()} % 16 * 4;
    flow.traffic_class = in.u8();
    flow.size = in.u16();
    flow.fragment_id = in.u16();
    const std::uint16_t fragment = in.u16();
    flow.may_fragment = (fragment & 0x4000) == 0;
    flow.more_fragments = (fragment & 0x2000) != 0;
    flow.fragment_offset = static_cast<std::uint16_t>((fragment & 0x1fff) * 8);
    flow.fragment = flow.more_fragments || flow.fragment_offset != 0;
    flow.hop_limit = in.u8();
    flow.protocol = flow.next = flow.fragment_next = in.u8();
    flow.header = header;
    in.skip(2);
    set_address(&flow.source, 4, in.bytes(4));
    set_address(&flow.destination, 4, in.bytes(4));
    if (!in.ok() || header < 20 || flow.size < header || flow.size > packet.size()) return {};
    Reader body(packet.first(flow.size).subspan(header));
    if (flow.fragment_offset == 0) read_ports(body, flow);
    return flow;
}

std::optional<Flow> parse_ipv6(ByteView packet) {
    Reader in(packet);
    Flow flow;
    flow.traffic_class = static_cast<std::uint8_t>(in.u32() >> 20);
    flow.size = std::size_t{in.u16()} + 40;
    flow.protocol = flow.next = in.u8();
    flow.hop_limit = in.u8();
    set_address(&flow.source, 6, in.bytes(16));
    set_address(&flow.destination, 6, in.bytes(16));
    if (!in.ok() || flow.size > packet.size()) return {};
    Reader body(packet.first(flow.size).subspan(40));
    for (int i = 0; i < kMaxExtensionHeaders; ++i) {
        const std::uint8_t type = flow.protocol;
        if (type == 44) {  // fragment
            const std::uint8_t next = body.u8();
            body.skip(1);
            const std::uint16_t offset = body.u16();
            flow.fragment_id = body.u32();
            if (!body.ok()) return {};
            flow.protocol = flow.fragment_next = next;
            flow.header = flow.size - body.left();
            flow.more_fragments = (offset & 1) != 0;
            flow.fragment_offset = offset & 0xfff8u;
            flow.fragment = flow.more_fragments || flow.fragment_offset != 0;
            if (flow.fragment_offset != 0) return flow;
        } else if (type == 0 || type == 43 || type == 60) {  // hop-by-hop, routing, destination
            const std::uint8_t next = body.u8();
            const std::size_t size = std::size_t{body.u8()} * 8 + 8;
            body.skip(size - 2);
            if (!body.ok()) return {};
            flow.protocol = next;
        } else {
            flow.header = flow.size - body.left();
            read_ports(body, flow);
            return flow;
        }
    }
    return {};  // a chain that long carries nothing that we would let through
}

}  // namespace

std::optional<Flow> parse_packet(ByteView packet) {
    if (packet.empty()) return {};
    if (packet[0] >> 4 == 4) return parse_ipv4(packet);
    if (packet[0] >> 4 == 6) return parse_ipv6(packet);
    return {};
}

bool in_network(const racoon_addr& net, unsigned prefix, const racoon_addr& address) {
    if (net.family != address.family || prefix > (net.family == 4 ? 32u : 128u)) return false;
    const unsigned whole = prefix / 8;
    if (std::memcmp(net.bytes, address.bytes, whole) != 0) return false;
    if (prefix % 8 == 0) return true;
    const unsigned mask = 0xff00u >> (prefix % 8) & 0xffu;
    return ((net.bytes[whole] ^ address.bytes[whole]) & mask) == 0;
}

bool covers(const racoon_selector& s, const racoon_addr& local, const racoon_addr& remote,
            const Flow& flow) {
    if (!in_network(s.local, s.local_prefix, local)) return false;
    if (!in_network(s.remote, s.remote_prefix, remote)) return false;
    if (s.protocol != 0 && s.protocol != flow.protocol) return false;
    if (s.local.port == 0 && s.remote.port == 0) return true;
    if (!flow.ports_known) return false;
    if (s.local.port != 0 && s.local.port != local.port) return false;
    return s.remote.port == 0 || s.remote.port == remote.port;
}

std::optional<std::uint8_t> ecn_after_tunnel(std::uint8_t outer, std::uint8_t inner) {
    const unsigned o = outer & 3u;
    const unsigned i = inner & 3u;
    if (o == 3) {
        if (i == 0) return {};
        return static_cast<std::uint8_t>(inner | 3u);
    }
    if (o == 1 && i == 2) return static_cast<std::uint8_t>((inner & ~3u) | 1u);
    return inner;
}

void set_traffic_class(std::span<std::uint8_t> packet, std::uint8_t traffic_class) {
    if (packet.size() < kIpv4Header) return;
    if (packet[0] >> 4 == 6) {
        packet[0] = static_cast<std::uint8_t>(0x60 | traffic_class >> 4);
        packet[1] = static_cast<std::uint8_t>((packet[1] & 0x0f) | (traffic_class & 0x0f) << 4);
        return;
    }
    packet[1] = traffic_class;
    renew_header_checksum(packet);
}

Bytes make_packet(const Outer& outer, std::uint8_t protocol, ByteView payload) {
    const bool v4 = outer.dst.family == 4;
    const std::size_t size = (v4 ? kIpv4Header : 0) + payload.size();
    if (size > 0xffff) return {};
    Writer out;
    const std::size_t width = v4 ? 4 : 16;
    if (v4) {
        out.u8(0x45);
        out.u8(outer.traffic_class);
        out.u16(static_cast<std::uint16_t>(size));
        out.u16(outer.id);
        out.u16(outer.dont_fragment || outer.id == 0 ? 0x4000 : 0);
        out.u8(outer.hop_limit);
        out.u8(protocol);
        out.u16(0);
    } else {
        out.u32(0x60000000u | std::uint32_t{outer.traffic_class} << 20);
        out.u16(static_cast<std::uint16_t>(size));
        out.u8(protocol);
        out.u8(outer.hop_limit);
    }
    out.bytes(ByteView(outer.src.bytes).first(width));
    out.bytes(ByteView(outer.dst.bytes).first(width));
    out.bytes(payload);
    Bytes packet = out.take();
    if (v4) renew_header_checksum(packet);
    return packet;
}

std::optional<std::size_t> checksum_at(ByteView packet, const Flow& flow) {
    if (flow.fragment) return {};
    const std::size_t offset = flow.protocol == kTcp                                ? 16
                               : flow.protocol == kUdp                              ? 6
                               : flow.protocol == kIcmp6 && flow.source.family == 6 ? 2
                                                                                    : 0;
    if (offset == 0 || flow.header + offset + 2 > std::min(flow.size, packet.size())) return {};
    return flow.header + offset;
}

void renew_checksum(std::span<std::uint8_t> packet, const Flow& flow) {
    const auto at = checksum_at(packet, flow);
    if (!at) return;
    const bool udp = flow.protocol == kUdp;
    if (udp && flow.source.family == 4 && packet[*at] == 0 && packet[*at + 1] == 0) return;
    packet[*at] = packet[*at + 1] = 0;
    std::uint16_t sum = upper_checksum(flow.source, flow.destination, flow.protocol,
                                       ByteView(packet).first(flow.size).subspan(flow.header));
    if (udp && sum == 0) sum = 0xffff;  // zero means that there is none (RFC 768)
    packet[*at] = static_cast<std::uint8_t>(sum >> 8);
    packet[*at + 1] = static_cast<std::uint8_t>(sum);
}

}  // namespace racoon::kernel_userspace
