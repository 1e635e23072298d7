// `generate_policy`: policies for peers that ask for traffic which no configured policy has.
#include <gtest/gtest.h>

#include "simulation/world.hpp"
#include "support/log_capture.hpp"

namespace racoon::sim {
namespace {

using test::LogCapture;

struct Pair {
    explicit Pair(conf::GeneratePolicy make, ConfigOptions o = {},
                  conf::PeerGone gone = conf::PeerGone::Clear) {
        ConfigOptions none = o;
        none.policies = 0;
        auto config =
            std::make_shared<conf::Config>(*make_config(ip("192.0.2.2"), ip("192.0.2.1"), none));
        config->remotes[0].generate_policy = make;
        config->remotes[0].dpd_action = config->remotes[0].close_action = gone;
        w = std::make_unique<World>(1, make_config(ip("192.0.2.1"), ip("192.0.2.2"), o), config);
        w->b->may_make = true;
    }
    std::unique_ptr<World> w;
};

TEST(GeneratePolicy, IsMadeOfWhatThePeerAsksForAndGoesWithItsLastSa) {
    for (const auto& rules : {std::vector<std::pair<std::uint8_t, bool>>{{50, true}},
                              {{50, false}},
                              {{51, true}},
                              {{50, true}, {51, false}},
                              {{108, true}, {50, false}},
                              {{108, true}, {50, false}, {51, false}}})
        for (const bool complex : {true, false}) {
            LogCapture log;
            ConfigOptions o;
            o.rules = rules;
            o.tunnel = rules[0].second;
            o.complex_bundle = complex;
            o.phase2_lifetime = conf::seconds(200);
            Pair p(conf::GeneratePolicy::Require, o);
            World& w = *p.w;
            w.acquire(*w.a);
            w.run_for(3s);
            ASSERT_EQ(w.compare(), "") << log.all();
            ASSERT_EQ(w.b->sas.size(), rules.size() * 2) << log.all();
            ASSERT_EQ(w.b->made.size(), 1u);
            const auto& made = w.b->made.begin()->second;
            EXPECT_TRUE(made.installed);
            EXPECT_EQ(made.seconds, 200u);
            EXPECT_EQ(made.rules.size(), rules.size());
            for (std::size_t i = 0; i < rules.size(); ++i) {
                EXPECT_EQ(made.rules[i].protocol, rules[i].first);
                EXPECT_EQ(made.rules[i].tunnel, rules[i].second);
            }
            // A renewal uses the same one.
            w.run_for(400s);
            EXPECT_GE(w.b->events_of(0x0201), 2u);
            EXPECT_EQ(w.b->made.size(), 1u);
            EXPECT_EQ(w.compare(), "");
            w.a->engine->flush_phase2(0, w.now);
            w.run_for(20s);
            EXPECT_TRUE(w.b->sas.empty());
            EXPECT_TRUE(w.b->made.empty());
            EXPECT_EQ(w.end_and_find_leaks(), "");
        }
}

TEST(GeneratePolicy, IsNotMadeWhereTheSectionOrTheKeeperSaysNo) {
    for (const bool section : {false, true}) {
        LogCapture log;
        Pair p(section ? conf::GeneratePolicy::Unique : conf::GeneratePolicy::Off);
        World& w = *p.w;
        w.b->may_make = !section;
        w.acquire(*w.a);
        w.run_for(3s);
        EXPECT_TRUE(w.b->sas.empty());
        EXPECT_TRUE(w.b->made.empty());
        EXPECT_EQ(
            log.count(section ? "no policy is made for the peer" : "no suitable policy found"), 1u)
            << log.all();
        EXPECT_EQ(log.count("refused with INVALID-ID-INFORMATION"), 1u) << "and the peer is told";
        EXPECT_FALSE(w.a->acquires.at(7));
        EXPECT_EQ(w.end_and_find_leaks(), "");
    }
}

TEST(GeneratePolicy, AFailureOnTheWayLeavesNone) {
    for (const OpKind kind :
         {OpKind::PolicyMake, OpKind::SpiGet, OpKind::SaInstall, OpKind::PolicyUse}) {
        Pair p(conf::GeneratePolicy::Require);
        World& w = *p.w;
        w.b->fail_next[kind] = 1;
        w.acquire(*w.a);
        w.run_for(30s);
        EXPECT_TRUE(w.b->made.empty());
        EXPECT_TRUE(w.b->sas.empty());
        EXPECT_TRUE(w.a->sas.empty());
        EXPECT_EQ(w.end_and_find_leaks(), "");
    }
}

TEST(GeneratePolicy, StaysWithHoldAndItsTrafficAsksForTheTunnelAgain) {
    for (const conf::PeerGone gone :
         {conf::PeerGone::Clear, conf::PeerGone::Hold, conf::PeerGone::Restart}) {
        Pair p(conf::GeneratePolicy::Require, {}, gone);
        World& w = *p.w;
        w.acquire(*w.a);
        w.run_for(3s);
        ASSERT_EQ(w.b->made.size(), 1u);
        const PolicyId id{w.b->made.begin()->first};
        w.a->engine->flush_phase2(0, w.now);
        w.run_for(30s);
        const bool stays = gone != conf::PeerGone::Clear;
        EXPECT_EQ(w.b->made.size(), stays ? 1u : 0u);
        EXPECT_EQ(w.pairs(*w.b), gone == conf::PeerGone::Restart ? 1u : 0u);
        if (gone == conf::PeerGone::Hold) {
            EXPECT_EQ(w.b->made.at(id.value).seconds, 0u) << "until it is dropped";
            w.acquire(*w.b, id, 77);
            w.run_for(3s);
            EXPECT_EQ(w.pairs(*w.b), 1u) << "begun by the responder of before";
            EXPECT_EQ(w.compare(), "");
        }
        EXPECT_EQ(w.end_and_find_leaks(), "");
    }
}

TEST(GeneratePolicy, AReloadKeepsItUnlessTheSectionMakesNoneAnyMore) {
    for (const bool still : {true, false}) {
        Pair p(conf::GeneratePolicy::Require);
        World& w = *p.w;
        w.acquire(*w.a);
        w.run_for(3s);
        ConfigOptions none;
        none.policies = 0;
        auto config =
            std::make_shared<conf::Config>(*make_config(ip("192.0.2.2"), ip("192.0.2.1"), none));
        config->remotes[0].generate_policy =
            still ? conf::GeneratePolicy::Unique : conf::GeneratePolicy::Off;
        w.b->engine->reconfigure(config, 2, w.now);
        w.run_for(3s);
        EXPECT_EQ(w.pairs(*w.b), still ? 1u : 0u);
        EXPECT_EQ(w.b->made.size(), still ? 1u : 0u);
        EXPECT_EQ(w.compare(), "");
        EXPECT_EQ(w.end_and_find_leaks(), "");
    }
}

}  // namespace
}  // namespace racoon::sim
