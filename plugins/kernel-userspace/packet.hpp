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
inline constexpr std::uint8_t kProtoNone = 59;  // dummy packets (RFC 4303 2.6)

struct Flow {
    racoon_addr source{};  // with the port, where the protocol has one
    racoon_addr destination{};
    std::uint8_t protocol = 0;
    std::uint8_t traffic_class = 0;  // TOS or traffic class: DSCP and ECN
    std::size_t size = 0;            // of the packet by its own header; the rest is padding
    bool ports_known = false;        // false for later fragments
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
void set_traffic_class(Bytes& packet, std::uint8_t traffic_class);

}  // namespace racoon::kernel_userspace
