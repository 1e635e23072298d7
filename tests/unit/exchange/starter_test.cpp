// `start on`: tunnels that nobody asks for by a packet.
#include <gtest/gtest.h>

#include "simulation/world.hpp"

namespace racoon::sim {
namespace {

struct Started {
    explicit Started(std::uint64_t seed, ConfigOptions o = {}, bool both = false)
        : options(o), w(seed, o) {
        reload(*w.a);
        if (both) reload(*w.b);
    }
    void reload(SimHost& h, bool start = true) {
        const bool is_a = &h == w.a.get();
        auto config = std::make_shared<conf::Config>(
            *make_config(is_a ? w.addr_a : w.addr_b, is_a ? w.addr_b : w.addr_a, options));
        config->remotes[0].start = start;
        h.engine->reconfigure(config, ++generation, w.now);
    }
    void cut() {
        w.tap = [](const exchange::Datagram&) { return false; };
    }
    void mend() { w.tap = nullptr; }
    ConfigOptions options;
    World w;
    std::uint32_t generation = 1;
};

TEST(Starter, BringsUpEveryPolicyOfTheRemoteAndNothingElseIsNeeded) {
    ConfigOptions o;
    o.policies = 3;
    Started s(1, o);
    s.w.run_for(2s);
    EXPECT_EQ(s.w.pairs(*s.w.a), 3u);
    EXPECT_EQ(s.w.compare(), "");
    EXPECT_EQ(s.w.end_and_find_leaks(), "");
}

TEST(Starter, IsOffUnlessAskedFor) {
    World w(2);
    w.a->engine->start_tunnels(w.now);
    w.run_for(10s);
    EXPECT_EQ(w.a->packets_out, 0u);
}

TEST(Starter, ManyTunnelsToOnePeerComeUpUnderOneIsakmpSa) {
    ConfigOptions o;
    o.policies = 100;
    Started s(3, o);
    s.w.run_for(10s);
    EXPECT_EQ(s.w.pairs(*s.w.a), 100u);
    EXPECT_EQ(s.w.a->engine->phase1_status(s.w.now).size(), 1u);
}

TEST(Starter, BothEndsMayWantIt) {
    for (std::uint64_t seed = 10; seed < 30; ++seed) {
        Started s(seed, {}, true);
        s.w.run_for(60s);
        EXPECT_EQ(s.w.pairs(*s.w.a), 1u) << seed;
        EXPECT_EQ(s.w.compare(), "") << seed;
    }
}

TEST(Starter, APeerThatDoesNotAnswerIsTriedAgainWithPauses) {
    Started s(4);
    s.cut();
    s.w.run_for(600s);
    EXPECT_GE(s.w.a->events_of(0x0102), 4u);
    EXPECT_LE(s.w.a->packets_out, 120u) << "ten minutes";
    s.mend();
    s.w.run_for(150s);
    EXPECT_EQ(s.w.pairs(*s.w.a), 1u);
    EXPECT_EQ(s.w.end_and_find_leaks(), "");
}

TEST(Starter, ADeadPeersTunnelComesUpAgainWhenItIsBack) {
    ConfigOptions o;
    o.dpd = {true, conf::seconds(2), conf::seconds(1), 3};
    Started s(5, o);
    s.w.run_for(5s);
    ASSERT_EQ(s.w.pairs(*s.w.a), 1u);
    s.cut();
    s.w.run_for(20s);
    ASSERT_EQ(s.w.pairs(*s.w.a), 0u);
    s.mend();
    s.w.run_for(150s);
    EXPECT_EQ(s.w.pairs(*s.w.a), 1u);
    EXPECT_EQ(s.w.compare(), "");
}

TEST(Starter, WhatThePeerDeletesComesUpAgainButNotInACircle) {
    Started s(6);
    s.w.run_for(2s);
    std::size_t ups = s.w.a->events_of(0x0201);
    ASSERT_EQ(ups, 1u);
    // A peer that deletes whatever comes up, every second for five minutes.
    for (int i = 0; i < 300; ++i) {
        s.w.b->engine->flush_phase2(0, s.w.now);
        s.w.run_for(1s);
    }
    ups = s.w.a->events_of(0x0201);
    EXPECT_GE(ups, 4u);
    EXPECT_LE(ups, 12u);
    s.w.run_for(90s);
    EXPECT_EQ(s.w.pairs(*s.w.a), 1u);
}

TEST(Starter, WhatTheAdministratorTakesDownStaysDownUntilAReload) {
    Started s(7);
    s.w.run_for(2s);
    s.w.a->engine->flush_phase2(0, s.w.now);
    s.w.run_for(300s);
    EXPECT_EQ(s.w.pairs(*s.w.a), 0u);
    s.reload(*s.w.a);
    s.w.run_for(2s);
    EXPECT_EQ(s.w.pairs(*s.w.a), 1u);
}

TEST(Starter, EndsWithTheWordThatAskedForIt) {
    Started s(8);
    s.cut();
    s.w.run_for(5s);
    s.reload(*s.w.a, false);
    s.w.run_for(100s);
    const auto packets = s.w.a->packets_out;
    s.w.run_for(600s);
    EXPECT_EQ(s.w.a->packets_out, packets);
}

TEST(Starter, ARemoteWithoutPoliciesGetsItsIsakmpSa) {
    ConfigOptions o;
    o.policies = 0;
    Started s(9, o);
    s.w.run_for(2s);
    ASSERT_EQ(s.w.a->engine->phase1_status(s.w.now).size(), 1u);
    s.w.b->engine->flush_phase1(s.w.now);
    s.w.run_for(30s);
    EXPECT_EQ(s.w.a->engine->phase1_status(s.w.now).size(), 1u) << "and again when it is lost";
}

TEST(Starter, LivesThroughRenewals) {
    ConfigOptions o;
    o.phase1_lifetime = conf::seconds(300);
    o.phase2_lifetime = conf::seconds(120);
    Started s(31, o);
    s.w.run_for(3600s);
    EXPECT_EQ(s.w.compare(), "");
    EXPECT_GE(s.w.pairs(*s.w.a), 1u);
    EXPECT_LE(s.w.a->events_of(0x0201), 60u);
    EXPECT_EQ(s.w.end_and_find_leaks(), "");
}

}  // namespace
}  // namespace racoon::sim
