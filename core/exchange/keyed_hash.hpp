// SipHash-2-4 (Aumasson, Bernstein 2012): a keyed 64-bit hash for tables whose keys a stranger
// chooses, and for recognizing a datagram that came before. Nobody without the key can aim at it.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.hpp"
#include "base/net_addr.hpp"

namespace racoon::exchange {

class KeyedHash {
  public:
    using Key = std::array<std::uint8_t, 16>;
    explicit KeyedHash(const Key& key);
    std::uint64_t operator()(ByteView data) const;
    std::uint64_t operator()(const Endpoint& peer, ByteView data) const;

  private:
    std::uint64_t k0_, k1_;
};

}  // namespace racoon::exchange
