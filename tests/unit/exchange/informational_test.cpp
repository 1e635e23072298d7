// What is told in informational messages, by whom, and what comes of it: each type that racoon sends or
// understands. That nothing comes of what is not authenticated is in state_test.
#include <gtest/gtest.h>

#include "isakmp/names.hpp"
#include "simulation/scripted_peer.hpp"
#include "support/log_capture.hpp"

namespace racoon::sim {
namespace {

using test::LogCapture;

Bytes spi4(std::uint32_t spi) {
    Writer w;
    w.u32(spi);
    return std::move(w).take();
}

/// Host b with a quick mode under way to the scripted peer, which has not answered.
struct Asked {
    explicit Asked(std::uint64_t seed) : w(seed), peer(w) {
        established = peer.establish();
        w.acquire(*w.b);
        w.run_for(50ms);
    }
    bool ended() const { return w.b->acquires.contains(7); }
    World w;
    ScriptedPeer peer;
    bool established = false;
};

TEST(Informational, EveryErrorEndsTheQuickModeThatItIsForAtOnce) {
    for (std::uint16_t type = 1; type <= 30; ++type) {
        if (type == 24) continue;  // below
        Asked a(type);
        ASSERT_TRUE(a.established);
        LogCapture log;
        const Bytes no = a.peer.notify(static_cast<NotifyType>(type), {});
        a.peer.say(a.peer.informational(PayloadType::Notification, no, 4));
        // PAYLOAD-MALFORMED and INVALID-HASH-INFORMATION may be about what somebody else has sent.
        const bool about_anybodys = type == 16 || type == 23;
        EXPECT_EQ(a.ended(), !about_anybodys) << "type " << type;
        EXPECT_EQ(a.w.b->larval.empty(), !about_anybodys);
        EXPECT_EQ(a.w.b->engine->load().phase1, 1u) << "the ISAKMP SA stays, type " << type;
        EXPECT_EQ(log.count("the peer answers " + isakmp::name(static_cast<NotifyType>(type))), 1u)
            << log.all();
    }
}

TEST(Informational, AnErrorThatNamesAnotherSpiEndsNothing) {
    Asked a(40);
    ASSERT_TRUE(a.established);
    const Bytes no = a.peer.notify(NotifyType::NoProposalChosen, spi4(0x12345678));
    a.peer.say(a.peer.informational(PayloadType::Notification, no, 4));
    EXPECT_FALSE(a.ended());
}

TEST(Informational, AnErrorThatComesAgainIsNotForTheNextQuickMode) {
    Asked a(41);
    ASSERT_TRUE(a.established);
    const Bytes again = a.peer.informational(PayloadType::Notification,
                                             a.peer.notify(NotifyType::NoProposalChosen, {}), 4);
    a.peer.say(again);
    ASSERT_TRUE(a.ended());
    a.w.b->acquires.clear();
    a.w.acquire(*a.w.b);
    a.w.run_for(50ms);
    a.peer.say(again);
    EXPECT_FALSE(a.ended());
}

TEST(Informational, WhatIsNoErrorIsShownAndChangesNothing) {
    Asked a(42);
    ASSERT_TRUE(a.established);
    a.peer.heard.clear();
    std::uint32_t id = 100;
    for (const int number : {16384, 24576, 24577, 40500, 31, 16383, 40000, 65535}) {
        const auto type = static_cast<std::uint16_t>(number);
        const Bytes body = a.peer.notify(static_cast<NotifyType>(type), spi4(1), Bytes(8, 1));
        a.peer.say(a.peer.informational(PayloadType::Notification, body, ++id), 1ms);
        if (type == 31 || type == 16383) continue;  // errors that nobody has defined yet
        EXPECT_FALSE(a.ended()) << "type " << type;
        EXPECT_EQ(a.w.b->engine->load().phase1, 1u);
    }
    for (const Bytes& m : a.peer.heard)
        EXPECT_EQ(isakmp::parse_header(m)->exchange_type(), ExchangeType::QuickMode)
            << "nothing but the quick mode, sent again";
}

TEST(Informational, AuthenticationFailedTakesTheIsakmpSaAlong) {
    World w(43);
    ScriptedPeer peer(w);
    ASSERT_TRUE(peer.establish());
    const Bytes body = peer.notify(NotifyType::AuthenticationFailed, {});
    peer.say(peer.clear(ExchangeType::Informational, {{PayloadType::Notification, body}}, 3));
    EXPECT_EQ(w.b->engine->load().phase1, 1u) << "anybody can say so in clear";
    peer.say(peer.informational(PayloadType::Notification, body, 4));
    EXPECT_EQ(w.b->engine->load().phase1, 0u);
}

// The original waits until its timer ends, whatever the peer says.
TEST(Informational, ARefusedIdentityEndsMainModeAtOnceWhereTheKeyProvesWhoSaysSo) {
    for (const bool signature : {false, true}) {
        LogCapture log;
        ConfigOptions o;
        o.named = true;
        o.signature = signature;
        World w(44, o);
        auto config = std::make_shared<conf::Config>(*make_config(w.addr_b, w.addr_a, o));
        config->remotes[0].peers_identifiers[0].value = "somebody.else";
        w.b->engine->reconfigure(config, 2, w.now);
        w.acquire(*w.a);
        w.run_for(2s);
        EXPECT_EQ(w.a->acquires.contains(7), !signature) << log.all();
        EXPECT_EQ(log.count("the peer refused with INVALID-ID-INFORMATION"), signature ? 0u : 1u)
            << log.all();
        w.run_for(100s);
        EXPECT_TRUE(w.a->acquires.contains(7));
        EXPECT_EQ(w.end_and_find_leaks(), "");
    }
}

// It is sent right behind the last message of phase 1, which our workers still have to judge.
TEST(Informational, InitialContactCountsAlsoWhenItComesBeforeTheLastMessageIsJudged) {
    ConfigOptions o;
    o.modes = {conf::ExchangeMode::Base};
    o.phase1_lifetime = conf::seconds(60);
    o.rekey = conf::Rekey::Off;
    World w(50, o);
    w.a->op_delay = 50ms;
    w.acquire(*w.a);
    w.run_for(100s);
    ASSERT_EQ(w.pairs(*w.a), 1u);
    ASSERT_EQ(w.a->engine->load().phase1, 0u) << "the ISAKMP SA has ended, the pair is there";
    w.b->kept.clear();
    w.b->restart_engine(make_config(w.addr_b, w.addr_a, o), w.addr_b);
    ASSERT_EQ(w.pairs(*w.b), 0u);
    w.acquire(*w.a);
    w.run_for(5s);
    EXPECT_EQ(w.pairs(*w.b), 1u);
    EXPECT_EQ(w.pairs(*w.a), 1u) << "the pair that the peer has lost";
    EXPECT_EQ(w.compare(), "");
}

TEST(Informational, AQuickModeOfAnUnknownSaIsToldSoInFewWordsAndNotForEver) {
    World w(45);
    ScriptedPeer peer(w);
    ASSERT_TRUE(peer.establish());
    peer.heard.clear();
    peer.cookies.responder.bytes[0] ^= 1;
    std::size_t out = 0;
    for (std::uint32_t i = 1; i <= 200; ++i) {
        const Bytes m = peer.protected_message(ExchangeType::QuickMode, i,
                                               peer.quick_mode_1_payloads(0x1000 + i));
        peer.say(m, 1ms);
        if (peer.heard.size() > out) {
            EXPECT_LE(peer.heard.back().size(), m.size());
        }
        out = peer.heard.size();
    }
    ASSERT_GE(out, 1u);
    EXPECT_LE(out, 20u) << "within 200 ms";
    const auto answer = peer.open_next();
    ASSERT_TRUE(answer);
    EXPECT_FALSE(answer->header.encrypted());
    ASSERT_EQ(answer->payloads.size(), 1u);
    EXPECT_EQ(answer->payloads[0].type, PayloadType::Notification);
}

// A delete for IPComp has an SPI of two bytes or of four.
TEST(Informational, ADeleteOfSomethingUnknownIsNoMistake) {
    World w(46);
    ScriptedPeer peer(w);
    ASSERT_TRUE(peer.establish());
    std::uint32_t id = 5;
    for (const auto protocol : {isakmp::ProtocolId::Esp, isakmp::ProtocolId::Ah,
                                isakmp::ProtocolId::Ipcomp, isakmp::ProtocolId::Isakmp})
        for (const std::size_t size : {std::size_t{2}, std::size_t{4}, std::size_t{16}}) {
            Writer d;
            d.u32(1);
            d.u8(isakmp::number(protocol));
            d.u8(static_cast<std::uint8_t>(size));
            d.u16(1);
            d.bytes(Bytes(size, 7));
            peer.say(peer.informational(PayloadType::Delete, std::move(d).take(), ++id), 1ms);
        }
    EXPECT_EQ(w.b->engine->load().phase1, 1u);
}

// The same datagram again and again; it is one line, as it is one message.
TEST(Informational, ARepeatedRefusalIsLoggedOnce) {
    World w(47);
    ScriptedPeer peer(w);
    ASSERT_TRUE(peer.establish());
    LogCapture log;
    const Bytes no = peer.informational(PayloadType::Notification,
                                        peer.notify(NotifyType::NoProposalChosen, {}), 4);
    for (int i = 0; i < 50; ++i) peer.say(no, 1ms);
    EXPECT_EQ(log.count("the peer answers"), 1u);
    CookiePair other = peer.cookies;
    other.initiator.bytes[0] ^= 1;
    const Bytes gone = peer.informational(PayloadType::Delete, isakmp::Delete::body_of(other), 5);
    for (int i = 0; i < 50; ++i) peer.say(gone, 1ms);
    EXPECT_LE(log.count("that is not the sender's"), 10u);
}

}  // namespace
}  // namespace racoon::sim
