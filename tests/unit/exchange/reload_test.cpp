// A new configuration while SAs are up or on their way: what is unchanged stays, what is changed is matched
// again, what no section takes any more goes, and the peer hears of it.
#include <gtest/gtest.h>

#include "simulation/world.hpp"
#include "support/log_capture.hpp"

namespace racoon::sim {
namespace {

using test::LogCapture;
using Change = std::function<void(conf::Config&)>;

/// A tunnel between two hosts; the first of them is reloaded.
struct Tunnel {
    explicit Tunnel(std::uint64_t seed, ConfigOptions o = {}) : options(o), w(seed, o) {}
    void up() {
        for (unsigned i = 1; i <= options.policies; ++i) w.acquire(*w.a, PolicyId{i}, i);
        w.run_for(2s);
        ASSERT_EQ(w.pairs(*w.a), options.policies);
        sas = spis();
    }
    exchange::ReloadCounts reload(const Change& change) {
        auto config = std::make_shared<conf::Config>(*make_config(w.addr_a, w.addr_b, options));
        change(*config);
        const auto counts = w.a->engine->reconfigure(config, ++generation, w.now);
        w.run_for(1s);
        return counts;
    }
    std::set<std::uint32_t> spis() const {
        std::set<std::uint32_t> out;
        for (const auto& [key, sa] : w.a->sas) out.insert(std::get<1>(key));
        return out;
    }
    std::string section() const {
        const auto status = w.a->engine->phase1_status(w.now);
        return status.empty() ? "none" : status.front().section;
    }
    ConfigOptions options;
    World w;
    std::uint32_t generation = 1;
    std::set<std::uint32_t> sas;
};

ConfigOptions with(conf::ProposalCheck check) {
    ConfigOptions o;
    o.check = check;
    return o;
}

TEST(Reload, AnUnchangedConfigurationTouchesNothingAndSendsNothing) {
    Tunnel t(1);
    t.up();
    const auto packets = t.w.a->packets_out;
    const auto counts = t.reload([](conf::Config&) {});
    EXPECT_EQ(counts.phase1_kept, 1u);
    EXPECT_EQ(counts.phase2_kept, 1u);
    EXPECT_EQ(counts.phase1_deleted + counts.phase2_deleted, 0u);
    EXPECT_EQ(t.spis(), t.sas);
    EXPECT_EQ(t.w.a->packets_out, packets);
    EXPECT_EQ(t.w.a->op_count[OpKind::SaDelete], 0u);
    EXPECT_EQ(t.w.end_and_find_leaks(), "");
}

TEST(Reload, AnotherSectionBesideChangesNothingForOthers) {
    Tunnel t(2);
    t.up();
    // A tie that a search would meet does not concern an SA whose own section stands as it stood.
    const auto counts = t.reload([](conf::Config& c) {
        conf::Remote twin = c.remotes[0];
        twin.name = "twin";
        c.remotes.push_back(twin);
    });
    EXPECT_EQ(counts.phase1_kept, 1u);
    EXPECT_EQ(t.spis(), t.sas);
}

TEST(Reload, ARenamedSectionIsFoundAgainAndTheKeeperFollows) {
    LogCapture log;
    Tunnel t(3);
    t.up();
    const auto counts = t.reload([](conf::Config& c) { c.remotes[0].name = "hq"; });
    EXPECT_EQ(counts.phase1_kept, 1u);
    EXPECT_EQ(counts.phase2_kept, 1u);
    EXPECT_EQ(t.section(), "hq");
    EXPECT_EQ(t.spis(), t.sas);
    ASSERT_EQ(t.w.a->sections.size(), 1u);
    EXPECT_EQ(t.w.a->sections.begin()->second, "hq");
    EXPECT_EQ(log.count("belongs to remote \"hq\" now"), 1u) << log.all();
}

TEST(Reload, TheExchangeThatMadeTheSaMustStillBeAllowed) {
    for (const bool allowed : {true, false}) {
        ConfigOptions o;
        o.modes = {conf::ExchangeMode::Aggressive, conf::ExchangeMode::Main};
        Tunnel t(50, o);
        t.up();
        const auto counts = t.reload([&](conf::Config& c) {
            c.remotes[0].nonce_size = 32;
            if (!allowed) c.remotes[0].modes = {conf::ExchangeMode::Main};
        });
        EXPECT_EQ(counts.phase1_kept, allowed ? 1u : 0u);
        EXPECT_EQ(t.spis() == t.sas, allowed);
    }
}

TEST(Reload, AChangedSectionThatAcceptsWhatWasAgreedKeepsTheSa) {
    Tunnel t(4, with(conf::ProposalCheck::Strict));
    t.up();
    const auto counts = t.reload([](conf::Config& c) {
        c.remotes[0].proposals[0].lifetime += std::chrono::hours(1);
        c.remotes[0].nonce_size = 32;
    });
    EXPECT_EQ(counts.phase1_kept, 1u);
    EXPECT_EQ(t.spis(), t.sas);
}

TEST(Reload, AChangedSectionThatDoesNotAcceptItEndsTheIsakmpSaAndWhatIsUnderItAtBothEnds) {
    LogCapture log;
    Tunnel t(5, with(conf::ProposalCheck::Strict));
    t.up();
    const auto counts =
        t.reload([](conf::Config& c) { c.remotes[0].proposals[0].lifetime = conf::seconds(100); });
    EXPECT_EQ(counts.phase1_deleted, 1u);
    EXPECT_EQ(counts.phase2_deleted, 1u);
    EXPECT_TRUE(t.w.a->sas.empty());
    EXPECT_TRUE(t.w.b->sas.empty()) << "not one end alone";
    EXPECT_EQ(t.w.b->events_of(0x0106), 1u) << "the peer was told";
    EXPECT_GE(log.count("no longer accepts what was agreed"), 1u) << log.all();
}

TEST(Reload, AnIdentityThatIsNoLongerWantedTakesEverythingOfThePeerAlong) {
    LogCapture log;
    Tunnel t(6);
    t.up();
    const auto counts = t.reload([](conf::Config& c) {
        conf::IdentitySpec id;
        id.type = 2;
        id.value = "somebody.else";
        c.remotes[0].peers_identifiers = {id};
        c.remotes[0].verify_identifier = true;
    });
    EXPECT_EQ(counts.phase1_deleted, 1u);
    EXPECT_EQ(counts.phase2_deleted, 1u);
    EXPECT_TRUE(t.w.a->sas.empty());
    EXPECT_TRUE(t.w.b->sas.empty()) << "the peer was told";
    EXPECT_EQ(t.w.end_and_find_leaks(), "");
}

TEST(Reload, SectionsThatMatchEquallyEndTheSaAndTheLogNamesBoth) {
    LogCapture log;
    Tunnel t(7);
    t.up();
    t.reload([](conf::Config& c) {
        conf::Remote twin = c.remotes[0];
        c.remotes[0].name = "one";
        twin.name = "two";
        c.remotes.push_back(twin);
    });
    EXPECT_EQ(t.section(), "none");
    EXPECT_GE(log.count("remote sections \"one\""), 1u) << log.all();
}

TEST(Reload, ARemovedSectionTakesItsSasAlong) {
    Tunnel t(8);
    t.up();
    const auto counts = t.reload([](conf::Config& c) { c.remotes.clear(); });
    EXPECT_EQ(counts.phase1_deleted, 1u);
    EXPECT_EQ(counts.phase2_deleted, 1u);
    EXPECT_TRUE(t.w.a->sas.empty());
    EXPECT_TRUE(t.w.b->sas.empty());
}

TEST(Reload, ASainfoThatNoLongerAcceptsAnSaEndsItUnderTheRuleOfItsPhase1) {
    struct Case {
        conf::ProposalCheck check;
        Change change;
        bool stays;
    };
    const Change shorter = [](conf::Config& c) { c.sainfos[0].lifetime = conf::seconds(600); };
    const Change longer = [](conf::Config& c) { c.sainfos[0].lifetime = conf::seconds(7200); };
    const Change other = [](conf::Config& c) {
        c.sainfos[0].encryption = {{&catalog().gcm, std::uint16_t{256}}};
    };
    const Change pfs = [](conf::Config& c) { c.sainfos[0].pfs_group = &catalog().other_group; };
    const Change gone = [](conf::Config& c) { c.sainfos.clear(); };
    const std::vector<Case> cases{
        {conf::ProposalCheck::Obey, shorter, true},  {conf::ProposalCheck::Strict, shorter, false},
        {conf::ProposalCheck::Strict, longer, true}, {conf::ProposalCheck::Exact, longer, false},
        {conf::ProposalCheck::Obey, other, false},   {conf::ProposalCheck::Obey, pfs, true},
        {conf::ProposalCheck::Claim, pfs, false},    {conf::ProposalCheck::Obey, gone, false},
    };
    for (std::size_t i = 0; i < cases.size(); ++i) {
        Tunnel t(20 + i, with(cases[i].check));
        t.up();
        const auto counts = t.reload(cases[i].change);
        EXPECT_EQ(counts.phase1_kept, 1u) << i;
        EXPECT_EQ(counts.phase2_kept, cases[i].stays ? 1u : 0u) << i;
        EXPECT_EQ(t.spis() == t.sas, cases[i].stays) << i;
        EXPECT_EQ(t.w.b->sas.empty(), !cases[i].stays) << i;
    }
}

TEST(Reload, WithoutAPhase1AChangedSainfoIsHeldAgainstItExactly) {
    Tunnel t(40);
    t.up();
    t.w.a->engine->flush_phase1(t.w.now);
    // The peer keeps its SAs only while it has an ISAKMP SA; what counts here is this end.
    const auto counts =
        t.reload([](conf::Config& c) { c.sainfos[0].lifetime += conf::seconds(1); });
    EXPECT_EQ(counts.phase2_kept, 0u);
}

TEST(Reload, ARemovedPolicyTakesItsSasAndItsNegotiationAlong) {
    ConfigOptions o;
    o.policies = 3;
    Tunnel t(41, o);
    t.w.acquire(*t.w.a, PolicyId{1}, 1);
    t.w.acquire(*t.w.a, PolicyId{2}, 2);
    t.w.run_for(2s);
    t.w.acquire(*t.w.a, PolicyId{3}, 3);  // only begun
    const auto counts = t.reload([](conf::Config& c) { c.policies.resize(1); });
    EXPECT_EQ(counts.phase2_kept, 1u);
    EXPECT_EQ(counts.phase2_deleted, 1u);
    t.w.run_for(60s);
    EXPECT_EQ(t.w.pairs(*t.w.a), 1u);
    EXPECT_EQ(t.w.compare(), "");
    EXPECT_FALSE(t.w.a->acquires.at(3)) << "the kernel hears how it ended";
    EXPECT_EQ(t.w.end_and_find_leaks(), "");
}

TEST(Reload, AtAnyMomentOfANegotiationTheTunnelComesUpAllTheSame) {
    // The same configuration, or one that makes it begin again.
    for (const bool changed : {false, true})
        for (int ms = 0; ms < 120; ms += 3) {
            Tunnel t(100 + static_cast<std::uint64_t>(ms));
            t.w.acquire(*t.w.a, PolicyId{1}, 1);
            t.w.run_for(std::chrono::milliseconds(ms));
            t.reload([&](conf::Config& c) {
                if (changed) c.remotes[0].nonce_size = 32;
            });
            t.w.run_for(20s);
            EXPECT_GE(t.w.pairs(*t.w.a), 1u) << ms << " " << changed;
            EXPECT_EQ(t.w.compare(), "") << ms << " " << changed;
            EXPECT_TRUE(t.w.a->acquires.at(1)) << ms << " " << changed;
            EXPECT_EQ(t.w.end_and_find_leaks(), "") << ms << " " << changed;
        }
}

TEST(Reload, WhatWasNegotiatedMeanwhileIsJudgedByTheConfigurationInForce) {
    // The policy goes while quick mode runs, or the section while main mode does.
    for (int ms = 1; ms < 120; ms += 3) {
        Tunnel t(300 + static_cast<std::uint64_t>(ms));
        t.w.acquire(*t.w.b, PolicyId{1}, 1);  // a is the responder
        t.w.run_for(std::chrono::milliseconds(ms));
        t.reload([](conf::Config& c) {
            c.policies.clear();
            c.sainfos.clear();
        });
        t.w.run_for(20s);
        EXPECT_EQ(t.w.pairs(*t.w.a), 0u) << ms;
        EXPECT_TRUE(t.w.a->sas.empty()) << ms;
        EXPECT_EQ(t.w.end_and_find_leaks(), "") << ms;
    }
}

TEST(Reload, DeadPeerDetectionFollows) {
    Tunnel t(60);
    t.up();
    t.reload([](conf::Config& c) {
        c.remotes[0].dpd = {true, conf::seconds(2), conf::seconds(1), 3};
    });
    t.w.tap = [](const exchange::Datagram&) { return false; };
    t.w.run_for(10s);
    EXPECT_EQ(t.w.a->events_of(0x0105), 1u) << "the peer is found dead";
    EXPECT_TRUE(t.w.a->sas.empty());
}

TEST(Reload, AThousandOfThemLeaveTheTunnelAsItIs) {
    Tunnel t(61);
    t.up();
    for (int i = 0; i < 1000; ++i) {
        t.reload([&](conf::Config& c) { c.remotes[0].name = i % 2 == 0 ? "odd" : "even"; });
        ASSERT_EQ(t.spis(), t.sas) << i;
    }
    EXPECT_EQ(t.w.end_and_find_leaks(), "");
}

}  // namespace
}  // namespace racoon::sim
