#include "isakmp/message_views.hpp"

#include <array>
#include <span>
#include <string>

#include "base/check.hpp"
#include "isakmp/names.hpp"

namespace racoon::isakmp {

namespace {

using P = PayloadType;

/// How often a payload may be in a message. `P::NatD` and `P::NatOa` stand for all their numbers.
struct Rule {
    PayloadType type;
    std::uint8_t least;
    std::uint8_t most;
};

constexpr Rule once(PayloadType t) {
    return {t, 1, 1};
}
constexpr Rule optional(PayloadType t) {
    return {t, 0, 1};
}
constexpr Rule any(PayloadType t, std::size_t most) {
    return {t, 0, static_cast<std::uint8_t>(most)};
}

constexpr Rule kVids = any(P::VendorId, kMaxVendorIds);
constexpr Rule kRequests = any(P::CertificateRequest, kMaxCertificates);
constexpr Rule kCertificates = any(P::Certificate, kMaxCertificates);
constexpr Rule kNatDs = any(P::NatD, kMaxNatD);
constexpr Rule kNotifications = any(P::Notification, kMaxNotifications);
constexpr Rule kGss = optional(P::GssToken);

// RFC 2409 5.1 to 5.4 (signatures and pre-shared keys), RFC 3947 3.2 (NAT-D), RFC 2408 4.4 (base).
// HASH and SIG are alternatives: Proof takes care that one is there.
constexpr Rule kMainMode12[] = {once(P::SecurityAssociation), kVids, kNotifications};
constexpr Rule kMainMode34[] = {
    once(P::KeyExchange), once(P::Nonce), kVids, kRequests, kNatDs, kGss, kNotifications};
constexpr Rule kMainMode56[] = {once(P::Identification),
                                optional(P::Hash),
                                optional(P::Signature),
                                kCertificates,
                                kRequests,
                                kVids,
                                kGss,
                                kNotifications};
constexpr Rule kAggressive1[] = {once(P::SecurityAssociation),
                                 once(P::KeyExchange),
                                 once(P::Nonce),
                                 once(P::Identification),
                                 kVids,
                                 kRequests,
                                 kGss,
                                 kNotifications};
constexpr Rule kAggressive2[] = {once(P::SecurityAssociation),
                                 once(P::KeyExchange),
                                 once(P::Nonce),
                                 once(P::Identification),
                                 optional(P::Hash),
                                 optional(P::Signature),
                                 kCertificates,
                                 kRequests,
                                 kNatDs,
                                 kVids,
                                 kGss,
                                 kNotifications};
constexpr Rule kAggressive3[] = {
    optional(P::Hash), optional(P::Signature), kCertificates, kNatDs, kVids, kGss, kNotifications};
constexpr Rule kBase12[] = {once(P::SecurityAssociation),
                            once(P::Nonce),
                            once(P::Identification),
                            kVids,
                            kRequests,
                            kNatDs,
                            kNotifications};
constexpr Rule kBase34[] = {
    once(P::KeyExchange), optional(P::Hash), optional(P::Signature), kCertificates, kNatDs, kVids,
    kNotifications};
constexpr Rule kQuickMode12[] = {once(P::Hash),
                                 once(P::SecurityAssociation),
                                 once(P::Nonce),
                                 optional(P::KeyExchange),
                                 any(P::Identification, 2),
                                 any(P::NatOa, 2),
                                 kVids,
                                 kNotifications};
constexpr Rule kQuickMode3[] = {once(P::Hash), kVids, kNotifications};
constexpr Rule kInformational[] = {optional(P::Hash), kNotifications, any(P::Delete, kMaxDeletes),
                                   kVids};
constexpr Rule kTransaction[] = {once(P::Hash), once(P::Attributes), kVids, kNotifications};

struct Row {
    MessageKind kind;
    std::string_view name;
    ExchangeType exchange;
    std::span<const Rule> rules;
    std::array<PayloadType, 2> first;  // must lead, in this order; None: anything
};

using K = MessageKind;
using E = ExchangeType;
constexpr Row kTable[] = {
    {K::MainMode1,
     "main mode message 1",
     E::IdentityProtection,
     kMainMode12,
     {P::SecurityAssociation, P::None}},
    {K::MainMode2,
     "main mode message 2",
     E::IdentityProtection,
     kMainMode12,
     {P::SecurityAssociation, P::None}},
    {K::MainMode3, "main mode message 3", E::IdentityProtection, kMainMode34, {}},
    {K::MainMode4, "main mode message 4", E::IdentityProtection, kMainMode34, {}},
    {K::MainMode5, "main mode message 5", E::IdentityProtection, kMainMode56, {}},
    {K::MainMode6, "main mode message 6", E::IdentityProtection, kMainMode56, {}},
    {K::Aggressive1,
     "aggressive mode message 1",
     E::Aggressive,
     kAggressive1,
     {P::SecurityAssociation, P::None}},
    {K::Aggressive2,
     "aggressive mode message 2",
     E::Aggressive,
     kAggressive2,
     {P::SecurityAssociation, P::None}},
    {K::Aggressive3, "aggressive mode message 3", E::Aggressive, kAggressive3, {}},
    {K::Base1, "base mode message 1", E::Base, kBase12, {P::SecurityAssociation, P::None}},
    {K::Base2, "base mode message 2", E::Base, kBase12, {P::SecurityAssociation, P::None}},
    {K::Base3, "base mode message 3", E::Base, kBase34, {}},
    {K::Base4, "base mode message 4", E::Base, kBase34, {}},
    {K::QuickMode1,
     "quick mode message 1",
     E::QuickMode,
     kQuickMode12,
     {P::Hash, P::SecurityAssociation}},
    {K::QuickMode2,
     "quick mode message 2",
     E::QuickMode,
     kQuickMode12,
     {P::Hash, P::SecurityAssociation}},
    {K::QuickMode3, "quick mode message 3", E::QuickMode, kQuickMode3, {P::Hash, P::None}},
    {K::QuickModeConnected, "quick mode message 4", E::QuickMode, kQuickMode3, {P::Hash, P::None}},
    {K::Informational, "informational message", E::Informational, kInformational, {}},
    {K::Transaction, "transaction message", E::Transaction, kTransaction, {P::Hash, P::Attributes}},
};

const Row& row_of(MessageKind kind) {
    const Row& row = kTable[static_cast<std::size_t>(kind)];
    RACOON_CHECK(row.kind == kind);
    return row;
}

/// The number under which the table knows a payload type.
PayloadType table_type(PayloadType t) {
    if (is_nat_d(t)) return P::NatD;
    if (is_nat_oa(t)) return P::NatOa;
    return t;
}

bool is_private(PayloadType t) {
    return static_cast<std::uint8_t>(t) >= 128;
}

Failure malformed(const Row& row, std::string text) {
    return fail(Errc::Malformed, std::string(row.name) + ": " + std::move(text))
        .notify(number(NotifyType::PayloadMalformed));
}

Status check_allowed(const Row& row, const PayloadChain& chain) {
    for (const Payload& p : chain) {
        bool allowed = !is_known(p.type) && is_private(p.type);
        for (const Rule& rule : row.rules) allowed = allowed || rule.type == table_type(p.type);
        if (!allowed)
            return fail(Errc::Malformed, std::string(row.name) + ": a " + name(p.type) +
                                             " payload does not belong there")
                .at(p.offset)
                .notify(number(NotifyType::InvalidPayloadType));
    }
    return ok();
}

Status check_counts(const Row& row, const PayloadChain& chain) {
    for (const Rule& rule : row.rules) {
        std::size_t found = 0;
        for (const Payload& p : chain) found += table_type(p.type) == rule.type ? 1 : 0;
        if (found < rule.least)
            return malformed(row, "there is no " + name(rule.type) + " payload");
        if (found > rule.most)
            return malformed(row, "found " + std::to_string(found) + " " + name(rule.type) +
                                      " payloads, expected at most " + std::to_string(rule.most));
    }
    return ok();
}

Status check_first(const Row& row, const PayloadChain& chain) {
    for (std::size_t i = 0; i < row.first.size() && row.first[i] != P::None; ++i)
        if (chain.size() <= i || chain[i].type != row.first[i])
            return malformed(row, "the " + name(row.first[i]) + " payload is not in place " +
                                      std::to_string(i + 1));
    return ok();
}

// After check_payloads() what the table calls mandatory is there.
const Payload& payload(const Message& m, PayloadType type) {
    const Payload* p = m.payloads().find(type);
    RACOON_CHECK(p != nullptr);
    return *p;
}

Result<SaPayload> sa_of(const Message& m) {
    return SaPayload::parse(payload(m, P::SecurityAssociation));
}
Result<ByteView> nonce_of(const Message& m) {
    return parse_nonce(payload(m, P::Nonce));
}
Result<ByteView> key_exchange_of(const Message& m) {
    return parse_key_exchange(payload(m, P::KeyExchange));
}

Result<IdView> id_view(const Payload& p) {
    IdView out;
    RACOON_TRY(out.identity, Identity::parse(p.reader()));
    out.body = p.body;
    return out;
}
Result<IdView> id_of(const Message& m) {
    return id_view(payload(m, P::Identification));
}

/// Parses every payload of a type into a capped list.
template <typename T, std::size_t N>
Status collect(const Message& m, PayloadType type, CappedVector<T, N>& out, std::string_view what) {
    for (const Payload& p : m.payloads()) {
        if (table_type(p.type) != type) continue;
        RACOON_TRY(T item, T::parse(p));
        RACOON_TRY_STATUS(out.add(std::move(item), what));
    }
    return ok();
}

template <std::size_t N>
Status collect_opaque(const Message& m, PayloadType type, CappedVector<ByteView, N>& out,
                      std::string_view what) {
    for (const Payload& p : m.payloads())
        if (table_type(p.type) == type) RACOON_TRY_STATUS(out.add(p.body, what));
    return ok();
}

Result<Phase1Extras> extras_of(const Message& m) {
    Phase1Extras out;
    RACOON_TRY_STATUS(collect_opaque(m, P::VendorId, out.vendor_ids, "vendor IDs"));
    RACOON_TRY_STATUS(collect_opaque(m, P::NatD, out.nat_d, "NAT-D payloads"));
    RACOON_TRY_STATUS(
        collect(m, P::CertificateRequest, out.certificate_requests, "certificate requests"));
    RACOON_TRY_STATUS(collect(m, P::Notification, out.notifications, "notifications"));
    return out;
}

Result<Proof> proof_of(const Message& m, MessageKind kind) {
    Proof out;
    const Payload* hash = m.payloads().find(P::Hash);
    const Payload* signature = m.payloads().find(P::Signature);
    if (hash && signature) return malformed(row_of(kind), "found both a HASH and a SIG payload");
    if (!hash && !signature)
        return malformed(row_of(kind), "there is neither a HASH nor a SIG payload");
    out.payload = hash ? hash : signature;
    RACOON_TRY(const ByteView body, hash ? parse_hash(*hash) : parse_signature(*signature));
    static_cast<void>(body);
    RACOON_TRY_STATUS(collect(m, P::Certificate, out.certificates, "certificates"));
    return out;
}

Result<ByteView> hash_of(const Message& m) {
    return parse_hash(payload(m, P::Hash));
}

Status client_ids(const Message& m, QuickMode1& out) {
    for (const Payload& p : m.payloads()) {
        if (p.type != P::Identification) continue;
        RACOON_TRY(IdView id, id_view(p));
        (out.id_ci ? out.id_cr : out.id_ci) = std::move(id);
    }
    if (out.id_ci.has_value() == out.id_cr.has_value()) return ok();
    // RFC 2409 5.5: IDci and IDcr come together.
    return fail(Errc::InvalidId, "quick mode: found one ID payload, expected two or none")
        .notify(number(NotifyType::InvalidIdInformation));
}

}  // namespace

std::string_view name(MessageKind kind) {
    return row_of(kind).name;
}

Status check_payloads(const Message& message, MessageKind kind) {
    const Row& row = row_of(kind);
    if (message.header().exchange_type() != row.exchange)
        return fail(Errc::Malformed, std::string(row.name) + ": found exchange type " +
                                         name(message.header().exchange_type()))
            .notify(number(NotifyType::InvalidExchangeType));
    RACOON_TRY_STATUS(check_allowed(row, message.payloads()));
    RACOON_TRY_STATUS(check_counts(row, message.payloads()));
    return check_first(row, message.payloads());
}

Result<MainMode1> MainMode1::parse(const Message& m, MessageKind kind) {
    RACOON_TRY_STATUS(check_payloads(m, kind));
    MainMode1 out;
    RACOON_TRY(out.sa, sa_of(m));
    RACOON_TRY(out.extras, extras_of(m));
    return out;
}

Result<MainMode3> MainMode3::parse(const Message& m, MessageKind kind) {
    RACOON_TRY_STATUS(check_payloads(m, kind));
    MainMode3 out;
    RACOON_TRY(out.key_exchange, key_exchange_of(m));
    RACOON_TRY(out.nonce, nonce_of(m));
    RACOON_TRY(out.extras, extras_of(m));
    return out;
}

Result<MainMode5> MainMode5::parse(const Message& m, MessageKind kind) {
    RACOON_TRY_STATUS(check_payloads(m, kind));
    MainMode5 out;
    RACOON_TRY(out.id, id_of(m));
    RACOON_TRY(out.proof, proof_of(m, kind));
    RACOON_TRY(out.extras, extras_of(m));
    return out;
}

Result<Aggressive1> Aggressive1::parse(const Message& m) {
    RACOON_TRY_STATUS(check_payloads(m, MessageKind::Aggressive1));
    Aggressive1 out;
    RACOON_TRY(out.sa, sa_of(m));
    RACOON_TRY(out.key_exchange, key_exchange_of(m));
    RACOON_TRY(out.nonce, nonce_of(m));
    RACOON_TRY(out.id, id_of(m));
    RACOON_TRY(out.extras, extras_of(m));
    return out;
}

Result<Aggressive2> Aggressive2::parse(const Message& m) {
    RACOON_TRY_STATUS(check_payloads(m, MessageKind::Aggressive2));
    Aggressive2 out;
    RACOON_TRY(out.sa, sa_of(m));
    RACOON_TRY(out.key_exchange, key_exchange_of(m));
    RACOON_TRY(out.nonce, nonce_of(m));
    RACOON_TRY(out.id, id_of(m));
    RACOON_TRY(out.proof, proof_of(m, MessageKind::Aggressive2));
    RACOON_TRY(out.extras, extras_of(m));
    return out;
}

Result<Aggressive3> Aggressive3::parse(const Message& m) {
    RACOON_TRY_STATUS(check_payloads(m, MessageKind::Aggressive3));
    Aggressive3 out;
    RACOON_TRY(out.proof, proof_of(m, MessageKind::Aggressive3));
    RACOON_TRY(out.extras, extras_of(m));
    return out;
}

Result<Base1> Base1::parse(const Message& m, MessageKind kind) {
    RACOON_TRY_STATUS(check_payloads(m, kind));
    Base1 out;
    RACOON_TRY(out.sa, sa_of(m));
    RACOON_TRY(out.nonce, nonce_of(m));
    RACOON_TRY(out.id, id_of(m));
    RACOON_TRY(out.extras, extras_of(m));
    return out;
}

Result<Base3> Base3::parse(const Message& m, MessageKind kind) {
    RACOON_TRY_STATUS(check_payloads(m, kind));
    Base3 out;
    RACOON_TRY(out.key_exchange, key_exchange_of(m));
    RACOON_TRY(out.proof, proof_of(m, kind));
    RACOON_TRY(out.extras, extras_of(m));
    return out;
}

Result<QuickMode1> QuickMode1::parse(const Message& m, MessageKind kind) {
    RACOON_TRY_STATUS(check_payloads(m, kind));
    QuickMode1 out;
    RACOON_TRY(out.hash, hash_of(m));
    RACOON_TRY(out.sa, sa_of(m));
    RACOON_TRY(out.nonce, nonce_of(m));
    if (const Payload* ke = m.payloads().find(P::KeyExchange)) {
        RACOON_TRY(out.key_exchange, parse_key_exchange(*ke));
    }
    RACOON_TRY_STATUS(client_ids(m, out));
    RACOON_TRY_STATUS(collect(m, P::NatOa, out.nat_oa, "NAT-OA payloads"));
    RACOON_TRY_STATUS(collect(m, P::Notification, out.notifications, "notifications"));
    return out;
}

Result<QuickMode3> QuickMode3::parse(const Message& m) {
    RACOON_TRY_STATUS(check_payloads(m, MessageKind::QuickMode3));
    QuickMode3 out;
    RACOON_TRY(out.hash, hash_of(m));
    RACOON_TRY_STATUS(collect(m, P::Notification, out.notifications, "notifications"));
    return out;
}

Result<QuickModeConnected> QuickModeConnected::parse(const Message& m) {
    RACOON_TRY_STATUS(check_payloads(m, MessageKind::QuickModeConnected));
    QuickModeConnected out;
    RACOON_TRY(out.hash, hash_of(m));
    RACOON_TRY_STATUS(collect(m, P::Notification, out.notifications, "notifications"));
    return out;
}

Result<Informational> Informational::parse(const Message& m) {
    RACOON_TRY_STATUS(check_payloads(m, MessageKind::Informational));
    Informational out;
    if (const Payload* hash = m.payloads().find(P::Hash)) {
        // The hash covers what follows it (RFC 2409 5.7): anywhere else, something would be
        // unproved.
        if (hash != &m.payloads()[0])
            return malformed(row_of(MessageKind::Informational),
                             "the HASH payload is not the first");
        RACOON_TRY(out.hash, parse_hash(*hash));
    }
    RACOON_TRY_STATUS(collect(m, P::Notification, out.notifications, "notifications"));
    RACOON_TRY_STATUS(collect(m, P::Delete, out.deletes, "deletes"));
    return out;
}

Result<Transaction> Transaction::parse(const Message& m) {
    RACOON_TRY_STATUS(check_payloads(m, MessageKind::Transaction));
    Transaction out;
    RACOON_TRY(out.hash, hash_of(m));
    RACOON_TRY(out.attributes, ConfigAttributes::parse(payload(m, P::Attributes)));
    return out;
}

}  // namespace racoon::isakmp
