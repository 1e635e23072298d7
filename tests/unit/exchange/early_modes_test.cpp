// Aggressive and base mode against a peer that says what it likes: what may establish an SA, what an
// address gets that has proved nothing, and what many of them cost.
#include <gtest/gtest.h>

#include <sstream>

#include "simulation/scripted_peer.hpp"
#include "support/log_capture.hpp"

namespace racoon::sim {
namespace {

using conf::ExchangeMode;

ConfigOptions with(std::vector<ExchangeMode> modes) {
    ConfigOptions o;
    o.modes = std::move(modes);
    return o;
}
const ConfigOptions kAll = with({ExchangeMode::Main, ExchangeMode::Aggressive, ExchangeMode::Base});

std::string state_of(const SimHost& h, TimePoint now) {
    std::ostringstream out;
    for (const auto& s : h.engine->phase1_status(now))
        out << s.cookies.text() << ' ' << s.state << '\n';
    out << h.sas.size() << ' ' << h.larval.size() << ' ' << h.uses.size() << ' '
        << h.dh_keys.size();
    return out.str();
}

/// Host b with an anonymous section beside its own.
void open_to_strangers(World& w, const ConfigOptions& o) {
    auto config = std::make_shared<conf::Config>(*make_config(w.addr_b, w.addr_a, o));
    conf::Remote anonymous = config->remotes[0];
    anonymous.name = "anonymous";
    anonymous.address.reset();
    config->remotes.push_back(anonymous);
    w.b->engine->reconfigure(config, 2, w.now);
}

// --- what establishes ---

TEST(EarlyModes, AScriptedPeerThatDoesAllRightIsServed) {
    World w(1, kAll);
    ScriptedPeer peer(w);
    ASSERT_TRUE(peer.establish_aggressive());
    EXPECT_EQ(w.b->events_of(0x0100), 1u);
    World v(2, kAll);
    ScriptedPeer other(v);
    ASSERT_TRUE(other.establish_base());
    EXPECT_EQ(v.b->events_of(0x0100), 1u);
}

TEST(EarlyModes, MessageThreeOfAggressiveModeMayComeInClear) {
    World w(3, kAll);
    ScriptedPeer peer(w);
    peer.say(peer.aggressive_1());
    ASSERT_TRUE(peer.take_aggressive_2());
    auto payloads = peer.aggressive_3_payloads();
    payloads.push_back({PayloadType::Notification,
                        peer.notify(NotifyType::InitialContact, isakmp::spi_bytes(peer.cookies))});
    const std::string before = state_of(*w.b, w.now);
    payloads[0].body[3] ^= 1;
    peer.say(peer.clear(ExchangeType::Aggressive, payloads));
    EXPECT_EQ(w.b->events_of(0x0100), 0u);
    payloads[0].body[3] ^= 1;
    peer.say(peer.clear(ExchangeType::Aggressive, payloads));
    EXPECT_EQ(w.b->events_of(0x0100), 1u);
}

/// Everything that a stranger, or a peer out of step, might send to an exchange.
void say_everything_wrong(World& w, ScriptedPeer& peer) {
    if (peer.gxr.empty()) peer.gxr = peer.gxi;
    if (peer.nr.empty()) peer.nr = peer.ni;
    const exchange::IvChain keep = peer.chain;
    if (!peer.cipher.valid()) (void)peer.derive();
    const auto hash = peer.aggressive_3_payloads()[0].body;
    std::vector<std::vector<SaidPayload>> bodies;
    for (Bytes wrong :
         {Bytes(32, 0), Bytes(1, 0), Bytes(64, 1), Bytes(hash.begin(), hash.end() - 1)}) {
        bodies.push_back({{PayloadType::Hash, wrong}});
        bodies.push_back({{PayloadType::KeyExchange, peer.gxi}, {PayloadType::Hash, wrong}});
        bodies.push_back(
            {{PayloadType::Identification, peer.own_id()}, {PayloadType::Hash, wrong}});
        bodies.push_back({{PayloadType::Signature, wrong}});
    }
    bodies.push_back({{PayloadType::Hash, hash}, {PayloadType::Hash, hash}});
    bodies.push_back({{PayloadType::Hash, hash}, {PayloadType::Signature, hash}});
    bodies.push_back({{PayloadType::KeyExchange, Bytes(8, 0)}, {PayloadType::Hash, hash}});
    bodies.push_back({{PayloadType::Nonce, peer.ni}});
    bodies.push_back(peer.aggressive_1_payloads());
    bodies.push_back(peer.base_1_payloads());
    for (const auto& body : bodies)
        for (const auto type :
             {ExchangeType::Aggressive, ExchangeType::Base, ExchangeType::IdentityProtection}) {
            exchange::IvChain chain = keep;
            peer.say(peer.clear(type, body), 1ms);
            peer.say(peer.clear(type, body, 0x44), 1ms);
            peer.say(peer.encrypt(peer.header(type), body, chain), 1ms);
        }
    peer.say(
        peer.protected_message(ExchangeType::QuickMode, 0x77, peer.quick_mode_1_payloads(0x5000)));
    peer.say(peer.informational(
        PayloadType::Notification,
        peer.notify(NotifyType::InitialContact, isakmp::spi_bytes(peer.cookies))));
    for (int type = 0; type < 256; ++type)
        for (const bool encrypted : {false, true}) {
            MessageBuilder b(peer.header(static_cast<ExchangeType>(type), 0x44));
            b.add(PayloadType::Nonce, Bytes(20, 1));
            peer.send(encrypted ? b.finish_encrypted(Bytes(32, 7)) : *b.finish());
        }
    w.run_for(100ms);
    peer.heard.clear();
}

TEST(EarlyModes, OnlyTheVerifiedLastMessageEstablishesInAggressiveMode) {
    for (int step = 0; step <= 1; ++step) {
        World w(10, kAll);
        ScriptedPeer peer(w);
        if (step == 1) {
            peer.say(peer.aggressive_1());
            ASSERT_TRUE(peer.take_aggressive_2());
            ASSERT_TRUE(peer.hash_r_is_right());
        }
        const exchange::IvChain chain = peer.chain;
        const auto honest = step == 1 ? peer.aggressive_3_payloads() : std::vector<SaidPayload>{};
        say_everything_wrong(w, peer);
        EXPECT_EQ(w.b->events_of(0x0100), 0u) << "step " << step;
        for (const auto& s : w.b->engine->phase1_status(w.now)) EXPECT_LT(s.state, 9);
        EXPECT_TRUE(w.b->sas.empty());
        if (step == 0) continue;
        peer.chain = chain;
        peer.say(peer.aggressive_3(honest));
        EXPECT_EQ(w.b->events_of(0x0100), 1u) << "none of it did harm to the honest one";
        EXPECT_EQ(w.b->op_count[OpKind::DhCompute], 1u);
    }
}

TEST(EarlyModes, OnlyTheVerifiedLastMessageEstablishesInBaseMode) {
    for (int step = 0; step <= 1; ++step) {
        World w(11, kAll);
        ScriptedPeer peer(w);
        if (step == 1) {
            peer.say(peer.base_1());
            ASSERT_TRUE(peer.take_base_2());
        }
        const auto honest = step == 1 ? peer.base_3_payloads() : std::vector<SaidPayload>{};
        say_everything_wrong(w, peer);
        EXPECT_EQ(w.b->events_of(0x0100), 0u) << "step " << step;
        EXPECT_EQ(w.b->op_count[OpKind::DhCompute], 0u)
            << "no Diffie-Hellman for who proves nothing";
        if (step == 0) continue;
        peer.say(peer.clear(ExchangeType::Base, honest));
        EXPECT_EQ(w.b->events_of(0x0100), 1u);
    }
}

TEST(EarlyModes, AForgedAnswerDoesNotKeepTheInitiatorFromTheRightOne) {
    for (const int forged : {1, 3, 4}) {
        World w(12, with({ExchangeMode::Aggressive}));
        bool done = false;
        w.tap = [&](const exchange::Datagram& d) {
            auto m = isakmp::Message::parse(to_bytes(d.bytes));
            if (done || d.remote.addr != w.addr_a || !m ||
                m->header().exchange_type() != ExchangeType::Aggressive)
                return true;
            done = true;
            for (int i = 0; i < forged; ++i) {
                // Another responder, who does not know the key.
                Bytes other = to_bytes(d.bytes);
                other[8] ^= static_cast<std::uint8_t>(i + 1);
                other[other.size() - 21] ^= 1;  // of HASH_R, before the vendor id
                w.after(std::chrono::milliseconds(i * 2),
                        [&w, other] { w.deliver(w.addr_b, w.addr_a, other); });
            }
            return true;
        };
        w.acquire(*w.a);
        w.run_for(60s);
        EXPECT_EQ(w.pairs(*w.a), forged < 4 ? 1u : 0u) << forged;
        EXPECT_TRUE(w.a->problems.empty()) << w.a->problems.front();
        w.tap = nullptr;
        EXPECT_EQ(w.end_and_find_leaks(), "");
    }
}

TEST(EarlyModes, ARefusalKeepsNoStateAndItsCookieOpensNothing) {
    for (const auto type : {ExchangeType::Aggressive, ExchangeType::Base}) {
        World w(13, kAll);
        ScriptedPeer peer(w);
        isakmp::Phase1Transform t;  // that nothing here accepts
        t.encryption = isakmp::Encryption::DesCbc;
        t.hash = isakmp::HashAlgorithm::Md5;
        t.auth_method = isakmp::AuthMethod::PreSharedKey;
        t.group = isakmp::DhGroup::Modp768;
        t.life.seconds = 28800;
        auto bad =
            type == ExchangeType::Base ? peer.base_1_payloads() : peer.aggressive_1_payloads();
        bad[0].body = isakmp::build_phase1_sa({&t, 1});
        peer.say(peer.clear(type, bad));
        if (type == ExchangeType::Aggressive) {
            auto key = peer.aggressive_1_payloads();
            key[1].body = Bytes(8, 0);  // of no group
            peer.say(peer.clear(type, key));
            ASSERT_EQ(peer.heard.size(), 2u);
        }
        std::vector<Cookie> seen{peer.cookies.initiator};
        for (const Bytes& m : peer.heard) {
            auto refusal = isakmp::Message::parse(m);
            ASSERT_TRUE(refusal);
            EXPECT_EQ(refusal->header().exchange_type(), ExchangeType::Informational);
            EXPECT_TRUE(refusal->header().cookies.responder.is_zero());
            seen.push_back(refusal->header().cookies.responder);
        }
        for (const Cookie& r : seen)
            for (int e = 0; e < 256; ++e) {
                peer.cookies.responder = r;
                peer.send(peer.clear(
                    static_cast<ExchangeType>(e),
                    {{PayloadType::KeyExchange, peer.gxi}, {PayloadType::Hash, Bytes(32, 1)}},
                    e % 2 ? 5 : 0));
            }
        w.run_for(1s);
        EXPECT_TRUE(w.b->op_count.empty()) << "no operation was started";
        EXPECT_TRUE(w.b->engine->phase1_status(w.now).empty());
    }
}

// --- malformed messages ---

TEST(EarlyModes, EverySubsetOfPayloadsIsSurvivedAndOnlyTheWholeOneCounts) {
    const std::vector<SaidPayload> extras{{PayloadType::VendorId, Bytes(16, 1)},
                                          {PayloadType::Notification, Bytes(12, 0)}};
    const auto subsets = [&](std::vector<SaidPayload> full, std::size_t mandatory,
                             const auto& send) {
        full.insert(full.end(), extras.begin(), extras.end());
        const unsigned whole = (1u << mandatory) - 1;
        for (unsigned bits = 1; bits < (1u << full.size()); ++bits) {
            if ((bits & whole) == whole) continue;
            std::vector<SaidPayload> some;
            for (std::size_t i = 0; i < full.size(); ++i)
                if (bits & (1u << i)) some.push_back(full[i]);
            send(some);
        }
    };
    World w(20, kAll);
    ScriptedPeer peer(w);
    subsets(peer.aggressive_1_payloads(), 4, [&](const auto& p) {
        peer.cookies.initiator.bytes[7]++;
        peer.say(peer.clear(ExchangeType::Aggressive, p), 1ms);
    });
    subsets(peer.base_1_payloads(), 3, [&](const auto& p) {
        peer.cookies.initiator.bytes[7]++;
        peer.say(peer.clear(ExchangeType::Base, p), 1ms);
    });
    EXPECT_TRUE(w.b->op_count.empty());
    peer.heard.clear();

    peer.cookies.initiator.bytes[6]++;
    peer.say(peer.base_1());
    ASSERT_TRUE(peer.take_base_2());
    subsets(peer.base_3_payloads(), 2,
            [&](const auto& p) { peer.say(peer.clear(ExchangeType::Base, p), 1ms); });
    EXPECT_EQ(w.b->events_of(0x0100), 0u);
    peer.say(peer.base_3());
    EXPECT_EQ(w.b->events_of(0x0100), 1u);

    ScriptedPeer other(w);
    other.cookies.initiator.bytes[5]++;
    other.say(other.aggressive_1());
    ASSERT_TRUE(other.take_aggressive_2());
    subsets(other.aggressive_3_payloads(), 1, [&](const auto& p) {
        exchange::IvChain chain = other.chain;
        other.say(other.encrypt(other.header(ExchangeType::Aggressive), p, chain), 1ms);
    });
    EXPECT_EQ(w.b->events_of(0x0100), 1u);
    other.say(other.aggressive_3(other.aggressive_3_payloads()));
    EXPECT_EQ(w.b->events_of(0x0100), 2u);
}

TEST(EarlyModes, AnAnswerThatLacksAPayloadIsIgnoredByTheInitiator) {
    for (const auto mode : {ExchangeMode::Main, ExchangeMode::Aggressive, ExchangeMode::Base}) {
        World w(21, with({mode}));
        w.tap = [&](const exchange::Datagram& d) {
            auto m = isakmp::Message::parse(to_bytes(d.bytes));
            if (!m || d.remote.addr != w.addr_a || m->header().encrypted() ||
                m->header().exchange_type() == ExchangeType::Informational)
                return true;
            // Each payload left out in turn, before the whole message comes.
            for (std::size_t out = 0; out < m->payloads().size(); ++out) {
                if (m->payloads()[out].type == PayloadType::VendorId) continue;
                MessageBuilder b(m->header());
                std::size_t i = 0;
                for (const auto& p : m->payloads())
                    if (i++ != out) b.add(p.type, p.body);
                const Bytes bytes = *b.finish();
                w.after(1ms, [&w, bytes] { w.deliver(w.addr_b, w.addr_a, bytes); });
            }
            return true;
        };
        w.acquire(*w.a);
        w.run_for(10s);
        EXPECT_EQ(w.pairs(*w.a), 1u) << static_cast<int>(mode);
    }
}

TEST(EarlyModes, ManyPayloadsOddTypesAndShortLengthsChangeNothing) {
    World w(22, kAll);
    ScriptedPeer peer(w);
    const std::string before = state_of(*w.b, w.now);
    for (const auto type :
         {ExchangeType::IdentityProtection, ExchangeType::Aggressive, ExchangeType::Base}) {
        auto full =
            type == ExchangeType::Aggressive ? peer.aggressive_1_payloads()
            : type == ExchangeType::Base
                ? peer.base_1_payloads()
                : std::vector<SaidPayload>{{PayloadType::SecurityAssociation, peer.sai_b()}};
        // 65 and 1000 payloads are too many, known or not; 33 vendor ids too.
        for (const std::size_t count : {std::size_t{33}, std::size_t{65}, std::size_t{1000}})
            for (const int extra : {13, 200, 100}) {
                auto many = full;
                while (many.size() < count + full.size())
                    many.push_back({static_cast<PayloadType>(extra), Bytes(4, 1)});
                if (extra == 200 && count == 33) continue;  // private ones are passed over
                peer.say(peer.clear(type, many), 1ms);
            }
        // Payload types of IKEv2.
        for (int t = 33; t <= 53; ++t) {
            auto odd = full;
            odd.push_back({static_cast<PayloadType>(t), Bytes(8, 0)});
            peer.say(peer.clear(type, odd), 1ms);
        }
        // Every payload's length from 0 to 8, and beyond the end.
        const Bytes good = peer.clear(type, full);
        auto message = isakmp::Message::parse(good);
        for (const auto& p : message->payloads())
            for (const unsigned length : {0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u, 0xffffu}) {
                Bytes bad = good;
                bad[p.offset + 2] = static_cast<std::uint8_t>(length >> 8);
                bad[p.offset + 3] = static_cast<std::uint8_t>(length);
                peer.say(bad, 1ms);
            }
        // The header's length, and a datagram cut anywhere.
        for (const std::uint32_t length :
             {0u, 27u, 28u, static_cast<std::uint32_t>(good.size()) - 1,
              static_cast<std::uint32_t>(good.size()) + 1, 1u << 31, ~0u}) {
            Bytes bad = good;
            for (std::size_t i = 0; i < 4; ++i)
                bad[24 + i] = static_cast<std::uint8_t>(length >> (8 * (3 - i)));
            peer.say(bad, 1ms);
        }
        for (std::size_t n = 0; n < good.size(); ++n) peer.send(ByteView(good).first(n));
    }
    // R-U-THERE in clear, for an SA that does not exist.
    peer.cookies.responder.bytes[0] = 7;
    const Bytes spi = isakmp::spi_bytes(peer.cookies);
    for (const std::uint32_t id : {0u, 5u})
        peer.say(peer.clear(
            ExchangeType::Informational,
            {{PayloadType::Notification, peer.notify(NotifyType::RUThere, spi, Bytes(4, 1))}}, id));
    EXPECT_TRUE(w.b->op_count.empty());
    EXPECT_EQ(state_of(*w.b, w.now), before);
}

TEST(EarlyModes, EveryTypeOfIdentityMeetsEveryConfiguredKind) {
    using isakmp::Identity;
    std::vector<Identity> ids;
    const auto add = [&](Identity::Value v) {
        Identity id;
        id.value = std::move(v);
        ids.push_back(std::move(id));
    };
    add(isakmp::IdAddress{ip("192.0.2.1")});
    add(isakmp::IdAddress{ip("2001:db8::1")});
    add(isakmp::IdFqdn{"h1.example"});
    add(isakmp::IdUserFqdn{"h1.example"});
    add(isakmp::IdSubnet{net("192.0.2.0", 24)});
    add(isakmp::IdRange{ip("192.0.2.1"), ip("192.0.2.9")});
    add(isakmp::IdDn{Bytes{0x30, 0x00}});
    add(isakmp::IdGn{Bytes{0x82, 0x01, 0x61}});
    add(isakmp::IdKeyId{Bytes{1, 2, 3}});
    for (const int configured : {1, 2, 3, 9, 11})
        for (const Identity& id : ids)
            for (const bool base : {false, true}) {
                World w(23, kAll);
                auto config =
                    std::make_shared<conf::Config>(*make_config(w.addr_b, w.addr_a, kAll));
                conf::IdentitySpec spec;
                spec.type = static_cast<std::uint8_t>(configured);  // any value of that type
                config->remotes[0].peers_identifiers = {spec};
                config->remotes[0].verify_identifier = true;
                w.b->engine->reconfigure(config, 2, w.now);
                w.b->has_key = [](ByteView) { return true; };
                ScriptedPeer peer(w);
                peer.id_body = id.body();
                if (base)
                    (void)peer.establish_base();
                else
                    (void)peer.establish_aggressive();
                const int type = static_cast<int>(id.type()) == 5 ? 1 : static_cast<int>(id.type());
                EXPECT_EQ(w.b->events_of(0x0100), type == configured ? 1u : 0u)
                    << id.text() << " for " << configured;
            }
}

// --- identities are not told ---

TEST(EarlyModes, AnUnknownIdentityGetsTheSameAnswerAsAKnownOne) {
    for (const bool base : {false, true}) {
        World w(30, kAll);
        w.b->has_key = [](ByteView id) { return as_text(id) == "known.example"; };
        std::vector<std::vector<std::size_t>> shapes;
        for (const char* name : {"known.example", "other.example"}) {
            ScriptedPeer peer(w);
            peer.cookies.initiator.bytes[3] = static_cast<std::uint8_t>(name[0]);
            isakmp::Identity id;
            id.value = isakmp::IdFqdn{name};
            peer.id_body = id.body();
            peer.say(base ? peer.base_1() : peer.aggressive_1());
            ASSERT_EQ(peer.heard.size(), 1u) << name;
            auto m = isakmp::Message::parse(peer.heard[0]);
            shapes.emplace_back();
            for (const auto& p : m->payloads()) {
                shapes.back().push_back(static_cast<std::size_t>(p.type));
                shapes.back().push_back(p.body.size());
            }
            const bool known = name[0] == 'k';
            if (base) {
                ASSERT_TRUE(peer.take_base_2());
                peer.say(peer.base_3());
            } else {
                ASSERT_TRUE(peer.take_aggressive_2());
                EXPECT_EQ(peer.hash_r_is_right(), known);
                peer.say(peer.aggressive_3(peer.aggressive_3_payloads()));
            }
            EXPECT_EQ(w.b->events_of(0x0100), 1u) << "only the known one, " << name;
        }
        EXPECT_EQ(shapes[0], shapes[1]);
        w.run_for(100s);
        EXPECT_EQ(w.b->engine->phase1_status(w.now).size(), 1u);
    }
}

// --- amplification ---

struct Ledger {
    std::uint64_t bytes_in = 0, packets_in = 0;
    double worst = 0;
};

/// Every kind of request of an address that proves nothing, many times; the highest ratio of bytes.
Ledger probe(World& w) {
    ScriptedPeer peer(w);
    Ledger l;
    const auto count = [&](const Bytes& m) {
        l.bytes_in += m.size();
        ++l.packets_in;
        const std::uint64_t before = w.b->packets_out;
        peer.say(m, 20ms);
        EXPECT_LE(w.b->packets_out - before, 1u);
        EXPECT_LE(w.b->packets_out, l.packets_in);
        l.worst = std::max(l.worst,
                           static_cast<double>(w.b->bytes_out) / static_cast<double>(l.bytes_in));
    };
    for (int i = 0; i < 24; ++i) {
        peer.send_dpd_vid = i % 2;
        peer.cookies.initiator.bytes[0] = static_cast<std::uint8_t>(i);
        peer.cookies.responder = {};
        auto aggressive = peer.aggressive_1_payloads();
        auto base = peer.base_1_payloads();
        if (i % 2) {
            const SaidPayload vid{PayloadType::VendorId,
                                  *from_hex("afcad71368a1f1c96b8696fc77570100")};
            aggressive.push_back(vid);
            base.push_back(vid);
        }
        for (int k = 0; k < 6; ++k) {
            count(i % 3 == 0   ? peer.message_1()
                  : i % 3 == 1 ? peer.clear(ExchangeType::Aggressive, aggressive)
                               : peer.clear(ExchangeType::Base, base));
        }
        for (int type = 0; type < 256; type += 1 + i % 7)
            count(peer.clear(static_cast<ExchangeType>(type), {{PayloadType::Nonce, Bytes(8, 1)}},
                             5));
        for (int fragment = 1; fragment < 3; ++fragment)  // Cisco's, RFC 2408 has none
            count(peer.clear(ExchangeType::IdentityProtection,
                             {{static_cast<PayloadType>(132), Bytes{0, 1, 1, 1, 9, 9}}}));
        Bytes marked(4, 0);  // behind a non-ESP marker
        append(marked, peer.message_1());
        count(marked);
        count(Bytes(1, 0xff));
        peer.cookies.responder.bytes[0] = 9;  // a guessed cookie
        count(peer.message_3());
        count(peer.clear(ExchangeType::Aggressive, {{PayloadType::Hash, Bytes(32, 1)}}));
        count(peer.clear(ExchangeType::Base, {{PayloadType::KeyExchange, peer.gxi},
                                              {PayloadType::Hash, Bytes(32, 1)}}));
        count(peer.clear(ExchangeType::QuickMode, {{PayloadType::Nonce, Bytes(8, 1)}}, 5));
    }
    const std::uint64_t packets = w.b->packets_out;
    w.run_for(300s);
    EXPECT_EQ(w.b->packets_out, packets) << "nothing is repeated by the clock";
    EXPECT_TRUE(w.b->engine->phase1_status(w.now).empty());
    return l;
}

TEST(Amplification, WithMainModeAloneNobodyGetsMoreBytesThanHeSent) {
    World w(40, with({ExchangeMode::Main}));
    const Ledger l = probe(w);
    EXPECT_LE(l.worst, 1.0);
    RecordProperty("worst", std::to_string(l.worst));
    EXPECT_EQ(w.b->op_count.size(), 0u) << "no Diffie-Hellman, no keeper, no kernel";
}

TEST(Amplification, WhereAggressiveOrBaseModeIsConfiguredItIsBoundedAndTakesNoCopies) {
    for (const auto mode : {ExchangeMode::Aggressive, ExchangeMode::Base}) {
        ConfigOptions o = with({ExchangeMode::Main, mode});
        o.timer.given = true;
        o.timer.persend = 3;  // copies are for peers that are proved
        World w(41, o);
        const Ledger l = probe(w);
        EXPECT_LE(l.worst, 3.0);
        RecordProperty(mode == ExchangeMode::Base ? "base" : "aggressive", std::to_string(l.worst));
        EXPECT_EQ(w.b->op_count[OpKind::DhCompute], 0u) << "what can wait, waits for the cookie";
        EXPECT_EQ(w.b->op_count.contains(OpKind::DhGenerate), mode == ExchangeMode::Aggressive);
    }
}

TEST(Amplification, AnAnswerOfMoreThanThreeTimesTheRequestIsNotSent) {
    for (const auto type : {ExchangeType::Aggressive, ExchangeType::Base}) {
        World w(42, kAll);
        auto config = std::make_shared<conf::Config>(*make_config(w.addr_b, w.addr_a, kAll));
        config->remotes[0].my_identifier.type = 11;
        config->remotes[0].my_identifier.value = std::string(1000, 'x');
        w.b->engine->reconfigure(config, 2, w.now);
        ScriptedPeer peer(w);
        peer.say(type == ExchangeType::Base ? peer.base_1() : peer.aggressive_1());
        EXPECT_TRUE(peer.heard.empty());
        EXPECT_TRUE(w.b->engine->phase1_status(w.now).empty());
    }
}

TEST(EarlyModes, ARepeatedMessageOneIsAnsweredFromTheCacheThreeTimesInASecond) {
    for (const bool base : {false, true}) {
        World w(43, kAll);
        ScriptedPeer peer(w);
        const Bytes m1 = base ? peer.base_1() : peer.aggressive_1();
        for (int i = 0; i < 20; ++i) peer.say(m1, 10ms);
        EXPECT_LE(peer.heard.size(), 1u + 3u);
        EXPECT_GE(peer.heard.size(), 2u);
        for (const Bytes& m : peer.heard) EXPECT_EQ(m, peer.heard[0]);
        EXPECT_EQ(w.b->op_count[OpKind::Phase1Open], 1u);
        EXPECT_EQ(w.b->engine->phase1_status(w.now).size(), 1u);
    }
}

// --- quotas ---

TEST(EarlyModes, StrangersShareABoundedPlaceAndConfiguredPeersAreServed) {
    for (const bool base : {false, true}) {
        World w(50, kAll);
        open_to_strangers(w, kAll);
        for (int i = 0; i < 2000; ++i) {
            ScriptedPeer peer(
                w, ip("198." + std::to_string(i % 200 + 1) + "." + std::to_string(i / 200) + ".1"));
            peer.cookies.initiator.bytes[0] = static_cast<std::uint8_t>(i);
            peer.cookies.initiator.bytes[1] = static_cast<std::uint8_t>(i >> 8);
            peer.say(base ? peer.base_1() : peer.aggressive_1(), 1ms);
        }
        EXPECT_LE(w.b->engine->phase1_status(w.now).size(), 256u);
        EXPECT_LE(w.b->op_count[OpKind::Phase1Open], 500u + 2u * 500u)
            << "500 a second, in 2 seconds";
        EXPECT_LE(w.b->uses.size(), 256u);
        w.tap = nullptr;
        ScriptedPeer honest(w);
        EXPECT_TRUE(base ? honest.establish_base() : honest.establish_aggressive());
        EXPECT_EQ(w.b->events_of(0x0100), 1u);
        w.run_for(200s);
        EXPECT_EQ(w.b->engine->phase1_status(w.now).size(), 1u) << "strangers are forgotten";
        EXPECT_TRUE(w.b->problems.empty());
    }
}

TEST(EarlyModes, OneAddressAndOneNetHoldTheirShareAndNeighboursAreServed) {
    World w(51, kAll);
    open_to_strangers(w, kAll);
    const auto knock = [&](const std::string& from, int i) {
        ScriptedPeer peer(w, ip(from));
        peer.cookies.initiator.bytes[0] = static_cast<std::uint8_t>(i);
        peer.cookies.initiator.bytes[1] = static_cast<std::uint8_t>(i >> 8);
        peer.say(peer.aggressive_1(), 100ms);
    };
    for (int i = 0; i < 100; ++i) knock("198.51.100.7", i);
    EXPECT_EQ(w.b->engine->phase1_status(w.now).size(), 16u);
    for (int i = 0; i < 200; ++i) knock("198.51.100." + std::to_string(i + 8), 1000 + i);
    EXPECT_LE(w.b->engine->phase1_status(w.now).size(), 128u);
    ScriptedPeer neighbour(w, ip("198.51.100.6"));
    EXPECT_TRUE(neighbour.establish_aggressive());
}

TEST(EarlyModes, APeerThatProvedItselfBeforeIsNotAStranger) {
    World w(52, kAll);
    open_to_strangers(w, kAll);
    ScriptedPeer known(w, ip("203.0.113.9"));
    ASSERT_TRUE(known.establish_aggressive());
    w.b->answer_ops = false;  // workers that are busy for good
    for (int i = 0; i < 100; ++i) {
        ScriptedPeer peer(w, ip("198." + std::to_string(i + 1) + ".1.1"));
        peer.cookies.initiator.bytes[0] = static_cast<std::uint8_t>(i);
        peer.say(peer.aggressive_1(), 1ms);
    }
    const auto begun = w.b->op_count[OpKind::Phase1Open];
    EXPECT_LE(begun, 1u + 64u) << "as many as can be worked on";
    ScriptedPeer again(w, ip("203.0.113.9"));
    again.cookies.initiator.bytes[0] = 0x77;
    again.say(again.aggressive_1(), 1ms);
    EXPECT_EQ(w.b->op_count[OpKind::Phase1Open], begun + 1);
    w.b->engine.reset();
}

}  // namespace
}  // namespace racoon::sim
