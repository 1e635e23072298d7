// Addresses as plain values: IPv4 and IPv6, with port and scope, prefixes and traffic selectors.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"

struct sockaddr;
struct sockaddr_storage;

namespace racoon {

enum class Family : std::uint8_t { None = 0, V4 = 4, V6 = 6 };

/// An address without a port. IPv4 sits in the first four bytes.
struct IpAddr {
    Family family = Family::None;
    std::array<std::uint8_t, 16> bytes{};
    std::uint32_t scope = 0;  // interface index of a link-local IPv6 address, else 0

    friend auto operator<=>(const IpAddr&, const IpAddr&) = default;
    std::size_t size() const { return family == Family::V4 ? 4 : family == Family::V6 ? 16 : 0; }
    unsigned bits() const { return static_cast<unsigned>(size() * 8); }
    ByteView view() const { return ByteView(bytes).first(size()); }
    bool is_any() const;  // 0.0.0.0, ::, or no address at all
    bool is_multicast() const;
    std::string text() const;  // "192.0.2.1", "fe80::1%eth0"
    /// Numeric only; a scope after '%' is an interface name or index.
    static Result<IpAddr> parse(std::string_view text);
    /// 4 or 16 bytes in network order.
    static Result<IpAddr> from_bytes(ByteView bytes);
};

/// An address and a UDP port.
struct Endpoint {
    IpAddr addr;
    std::uint16_t port = 0;

    friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
    std::string text() const;  // "192.0.2.1[500]", as racoon prints it
    /// Fills `out`; returns the length of the family's sockaddr, 0 for Family::None.
    unsigned to_sockaddr(sockaddr_storage& out) const;
    static Endpoint from_sockaddr(const sockaddr* sa);
};

/// A network: address with the host bits cleared, and a length in bits.
struct Prefix {
    IpAddr addr;
    std::uint8_t length = 0;

    friend auto operator<=>(const Prefix&, const Prefix&) = default;
    static Prefix host(const IpAddr& a) { return {a, static_cast<std::uint8_t>(a.bits())}; }
    /// Clears the host bits; `length` must be within the family's bits.
    static Result<Prefix> make(const IpAddr& a, unsigned length);
    bool is_host() const { return length == addr.bits(); }
    bool contains(const IpAddr& a) const;
    bool contains(const Prefix& inner) const;
    std::string text() const;  // "10.0.0.0/8"
};

/// One side of a policy or phase 2 identity: a network and a port (0 = any).
struct Selector {
    Prefix net;
    std::uint16_t port = 0;
    friend auto operator<=>(const Selector&, const Selector&) = default;
    bool contains(const Selector& inner) const {
        return net.contains(inner.net) && (port == 0 || port == inner.port);
    }
    std::string text() const;  // "10.0.0.0/8[any]"
};

/// What traffic a policy or an SA pair covers, seen from this host.
struct TrafficSelector {
    Selector local;
    Selector remote;
    std::uint8_t protocol = 0;  // IP protocol, 0 = any
    friend auto operator<=>(const TrafficSelector&, const TrafficSelector&) = default;
    std::string text() const;  // "10.1.0.0/16[any] 10.2.0.0/16[any] proto=any"
};

/// Flat form for messages between processes: family, scope, bytes / + port / + length.
void put(Writer& out, const IpAddr& v);
void put(Writer& out, const Endpoint& v);
void put(Writer& out, const Prefix& v);
void put(Writer& out, const TrafficSelector& v);
Result<IpAddr> get_ip(Reader& in);
Result<Endpoint> get_endpoint(Reader& in);
Result<Prefix> get_prefix(Reader& in);
Result<TrafficSelector> get_traffic_selector(Reader& in);

struct IpAddrHash {
    std::size_t operator()(const IpAddr& a) const noexcept;
};

}  // namespace racoon
