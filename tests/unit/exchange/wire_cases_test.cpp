// Packets that broke other daemons, given to a whole engine: nothing is kept of them, and what is answered is one
// short refusal or nothing. Others of their kind are in early_modes_test (payloads in every number, order and length)
// and state_test (every subset of payloads, every message in every state).
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "simulation/scripted_peer.hpp"
#include "support/test_data.hpp"

namespace racoon::sim {
namespace {

std::string state_of(const SimHost& h, TimePoint now) {
    std::ostringstream out;
    for (const auto& s : h.engine->phase1_status(now)) out << s.cookies.text() << ' ' << s.state;
    for (const auto& s : h.engine->phase2_status(now))
        out << s.spi_in.value << ' ' << s.established;
    out << h.sas.size() << ' ' << h.larval.size();
    return out.str();
}

/// Says it and expects at most one answer, in clear, without a cookie of b's and no longer than what was said.
void expect_refusal_at_most(World& w, ScriptedPeer& peer, const Bytes& said,
                            const std::string& what) {
    const std::string before = state_of(*w.b, w.now);
    peer.heard.clear();
    peer.say(said, 1s);
    EXPECT_EQ(state_of(*w.b, w.now), before) << what;
    EXPECT_LE(peer.heard.size(), 1u) << what;
    for (const Bytes& m : peer.heard) {
        EXPECT_LE(m.size(), said.size()) << what;
        const auto header = isakmp::parse_header(m);
        ASSERT_TRUE(header) << what;
        EXPECT_EQ(header->exchange_type(), ExchangeType::Informational) << what;
        EXPECT_TRUE(header->cookies.responder.is_zero()) << what;
    }
}

const ConfigOptions kAllModes = [] {
    ConfigOptions o;
    o.modes = {conf::ExchangeMode::Main, conf::ExchangeMode::Aggressive, conf::ExchangeMode::Base};
    return o;
}();

// An offer whose attributes claim what they like, those of New Group Mode among them.
TEST(WireCases, AttributesOfEveryLengthInAnOffer) {
    World w(60, kAllModes);
    ScriptedPeer peer(w);
    for (const unsigned type : {6u, 7u, 8u, 11u, 12u, 16u, 20000u})
        for (const std::size_t size : {0u, 1u, 2u, 3u, 4u, 8u, 255u, 1024u, 1400u, 40000u}) {
            // The offer, with one attribute more in its only transform.
            Bytes sa = peer.sai_b();
            Writer attribute;
            attribute.u16(static_cast<std::uint16_t>(type));
            attribute.u16(static_cast<std::uint16_t>(size));
            attribute.bytes(Bytes(size, 0x41));
            const Bytes more = std::move(attribute).take();
            const auto lengthen = [&](std::size_t at) {
                const std::size_t n = std::size_t{sa[at]} * 256 + sa[at + 1] + more.size();
                sa[at] = static_cast<std::uint8_t>(n >> 8);
                sa[at + 1] = static_cast<std::uint8_t>(n);
            };
            lengthen(8 + 2);   // behind DOI and situation: the proposal's length
            lengthen(16 + 2);  // and the transform's
            sa.insert(sa.end(), more.begin(), more.end());
            for (const auto exchange :
                 {ExchangeType::IdentityProtection, ExchangeType::Aggressive, ExchangeType::Base}) {
                auto payloads =
                    exchange == ExchangeType::Aggressive ? peer.aggressive_1_payloads()
                    : exchange == ExchangeType::Base
                        ? peer.base_1_payloads()
                        : std::vector<SaidPayload>{{PayloadType::SecurityAssociation, {}}};
                payloads[0].body = sa;
                expect_refusal_at_most(
                    w, peer, peer.clear(exchange, payloads),
                    "attribute " + std::to_string(type) + " of " + std::to_string(size) + " bytes");
            }
        }
}

// Methods that racoon had or never had and that are not there: GSS-API, RSA encryption, revised or not.
TEST(WireCases, AuthenticationMethodsThatAreNotThere) {
    World w(61, kAllModes);
    ScriptedPeer peer(w);
    for (const int method : {2, 4, 5, 64221, 65001, 65005}) {
        isakmp::Phase1Transform t;
        t.encryption = isakmp::Encryption::AesCbc;
        t.key_length = 256;
        t.hash = isakmp::HashAlgorithm::Sha2_256;
        t.auth_method = static_cast<isakmp::AuthMethod>(method);
        t.group = isakmp::DhGroup::Modp2048;
        t.life.seconds = 28800;
        if (method == 65001) t.gss_name = to_bytes(as_bytes("ike/h1.example"));
        const Bytes sa = isakmp::build_phase1_sa({&t, 1});
        expect_refusal_at_most(
            w, peer,
            peer.clear(ExchangeType::IdentityProtection, {{PayloadType::SecurityAssociation, sa}}),
            "method " + std::to_string(method));
        EXPECT_EQ(peer.heard.size(), 1u) << "and the peer is told";
    }
}

// A piece of a message with a length that its header does not fit in, to an ISAKMP SA that takes pieces.
TEST(WireCases, FragmentsOfEveryShortLength) {
    ConfigOptions o;
    o.ike_frag = conf::Offer::Force;
    World w(62, o);
    ScriptedPeer peer(w);
    ASSERT_TRUE(peer.establish());
    for (std::size_t body = 0; body <= 5; ++body)
        for (unsigned length = 0; length <= 16; ++length)
            for (const bool last : {false, true}) {
                Bytes piece(body, 1);
                if (body == 4) piece[3] = last ? 1 : 0;
                Bytes m =
                    peer.clear(ExchangeType::IdentityProtection, {{PayloadType::Fragment, piece}});
                m[30] = 0;
                m[31] = static_cast<std::uint8_t>(length);
                peer.heard.clear();
                const std::string before = state_of(*w.b, w.now);
                peer.say(m, 1ms);
                EXPECT_EQ(state_of(*w.b, w.now), before);
                EXPECT_TRUE(peer.heard.empty());
            }
}

TEST(WireCases, PacketsOfPublishedHoles) {
    const auto file = test::test_data("vectors/packets/malformed_ikev1.tsv");
    if (!file) return;
    World w(63, kAllModes);
    ScriptedPeer peer(w);
    std::ifstream in(*file);
    std::string line;
    std::getline(in, line);
    std::size_t packets = 0;
    for (; std::getline(in, line); ++packets) {
        const auto hex = line.substr(line.rfind('\t') + 1);
        expect_refusal_at_most(w, peer, from_hex(hex).value(), line.substr(0, line.find('\t')));
    }
    EXPECT_EQ(packets, 7u);
}

// Quick mode with client identities of each type on either side, where the policy is for nets.
TEST(WireCases, EveryTypeOfIdentityInQuickMode) {
    using isakmp::Identity;
    std::vector<Identity::Value> values{isakmp::IdAddress{ip("10.1.0.1")},
                                        isakmp::IdAddress{ip("2001:db8::1")},
                                        isakmp::IdFqdn{"h1.example"},
                                        isakmp::IdUserFqdn{"somebody@h1.example"},
                                        isakmp::IdSubnet{net("2001:db8::", 64)},
                                        isakmp::IdRange{ip("10.1.0.1"), ip("10.1.0.9")},
                                        isakmp::IdDn{Bytes{0x30, 0x00}},
                                        isakmp::IdGn{Bytes{0x82, 0x01, 0x61}},
                                        isakmp::IdKeyId{Bytes{1, 2, 3}}};
    World w(64);
    ScriptedPeer peer(w);
    ASSERT_TRUE(peer.establish());
    std::uint32_t id = 0x100;
    for (const Identity::Value& value : values)
        for (const std::size_t side : {2u, 3u}) {
            Identity one;
            one.value = value;
            auto payloads = peer.quick_mode_1_payloads(0x5000 + id);
            payloads[side].body = one.body();
            peer.heard.clear();
            peer.say(peer.protected_message(ExchangeType::QuickMode, ++id, payloads));
            EXPECT_TRUE(w.b->sas.size() <= 1) << one.text();
            ASSERT_EQ(w.b->engine->load().phase1, 1u) << one.text();
            w.run_for(130s);  // what was begun and not gone on with ends
            EXPECT_TRUE(w.b->sas.empty()) << one.text();
            EXPECT_TRUE(w.b->larval.empty()) << one.text();
        }
}

// Who is not configured for, and nobody is by "anonymous", hears nothing at all.
TEST(WireCases, AnUnknownAddressIsNotAnswered) {
    World w(65, kAllModes);
    ScriptedPeer peer(w, ip("198.51.100.7"));
    const std::string before = state_of(*w.b, w.now);
    for (const Bytes& m : {peer.message_1(), peer.aggressive_1(), peer.base_1()}) {
        peer.say(m, 1s);
        peer.cookies.initiator.bytes[0] ^= 1;
    }
    peer.cookies.responder.bytes.fill(9);
    for (const auto exchange : {ExchangeType::Informational, ExchangeType::IdentityProtection,
                                ExchangeType::Transaction, ExchangeType::AcknowledgedInformational})
        peer.say(peer.clear(exchange, {{PayloadType::Nonce, Bytes(16, 1)}}, 7), 1s);
    EXPECT_TRUE(peer.heard.empty());
    EXPECT_EQ(state_of(*w.b, w.now), before);
}

}  // namespace
}  // namespace racoon::sim
