// Message: a received ISAKMP message: header and payload chain over bytes that it owns.
//
//     RACOON_TRY(Message m, Message::parse(std::move(datagram)));
//     if (m.header().encrypted()) {
//         auto plain = decrypt(m.body());
//         RACOON_TRY(m, Message::decrypted(m.header(), plain));
//     }
//     RACOON_TRY(auto m1, MainMode1::parse(m));       // every mandatory payload is there, once
//
// What a message of each kind must and may hold stands in the table of message_views.cpp; the
// structs of message_views.hpp are built whole or not at all, so no handler sees a missing payload.
#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "isakmp/header.hpp"
#include "isakmp/payload_chain.hpp"

namespace racoon::isakmp {

class Message {
  public:
    /// A datagram without non-ESP marker. Payloads are parsed when the message is in clear; an
    /// encrypted one has an empty chain until decrypted().
    static Result<Message> parse(Bytes datagram);
    /// A message whose body was decrypted: `plaintext` is the payloads and their padding. The
    /// header keeps its length field and flags as received.
    static Result<Message> decrypted(const Header& header, ByteView plaintext);

    // Views point into bytes_, whose heap block a move leaves in place; a copy would not.
    Message(Message&&) = default;
    Message& operator=(Message&&) = default;
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;

    const Header& header() const { return header_; }
    const PayloadChain& payloads() const { return payloads_; }
    /// Everything after the header: ciphertext, or payloads and padding.
    ByteView body() const { return ByteView(bytes_).subspan(kHeaderSize); }
    /// Header and body.
    ByteView bytes() const { return bytes_; }
    /// The payloads that follow the first one, with generic headers and without padding: what
    /// HASH(1), HASH(2) and the hash of an informational message cover after M-ID (and Ni_b), the
    /// first payload being the HASH (RFC 2409 5.5, 5.7).
    ByteView after_hash() const { return payloads_.raw_from(1); }

  private:
    Message(Bytes bytes, Header header, PayloadChain payloads)
        : bytes_(std::move(bytes)), header_(header), payloads_(std::move(payloads)) {}

    Bytes bytes_;
    Header header_;
    PayloadChain payloads_;
};

}  // namespace racoon::isakmp
