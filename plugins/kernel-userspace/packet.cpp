#include "packet.hpp"

#include <algorithm>
#include <cstring>

namespace racoon::kernel_userspace {
namespace {

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
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
    in.skip(2);
    const std::uint16_t fragment = in.u16() & 0x1fffu;
    in.skip(1);
    flow.protocol = in.u8();
    in.skip(2);
    set_address(&flow.source, 4, in.bytes(4));
    set_address(&flow.destination, 4, in.bytes(4));
    if (!in.ok() || header < 20 || flow.size < header || flow.size > packet.size()) return {};
    Reader body(packet.first(flow.size).subspan(header));
    if (fragment == 0) read_ports(body, flow);
    return flow;
}

std::optional<Flow> parse_ipv6(ByteView packet) {
    Reader in(packet);
    Flow flow;
    flow.traffic_class = static_cast<std::uint8_t>(in.u32() >> 20);
    flow.size = std::size_t{in.u16()} + 40;
    flow.protocol = in.u8();
    in.skip(1);
    set_address(&flow.source, 6, in.bytes(16));
    set_address(&flow.destination, 6, in.bytes(16));
    if (!in.ok() || flow.size > packet.size()) return {};
    Reader body(packet.first(flow.size).subspan(40));
    for (int i = 0; i < kMaxExtensionHeaders; ++i) {
        const std::uint8_t type = flow.protocol;
        if (type == 44) {  // fragment
            const std::uint8_t next = body.u8();
            body.skip(1);
            const std::uint16_t offset = body.u16() >> 3;
            body.skip(4);
            if (!body.ok()) return {};
            flow.protocol = next;
            if (offset != 0) return flow;
        } else if (type == 0 || type == 43 || type == 60) {  // hop-by-hop, routing, destination
            const std::uint8_t next = body.u8();
            const std::size_t size = std::size_t{body.u8()} * 8 + 8;
            body.skip(size - 2);
            if (!body.ok()) return {};
            flow.protocol = next;
        } else {
            read_ports(body, flow);
            return flow;
        }
    }
    return {};  // a chain that long carries nothing that we would let through
}

std::uint16_t checksum(ByteView header) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < header.size(); i += 2) {
        sum += static_cast<std::uint32_t>(header[i] << 8 | header[i + 1]);
    }
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
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

void set_traffic_class(Bytes& packet, std::uint8_t traffic_class) {
    if (packet.size() < 20) return;
    if (packet[0] >> 4 == 6) {
        packet[0] = static_cast<std::uint8_t>(0x60 | traffic_class >> 4);
        packet[1] = static_cast<std::uint8_t>((packet[1] & 0x0f) | (traffic_class & 0x0f) << 4);
        return;
    }
    const std::size_t header = std::size_t{packet[0]} % 16 * 4;
    if (header < 20 || header > packet.size()) return;
    packet[1] = traffic_class;
    packet[10] = packet[11] = 0;
    const std::uint16_t sum = checksum(ByteView(packet).first(header));
    packet[10] = static_cast<std::uint8_t>(sum >> 8);
    packet[11] = static_cast<std::uint8_t>(sum);
}

}  // namespace racoon::kernel_userspace
