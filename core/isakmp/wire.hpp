// The layout of ISAKMP on the wire: sizes, flags, and the numbers of numbers.def as enums.
//
// An enum here may hold a number without a name: it came from a peer. names.hpp makes text of both.
#pragma once

#include <cstddef>
#include <cstdint>

namespace racoon::isakmp {

inline constexpr std::size_t kHeaderSize = 28;        // RFC 2408 3.1
inline constexpr std::size_t kMaxMessage = 65535;     // what UDP can carry
inline constexpr std::size_t kGenericHeaderSize = 4;  // RFC 2408 3.2
inline constexpr std::size_t kMaxPayloadBody = 65535 - kGenericHeaderSize;
inline constexpr std::size_t kNonEspMarkerSize = 4;  // RFC 3948 2.2

// Flags of the header (RFC 2408 3.1).
inline constexpr std::uint8_t kFlagEncryption = 0x01;
inline constexpr std::uint8_t kFlagCommit = 0x02;
inline constexpr std::uint8_t kFlagAuthenticationOnly = 0x04;
inline constexpr std::uint8_t kFlagsKnown = 0x07;

inline constexpr std::uint8_t kMajorVersion = 1;
inline constexpr std::uint8_t kMinorVersion = 0;

inline constexpr std::uint32_t kDoiIsakmp = 0;  // RFC 2408 3.4: generic
inline constexpr std::uint32_t kDoiIpsec = 1;   // RFC 2407 4.1
// Situation bits (RFC 2407 4.2).
inline constexpr std::uint32_t kSitIdentityOnly = 0x01;
inline constexpr std::uint32_t kSitSecrecy = 0x02;
inline constexpr std::uint32_t kSitIntegrity = 0x04;

inline constexpr std::uint8_t kTransformKeyIke = 1;  // RFC 2407 4.4.2.1: KEY_IKE

inline constexpr std::size_t kMinNonce = 8;  // RFC 2409 5: 8 to 256 bytes
inline constexpr std::size_t kMaxNonce = 256;
inline constexpr std::size_t kMaxSpi = 16;  // RFC 2408 3.14: the cookie pair

// Bounds of every list that a peer can grow.
inline constexpr std::size_t kMaxPayloads = 64;
inline constexpr std::size_t kMaxProposals = 32;
inline constexpr std::size_t kMaxTransforms = 64;  // of one proposal
inline constexpr std::size_t kMaxTransformsInSa = 256;
inline constexpr std::size_t kMaxAttributes = 32;        // of one transform
inline constexpr std::size_t kMaxConfigAttributes = 64;  // of one attributes payload
inline constexpr std::size_t kMaxDeleteSpis = 32;
inline constexpr std::size_t kMaxVendorIds = 32;
inline constexpr std::size_t kMaxCertificates = 10;
inline constexpr std::size_t kMaxNatD = 16;
inline constexpr std::size_t kMaxNotifications = 32;
inline constexpr std::size_t kMaxDeletes = 32;

#define RACOON_ENUMERATOR(name, number, text) name = number,
enum class PayloadType : std::uint8_t {
#define RACOON_PAYLOAD_TYPE RACOON_ENUMERATOR
#include "isakmp/numbers.def"
};
enum class ExchangeType : std::uint8_t {
#define RACOON_EXCHANGE_TYPE RACOON_ENUMERATOR
#include "isakmp/numbers.def"
};
enum class ProtocolId : std::uint8_t {
#define RACOON_PROTOCOL_ID RACOON_ENUMERATOR
#include "isakmp/numbers.def"
};
enum class NotifyType : std::uint16_t {
#define RACOON_NOTIFY_TYPE RACOON_ENUMERATOR
#include "isakmp/numbers.def"
};
enum class IdType : std::uint8_t {
#define RACOON_ID_TYPE RACOON_ENUMERATOR
#include "isakmp/numbers.def"
};
enum class CertEncoding : std::uint8_t {
#define RACOON_CERT_ENCODING RACOON_ENUMERATOR
#include "isakmp/numbers.def"
};
enum class Phase1Attribute : std::uint16_t {
#define RACOON_PHASE1_ATTRIBUTE RACOON_ENUMERATOR
#include "isakmp/numbers.def"
};
enum class Phase2Attribute : std::uint16_t {
#define RACOON_PHASE2_ATTRIBUTE RACOON_ENUMERATOR
#include "isakmp/numbers.def"
};
enum class Encryption : std::uint16_t {
#define RACOON_ENCRYPTION RACOON_ENUMERATOR
#include "isakmp/numbers.def"
};
enum class HashAlgorithm : std::uint16_t {
#define RACOON_HASH_ALGORITHM RACOON_ENUMERATOR
#include "isakmp/numbers.def"
};
enum class AuthMethod : std::uint16_t {
#define RACOON_AUTH_METHOD RACOON_ENUMERATOR
#include "isakmp/numbers.def"
};
enum class DhGroup : std::uint16_t {
#define RACOON_DH_GROUP RACOON_ENUMERATOR
#include "isakmp/numbers.def"
};
enum class LifeType : std::uint16_t {
#define RACOON_LIFE_TYPE RACOON_ENUMERATOR
#include "isakmp/numbers.def"
};
enum class EspTransform : std::uint8_t {
#define RACOON_ESP_TRANSFORM RACOON_ENUMERATOR
#include "isakmp/numbers.def"
};
enum class AhTransform : std::uint8_t {
#define RACOON_AH_TRANSFORM RACOON_ENUMERATOR
#include "isakmp/numbers.def"
};
enum class IpcompTransform : std::uint8_t {
#define RACOON_IPCOMP_TRANSFORM RACOON_ENUMERATOR
#include "isakmp/numbers.def"
};
enum class Encapsulation : std::uint16_t {
#define RACOON_ENCAPSULATION RACOON_ENUMERATOR
#include "isakmp/numbers.def"
};
enum class Integrity : std::uint16_t {
#define RACOON_INTEGRITY RACOON_ENUMERATOR
#include "isakmp/numbers.def"
};
enum class ConfigMessage : std::uint8_t {
#define RACOON_CONFIG_MESSAGE RACOON_ENUMERATOR
#include "isakmp/numbers.def"
};
#undef RACOON_ENUMERATOR

/// The number of an enum, for Error::notify() and for the wire.
constexpr std::uint8_t number(PayloadType v) {
    return static_cast<std::uint8_t>(v);
}
constexpr std::uint8_t number(ExchangeType v) {
    return static_cast<std::uint8_t>(v);
}
constexpr std::uint8_t number(ProtocolId v) {
    return static_cast<std::uint8_t>(v);
}
constexpr std::uint16_t number(NotifyType v) {
    return static_cast<std::uint16_t>(v);
}

/// The kinds of NAT-D and NAT-OA payload that RFC 3947 and its drafts used.
constexpr bool is_nat_d(PayloadType t) {
    return t == PayloadType::NatD || t == PayloadType::NatDDraft || t == PayloadType::NatDDraft04;
}
constexpr bool is_nat_oa(PayloadType t) {
    return t == PayloadType::NatOa || t == PayloadType::NatOaDraft ||
           t == PayloadType::NatOaDraft04;
}

}  // namespace racoon::isakmp
