// The format of plain RSA key files, which racoon took from FreeS/WAN's ipsec.secrets:
//
//     # comment
//     192.0.2.1 198.51.100.0/24 : RSA {       # our address, the peer's; one alone is the peer's
//         Modulus: 0xc0ff...
//         PublicExponent: 0x10001
//         PrivateExponent: 0x...
//         Prime1: 0x...  Prime2: 0x...  Exponent1: 0x...  Exponent2: 0x...  Coefficient: 0x...
//     }
//     any 2001:db8::/32 : PUB 0sAwEAAc...     # base64 of RFC 3110: exponent's length, exponent, modulus
//     : PUB 0x03010001...                     # the same in hex; no address fits every exchange
//
// The keys that fit an exchange best are all to be tried, in their order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <racoon/plugin/base.h>

namespace credential_files {

inline constexpr std::size_t kMaxRsaKeys = 20'000;  // in a file
inline constexpr std::size_t kMaxRsaRemarks = 20;
inline constexpr std::size_t kMinModulusBits = 1024;
inline constexpr std::size_t kMaxModulusBits = 16384;
inline constexpr std::size_t kMaxExponentBits = 64;

/// Where a key may be used. family 0: everywhere ("any").
struct AddressPrefix {
    std::uint8_t family = 0;
    std::uint8_t length = 0;  // bits
    std::array<std::uint8_t, 16> bytes{};
    /// The number of bits that agree, -1: it does not fit.
    int score(const racoon_addr& address) const;
};

/// Big-endian, without leading zeros; empty: absent.
using Number = std::span<const std::uint8_t>;

struct RsaKey {
    unsigned line = 0, column = 0;  // of "RSA" or "PUB"
    AddressPrefix source, destination;
    bool is_private = false;
    Number n, e;
    Number d, p, q, dp, dq, qinv;  // p to qinv: all or none
};

/// A place in the file; `text` says what was found and expected and holds no key material.
struct RsaRemark {
    unsigned line = 0, column = 0;
    std::string text;
};

enum class RsaUse : std::uint8_t { Private, Public };

class RsaKeyFile {
  public:
    /// Reads `text` and keeps views into it; numbers are decoded in place. The memory is the
    /// caller's (it may hold secrets) and must outlive the object. Every key has an odd modulus of
    /// 1024 to 16384 bits and an odd exponent from 3 to 64 bits. In a file of private keys each has
    /// `d`; in one of public keys a private key is taken for its public half.
    static RsaKeyFile parse(std::span<std::uint8_t> text, RsaUse use);

    /// False: `error` says why and there are no keys.
    bool good() const { return good_; }
    const RsaRemark& error() const { return error_; }
    const std::vector<RsaKey>& keys() const { return keys_; }
    /// What is weak or odd but can be used. Bounded.
    const std::vector<RsaRemark>& remarks() const { return remarks_; }

  private:
    friend class RsaKeyParser;
    bool good_ = false;
    RsaRemark error_;
    std::vector<RsaKey> keys_;
    std::vector<RsaRemark> remarks_;
};

/// How well a key fits an exchange between `local` and `peer`, -1: not at all. The source is ours
/// and the destination the peer's, whichever of them the key belongs to.
int score(const RsaKey& key, const racoon_addr& local, const racoon_addr& peer);

std::size_t bit_length(Number number);

}  // namespace credential_files
