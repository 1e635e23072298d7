#include "isakmp/message_views.hpp"

#include <gtest/gtest.h>
#include <set>

#include "isakmp/names.hpp"
#include "support/sample_messages.hpp"

namespace racoon::isakmp {
namespace {

using T = PayloadType;
using test::sample_header;
using test::sample_message;

Message clear(ExchangeType exchange, const std::vector<T>& types) {
    return Message::parse(sample_message(sample_header(exchange), types)).value();
}

struct Case {
    MessageKind kind;
    ExchangeType exchange;
    std::vector<T> mandatory;
    bool needs_proof;
    bool (*parses)(const Message&);
};

const std::vector<Case>& cases() {
    using K = MessageKind;
    using E = ExchangeType;
    static const std::vector<Case> all = {
        {K::MainMode1,
         E::IdentityProtection,
         {T::SecurityAssociation},
         false,
         [](const Message& m) { return MainMode1::parse(m).has_value(); }},
        {K::MainMode2,
         E::IdentityProtection,
         {T::SecurityAssociation},
         false,
         [](const Message& m) { return MainMode1::parse(m, K::MainMode2).has_value(); }},
        {K::MainMode3,
         E::IdentityProtection,
         {T::KeyExchange, T::Nonce},
         false,
         [](const Message& m) { return MainMode3::parse(m).has_value(); }},
        {K::MainMode4,
         E::IdentityProtection,
         {T::KeyExchange, T::Nonce},
         false,
         [](const Message& m) { return MainMode3::parse(m, K::MainMode4).has_value(); }},
        {K::MainMode5,
         E::IdentityProtection,
         {T::Identification},
         true,
         [](const Message& m) { return MainMode5::parse(m).has_value(); }},
        {K::MainMode6,
         E::IdentityProtection,
         {T::Identification},
         true,
         [](const Message& m) { return MainMode5::parse(m, K::MainMode6).has_value(); }},
        {K::Aggressive1,
         E::Aggressive,
         {T::SecurityAssociation, T::KeyExchange, T::Nonce, T::Identification},
         false,
         [](const Message& m) { return Aggressive1::parse(m).has_value(); }},
        {K::Aggressive2,
         E::Aggressive,
         {T::SecurityAssociation, T::KeyExchange, T::Nonce, T::Identification},
         true,
         [](const Message& m) { return Aggressive2::parse(m).has_value(); }},
        {K::Aggressive3,
         E::Aggressive,
         {},
         true,
         [](const Message& m) { return Aggressive3::parse(m).has_value(); }},
        {K::Base1,
         E::Base,
         {T::SecurityAssociation, T::Nonce, T::Identification},
         false,
         [](const Message& m) { return Base1::parse(m).has_value(); }},
        {K::Base2,
         E::Base,
         {T::SecurityAssociation, T::Nonce, T::Identification},
         false,
         [](const Message& m) { return Base1::parse(m, K::Base2).has_value(); }},
        {K::Base3,
         E::Base,
         {T::KeyExchange},
         true,
         [](const Message& m) { return Base3::parse(m).has_value(); }},
        {K::Base4,
         E::Base,
         {T::KeyExchange},
         true,
         [](const Message& m) { return Base3::parse(m, K::Base4).has_value(); }},
        {K::QuickMode1,
         E::QuickMode,
         {T::Hash, T::SecurityAssociation, T::Nonce},
         false,
         [](const Message& m) { return QuickMode1::parse(m).has_value(); }},
        {K::QuickMode2,
         E::QuickMode,
         {T::Hash, T::SecurityAssociation, T::Nonce},
         false,
         [](const Message& m) { return QuickMode1::parse(m, K::QuickMode2).has_value(); }},
        {K::QuickMode3,
         E::QuickMode,
         {T::Hash},
         false,
         [](const Message& m) { return QuickMode3::parse(m).has_value(); }},
        {K::QuickModeConnected,
         E::QuickMode,
         {T::Hash},
         false,
         [](const Message& m) { return QuickModeConnected::parse(m).has_value(); }},
        {K::Informational,
         E::Informational,
         {},
         false,
         [](const Message& m) { return Informational::parse(m).has_value(); }},
        {K::Transaction,
         E::Transaction,
         {T::Hash, T::Attributes},
         false,
         [](const Message& m) { return Transaction::parse(m).has_value(); }},
    };
    return all;
}

/// Payloads that only lead (SA, HASH) come first in every subset.
const std::vector<T>& all_types() {
    static const std::vector<T> types = {T::Hash,         T::SecurityAssociation,
                                         T::Attributes,   T::KeyExchange,
                                         T::Nonce,        T::Identification,
                                         T::Signature,    T::Certificate,
                                         T::Notification, T::Delete,
                                         T::VendorId,     T::NatD};
    return types;
}

// Every subset of twelve payload types, given to every kind of message: what is accepted has all
// that is mandatory, and what has only that is accepted.
TEST(MessageViews, AreBuiltOnlyWithAllMandatoryPayloads) {
    const auto& types = all_types();
    for (const Case& c : cases()) {
        std::size_t accepted = 0;
        for (unsigned mask = 0; mask < 1u << types.size(); ++mask) {
            std::vector<T> chosen;
            for (std::size_t i = 0; i < types.size(); ++i)
                if (mask >> i & 1) chosen.push_back(types[i]);
            const bool parsed = c.parses(clear(c.exchange, chosen));
            accepted += parsed ? 1 : 0;
            const std::set<T> have(chosen.begin(), chosen.end());
            bool whole = true;
            for (const T t : c.mandatory) whole = whole && have.count(t) == 1;
            if (c.needs_proof) whole = whole && have.count(T::Hash) + have.count(T::Signature) == 1;
            ASSERT_TRUE(whole || !parsed) << name(c.kind) << " accepted payload set " << mask;
        }
        EXPECT_GT(accepted, 0u) << name(c.kind);
        std::vector<T> minimal;
        for (const T t : types) {
            const bool mandatory =
                std::find(c.mandatory.begin(), c.mandatory.end(), t) != c.mandatory.end();
            if (mandatory) minimal.push_back(t);
        }
        if (c.needs_proof) minimal.push_back(T::Signature);
        EXPECT_TRUE(c.parses(clear(c.exchange, minimal))) << name(c.kind);
    }
}

TEST(MessageViews, RefuseADoubledMandatoryPayload) {
    for (const Case& c : cases())
        for (const T t : c.mandatory) {
            auto types = c.mandatory;
            if (c.needs_proof) types.push_back(T::Hash);
            types.push_back(t);
            // Two ID payloads are the client IDs of quick mode, everywhere else one is too many.
            EXPECT_FALSE(c.parses(clear(c.exchange, types)))
                << name(c.kind) << " twice " << name(t);
        }
}

TEST(MessageViews, SayWhatIsMissing) {
    const auto m = MainMode3::parse(clear(ExchangeType::IdentityProtection, {T::KeyExchange}));
    ASSERT_FALSE(m);
    EXPECT_EQ(m.error().text(), "main mode message 3: there is no NONCE payload");
    EXPECT_EQ(m.error().notify_type(), number(NotifyType::PayloadMalformed));
    const auto wrong = MainMode1::parse(
        clear(ExchangeType::IdentityProtection, {T::SecurityAssociation, T::Delete}));
    EXPECT_EQ(wrong.error().text(), "main mode message 1: a D payload does not belong there");
    EXPECT_EQ(wrong.error().notify_type(), number(NotifyType::InvalidPayloadType));
}

TEST(MessageViews, WantSaFirstInPhase1AndAfterTheHashInQuickMode) {
    EXPECT_FALSE(MainMode1::parse(
        clear(ExchangeType::IdentityProtection, {T::VendorId, T::SecurityAssociation})));
    EXPECT_FALSE(QuickMode1::parse(
        clear(ExchangeType::QuickMode, {T::Hash, T::Nonce, T::SecurityAssociation})));
    EXPECT_FALSE(QuickMode1::parse(
        clear(ExchangeType::QuickMode, {T::SecurityAssociation, T::Hash, T::Nonce})));
    EXPECT_FALSE(
        Informational::parse(clear(ExchangeType::Informational, {T::Notification, T::Hash})));
}

TEST(MessageViews, RefusePayloadTypesOfIkev2ButPassPrivateOnes) {
    for (unsigned type = 17; type < 256; ++type) {
        if (type == 20 || type == 21) continue;  // NAT-D and NAT-OA
        const auto m =
            clear(ExchangeType::IdentityProtection, {T::SecurityAssociation, static_cast<T>(type)});
        const bool known_elsewhere = type >= 129 && type <= 132;
        EXPECT_EQ(MainMode1::parse(m).has_value(), type >= 128 && !known_elsewhere) << type;
    }
    const auto m = MainMode1::parse(
        clear(ExchangeType::IdentityProtection, {T::SecurityAssociation, static_cast<T>(33)}));
    EXPECT_EQ(m.error().notify_type(), number(NotifyType::InvalidPayloadType));
}

TEST(MessageViews, RefuseAnotherExchange) {
    const auto m = MainMode1::parse(clear(ExchangeType::Aggressive, {T::SecurityAssociation}));
    ASSERT_FALSE(m);
    EXPECT_EQ(m.error().notify_type(), number(NotifyType::InvalidExchangeType));
}

TEST(QuickMode, HasBothClientIdsOrNone) {
    const std::vector<T> base = {T::Hash, T::SecurityAssociation, T::Nonce};
    for (std::size_t ids = 0; ids <= 3; ++ids) {
        auto types = base;
        types.insert(types.end(), ids, T::Identification);
        EXPECT_EQ(QuickMode1::parse(clear(ExchangeType::QuickMode, types)).has_value(),
                  ids == 0 || ids == 2)
            << ids;
    }
    const Message m = Message::parse(test::sample_quick_mode_1()).value();
    const auto q = QuickMode1::parse(m).value();
    EXPECT_EQ(q.id_ci->identity.value_text(), "10.1.0.0/16");
    EXPECT_EQ(q.id_cr->identity.value_text(), "10.2.0.0/16");
    EXPECT_EQ(q.key_exchange->size(), 256u);
}

TEST(MainMode, CollectsVendorIdsAndNatD) {
    const Message one =
        clear(ExchangeType::IdentityProtection, {T::SecurityAssociation, T::VendorId, T::VendorId});
    EXPECT_EQ(MainMode1::parse(one)->extras.vendor_ids.size(), 2u);
    for (const T type : {T::NatD, T::NatDDraft, T::NatDDraft04}) {
        const Message three =
            clear(ExchangeType::IdentityProtection, {T::KeyExchange, T::Nonce, type, type});
        EXPECT_EQ(MainMode3::parse(three)->extras.nat_d.size(), 2u) << name(type);
    }
}

TEST(MainMode, HasOneProofOnly) {
    const auto proof = [](std::vector<T> types) {
        return MainMode5::parse(clear(ExchangeType::IdentityProtection, types));
    };
    EXPECT_FALSE(proof({T::Identification}));
    EXPECT_FALSE(proof({T::Identification, T::Hash, T::Signature}));
    const Message m =
        clear(ExchangeType::IdentityProtection, {T::Identification, T::Certificate, T::Signature});
    const auto five = MainMode5::parse(m).value();
    EXPECT_EQ(five.proof.payload->type, T::Signature);
    EXPECT_EQ(five.proof.certificates.size(), 1u);
    EXPECT_EQ(five.id.body.data(), m.payloads()[0].body.data());
}

}  // namespace
}  // namespace racoon::isakmp
