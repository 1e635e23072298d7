// Runs everything that reads a message over one input, and checks what must hold for any input.
// Fuzz targets and the tests with recorded and damaged messages share it.
#pragma once

#include <algorithm>

#include "base/check.hpp"
#include "isakmp/dump.hpp"
#include "isakmp/fragment.hpp"
#include "isakmp/identity.hpp"
#include "isakmp/message.hpp"
#include "isakmp/message_builder.hpp"
#include "isakmp/message_views.hpp"
#include "isakmp/names.hpp"
#include "isakmp/payload.hpp"
#include "isakmp/proposal.hpp"

namespace racoon::test {

inline bool equal(ByteView a, ByteView b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

/// What every SA payload that parses must keep to.
inline void exercise_sa(const isakmp::Payload& p) {
    using namespace isakmp;
    const auto sa = SaPayload::parse(p);
    if (!sa) {
        RACOON_CHECK(sa.error().notify_type() != 0);
        return;
    }
    std::size_t transforms = 0;
    for (const Proposal& proposal : sa->proposals) {
        transforms += proposal.transforms.size();
        for (const Transform& t : proposal.transforms) {
            const auto one = Phase1Transform::decode(t);
            const auto two = Phase2Transform::decode(t);
            if (one) static_cast<void>(one->text());
            if (two) static_cast<void>(two->text(proposal.protocol));
            // A responder's answer can itself be parsed, and says the same.
            ChosenProposal chosen{&proposal, &t, to_bytes(proposal.spi)};
            const Bytes answer = build_sa_answer({&chosen, 1});
            const auto back =
                SaPayload::parse(Payload{PayloadType::SecurityAssociation, answer, answer, 0});
            RACOON_CHECK(back && back->proposals.size() == 1);
            RACOON_CHECK(answer.size() <= p.body.size());
            const Transform& again = back->proposals[0].transforms[0];
            RACOON_CHECK(again.attributes.size() == t.attributes.size());
            if (one) RACOON_CHECK(Phase1Transform::decode(again).value() == *one);
        }
    }
    RACOON_CHECK(transforms <= kMaxTransformsInSa);
}

inline void exercise_identity(Reader in) {
    using namespace isakmp;
    const auto id = Identity::parse(in);
    if (!id) {
        RACOON_CHECK(id.error().notify_type() == number(NotifyType::InvalidIdInformation));
        return;
    }
    RACOON_CHECK(id->text().size() < 2048);
    static_cast<void>(id->as_selector());
    const Bytes body = id->body();
    const auto back = Identity::parse(Reader(body));
    RACOON_CHECK(back && *back == *id);
}

/// Every parser of a payload, whatever type the payload has.
inline void exercise_payload(const isakmp::Payload& p) {
    using namespace isakmp;
    exercise_sa(p);
    exercise_identity(p.reader());
    if (const auto n = Notification::parse(p)) RACOON_CHECK(equal(n->body(), p.body));
    if (const auto d = Delete::parse(p)) RACOON_CHECK(equal(d->body(), p.body));
    if (const auto c = Certificate::parse(p)) RACOON_CHECK(equal(c->body(), p.body));
    if (const auto c = ConfigAttributes::parse(p)) RACOON_CHECK(c->body().size() == p.body.size());
    if (const auto f = Fragment::parse(p)) RACOON_CHECK(!f->data.empty());
    if (const auto a = NatOa::parse(p)) RACOON_CHECK(a->body().size() == p.body.size());
    static_cast<void>(parse_nonce(p));
    static_cast<void>(parse_hash(p));
    static_cast<void>(parse_key_exchange(p));
    static_cast<void>(parse_signature(p));
}

/// Payloads lie inside the message, one after the other, and building them again gives the same
/// bytes.
inline void exercise_chain(const isakmp::PayloadChain& chain, isakmp::PayloadType first) {
    using namespace isakmp;
    RACOON_CHECK(chain.size() <= kMaxPayloads);
    MessageBuilder builder{Header{}};
    std::size_t at = 0;
    for (std::size_t i = 0; i < chain.size(); ++i) {
        const Payload& p = chain[i];
        RACOON_CHECK(p.raw.data() == chain.raw().data() + at);
        RACOON_CHECK(p.raw.size() == p.body.size() + kGenericHeaderSize);
        RACOON_CHECK(chain.raw_from(i).size() == chain.raw().size() - at);
        at += p.raw.size();
        builder.add(p.type, p.body);
    }
    RACOON_CHECK(at == chain.raw().size());
    RACOON_CHECK(chain.empty() || chain[0].type == first);
    RACOON_CHECK(equal(builder.payloads(), chain.raw()));
}

inline void exercise_views(const isakmp::Message& m) {
    using namespace isakmp;
    static_cast<void>(MainMode1::parse(m));
    static_cast<void>(MainMode3::parse(m));
    static_cast<void>(MainMode5::parse(m));
    static_cast<void>(Aggressive1::parse(m));
    static_cast<void>(Aggressive2::parse(m));
    static_cast<void>(Aggressive3::parse(m));
    static_cast<void>(Base1::parse(m));
    static_cast<void>(Base3::parse(m));
    static_cast<void>(QuickMode1::parse(m));
    static_cast<void>(QuickMode3::parse(m));
    static_cast<void>(QuickModeConnected::parse(m));
    static_cast<void>(Informational::parse(m));
    static_cast<void>(Transaction::parse(m));
}

inline void exercise_message(const isakmp::Message& m) {
    exercise_chain(m.payloads(), m.header().first_payload());
    for (const isakmp::Payload& p : m.payloads()) exercise_payload(p);
    exercise_views(m);
    RACOON_CHECK(isakmp::dump(m).size() < 64 * 1024);
}

/// A datagram as it comes from a socket, and its body as if it had been decrypted.
inline void exercise_datagram(ByteView datagram) {
    using namespace isakmp;
    const auto header = parse_header(datagram);
    if (!header) return;
    Writer out;
    write_header(out, *header);
    RACOON_CHECK(equal(out.view(), datagram.first(kHeaderSize)));
    static_cast<void>(header_text(*header));
    if (const auto m = Message::parse(to_bytes(datagram)); m && !m->header().encrypted())
        return exercise_message(*m);
    if (const auto m = Message::decrypted(*header, datagram.subspan(kHeaderSize)))
        exercise_message(*m);
}

}  // namespace racoon::test
