// The messages of each exchange as structs of views (RFC 2409 5): built whole, or refused with one
// error that names the payload that is missing, doubled or not allowed there.
//
//     RACOON_TRY(auto m3, MainMode3::parse(message));
//     use(m3.key_exchange, m3.nonce);
//
// Views point into the Message, which must outlive them. "message 1" and so on count within the
// exchange; the answer that has the same payloads shares the struct.
#pragma once

#include <optional>

#include "base/bytes.hpp"
#include "base/capped_vector.hpp"
#include "base/result.hpp"
#include "isakmp/identity.hpp"
#include "isakmp/message.hpp"
#include "isakmp/payload.hpp"
#include "isakmp/proposal.hpp"

namespace racoon::isakmp {

enum class MessageKind : std::uint8_t {
    MainMode1,
    MainMode2,
    MainMode3,
    MainMode4,
    MainMode5,
    MainMode6,
    Aggressive1,
    Aggressive2,
    Aggressive3,
    Base1,
    Base2,
    Base3,
    Base4,
    QuickMode1,
    QuickMode2,
    QuickMode3,
    QuickModeConnected,
    Informational,
    Transaction,
};

/// Holds the chain against the table: exchange type, counts, SA first in phase 1, HASH and SA first
/// in quick mode. Errors: PAYLOAD-MALFORMED, or INVALID-PAYLOAD-TYPE for a payload that does not
/// belong there. Private types (128-255) that we do not know are ignored.
Status check_payloads(const Message& message, MessageKind kind);
std::string_view name(MessageKind kind);

/// The payloads that any message of phase 1 may add.
struct Phase1Extras {
    CappedVector<ByteView, kMaxVendorIds> vendor_ids;
    CappedVector<ByteView, kMaxNatD> nat_d;  // peer's view of us first, then its own (RFC 3947 3.2)
    CappedVector<Certificate, kMaxCertificates> certificate_requests;
    CappedVector<Notification, kMaxNotifications> notifications;
};

/// What proves an identity: HASH or SIG, and the certificates.
struct Proof {
    const Payload* payload = nullptr;  // never null: HASH, or else SIG
    CappedVector<Certificate, kMaxCertificates> certificates;
};

/// An ID payload: parsed, and as the hashes cover it (IDii_b, IDir_b).
struct IdView {
    Identity identity;
    ByteView body;
};

struct MainMode1 {  // and 2
    SaPayload sa;
    Phase1Extras extras;
    static Result<MainMode1> parse(const Message& m, MessageKind kind = MessageKind::MainMode1);
};

struct MainMode3 {  // and 4
    ByteView key_exchange;
    ByteView nonce;
    Phase1Extras extras;
    static Result<MainMode3> parse(const Message& m, MessageKind kind = MessageKind::MainMode3);
};

struct MainMode5 {  // and 6
    IdView id;
    Proof proof;
    Phase1Extras extras;
    static Result<MainMode5> parse(const Message& m, MessageKind kind = MessageKind::MainMode5);
};

struct Aggressive1 {
    SaPayload sa;
    ByteView key_exchange;
    ByteView nonce;
    IdView id;
    Phase1Extras extras;
    static Result<Aggressive1> parse(const Message& m);
};

struct Aggressive2 {
    SaPayload sa;
    ByteView key_exchange;
    ByteView nonce;
    IdView id;
    Proof proof;
    Phase1Extras extras;
    static Result<Aggressive2> parse(const Message& m);
};

struct Aggressive3 {
    Proof proof;
    Phase1Extras extras;
    static Result<Aggressive3> parse(const Message& m);
};

struct Base1 {  // and 2
    SaPayload sa;
    ByteView nonce;
    IdView id;
    Phase1Extras extras;
    static Result<Base1> parse(const Message& m, MessageKind kind = MessageKind::Base1);
};

struct Base3 {  // and 4
    ByteView key_exchange;
    Proof proof;
    Phase1Extras extras;
    static Result<Base3> parse(const Message& m, MessageKind kind = MessageKind::Base3);
};

struct QuickMode1 {  // and 2
    ByteView hash;
    SaPayload sa;
    ByteView nonce;
    std::optional<ByteView> key_exchange;
    std::optional<IdView> id_ci;  // both or none
    std::optional<IdView> id_cr;
    CappedVector<NatOa, 2> nat_oa;
    CappedVector<Notification, kMaxNotifications> notifications;
    static Result<QuickMode1> parse(const Message& m, MessageKind kind = MessageKind::QuickMode1);
};

struct QuickMode3 {
    ByteView hash;
    CappedVector<Notification, kMaxNotifications> notifications;
    static Result<QuickMode3> parse(const Message& m);
};

struct QuickModeConnected {  // message 4, after the commit bit (RFC 2408 3.1)
    ByteView hash;
    CappedVector<Notification, kMaxNotifications> notifications;
    static Result<QuickModeConnected> parse(const Message& m);
};

struct Informational {
    std::optional<ByteView> hash;  // absent when in clear
    CappedVector<Notification, kMaxNotifications> notifications;
    CappedVector<Delete, kMaxDeletes> deletes;
    static Result<Informational> parse(const Message& m);
};

struct Transaction {
    ByteView hash;
    ConfigAttributes attributes;
    static Result<Transaction> parse(const Message& m);
};

}  // namespace racoon::isakmp
