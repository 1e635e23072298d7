// The little of an IP packet that policies and tunnels look at. Packets come from the TUN device or
// out of ESP and are not trusted: every length is checked.
#pragma once

#include <cstdint>
#include <optional>

#include <racoon/plugin/kernel.h>

#include "bytes.hpp"

namespace racoon::kernel_userspace {

inline constexpr std::uint8_t kProtoIpv4 = 4;   // IPv4 in IP
inline constexpr std::uint8_t kProtoIpv6 = 41;  // IPv6 in IP
inline constexpr std::uint8_t kProtoEsp = 50;
inline constexpr std::uint8_t kProtoAh = 51;
inline constexpr std::uint8_t kProtoComp = 108;
inline constexpr std::uint8_t kProtoDestination = 60;  // destination options of IPv6
inline constexpr std::uint8_t kProtoNone = 59;         // dummy packets (RFC 4303 2.6)

struct Flow {
    racoon_addr source{};  // with the port, where the protocol has one
    racoon_addr destination{};
    std::uint8_t protocol = 0;
    std::uint8_t next = 0;           // what follows the fixed header: for IPv6 maybe an extension
    std::uint8_t traffic_class = 0;  // TOS or traffic class: DSCP and ECN
    std::uint8_t hop_limit = 0;      // or TTL
    std::size_t size = 0;            // of the packet by its own header; the rest is padding
    std::size_t header = 0;          // bytes before what `protocol` names
    bool ports_known = false;        // false for later fragments
    bool may_fragment = false;       // on its way: IPv4 without DF
    bool fragment = false;           // a part of a datagram, the first one included
    bool more_fragments = false;
    std::uint16_t fragment_offset = 0;  // bytes
    std::uint32_t fragment_id = 0;
    std::uint8_t fragment_next = 0;  // what the datagram's first piece begins with
};

/// Nothing: not a whole IPv4 or IPv6 packet.
std::optional<Flow> parse_packet(ByteView packet);

/// Whether `net`/`prefix` holds the address; ports are not looked at.
bool in_network(const racoon_addr& net, unsigned prefix, const racoon_addr& address);

/// Whether a selector, with its ends as (local, remote), covers a packet from local to remote.
/// A selector with ports does not cover a packet whose ports cannot be seen.
bool covers(const racoon_selector& selector, const racoon_addr& local, const racoon_addr& remote,
            const Flow& flow);

/// ECN of the inner packet after decapsulation (RFC 6040 4.2); nothing: the packet is to be dropped,
/// since the outer header reports congestion that the inner one cannot carry.
std::optional<std::uint8_t> ecn_after_tunnel(std::uint8_t outer, std::uint8_t inner);

/// Puts the traffic class into the packet's header and mends IPv4's checksum. The packet must have
/// been accepted by parse_packet.
void set_traffic_class(std::span<std::uint8_t> packet, std::uint8_t traffic_class);

inline constexpr std::size_t kIpv4Header = 20;
inline constexpr std::size_t kIpv6Header = 40;
/// Without options.
inline std::size_t plain_header(std::uint8_t family) {
    return family == 4 ? kIpv4Header : kIpv6Header;
}

struct Outer;
/// An IP packet (without options) with the ends, traffic class and hop limit of `outer` around a payload;
/// without an identification it is not to be fragmented (RFC 6864 4.1).
/// Empty: it would be longer than an IP packet can be.
Bytes make_packet(const Outer& outer, std::uint8_t protocol, ByteView payload);

/// Where the checksum of TCP, UDP or ICMPv6 is in a packet; nothing: it has none, or is a fragment.
std::optional<std::size_t> checksum_at(ByteView packet, const Flow& flow);
/// Makes that checksum anew. A UDP checksum over IPv4 that was left out stays so.
void renew_checksum(std::span<std::uint8_t> packet, const Flow& flow);

}  // namespace racoon::kernel_userspace
