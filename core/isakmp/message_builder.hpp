// MessageBuilder: makes a message of payloads: next-payload chain, lengths, HASH, padding.
//
//     MessageBuilder b(header);                        // next payload and length are filled in
//     b.reserve_hash(20);
//     b.add(PayloadType::SecurityAssociation, sa);
//     b.add(PayloadType::Nonce, nonce);
//     b.set_hash(prf(skeyid_a, m_id, b.after_hash()));
//     RACOON_TRY(Bytes clear, b.padded(16, padding, random));
//     Bytes datagram = b.finish_encrypted(encrypt(clear));
//
// A message without encryption: RACOON_TRY(Bytes datagram, b.finish());
#pragma once

#include <cstddef>
#include <optional>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "isakmp/header.hpp"
#include "isakmp/wire.hpp"

namespace racoon::isakmp {

/// racoon.conf's `padding`, as it bears on one message.
struct Padding {
    bool randomize = true;         // random bytes, else zeros
    bool exclusive_tail = true;    // last byte: number of pad bytes minus one, else the number
    std::size_t extra_blocks = 0;  // whole blocks more (randomize_length); cut so that 255 suffice
};

inline constexpr std::size_t kMaxPadding = 255;

/// How many bytes pad() adds: at least one; a full block when the plaintext is aligned.
/// `block`: 1 to 64 bytes.
std::size_t padding_size(std::size_t plaintext, std::size_t block, const Padding& padding);

/// Appends the padding (RFC 2409 appendix B). `random`: at least padding_size() bytes when
/// padding.randomize, else ignored.
void pad(Bytes& plaintext, std::size_t block, const Padding& padding, ByteView random);

/// racoon's `strict_check`: the last byte may not claim more padding than `trailing` (what follows
/// the last payload) holds.
Status check_padding(ByteView trailing, bool exclusive_tail);

class MessageBuilder {
  public:
    explicit MessageBuilder(const Header& header) : header_(header) {}

    void add(PayloadType type, ByteView body);
    /// A HASH payload to be filled in by set_hash(); at most one in a message.
    void reserve_hash(std::size_t size);
    /// The payloads added after the HASH payload, with generic headers, as they will be sent.
    ByteView after_hash() const;
    /// `hash` has the reserved size.
    void set_hash(ByteView hash);

    /// All payloads with generic headers, without the ISAKMP header.
    ByteView payloads() const { return body_.view(); }
    /// payloads() with padding, ready for the cipher. TooLong beyond 65535 bytes in all.
    Result<Bytes> padded(std::size_t block, const Padding& padding, ByteView random) const;

    /// The message in clear. TooLong beyond 65535 bytes or a payload beyond 65531.
    Result<Bytes> finish() const;
    /// The message with `ciphertext` as its body and the encryption flag set.
    Bytes finish_encrypted(ByteView ciphertext) const;

  private:
    Bytes with_body(Header header, ByteView body) const;
    Status check() const;

    Header header_;
    Writer body_;
    std::optional<Writer::Mark> previous_;  // next-payload byte of the last payload
    std::optional<std::size_t> hash_at_;    // of the HASH payload's body
    std::size_t hash_size_ = 0;
    bool too_long_ = false;
};

}  // namespace racoon::isakmp
