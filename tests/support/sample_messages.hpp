// Whole messages of our own making, for tests that damage, count or compare them.
#pragma once

#include <vector>

#include "isakmp/identity.hpp"
#include "isakmp/message_builder.hpp"
#include "isakmp/payload.hpp"
#include "isakmp/proposal.hpp"

namespace racoon::test {

inline isakmp::Header sample_header(isakmp::ExchangeType exchange, std::uint32_t message_id = 0) {
    isakmp::Header h;
    h.cookies.initiator.bytes = {1, 2, 3, 4, 5, 6, 7, 8};
    h.cookies.responder.bytes = {9, 10, 11, 12, 13, 14, 15, 16};
    h.exchange = isakmp::number(exchange);
    h.message_id.value = message_id;
    return h;
}

inline isakmp::Phase1Transform sample_phase1() {
    isakmp::Phase1Transform t;
    t.encryption = isakmp::Encryption::AesCbc;
    t.key_length = 256;
    t.hash = isakmp::HashAlgorithm::Sha2_256;
    t.auth_method = isakmp::AuthMethod::PreSharedKey;
    t.group = isakmp::DhGroup::Modp2048;
    t.life.seconds = 86400;
    return t;
}

inline isakmp::Phase2Transform sample_phase2() {
    isakmp::Phase2Transform t;
    t.id = static_cast<std::uint8_t>(isakmp::EspTransform::AesCbc);
    t.mode = isakmp::Encapsulation::Tunnel;
    t.key_length = 128;
    t.integrity = isakmp::Integrity::HmacSha1;
    t.group = isakmp::DhGroup::Modp2048;
    t.life.seconds = 3600;
    return t;
}

inline Bytes filled(std::size_t size, std::uint8_t byte) {
    return Bytes(size, byte);
}

/// A valid body for each payload type.
inline Bytes sample_body(isakmp::PayloadType type) {
    using namespace isakmp;
    switch (type) {
        case PayloadType::SecurityAssociation: {
            const Phase1Transform one = sample_phase1();
            return build_phase1_sa({&one, 1});
        }
        case PayloadType::KeyExchange:
            return filled(256, 0x4b);
        case PayloadType::Identification:
            return Identity::address(IpAddr::parse("192.0.2.1").value(), 17, 500).body();
        case PayloadType::Certificate:
        case PayloadType::CertificateRequest: {
            const Bytes der = {0x30, 0x00};
            return Certificate{CertEncoding::X509Signature, der}.body();
        }
        case PayloadType::Hash:
            return filled(32, 0x48);
        case PayloadType::Nonce:
            return filled(16, 0x4e);
        case PayloadType::Notification: {
            Notification n;
            n.type = NotifyType::InitialContact;
            return n.body();
        }
        case PayloadType::Delete:
            return Delete::body_of(ProtocolId::Esp, Spi{0x12345678});
        case PayloadType::Attributes: {
            ConfigAttributes c;
            c.type = ConfigMessage::Request;
            return c.body();
        }
        case PayloadType::NatOa:
        case PayloadType::NatOaDraft:
        case PayloadType::NatOaDraft04:
            return NatOa{IpAddr::parse("192.0.2.9").value()}.body();
        default:
            return filled(20, 0x55);
    }
}

inline Bytes sample_message(const isakmp::Header& header,
                            const std::vector<isakmp::PayloadType>& types) {
    isakmp::MessageBuilder builder(header);
    for (const auto type : types) builder.add(type, sample_body(type));
    return builder.finish().value();
}

inline Bytes sample_quick_mode_1() {
    using namespace isakmp;
    MessageBuilder b(sample_header(ExchangeType::QuickMode, 0xcafe0001));
    const Phase2Proposal proposal{1, ProtocolId::Esp, Spi{0xc0ffee01}, {sample_phase2()}};
    b.reserve_hash(32);
    b.add(PayloadType::SecurityAssociation, build_phase2_sa({&proposal, 1}));
    b.add(PayloadType::Nonce, filled(16, 0x4e));
    b.add(PayloadType::KeyExchange, filled(256, 0x4b));
    b.add(PayloadType::Identification,
          Identity::subnet(Prefix::make(IpAddr::parse("10.1.0.0").value(), 16).value()).body());
    b.add(PayloadType::Identification,
          Identity::subnet(Prefix::make(IpAddr::parse("10.2.0.0").value(), 16).value()).body());
    return b.finish().value();
}

/// One clear message of every kind that we send.
inline std::vector<Bytes> sample_messages() {
    using namespace isakmp;
    using T = PayloadType;
    return {
        sample_message(sample_header(ExchangeType::IdentityProtection),
                       {T::SecurityAssociation, T::VendorId, T::VendorId}),
        sample_message(sample_header(ExchangeType::IdentityProtection),
                       {T::KeyExchange, T::Nonce, T::NatD, T::NatD}),
        sample_message(sample_header(ExchangeType::IdentityProtection),
                       {T::Identification, T::Hash, T::Notification}),
        sample_message(sample_header(ExchangeType::Aggressive),
                       {T::SecurityAssociation, T::KeyExchange, T::Nonce, T::Identification}),
        sample_quick_mode_1(),
        sample_message(sample_header(ExchangeType::QuickMode, 7), {T::Hash}),
        sample_message(sample_header(ExchangeType::Informational, 8),
                       {T::Hash, T::Notification, T::Delete}),
        sample_message(sample_header(ExchangeType::Transaction, 9), {T::Hash, T::Attributes}),
    };
}

}  // namespace racoon::test
