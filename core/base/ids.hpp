// Strong types for the numbers that identify things, so that an SPI is never taken for a message id.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "base/bytes.hpp"

namespace racoon {

template <typename Tag, typename T>
struct Strong {
    T value{};
    friend constexpr auto operator<=>(const Strong&, const Strong&) = default;
};

/// ISAKMP message id (RFC 2408 3.1); 0 in phase 1.
using MessageId = Strong<struct MessageIdTag, std::uint32_t>;
/// Security parameter index as a number, host order; a CPI sits in the low 16 bits.
using Spi = Strong<struct SpiTag, std::uint32_t>;
/// Links a policy's template with the SAs that serve it (kernel "reqid").
using ReqId = Strong<struct ReqIdTag, std::uint32_t>;
/// An installed policy, numbered by the keeper; equal in keeper and engine.
using PolicyId = Strong<struct PolicyIdTag, std::uint32_t>;
/// A pending operation: slot and generation, never a pointer.
using OpToken = Strong<struct OpTokenTag, std::uint64_t>;
/// A phase 1 SA inside one engine; never reused in its life.
using SaToken = Strong<struct SaTokenTag, std::uint64_t>;

/// One 8-byte cookie (RFC 2408 3.1).
struct Cookie {
    std::array<std::uint8_t, 8> bytes{};
    bool is_zero() const { return bytes == std::array<std::uint8_t, 8>{}; }
    ByteView view() const { return bytes; }
    friend auto operator<=>(const Cookie&, const Cookie&) = default;
};

/// Initiator and responder cookie: the SPI of an ISAKMP SA.
struct CookiePair {
    Cookie initiator;
    Cookie responder;
    friend auto operator<=>(const CookiePair&, const CookiePair&) = default;
    /// "0123456789abcdef:fedcba9876543210", as racoon's logs print it.
    std::string text() const { return to_hex(initiator.view()) + ":" + to_hex(responder.view()); }
};

/// Cookies are random, so any eight bytes of them serve as the hash. The peer chooses its own
/// cookie: callers that index by the peer's alone must mix in a key.
struct CookiePairHash {
    std::size_t operator()(const CookiePair& c) const noexcept {
        std::size_t h = 0;
        for (std::size_t i = 0; i < 8; ++i)
            h = h * 131 +
                (c.initiator.bytes[i] ^ (static_cast<std::size_t>(c.responder.bytes[i]) << 8));
        return h;
    }
};

}  // namespace racoon

template <typename Tag, typename T>
struct std::hash<racoon::Strong<Tag, T>> {
    std::size_t operator()(const racoon::Strong<Tag, T>& v) const noexcept {
        return std::hash<T>{}(v.value);
    }
};
