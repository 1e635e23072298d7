// IvChain: the initialization vectors of encrypted ISAKMP messages (RFC 2409 appendix B), and nothing
// else.
//
//     phase 1     first message       hash(g^xi | g^xr), cut to the block size
//                 later messages      the last ciphertext block of the message before
//     phase 2     first message       hash(last ciphertext block of phase 1 | message id)
//                 later messages      as in phase 1, within one message id
//
//     RACOON_TRY(IvChain chain, IvChain::phase1(hash, block, gxi, gxr));
//     auto iv = chain.next();                  // a copy: decrypting moves nothing
//     key.decrypt(iv.span(), data);
//     chain.advance(last_block(ciphertext));   // only once the message has been verified
//
// A message that turns out to be forged or damaged therefore leaves the chain as it was.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "conf/catalog.hpp"

namespace racoon::exchange {

/// One cipher block: 1 to 32 bytes.
class Iv {
  public:
    static constexpr std::size_t kMaxBlock = 32;
    Iv() = default;
    /// The first `block` bytes of `from`, which has at least so many.
    Iv(ByteView from, std::size_t block);
    std::span<std::uint8_t> span() { return std::span(bytes_).first(size_); }
    ByteView view() const { return ByteView(bytes_).first(size_); }
    friend bool operator==(const Iv&, const Iv&) = default;

  private:
    std::array<std::uint8_t, kMaxBlock> bytes_{};
    std::uint8_t size_ = 0;
};

class IvChain {
  public:
    IvChain() = default;
    /// The chain of phase 1. `gxi`, `gxr`: the public values as sent. Fails when the hash is shorter
    /// than a block.
    static Result<IvChain> phase1(const conf::HashInfo& hash, std::size_t block, ByteView gxi,
                                  ByteView gxr);
    /// The chain of a phase 2 exchange, branching off the established phase 1.
    Result<IvChain> phase2(const conf::HashInfo& hash, MessageId message_id) const;

    /// What the next message is encrypted with, or decrypted when it comes from the peer.
    Iv next() const { return next_; }
    /// The message that used next() counts: its last ciphertext block is the next IV.
    void advance(ByteView ciphertext);

  private:
    explicit IvChain(Iv first) : next_(first) {}
    Iv next_;
};

}  // namespace racoon::exchange
