// What may change the state of an engine, and what may not: forged, misplaced and repeated messages,
// by a peer that knows the keys and says what it likes.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <sstream>

#include "simulation/scripted_peer.hpp"
#include "support/log_capture.hpp"

namespace racoon::sim {
namespace {

/// All that an engine knows, as one text to compare.
std::string state_of(const SimHost& h, TimePoint now) {
    std::ostringstream out;
    for (const auto& s : h.engine->phase1_status(now))
        out << s.cookies.text() << ' ' << s.state << ' ' << s.phase2_count << '\n';
    for (const auto& s : h.engine->phase2_status(now))
        out << s.spi_in.value << ' ' << s.spi_out.value << ' ' << s.established << '\n';
    out << h.sas.size() << ' ' << h.larval.size();
    return out.str();
}

Bytes spi4(std::uint32_t spi) {
    Writer w;
    w.u32(spi);
    return std::move(w).take();
}

struct Up {
    World w{1};
    ScriptedPeer peer{w};
    std::uint32_t peer_spi = 0x5000, their_spi = 0;

    bool phase1() { return peer.establish(); }
    /// Quick mode as initiator: what host b has then is one pair.
    bool quick_mode(std::uint32_t id = 0x777) {
        their_spi = peer.quick_mode(peer_spi, id);
        return their_spi != 0 && w.b->sas.size() == 2;
    }
};

TEST(State, AnInformationalMessageWithoutTheRightHashChangesNothing) {
    Up up;
    ASSERT_TRUE(up.phase1());
    ASSERT_TRUE(up.quick_mode());
    World other_world(2);
    ScriptedPeer other(other_world);
    ASSERT_TRUE(other.establish());

    const Bytes cookies = isakmp::spi_bytes(up.peer.cookies);
    std::vector<SaidPayload> all{
        {PayloadType::Delete, isakmp::Delete::body_of(up.peer.cookies)},
        {PayloadType::Delete, isakmp::Delete::body_of(isakmp::ProtocolId::Esp, Spi{up.peer_spi})},
    };
    for (const auto type :
         {NotifyType::InitialContact, NotifyType::RUThere, NotifyType::RUThereAck,
          NotifyType::NoProposalChosen, NotifyType::Connected, NotifyType::ResponderLifetime,
          NotifyType::InvalidSpi, NotifyType::AuthenticationFailed, NotifyType::InvalidCookie})
        all.push_back({PayloadType::Notification, up.peer.notify(type, cookies, Bytes(4, 1))});
    const std::string before = state_of(*up.w.b, up.w.now);
    std::uint32_t id = 0x9000;
    for (const auto& p : all) {
        up.peer.heard.clear();
        up.peer.say(up.peer.clear(ExchangeType::Informational, {p}, ++id));
        up.peer.say(up.peer.clear(ExchangeType::Informational, {p}, 0));
        up.peer.say(up.peer.informational(p.type, p.body, ++id, false));
        // With a right hash, but of another SA's keys.
        Bytes foreign = other.informational(p.type, p.body, ++id);
        std::copy(cookies.begin(), cookies.end(), foreign.begin());
        up.peer.say(foreign);
        // Encrypted, without a HASH payload.
        auto chain = up.peer.chain.phase2(catalog().hash, MessageId{++id});
        up.peer.say(up.peer.encrypt(up.peer.header(ExchangeType::Informational, id), {p}, *chain));
        EXPECT_EQ(state_of(*up.w.b, up.w.now), before) << "payload " << static_cast<int>(p.type);
        EXPECT_TRUE(up.peer.heard.empty()) << "and is not answered";
    }
}

TEST(State, TheSameDeleteWithTheRightHashEndsThePairAndIsAnsweredForTheOtherDirection) {
    Up up;
    ASSERT_TRUE(up.phase1());
    ASSERT_TRUE(up.quick_mode());
    const Bytes body = isakmp::Delete::body_of(isakmp::ProtocolId::Esp, Spi{up.peer_spi});
    up.peer.heard.clear();
    up.peer.say(up.peer.informational(PayloadType::Delete, body));
    EXPECT_TRUE(up.w.b->sas.empty());
    auto answer = up.peer.open_next();
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->payloads.size(), 2u);
    EXPECT_EQ(answer->payloads[1].body,
              isakmp::Delete::body_of(isakmp::ProtocolId::Esp, Spi{up.their_spi}));
}

TEST(State, ARefusalKeepsNoStateAndItsCookieOpensNothing) {
    World w(3);
    ScriptedPeer peer(w);
    // An offer that nothing here accepts.
    isakmp::Phase1Transform t;
    t.encryption = isakmp::Encryption::DesCbc;
    t.hash = isakmp::HashAlgorithm::Md5;
    t.auth_method = isakmp::AuthMethod::PreSharedKey;
    t.group = isakmp::DhGroup::Modp768;
    t.life.seconds = 28800;
    peer.say(peer.clear(ExchangeType::IdentityProtection,
                        {{PayloadType::SecurityAssociation, isakmp::build_phase1_sa({&t, 1})}}));
    ASSERT_EQ(peer.heard.size(), 1u);
    auto refusal = isakmp::Message::parse(peer.heard[0]);
    ASSERT_TRUE(refusal);
    EXPECT_TRUE(refusal->header().cookies.responder.is_zero());
    auto info = isakmp::Informational::parse(*refusal);
    ASSERT_TRUE(info);
    EXPECT_EQ(info->notifications[0].type, NotifyType::NoProposalChosen);
    // Every cookie ever seen in an answer, in every exchange.
    for (const Cookie& r :
         {refusal->header().cookies.responder, refusal->header().cookies.initiator})
        for (const auto type :
             {ExchangeType::IdentityProtection, ExchangeType::Aggressive, ExchangeType::Base,
              ExchangeType::Informational, ExchangeType::QuickMode, ExchangeType::Transaction,
              ExchangeType::NewGroupMode}) {
            peer.cookies.responder = r;
            peer.say(peer.clear(
                type, {{PayloadType::KeyExchange, peer.gxi}, {PayloadType::Nonce, peer.ni}}, 5));
        }
    EXPECT_EQ(w.b->op_count.size(), 0u) << "no operation was started";
    EXPECT_TRUE(w.b->engine->phase1_status(w.now).empty());
}

TEST(State, ARefusalIsLoggedOnceForAnExchangeHoweverOftenItsFirstMessageComes) {
    World w(3);
    ScriptedPeer peer(w);
    test::LogCapture log;
    isakmp::Phase1Transform t;  // that nothing here accepts
    t.encryption = isakmp::Encryption::DesCbc;
    t.hash = isakmp::HashAlgorithm::Md5;
    t.auth_method = isakmp::AuthMethod::PreSharedKey;
    t.group = isakmp::DhGroup::Modp768;
    t.life.seconds = 28800;
    const auto say = [&] {
        peer.say(
            peer.clear(ExchangeType::IdentityProtection,
                       {{PayloadType::SecurityAssociation, isakmp::build_phase1_sa({&t, 1})}}));
        w.run_for(10s);
    };
    for (int i = 0; i < 6; ++i) say();
    EXPECT_EQ(peer.heard.size(), 6u) << "each is answered";
    EXPECT_EQ(log.count("no suitable proposal found"), 1u) << log.all();
    peer.cookies.initiator.bytes[0] ^= 1;
    say();
    EXPECT_EQ(log.count("no suitable proposal found"), 2u) << "another exchange";
}

TEST(State, WhatFollowsTheDeleteOfItsOwnSaIsNotLookedAt) {
    Up up;
    ASSERT_TRUE(up.phase1());
    ASSERT_TRUE(up.quick_mode());
    const Bytes own = isakmp::Delete::body_of(up.peer.cookies);
    const Bytes pair = isakmp::Delete::body_of(isakmp::ProtocolId::Esp, Spi{up.peer_spi});
    up.peer.say(up.peer.protected_message(
        ExchangeType::Informational, 0x99,
        {{PayloadType::Delete, own},
         {PayloadType::Delete, own},
         {PayloadType::Delete, pair},
         {PayloadType::Notification,
          up.peer.notify(NotifyType::RUThere, isakmp::spi_bytes(up.peer.cookies), Bytes(4, 1))}}));
    EXPECT_TRUE(up.w.b->engine->phase1_status(up.w.now).empty());
    EXPECT_TRUE(up.w.b->sas.empty()) << "the last ISAKMP-SA takes its IPsec-SAs along";
    // And once more, for an SA that is gone.
    up.peer.say(up.peer.informational(PayloadType::Delete, own, 0x9a));
}

TEST(State, APeerCannotDeleteTheSaOfAnother) {
    World w(4);
    w.acquire(*w.b);  // an honest SA of b with a
    w.run_for(2s);
    ASSERT_EQ(w.b->engine->phase1_status(w.now).size(), 1u);
    const CookiePair honest = w.b->engine->phase1_status(w.now)[0].cookies;
    auto config = std::make_shared<conf::Config>(*make_config(w.addr_b, w.addr_a, {}));
    conf::Remote second = config->remotes[0];
    second.name = "second";
    second.address = Endpoint{ip("192.0.2.66"), 500};
    config->remotes.push_back(second);
    w.b->engine->reconfigure(config, 2, w.now);
    ScriptedPeer mallory(w, ip("192.0.2.66"));
    ASSERT_TRUE(mallory.establish());
    const std::string before = state_of(*w.b, w.now);
    mallory.say(mallory.informational(PayloadType::Delete, isakmp::Delete::body_of(honest)));
    EXPECT_EQ(state_of(*w.b, w.now), before);
    std::uint32_t spi = 0;
    ASSERT_NE(w.b->outbound(World::kPolicy, &spi), nullptr);
    mallory.say(mallory.informational(
        PayloadType::Delete, isakmp::Delete::body_of(isakmp::ProtocolId::Esp, Spi{spi}), 0x55));
    EXPECT_EQ(state_of(*w.b, w.now), before);
}

TEST(State, OnlyTheVerifiedLastMessageEstablishes) {
    // Each prefix of main mode, then every other message that a stranger or a peer could send.
    for (int step = 0; step <= 2; ++step) {
        World w(10 + static_cast<std::uint64_t>(step));
        ScriptedPeer peer(w);
        if (step >= 1) {
            peer.say(peer.message_1());
            ASSERT_TRUE(peer.take_message_2());
        }
        if (step >= 2) {
            peer.say(peer.message_3());
            ASSERT_TRUE(peer.take_message_4());
        }
        if (step < 2) peer.gxr = peer.gxi, peer.nr = peer.ni, peer.derive();
        auto wrong_hash = peer.message_5_payloads();
        wrong_hash[1].body[0] ^= 1;
        auto other_id = peer.message_5_payloads();
        other_id[0].body = isakmp::Identity::address(ip("192.0.2.99"), 17, 500).body();
        auto empty_hash = peer.message_5_payloads();
        empty_hash[1].body = Bytes(1, 0);
        auto no_hash = peer.message_5_payloads();
        no_hash.pop_back();
        auto no_id = peer.message_5_payloads();
        no_id.erase(no_id.begin());
        auto signature = peer.message_5_payloads();
        signature[1].type = PayloadType::Signature;
        for (const auto& payloads : {wrong_hash, other_id, empty_hash, no_hash, no_id, signature}) {
            exchange::IvChain chain = peer.chain;
            peer.say(peer.encrypt(peer.header(ExchangeType::IdentityProtection), payloads, chain));
        }
        peer.say(peer.clear(ExchangeType::IdentityProtection, peer.message_5_payloads()));
        peer.say(peer.protected_message(ExchangeType::QuickMode, 0x77,
                                        peer.quick_mode_1_payloads(0x5000)));
        peer.say(peer.informational(
            PayloadType::Notification,
            peer.notify(NotifyType::InitialContact, isakmp::spi_bytes(peer.cookies))));
        for (int type = 0; type < 256; ++type) {
            isakmp::Header h = peer.header(static_cast<ExchangeType>(type), 0x44);
            for (const bool encrypted : {false, true}) {
                MessageBuilder b(h);
                b.add(PayloadType::Nonce, Bytes(20, 1));
                peer.send(encrypted ? b.finish_encrypted(Bytes(32, 7)) : *b.finish());
            }
        }
        w.run_for(1s);
        for (const auto& s : w.b->engine->phase1_status(w.now))
            EXPECT_LT(s.state, 9) << "step " << step;
        EXPECT_EQ(w.b->events_of(0x0100), 0u) << "step " << step;
        EXPECT_TRUE(w.b->sas.empty());
        if (step == 2) {
            // All of it did no harm to the honest one.
            peer.say(peer.message_5(peer.message_5_payloads()));
            EXPECT_EQ(w.b->events_of(0x0100), 1u);
        }
    }
}

TEST(State, OnlyMessageThreeWithItsHashMakesAQuickModeCount) {
    Up up;
    ASSERT_TRUE(up.phase1());
    auto chain = up.peer.chain.phase2(catalog().hash, MessageId{0x777});
    const auto payloads = up.peer.quick_mode_1_payloads(0x5000);
    up.peer.heard.clear();
    up.peer.say(up.peer.protected_message_on(*chain, ExchangeType::QuickMode, 0x777, payloads));
    ASSERT_FALSE(up.peer.heard.empty());
    auto m2 = isakmp::Message::parse(up.peer.heard.front());
    chain->advance(m2->body());
    for (const Bytes& hash : {Bytes(32, 0), Bytes(1, 0), Bytes(64, 1)}) {
        exchange::IvChain copy = *chain;
        up.peer.say(up.peer.encrypt(up.peer.header(ExchangeType::QuickMode, 0x777),
                                    {{PayloadType::Hash, hash}}, copy));
    }
    EXPECT_EQ(up.w.b->events_of(0x0201), 0u);
    EXPECT_EQ(up.w.b->sas.size(), 1u)
        << "inbound alone: outbound only when the peer has proved itself";
    up.w.run_for(100s);
    EXPECT_TRUE(up.w.b->sas.empty()) << "and gone when it never does";
}

TEST(State, EverySubsetOfPayloadsInEveryMessageIsSurvivedAndOnlyTheWholeOneCounts) {
    const std::vector<SaidPayload> extras{{PayloadType::VendorId, Bytes(16, 1)},
                                          {PayloadType::Notification, Bytes(12, 0)}};
    const auto subsets = [&](std::vector<SaidPayload> full, const auto& send) {
        full.insert(full.end(), extras.begin(), extras.end());
        for (unsigned bits = 0; bits < (1u << full.size()); ++bits) {
            std::vector<SaidPayload> some;
            for (std::size_t i = 0; i < full.size(); ++i)
                if (bits & (1u << i)) some.push_back(full[i]);
            if (!some.empty()) send(some);
        }
    };
    World w(30);
    ScriptedPeer peer(w);
    subsets({{PayloadType::SecurityAssociation, peer.sai_b()}, {PayloadType::Nonce, peer.ni}},
            [&](const auto& p) {
                peer.cookies.initiator.bytes[7]++;
                peer.say(peer.clear(ExchangeType::IdentityProtection, p), 1ms);
            });
    peer.heard.clear();
    peer.cookies.initiator.bytes[6]++;
    peer.say(peer.message_1());
    ASSERT_TRUE(peer.take_message_2());
    subsets({{PayloadType::KeyExchange, peer.gxi}, {PayloadType::Identification, Bytes(8, 1)}},
            [&](const auto& p) { peer.say(peer.clear(ExchangeType::IdentityProtection, p), 1ms); });
    peer.say(peer.message_3());
    ASSERT_TRUE(peer.take_message_4());
    subsets({{PayloadType::Identification, peer.message_5_payloads()[0].body},
             {PayloadType::Certificate, Bytes(10, 4)}},
            [&](const auto& p) {
                exchange::IvChain chain = peer.chain;
                peer.say(peer.encrypt(peer.header(ExchangeType::IdentityProtection), p, chain),
                         1ms);
            });
    EXPECT_EQ(w.b->events_of(0x0100), 0u);
    peer.say(peer.message_5(peer.message_5_payloads()));
    ASSERT_EQ(w.b->events_of(0x0100), 1u);
    std::uint32_t id = 0x100;
    peer.heard.clear();
    auto m1 = peer.quick_mode_1_payloads(0x5000);
    m1.pop_back();  // one ID is never enough
    subsets(m1, [&](const auto& p) {
        peer.say(peer.protected_message(ExchangeType::QuickMode, ++id, p), 1ms);
    });
    w.run_for(200s);
    EXPECT_TRUE(w.b->sas.empty());
    EXPECT_TRUE(w.b->larval.empty());
}

TEST(State, ARepeatedQuickModeMessageOneIsAnsweredFromTheCacheAndNeverNegotiatedTwice) {
    Up up;
    ASSERT_TRUE(up.phase1());
    auto chain = up.peer.chain.phase2(catalog().hash, MessageId{0x777});
    const Bytes m1 = up.peer.protected_message_on(*chain, ExchangeType::QuickMode, 0x777,
                                                  up.peer.quick_mode_1_payloads(0x5000));
    up.peer.heard.clear();
    up.peer.say(m1);
    ASSERT_EQ(up.peer.heard.size(), 1u);
    const Bytes m2 = up.peer.heard[0];
    for (int i = 0; i < 20; ++i) up.peer.say(m1, 10ms);
    EXPECT_LE(up.peer.heard.size(), 1u + 3u) << "at most three in a second";
    for (const Bytes& m : up.peer.heard) EXPECT_EQ(m, m2);
    EXPECT_EQ(up.w.b->op_count[OpKind::SpiGet], 1u);
}

TEST(State, AnUnprovedAddressGetsNeverMoreBytesThanItSentAndNothingByTimer) {
    // Every first message, again and again, with and without vendor IDs, and what follows without
    // the cookie.
    World w(40);
    ScriptedPeer peer(w);
    std::uint64_t in = 0;
    const auto count = [&](const Bytes& m) {
        in += m.size();
        peer.say(m, 20ms);
        ASSERT_LE(w.b->bytes_out, in);
    };
    for (int i = 0; i < 30; ++i) {
        peer.send_dpd_vid = i % 2;
        peer.cookies.initiator.bytes[0] = static_cast<std::uint8_t>(i);
        const Bytes m1 = peer.message_1();
        for (int k = 0; k < 6; ++k) count(m1);
        for (const auto type :
             {ExchangeType::Aggressive, ExchangeType::Base, ExchangeType::Informational,
              ExchangeType::QuickMode, ExchangeType::Transaction})
            count(peer.clear(type, {{PayloadType::Nonce, Bytes(8, 1)}}, 5));
        CookiePair keep = peer.cookies;
        peer.cookies.responder.bytes[0] = 9;  // a guessed cookie
        count(peer.message_3());
        count(peer.clear(ExchangeType::QuickMode, {{PayloadType::Nonce, Bytes(8, 1)}}, 5));
        peer.cookies = keep;
    }
    const std::uint64_t packets = w.b->packets_out;
    w.run_for(200s);
    EXPECT_EQ(w.b->packets_out, packets) << "nothing is repeated by the clock";
    EXPECT_EQ(w.b->op_count.size(), 0u) << "no Diffie-Hellman, no keeper, no kernel";
    EXPECT_FALSE(w.b->engine->next_deadline().has_value());
}

TEST(State, ReplayedDpdRequestsAreNotAnswered) {
    Up up;
    ASSERT_TRUE(up.phase1());
    const Bytes cookies = isakmp::spi_bytes(up.peer.cookies);
    const auto probe = [&](std::uint32_t sequence, std::uint32_t id) {
        up.peer.heard.clear();
        up.peer.say(up.peer.informational(
            PayloadType::Notification, up.peer.notify(NotifyType::RUThere, cookies, spi4(sequence)),
            id));
        return up.peer.heard.size();
    };
    EXPECT_EQ(probe(100, 1), 1u);
    EXPECT_EQ(probe(101, 2), 1u);
    EXPECT_EQ(probe(101, 3), 1u) << "repeated, since our answer may be lost";
    EXPECT_EQ(probe(100, 1), 0u) << "a replay";
}

TEST(State, AnOldMessageSentAgainDoesNotKeepADeadPeerAlive) {
    ConfigOptions o;
    o.dpd.delay = conf::seconds(5);
    o.dpd.retry = conf::seconds(1);
    o.dpd.max_fail = 3;
    World w(48, o);
    ScriptedPeer peer(w);
    ASSERT_TRUE(peer.establish());
    const Bytes status = peer.informational(
        PayloadType::Notification,
        peer.notify(NotifyType::InitialContact, isakmp::spi_bytes(peer.cookies)), 0x321);
    const Bytes gone = peer.informational(
        PayloadType::Delete, isakmp::Delete::body_of(isakmp::ProtocolId::Esp, Spi{0x7777}), 0x322);
    for (int i = 0; i < 40; ++i) {
        peer.say(status, 300ms);
        peer.say(gone, 300ms);
    }
    EXPECT_TRUE(w.b->engine->phase1_status(w.now).empty());
}

/// Somebody without the key who answers with what we said ourselves.
TEST(State, AnAnswerThatMirrorsOursIsNotTaken) {
    test::LogCapture log;
    World w(49);
    const Bytes sa = ScriptedPeer(w).sai_b();
    std::deque<Bytes> heard;
    w.tap = [&](const exchange::Datagram& d) {
        heard.push_back(to_bytes(d.bytes));
        return false;  // the real peer hears nothing
    };
    const auto reply = [&](const CookiePair& cookies, const std::vector<SaidPayload>& payloads) {
        isakmp::Header h;
        h.cookies = cookies;
        h.exchange = isakmp::number(ExchangeType::IdentityProtection);
        MessageBuilder b(h);
        for (const auto& p : payloads) b.add(p.type, p.body);
        heard.clear();
        w.deliver(ip("192.0.2.1"), w.addr_b, *b.finish());
        w.run_for(100ms);
    };
    const auto last_with = [&](PayloadType type) {
        return std::any_of(heard.begin(), heard.end(), [&](const Bytes& b) {
            auto m = isakmp::Message::parse(b);
            return m && !m->header().encrypted() && m->payloads().find(type) != nullptr;
        });
    };
    w.acquire(*w.b);
    w.run_for(50ms);
    ASSERT_FALSE(heard.empty());
    auto m1 = isakmp::Message::parse(heard.front());
    ASSERT_TRUE(m1);
    CookiePair cookies = m1->header().cookies;
    cookies.responder = cookies.initiator;
    reply(cookies, {{PayloadType::SecurityAssociation, sa}});
    EXPECT_FALSE(last_with(PayloadType::KeyExchange)) << "our cookie as the responder's";
    cookies.responder.bytes[0] ^= 1;
    reply(cookies, {{PayloadType::SecurityAssociation, sa}});
    ASSERT_TRUE(last_with(PayloadType::KeyExchange)) << log.all();
    auto m3 = isakmp::Message::parse(heard.back());
    const Bytes ke = to_bytes(m3->payloads().find(PayloadType::KeyExchange)->body);
    reply(cookies, {{PayloadType::KeyExchange, ke}, {PayloadType::Nonce, Bytes(16, 1)}});
    for (const Bytes& b : heard) {
        auto m = isakmp::Message::parse(b);
        EXPECT_FALSE(m && m->header().encrypted()) << "our public value as the responder's";
    }
}

TEST(State, ASilentOldSaGoesAloneWhenThePeerIsHeardThroughANewerOne) {
    ConfigOptions o;
    o.dpd.delay = conf::seconds(5);
    o.dpd.retry = conf::seconds(1);
    o.dpd.max_fail = 3;
    World w(45, o);
    ScriptedPeer old_one(w);
    ASSERT_TRUE(old_one.establish());
    w.run_for(1s);
    ScriptedPeer new_one(w);
    new_one.cookies.initiator.bytes[0] = 0x99;
    ASSERT_TRUE(new_one.establish());
    ASSERT_EQ(w.b->engine->phase1_status(w.now).size(), 2u);
    // The peer answers under the new SA only.
    const Bytes cookies = isakmp::spi_bytes(new_one.cookies);
    std::uint32_t id = 0x100;
    for (int i = 0; i < 80; ++i) {
        w.run_for(200ms);
        while (!new_one.heard.empty()) {
            const auto heard = new_one.open_next();  // what belongs to the old SA cannot be read
            if (!heard) continue;
            for (const auto& p : heard->payloads)
                if (p.type == PayloadType::Notification && p.body.size() == 28)
                    new_one.send(
                        new_one.informational(PayloadType::Notification,
                                              new_one.notify(NotifyType::RUThereAck, cookies,
                                                             Bytes(p.body.end() - 4, p.body.end())),
                                              ++id));
        }
    }
    const auto left = w.b->engine->phase1_status(w.now);
    ASSERT_EQ(left.size(), 1u);
    EXPECT_EQ(left[0].cookies, new_one.cookies);
    EXPECT_EQ(w.b->events_of(0x0105), 0u) << "the peer is not dead";
}

TEST(State, AQuickModeThatStaysWithoutAnyAnswerLeadsToANewPhaseOneNextTime) {
    World w(46);
    ScriptedPeer peer(w);
    ASSERT_TRUE(peer.establish());
    w.acquire(*w.b);
    w.run_for(100s);  // nobody answers
    EXPECT_FALSE(w.b->acquires.at(7));
    peer.heard.clear();
    w.acquire(*w.b, World::kPolicy, 8);
    w.run_for(100ms);
    ASSERT_FALSE(peer.heard.empty());
    auto first = isakmp::Message::parse(peer.heard.back());
    ASSERT_TRUE(first);
    EXPECT_EQ(first->header().exchange_type(), ExchangeType::IdentityProtection);
    EXPECT_TRUE(first->header().cookies.responder.is_zero());
}

TEST(State, AnAuthenticatedRefusalEndsTheQuickModeAtOnceAndAnUnauthenticatedOneDoesNot) {
    World w(47);
    ScriptedPeer peer(w);
    ASSERT_TRUE(peer.establish());
    w.acquire(*w.b);
    w.run_for(50ms);
    const Bytes no = peer.notify(NotifyType::NoProposalChosen, {});
    peer.say(peer.clear(ExchangeType::Informational, {{PayloadType::Notification, no}}, 3));
    EXPECT_FALSE(w.b->acquires.contains(7));
    peer.say(peer.informational(PayloadType::Notification, no, 4));
    ASSERT_TRUE(w.b->acquires.contains(7));
    EXPECT_FALSE(w.b->acquires[7]);
    EXPECT_TRUE(w.b->larval.empty());
}

namespace {
void open_to_strangers(World& w) {
    auto config =
        std::make_shared<conf::Config>(*make_config(ip("192.0.2.2"), ip("192.0.2.1"), {}));
    conf::Remote anonymous = config->remotes[0];
    anonymous.name = "anonymous";
    anonymous.address.reset();
    config->remotes.push_back(anonymous);
    w.b->engine->reconfigure(config, 2, w.now);
}
/// Messages 1 and 3 of main mode, and no word more.
void stop_half_way(World& w, const std::string& from, int number) {
    ScriptedPeer peer(w, ip(from));
    peer.cookies.initiator.bytes[0] = static_cast<std::uint8_t>(number);
    peer.cookies.initiator.bytes[1] = static_cast<std::uint8_t>(number >> 8);
    peer.say(peer.message_1(), 1ms);
    if (peer.take_message_2()) peer.say(peer.message_3(), 1ms);
}
}  // namespace

TEST(State, StrangersThatStopHalfWayDoNotKeepOthersOut) {
    World w(54);
    open_to_strangers(w);
    // One net, then many; all of them receive what they are sent.
    for (int i = 0; i < 600; ++i) stop_half_way(w, "198.51.100." + std::to_string(i % 250 + 1), i);
    EXPECT_LE(w.b->engine->phase1_status(w.now).size(), 256u) << "of one net";
    for (int i = 0; i < 3000; ++i)
        stop_half_way(w, "198." + std::to_string(i % 200) + "." + std::to_string(i / 200) + ".1",
                      i);
    EXPECT_LE(w.b->engine->phase1_status(w.now).size(), 1024u);
    ScriptedPeer honest(w, ip("203.0.113.9"));
    EXPECT_TRUE(honest.establish());
    EXPECT_TRUE(w.b->problems.empty());
}

TEST(State, ManyAddressesThatEchoTheirCookiesDoNotStartUnboundedWork) {
    World w(48);
    open_to_strangers(w);
    w.b->answer_ops = false;  // workers that never come back
    for (int i = 0; i < 400; ++i)
        stop_half_way(w, "198.51." + std::to_string(i / 200) + "." + std::to_string(i % 200 + 1),
                      i);
    EXPECT_LE(w.b->op_count[OpKind::Phase1Open], 256u);
    ScriptedPeer honest(w);  // its address is configured
    honest.say(honest.message_1(), 1ms);
    ASSERT_TRUE(honest.take_message_2());
    const auto before = w.b->op_count[OpKind::Phase1Open];
    honest.say(honest.message_3(), 1ms);
    EXPECT_EQ(w.b->op_count[OpKind::Phase1Open], before + 1);
    w.b->engine.reset();
    EXPECT_EQ(w.b->problems.size(), 0u);
}

TEST(State, TheInitiatorWaitsForConnectedWhenTheResponderSetsTheCommitBit) {
    // Host b initiates towards us; we answer by hand.
    World w(50);
    ScriptedPeer peer(w);
    ASSERT_TRUE(peer.establish());
    peer.heard.clear();
    w.acquire(*w.b);
    w.run_for(50ms);
    ASSERT_EQ(peer.heard.size(), 1u);
    auto m1 = isakmp::Message::parse(peer.heard[0]);
    peer.heard.clear();
    const std::uint32_t id = m1->header().message_id.value;
    auto chain = peer.chain.phase2(catalog().hash, MessageId{id});
    Bytes body = to_bytes(m1->body());
    exchange::Iv iv = chain->next();
    ASSERT_TRUE(peer.cipher.decrypt(iv.span(), body));
    chain->advance(m1->body());
    auto clear = isakmp::Message::decrypted(m1->header(), body);
    auto view = isakmp::QuickMode1::parse(*clear, isakmp::MessageKind::QuickMode1);
    ASSERT_TRUE(view);

    isakmp::ChosenProposal chosen;
    chosen.proposal = &view->sa.proposals[0];
    chosen.transform = &view->sa.proposals[0].transforms[0];
    chosen.spi = spi4(0x6000);
    isakmp::Header h = peer.header(ExchangeType::QuickMode, id);
    h.flags = isakmp::kFlagCommit;
    MessageBuilder b(h);
    b.reserve_hash(32);
    b.add(PayloadType::SecurityAssociation, isakmp::build_sa_answer({&chosen, 1}));
    b.add(PayloadType::Nonce, Bytes(16, 5));
    b.add(PayloadType::Identification, view->id_ci->body);
    b.add(PayloadType::Identification, view->id_cr->body);
    auto hash = exchange::hash_2(catalog().hash, peer.keys.a.view(), MessageId{id}, view->nonce,
                                 b.after_hash());
    b.set_hash(hash->view());
    isakmp::Padding padding;
    padding.randomize = false;
    Bytes data = *b.padded(16, padding, {});
    iv = chain->next();
    ASSERT_TRUE(peer.cipher.encrypt(iv.span(), data));
    chain->advance(data);
    peer.say(b.finish_encrypted(data), 100ms);
    ASSERT_EQ(peer.heard.size(), 1u) << "message 3";
    EXPECT_EQ(w.b->sas.size(), 1u) << "inbound alone";
    w.run_for(3s);
    EXPECT_GE(peer.heard.size(), 2u) << "message 3 is repeated until CONNECTED";
    auto m3 = isakmp::Message::parse(peer.heard[0]);
    chain->advance(m3->body());
    // As racoon sends it: message 4 of the quick mode.
    peer.say(peer.protected_message_on(
        *chain, ExchangeType::QuickMode, id,
        {{PayloadType::Notification, peer.notify(NotifyType::Connected, spi4(0x6000))}}));
    EXPECT_EQ(w.b->sas.size(), 2u);
    EXPECT_EQ(w.b->events_of(0x0201), 1u);
}

TEST(State, AResponderWaitsForConnectedOfAnInitiatorThatSetTheCommitBitButNotForLong) {
    for (const bool says : {true, false}) {
        Up up;
        ASSERT_TRUE(up.phase1());
        const MessageId id{0x777};
        auto chain = up.peer.chain.phase2(catalog().hash, id);
        up.peer.heard.clear();
        Bytes m1 = up.peer.protected_message_on(*chain, ExchangeType::QuickMode, id.value,
                                                up.peer.quick_mode_1_payloads(0x5000));
        m1[19] |= isakmp::kFlagCommit;
        up.peer.say(m1);
        ASSERT_FALSE(up.peer.heard.empty());
        auto m2 = isakmp::Message::parse(up.peer.heard.front());
        Bytes body = to_bytes(m2->body());
        exchange::Iv iv = chain->next();
        ASSERT_TRUE(up.peer.cipher.decrypt(iv.span(), body));
        chain->advance(m2->body());
        auto clear = isakmp::Message::decrypted(m2->header(), body);
        auto view = isakmp::QuickMode1::parse(*clear, isakmp::MessageKind::QuickMode2);
        ASSERT_TRUE(view);
        auto hash =
            exchange::hash_3(catalog().hash, up.peer.keys.a.view(), id, up.peer.ni, view->nonce);
        up.peer.heard.clear();
        up.peer.say(up.peer.encrypt(up.peer.header(ExchangeType::QuickMode, id.value),
                                    {{PayloadType::Hash, to_bytes(hash->view())}}, *chain),
                    1s);
        EXPECT_EQ(up.w.b->sas.size(), 1u) << "inbound alone";
        // In an informational message under the quick mode's id (RFC 2408 3.1).
        if (says)
            up.peer.say(up.peer.informational(PayloadType::Notification,
                                              up.peer.notify(NotifyType::Connected, spi4(0x5000)),
                                              id.value));
        else
            up.w.run_for(3s);
        EXPECT_EQ(up.w.b->sas.size(), 2u);
        EXPECT_EQ(up.w.b->events_of(0x0201), 1u);
        EXPECT_EQ(up.peer.heard.size(), 1u) << "our CONNECTED, for peers that expect it of us";
    }
}

}  // namespace
}  // namespace racoon::sim
