// What a peer is told of a message that cannot be read or is not authentic (reference 5.3, 5.8, 5.9), and that whoever
// else makes us say it gains nothing: no state, no bytes, no message id.
#include <gtest/gtest.h>

#include "simulation/scripted_peer.hpp"
#include "support/log_capture.hpp"

namespace racoon::sim {
namespace {

using test::LogCapture;

/// The type of the only notification that was heard; 0: nothing was. In clear: its negative.
int told(ScriptedPeer& peer) {
    if (peer.heard.empty()) return 0;
    EXPECT_EQ(peer.heard.size(), 1u);
    const auto heard = peer.open_next();
    peer.heard.clear();
    if (!heard || heard->header.exchange_type() != ExchangeType::Informational) return -1;
    for (const SaidPayload& p : heard->payloads) {
        if (p.type != PayloadType::Notification || p.body.size() < 8) continue;
        EXPECT_EQ(p.body[5], 0) << "the size of an SPI";
        const int type = p.body[6] << 8 | p.body[7];
        return heard->header.encrypted() ? type : -type;
    }
    return -1;
}

class BadQuickMode : public ::testing::Test {
  protected:
    void SetUp() override {
        ASSERT_TRUE(peer.establish());
        w.run_for(2s);
        peer.heard.clear();
    }
    Bytes message_1(std::uint32_t id, bool good, std::size_t payloads = 4) {
        auto list = peer.quick_mode_1_payloads(0x1000 + id);
        list.resize(payloads);
        return peer.protected_message(ExchangeType::QuickMode, id, list, good);
    }
    Bytes garbage(std::uint32_t id, std::size_t blocks) {
        Bytes out(28 + blocks * 16, 0x5a);
        const Bytes header = message_1(id, true);
        std::copy_n(header.begin(), 28, out.begin());
        out[26] = static_cast<std::uint8_t>(out.size() >> 8);
        out[27] = static_cast<std::uint8_t>(out.size());
        return out;
    }
    World w{1};
    ScriptedPeer peer{w};
};

TEST_F(BadQuickMode, AWrongHashIsToldProtectedSeldomAndUsesUpNothing) {
    const Bytes bad = message_1(1, false);
    peer.send(bad);
    w.run_for(50ms);
    ASSERT_EQ(peer.heard.size(), 1u);
    EXPECT_LE(peer.heard.front().size(), bad.size());
    EXPECT_EQ(told(peer), 23) << "INVALID-HASH-INFORMATION, under the ISAKMP SA";
    for (std::uint32_t id = 2; id < 20; ++id) peer.say(message_1(id, false), 1ms);
    EXPECT_EQ(told(peer), 0) << "not for each of many";
    EXPECT_NE(peer.quick_mode(0x1001, 1), 0u) << "the message id is still the peer's";
    EXPECT_EQ(w.pairs(*w.b), 1u);
}

TEST_F(BadQuickMode, WhatCannotBeReadIsMalformed) {
    peer.say(garbage(1, 8));
    EXPECT_EQ(told(peer), 16);
    w.run_for(2s);
    peer.say(garbage(2, 1));
    EXPECT_EQ(told(peer), 0) << "never more bytes than came";
    EXPECT_EQ(w.b->engine->load().phase1, 1u);
}

TEST_F(BadQuickMode, OneIdentityAloneIsToldOnceForThePeerHasSaidIt) {
    const Bytes one = message_1(1, true, 3);
    peer.say(one);
    EXPECT_EQ(told(peer), 18) << "INVALID-ID-INFORMATION";
    w.run_for(2s);
    peer.say(one);
    EXPECT_EQ(told(peer), 0);
    // Not when somebody else has made it so.
    peer.say(message_1(2, false, 3));
    EXPECT_EQ(told(peer), 23);
}

TEST_F(BadQuickMode, NobodyIsToldOfWhatComesFromElsewhereInClearOrLate) {
    w.deliver(ip("192.0.2.1"), w.addr_b, message_1(1, false), 4000);
    w.run_for(50ms);
    EXPECT_EQ(told(peer), 0) << "another port";
    peer.say(peer.clear(ExchangeType::QuickMode, peer.quick_mode_1_payloads(1), 2));
    EXPECT_EQ(told(peer), 0) << "in clear";
    ASSERT_NE(peer.quick_mode(0x1000, 3), 0u);
    w.run_for(100s);
    peer.heard.clear();
    peer.say(message_1(3, false));
    EXPECT_EQ(told(peer), 0) << "of a quick mode that has ended";
}

// What an eavesdropper can have us say must not end what the peer has under way.
TEST(Complaints, ThatSomebodyElseMayHaveCausedEndNoQuickMode) {
    LogCapture log;
    World w(3);
    w.wire.delay = 10ms;
    w.acquire(*w.a);
    w.run_for(3s);
    ASSERT_EQ(w.pairs(*w.a), 1u);
    w.a->engine->flush_phase2(0, w.now);
    w.run_for(10s);
    ASSERT_EQ(w.pairs(*w.a), 0u);
    // Message 1 of the next one is held back, and a damaged copy under another id comes first.
    bool caught = false;
    w.tap = [&](const exchange::Datagram& d) {
        if (caught || d.local.addr != w.addr_a || d.bytes[18] != 32) return true;
        caught = true;
        Bytes copy = to_bytes(d.bytes);
        copy[23] ^= 1;
        w.deliver(w.addr_a, w.addr_b, copy);
        return false;
    };
    w.acquire(*w.a, World::kPolicy, 8);
    w.run_for(60s);
    EXPECT_TRUE(caught);
    EXPECT_GE(log.count("the peer answers"), 1u) << log.all();
    EXPECT_TRUE(w.a->acquires.at(8)) << log.all();
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

TEST(Complaints, AWrongProofInMainModeIsToldAndTheRightOneStillCounts) {
    World w(4);
    ScriptedPeer peer(w);
    peer.say(peer.message_1());
    ASSERT_TRUE(peer.take_message_2());
    peer.say(peer.message_3());
    ASSERT_TRUE(peer.take_message_4());
    const exchange::IvChain before = peer.chain;
    auto wrong = peer.message_5_payloads();
    wrong.back().body[0] ^= 1;
    peer.heard.clear();
    const Bytes forged = peer.message_5(wrong);
    peer.chain = before;
    peer.send(forged);
    w.run_for(50ms);
    ASSERT_EQ(peer.heard.size(), 1u);
    EXPECT_LE(peer.heard.front().size(), forged.size());
    EXPECT_EQ(told(peer), 24) << "AUTHENTICATION-FAILED";
    peer.say(forged, 1ms);
    EXPECT_EQ(told(peer), 0) << "once in a second";
    w.run_for(1s);
    peer.heard.clear();
    peer.chain = before;
    peer.say(peer.message_5(peer.message_5_payloads()));
    EXPECT_TRUE(peer.take_message_6());
}

// There an answer would say which identities have a key.
TEST(Complaints, AWrongProofWhereTheIdentityCameFirstIsNotAnswered) {
    ConfigOptions o;
    o.modes = {conf::ExchangeMode::Aggressive};
    for (const bool known : {true, false}) {
        World w(5, o);
        w.b->has_key = [known](ByteView) { return known; };
        ScriptedPeer peer(w);
        peer.say(peer.aggressive_1());
        ASSERT_TRUE(peer.take_aggressive_2());
        peer.heard.clear();
        auto wrong = peer.aggressive_3_payloads();
        wrong.back().body[0] ^= 1;
        wrong.push_back({PayloadType::VendorId, Bytes(100, 1)});  // room for an answer
        peer.say(peer.clear(ExchangeType::Aggressive, wrong), 1s);
        EXPECT_TRUE(peer.heard.empty()) << known;
    }
}

TEST(Complaints, TheCommitBitOfPhaseOneIsRefusedWithoutState) {
    for (const bool stranger : {true, false}) {
        World w(6);
        ScriptedPeer peer(w);
        Bytes said = peer.message_1();
        if (!stranger) {
            peer.say(said);
            ASSERT_TRUE(peer.take_message_2());
            said = peer.message_3();
        }
        peer.heard.clear();
        Bytes bad = said;
        bad[19] |= 2;
        peer.send(bad);
        w.run_for(50ms);
        ASSERT_EQ(peer.heard.size(), 1u);
        EXPECT_LE(peer.heard.front().size(), bad.size());
        EXPECT_EQ(told(peer), -8) << "INVALID-FLAGS, in clear";
        EXPECT_EQ(w.b->engine->load().half_open, stranger ? 0u : 1u);
        for (int i = 0; i < 100; ++i) peer.say(bad, 1ms);
        EXPECT_LE(peer.heard.size(), 20u);
        peer.heard.clear();
        w.run_for(1s);
        peer.say(said);
        EXPECT_EQ(peer.heard.size(), 1u) << "without it all is well";
    }
}

}  // namespace
}  // namespace racoon::sim
