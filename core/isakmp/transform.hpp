// What one transform offers, as typed values: Phase1Transform (RFC 2409 appendix A) and
// Phase2Transform (RFC 2407 4.5), decoded from attributes and encoded in racoon's order.
//
//     auto offer = Phase1Transform::decode(transform);   // a bad one is no offer: try the next
//     if (offer && offer->encryption == Encryption::AesCbc) …
//
// Decoding names the attribute that it refuses: unknown, given twice, of new group mode, a duration
// without a type.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "isakmp/attribute.hpp"
#include "isakmp/wire.hpp"

namespace racoon::isakmp {

struct Transform;

/// Lifetimes as offered; absent means that the peer did not say.
struct Lifetime {
    std::optional<std::uint64_t> seconds;
    std::optional<std::uint64_t> kilobytes;
    friend bool operator==(const Lifetime&, const Lifetime&) = default;
};

struct Phase1Transform {
    Encryption encryption = Encryption::None;
    std::uint16_t key_length = 0;  // bits; 0: not said
    HashAlgorithm hash = HashAlgorithm::None;
    AuthMethod auth_method = AuthMethod::None;
    DhGroup group = DhGroup::None;
    Lifetime life;
    Bytes gss_name;  // attribute 16384; mostly empty

    friend bool operator==(const Phase1Transform&, const Phase1Transform&) = default;

    /// Of a KEY_IKE transform. Encryption, hash, method and group must all be there (RFC 2409 4).
    static Result<Phase1Transform> decode(const Transform& t);
    /// Life type, duration, encryption, key length, method, hash, group: racoon's order.
    void encode(Writer& out) const;
    /// "AES-CBC(256) SHA2-256 pre-shared key 2048-bit MODP group 86400 seconds".
    std::string text() const;
};

struct Phase2Transform {
    std::uint8_t id = 0;  // EspTransform, AhTransform or IpcompTransform
    Encapsulation mode = Encapsulation::None;
    DhGroup group = DhGroup::None;  // None: no PFS
    Integrity integrity = Integrity::None;
    std::uint16_t key_length = 0;  // bits; 0: not said
    Lifetime life;
    bool esn = false;  // 64-bit sequence numbers (RFC 4304)

    friend bool operator==(const Phase2Transform&, const Phase2Transform&) = default;

    static Result<Phase2Transform> decode(const Transform& t);
    /// Life type, duration, encapsulation mode, key length, integrity, group, ESN: racoon's order.
    void encode(Writer& out) const;
    /// "ESP_AES-CBC(128) HMAC-SHA Tunnel 3600 seconds".
    std::string text(ProtocolId protocol) const;
};

}  // namespace racoon::isakmp
