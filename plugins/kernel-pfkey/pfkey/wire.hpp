// Numbers of PF_KEY version 2 (RFC 2367) and of what KAME and Linux added. What differs between systems
// is in dialect.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace racoon::pfkey {

inline constexpr std::uint8_t kVersion = 2;

enum Type : std::uint8_t {
    kGetSpi = 1,
    kUpdate = 2,
    kAdd = 3,
    kDelete = 4,
    kGet = 5,
    kAcquire = 6,
    kRegister = 7,
    kExpire = 8,
    kFlush = 9,
    kDump = 10,
    kPromisc = 11,
    kPchange = 12,
    kSpdUpdate = 13,
    kSpdAdd = 14,
    kSpdDelete = 15,
    kSpdGet = 16,
    kSpdAcquire = 17,
    kSpdDump = 18,
    kSpdFlush = 19,
    kSpdSetIdx = 20,
    kSpdExpire = 21,
    kSpdDelete2 = 22,
    kNewMapping = 23,
    kMigrate = 24,
};

/// Extensions that have one number everywhere; the others are in the dialect.
enum Extension : std::uint16_t {
    kExtSa = 1,
    kExtLifetimeCurrent = 2,
    kExtLifetimeHard = 3,
    kExtLifetimeSoft = 4,
    kExtAddressSrc = 5,
    kExtAddressDst = 6,
    kExtAddressProxy = 7,
    kExtKeyAuth = 8,
    kExtKeyEncrypt = 9,
    kExtIdentitySrc = 10,
    kExtIdentityDst = 11,
    kExtSensitivity = 12,
    kExtProposal = 13,
    kExtSupportedAuth = 14,
    kExtSupportedEncrypt = 15,
    kExtSpiRange = 16,
    kExtKmPrivate = 17,
    kExtPolicy = 18,
    kExtSa2 = 19,
};

enum SaType : std::uint8_t {
    kSaUnspec = 0,
    kSaAh = 2,
    kSaEsp = 3,
    kSaIpComp = 9,
    kSaTcp = 11,  // TCP-MD5, BSD only
};

enum State : std::uint8_t { kLarval = 0, kMature = 1, kDying = 2, kDead = 3 };

enum PolicyType : std::uint16_t {
    kPolicyDiscard = 0,
    kPolicyNone = 1,
    kPolicyIpsec = 2,
    kPolicyEntrust = 3,
    kPolicyBypass = 4,
};
enum Direction : std::uint8_t { kDirAny = 0, kDirIn = 1, kDirOut = 2, kDirFwd = 3 };
enum Mode : std::uint8_t { kModeAny = 0, kModeTransport = 1, kModeTunnel = 2, kModeBeet = 3 };
enum Level : std::uint8_t { kLevelDefault = 0, kLevelUse = 1, kLevelRequire = 2, kLevelUnique = 3 };

inline constexpr std::uint8_t kProtoAny = 255;        // of a selector
inline constexpr std::uint8_t kUdpEncapsulation = 2;  // RFC 3948, in NAT_T_TYPE
inline constexpr std::uint8_t kUdpEncapsulationNonIke =
    1;                                                   // of the drafts, behind eight zero bytes
inline constexpr std::uint32_t kManualReqIdMax = 16383;  // larger ones are the kernel's own
inline constexpr std::size_t kHeaderSize = 16;

}  // namespace racoon::pfkey
