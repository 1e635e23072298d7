// Identity: the content of an ID payload (RFC 2407 4.6.2) as a closed variant.
//
//     RACOON_TRY(Identity id, Identity::parse(payload.reader()));
//     if (id == expected) …           // equal only when kind, protocol, port and value are
//     LOGI(peer, "peer's ID: " + id.text());
//
// Values own their bytes; an Identity outlives the message it came from.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "base/bytes.hpp"
#include "base/net_addr.hpp"
#include "base/result.hpp"
#include "isakmp/wire.hpp"

namespace racoon::isakmp {

struct IdAddress {
    IpAddr addr;
    friend bool operator==(const IdAddress&, const IdAddress&) = default;
};
struct IdSubnet {
    Prefix net;  // host bits cleared; a mask with holes is refused
    friend bool operator==(const IdSubnet&, const IdSubnet&) = default;
};
struct IdRange {
    IpAddr first;
    IpAddr last;  // of the same family, not before `first`
    bool contains(const IpAddr& a) const {
        return a.family == first.family && !(a.bytes < first.bytes) && !(last.bytes < a.bytes);
    }
    /// The narrowest net that all of it is in.
    Prefix net_around() const;
    friend bool operator==(const IdRange&, const IdRange&) = default;
};
struct IdFqdn {
    std::string name;
    friend bool operator==(const IdFqdn&, const IdFqdn&) = default;
};
struct IdUserFqdn {
    std::string name;
    friend bool operator==(const IdUserFqdn&, const IdUserFqdn&) = default;
};
struct IdDn {
    Bytes der;  // of an X.501 name, unchecked
    friend bool operator==(const IdDn&, const IdDn&) = default;
};
struct IdGn {
    Bytes der;  // of an X.509 general name, unchecked
    friend bool operator==(const IdGn&, const IdGn&) = default;
};
struct IdKeyId {
    Bytes id;
    friend bool operator==(const IdKeyId&, const IdKeyId&) = default;
};

struct Identity {
    using Value =
        std::variant<IdAddress, IdSubnet, IdRange, IdFqdn, IdUserFqdn, IdDn, IdGn, IdKeyId>;

    Value value;
    std::uint8_t protocol = 0;  // IP protocol, 0 = any
    std::uint16_t port = 0;     // 0 = any

    friend bool operator==(const Identity&, const Identity&) = default;

    /// Reads an ID payload's body. InvalidId (notify INVALID-ID-INFORMATION) for an unknown type,
    /// a wrong size, a mask with holes, an empty name or a name with a zero byte.
    static Result<Identity> parse(Reader body);
    /// The body of an ID payload: type, protocol, port, value. This is IDxx_b of RFC 2409.
    Bytes body() const;

    static Identity address(const IpAddr& a, std::uint8_t protocol = 0, std::uint16_t port = 0);
    static Identity subnet(const Prefix& net, std::uint8_t protocol = 0, std::uint16_t port = 0);
    /// A host prefix becomes an address ID, any other a subnet ID, as racoon sends them.
    static Identity selector(const Selector& s, std::uint8_t protocol);

    IdType type() const;
    /// The value without type, protocol and port, as a PSK file or a plugin sees it: address bytes,
    /// name, DER. A subnet is address and mask, a range both addresses.
    Bytes data() const;
    /// The identity as a traffic selector: host or subnet; a range only where it is a prefix.
    std::optional<Selector> as_selector() const;
    bool same_value(const Identity& other) const { return value == other.value; }
    /// "192.0.2.1", "10.0.0.0/8", "gw.example", 'CN' left as DER in hexadecimal; escaped.
    std::string value_text() const;
    /// "ID_IPV4_ADDR_SUBNET 10.0.0.0/8 proto=any port=any".
    std::string text() const;
};

}  // namespace racoon::isakmp
