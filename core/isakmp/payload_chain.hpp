// PayloadChain: the payloads of a message, found by walking the generic headers (RFC 2408 3.2).
//
//      0                   1                   2                   3
//     ! Next Payload  !   RESERVED    !         Payload Length        !
//
//     RACOON_TRY(auto chain, PayloadChain::parse(Reader(bytes, kHeaderSize),
//     header.first_payload(),
//                                                Trailing::Refuse));
//     for (const Payload& p : chain) …
//     if (const Payload* nonce = chain.find(PayloadType::Nonce)) …
//
// Nothing is copied: the views are valid as long as the bytes given to parse().
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"
#include "base/capped_vector.hpp"
#include "base/result.hpp"
#include "isakmp/wire.hpp"

namespace racoon::isakmp {

struct Payload {
    PayloadType type;
    ByteView body;       // without the generic header: what RFC 2409 writes as "X_b"
    ByteView raw;        // with it: what HASH(1) to HASH(3) cover
    std::size_t offset;  // of `raw` in the message

    /// Reads the body; offsets of errors count from the start of the message.
    Reader reader() const { return Reader(body, offset + kGenericHeaderSize); }
};

/// What may follow the last payload.
enum class Trailing : std::uint8_t {
    Refuse,
    Alignment,  // up to three zero bytes: libreswan fills clear messages up to four bytes
    Padding,    // anything: decrypted messages end in padding (RFC 2409 appendix B)
};

class PayloadChain {
  public:
    using List = CappedVector<Payload, kMaxPayloads>;

    PayloadChain() = default;

    /// Walks at most 64 payloads; `first` names the first one. Unknown types are kept, for the
    /// message table to judge and logs to show. Fails with
    ///   Truncated  a generic header or a payload reaches beyond the end
    ///   Malformed  a length below 4, a reserved byte that is not 0, or bytes after the last
    ///   payload TooLong    more than 64 payloads
    /// each with the offset, and PAYLOAD-MALFORMED as the notify.
    static Result<PayloadChain> parse(Reader in, PayloadType first, Trailing trailing);

    std::size_t size() const { return payloads_.size(); }
    bool empty() const { return payloads_.empty(); }
    const Payload& operator[](std::size_t i) const { return payloads_[i]; }
    auto begin() const { return payloads_.begin(); }
    auto end() const { return payloads_.end(); }

    /// The first payload of a type; null when there is none.
    const Payload* find(PayloadType type) const;
    std::size_t count(PayloadType type) const;

    /// All payloads with their generic headers, without the padding.
    ByteView raw() const { return raw_; }
    /// Payloads `index` and later, with their generic headers, without the padding.
    ByteView raw_from(std::size_t index) const;
    ByteView padding() const { return padding_; }

  private:
    List payloads_;
    ByteView raw_;
    ByteView padding_;
};

}  // namespace racoon::isakmp
