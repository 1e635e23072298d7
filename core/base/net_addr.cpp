#include "base/net_addr.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <functional>

namespace racoon {

namespace {

std::string port_text(std::uint16_t port) {
    return port == 0 ? "any" : std::to_string(port);
}

void clear_host_bits(IpAddr& a, unsigned length) {
    for (unsigned i = 0; i < a.size(); ++i) {
        const unsigned first = i * 8;
        if (first >= length)
            a.bytes[i] = 0;
        else if (length - first < 8)
            a.bytes[i] = static_cast<std::uint8_t>(a.bytes[i] & (0xff << (8 - (length - first))));
    }
}

/// What cannot be one is not repeated in a message: it may be anything.
bool may_be_interface(std::string_view name) {
    return name.size() < IF_NAMESIZE &&
           std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

bool IpAddr::is_any() const {
    return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b == 0; });
}

bool IpAddr::is_multicast() const {
    return family == Family::V4 ? (bytes[0] & 0xf0) == 0xe0
                                : family == Family::V6 && bytes[0] == 0xff;
}

std::string IpAddr::text() const {
    if (family == Family::None) return "none";
    char buffer[INET6_ADDRSTRLEN] = {};
    inet_ntop(family == Family::V4 ? AF_INET : AF_INET6, bytes.data(), buffer, sizeof buffer);
    std::string out = buffer;
    if (scope != 0) {
        char name[IF_NAMESIZE] = {};
        out += '%';
        out += if_indextoname(scope, name) ? std::string(name) : std::to_string(scope);
    }
    return out;
}

Result<IpAddr> IpAddr::parse(std::string_view text) {
    IpAddr out;
    std::string host(text);
    if (const auto percent = host.find('%'); percent != std::string::npos) {
        const std::string scope = host.substr(percent + 1);
        host.resize(percent);
        out.scope = if_nametoindex(scope.c_str());
        if (out.scope == 0 && !scope.empty() &&
            scope.find_first_not_of("0123456789") == std::string::npos && scope.size() < 10)
            out.scope = static_cast<std::uint32_t>(std::stoul(scope));
        if (out.scope == 0 && !may_be_interface(scope))
            return fail(Errc::Malformed, "not a numeric IPv4 or IPv6 address");
        if (out.scope == 0) return fail(Errc::NotFound, "no interface \"" + scope + "\"");
    }
    if (inet_pton(AF_INET, host.c_str(), out.bytes.data()) == 1) {
        out.family = Family::V4;
    } else if (inet_pton(AF_INET6, host.c_str(), out.bytes.data()) == 1) {
        out.family = Family::V6;
    } else {
        return fail(Errc::Malformed, "\"" + host + "\" is not a numeric IPv4 or IPv6 address");
    }
    return out;
}

Result<IpAddr> IpAddr::from_bytes(ByteView in) {
    IpAddr out;
    if (in.size() != 4 && in.size() != 16)
        return fail(Errc::Malformed, "found an address of " + std::to_string(in.size()) +
                                         " bytes, expected 4 or 16");
    out.family = in.size() == 4 ? Family::V4 : Family::V6;
    std::copy(in.begin(), in.end(), out.bytes.begin());
    return out;
}

std::string Endpoint::text() const {
    return addr.text() + "[" + std::to_string(port) + "]";
}

unsigned Endpoint::to_sockaddr(sockaddr_storage& out) const {
    std::memset(&out, 0, sizeof out);
    if (addr.family == Family::V4) {
        sockaddr_in sin{};
        sin.sin_family = AF_INET;
        sin.sin_port = htons(port);
        std::memcpy(&sin.sin_addr, addr.bytes.data(), 4);
        std::memcpy(&out, &sin, sizeof sin);
        return sizeof sin;
    }
    if (addr.family == Family::V6) {
        sockaddr_in6 sin6{};
        sin6.sin6_family = AF_INET6;
        sin6.sin6_port = htons(port);
        sin6.sin6_scope_id = addr.scope;
        std::memcpy(&sin6.sin6_addr, addr.bytes.data(), 16);
        std::memcpy(&out, &sin6, sizeof sin6);
        return sizeof sin6;
    }
    return 0;
}

Endpoint Endpoint::from_sockaddr(const sockaddr* sa) {
    Endpoint out;
    if (sa->sa_family == AF_INET) {
        sockaddr_in sin{};
        std::memcpy(&sin, sa, sizeof sin);
        out.addr.family = Family::V4;
        std::memcpy(out.addr.bytes.data(), &sin.sin_addr, 4);
        out.port = ntohs(sin.sin_port);
    } else if (sa->sa_family == AF_INET6) {
        sockaddr_in6 sin6{};
        std::memcpy(&sin6, sa, sizeof sin6);
        out.addr.family = Family::V6;
        std::memcpy(out.addr.bytes.data(), &sin6.sin6_addr, 16);
        out.port = ntohs(sin6.sin6_port);
        if (IN6_IS_ADDR_LINKLOCAL(&sin6.sin6_addr)) out.addr.scope = sin6.sin6_scope_id;
    }
    return out;
}

Result<Prefix> Prefix::make(const IpAddr& a, unsigned length) {
    if (length > a.bits())
        return fail(Errc::Malformed, "found prefix length " + std::to_string(length) +
                                         ", expected 0 to " + std::to_string(a.bits()));
    Prefix out{a, static_cast<std::uint8_t>(length)};
    clear_host_bits(out.addr, length);
    return out;
}

bool Prefix::contains(const IpAddr& a) const {
    if (a.family != addr.family) return false;
    IpAddr masked = a;
    clear_host_bits(masked, length);
    return masked.bytes == addr.bytes;
}

bool Prefix::contains(const Prefix& inner) const {
    return inner.length >= length && contains(inner.addr);
}

std::string Prefix::text() const {
    return addr.text() + "/" + std::to_string(length);
}
std::string Selector::text() const {
    return net.text() + "[" + port_text(port) + "]";
}

std::string TrafficSelector::text() const {
    return local.text() + " " + remote.text() +
           " proto=" + (protocol == 0 ? "any" : std::to_string(protocol));
}

void put(Writer& out, const IpAddr& v) {
    out.u8(static_cast<std::uint8_t>(v.family));
    out.u32(v.scope);
    out.bytes(v.view());
}

void put(Writer& out, const Endpoint& v) {
    put(out, v.addr);
    out.u16(v.port);
}

void put(Writer& out, const Prefix& v) {
    put(out, v.addr);
    out.u8(v.length);
}

void put(Writer& out, const TrafficSelector& v) {
    put(out, v.local.net);
    out.u16(v.local.port);
    put(out, v.remote.net);
    out.u16(v.remote.port);
    out.u8(v.protocol);
}

Result<IpAddr> get_ip(Reader& in) {
    IpAddr out;
    RACOON_TRY(auto family, in.u8());
    RACOON_TRY(out.scope, in.u32());
    if (family != 0 && family != 4 && family != 6)
        return fail(Errc::Malformed, "unknown address family " + std::to_string(family));
    out.family = static_cast<Family>(family);
    RACOON_TRY(ByteView bytes, in.bytes(out.size()));
    std::copy(bytes.begin(), bytes.end(), out.bytes.begin());
    return out;
}

Result<Endpoint> get_endpoint(Reader& in) {
    Endpoint out;
    RACOON_TRY(out.addr, get_ip(in));
    RACOON_TRY(out.port, in.u16());
    return out;
}

Result<Prefix> get_prefix(Reader& in) {
    RACOON_TRY(IpAddr a, get_ip(in));
    RACOON_TRY(auto length, in.u8());
    return Prefix::make(a, length);
}

Result<TrafficSelector> get_traffic_selector(Reader& in) {
    TrafficSelector out;
    RACOON_TRY(out.local.net, get_prefix(in));
    RACOON_TRY(out.local.port, in.u16());
    RACOON_TRY(out.remote.net, get_prefix(in));
    RACOON_TRY(out.remote.port, in.u16());
    RACOON_TRY(out.protocol, in.u8());
    return out;
}

std::size_t IpAddrHash::operator()(const IpAddr& a) const noexcept {
    return std::hash<std::string_view>{}(as_text(a.view())) ^ a.scope;
}

}  // namespace racoon
