// The payloads with an inner structure (RFC 2408 3.8 to 3.16): parsed into views, built from
// values. SA payloads are in proposal.hpp, ID payloads in identity.hpp, fragments in fragment.hpp.
//
//     RACOON_TRY(Notification n, Notification::parse(payload.reader()));
//     builder.add(PayloadType::Notification, n.body());
//
// Views point into the message that was parsed. Errors carry the notify type for the peer.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "base/capped_vector.hpp"
#include "base/ids.hpp"
#include "base/net_addr.hpp"
#include "base/result.hpp"
#include "isakmp/attribute.hpp"
#include "isakmp/payload_chain.hpp"
#include "isakmp/wire.hpp"

namespace racoon::isakmp {

/// KE (3.7): the public value, not empty; whether it fits the group is the group's business.
Result<ByteView> parse_key_exchange(const Payload& p);
/// NONCE (3.13): 8 to 256 bytes (RFC 2409 5).
Result<ByteView> parse_nonce(const Payload& p);
/// HASH (3.11): 1 to 64 bytes; the comparison with the expected hash decides the rest.
Result<ByteView> parse_hash(const Payload& p);
/// SIG (3.12): not empty.
Result<ByteView> parse_signature(const Payload& p);
/// VID (3.16), NAT-D, GSS: opaque, may be of any size.
inline ByteView parse_opaque(const Payload& p) {
    return p.body;
}

/// CERT and CR (3.9, 3.10).
struct Certificate {
    CertEncoding encoding = CertEncoding::None;
    ByteView data;  // empty only in a CR, where it means "any authority"

    static Result<Certificate> parse(const Payload& p);
    Bytes body() const;
};

/// N (3.14).
struct Notification {
    std::uint32_t doi = kDoiIpsec;
    ProtocolId protocol = ProtocolId::Isakmp;
    NotifyType type = NotifyType::None;
    ByteView spi;  // 0 to 16 bytes
    ByteView data;

    static Result<Notification> parse(const Payload& p);
    Bytes body() const;
    /// Types 1 to 16383 are errors, the others status (RFC 2408 3.14.1).
    bool is_error() const;
    /// The sequence number of R-U-THERE and its ACK (RFC 3706 5.3); nothing when not 4 bytes.
    std::optional<std::uint32_t> dpd_sequence() const;
};

/// D (3.15).
struct Delete {
    std::uint32_t doi = kDoiIpsec;
    ProtocolId protocol = ProtocolId::None;
    std::uint8_t spi_size = 0;
    CappedVector<ByteView, kMaxDeleteSpis> spis;

    /// SPIs are 16 bytes for ISAKMP (a cookie pair), 4 for AH and ESP, 2 or 4 for IPCOMP, and fill
    /// the payload exactly.
    static Result<Delete> parse(const Payload& p);
    Bytes body() const;
    /// The delete of an ISAKMP SA.
    static Bytes body_of(const CookiePair& cookies);
    /// The delete of one IPsec SA; `protocol` AH, ESP (4 bytes) or IPCOMP (2 bytes).
    static Bytes body_of(ProtocolId protocol, Spi spi);
};

/// ATTRIBUTE (draft-dukes-ike-mode-cfg 3.2).
struct ConfigAttributes {
    ConfigMessage type = ConfigMessage::None;
    std::uint16_t identifier = 0;
    CappedVector<Attribute, kMaxConfigAttributes> attributes;

    static Result<ConfigAttributes> parse(const Payload& p);
    Bytes body() const;
};

/// NAT-OA (RFC 3947 5.2): an original address.
struct NatOa {
    IpAddr addr;

    static Result<NatOa> parse(const Payload& p);
    Bytes body() const;
};

/// An SPI of 4 bytes, or a CPI of 2 (IPCOMP, RFC 3173 4.1) as a number; nothing for other sizes.
std::optional<Spi> spi_number(ByteView spi);
/// 16 bytes as a cookie pair; nothing for other sizes.
std::optional<CookiePair> spi_cookies(ByteView spi);
/// The bytes of an SPI: 2 for IPCOMP, else 4.
Bytes spi_bytes(ProtocolId protocol, Spi spi);
Bytes spi_bytes(const CookiePair& cookies);

}  // namespace racoon::isakmp
