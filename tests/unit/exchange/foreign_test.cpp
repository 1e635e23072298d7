// Policies that others have put into the kernel: they are served as the configuration's are, and come and go.
#include <gtest/gtest.h>
#include <racoon/plugin.h>

#include <algorithm>

#include "simulation/world.hpp"
#include "support/log_capture.hpp"

namespace racoon::sim {
namespace {

using exchange::ForeignPolicies;
using test::LogCapture;
using Policies = std::vector<std::shared_ptr<const conf::Policy>>;

constexpr PolicyId kForeign{RACOON_FOREIGN_POLICY_FIRST};
constexpr PolicyId kOther{RACOON_FOREIGN_POLICY_FIRST + 1};

/// Two hosts whose configurations have no policies, while their kernels have.
struct Hosts {
    /// `start`: a's section says `start on`.
    explicit Hosts(ConfigOptions o = {}, bool start = false) : options(o) {
        const IpAddr a = ip("192.0.2.1"), b = ip("192.0.2.2");
        auto of_a = std::make_shared<conf::Config>(*bare(a, b));
        of_a->remotes[0].start = start;
        w = std::make_unique<World>(1, of_a, bare(b, a));
        if (start) w->a->engine->start_tunnels(w->now);
        tell(*w->a, {policy(*w->a)});
        tell(*w->b, {policy(*w->b)});
    }
    /// What a host is configured for: everything but policies.
    conf::ConfigPtr bare(const IpAddr& own, const IpAddr& peer) const {
        ConfigOptions none = options;
        none.policies = 0;
        return make_config(own, peer, none);
    }
    std::shared_ptr<conf::Policy> policy(const SimHost& of, PolicyId id = kForeign,
                                         unsigned index = 0) const {
        ConfigOptions o = options;
        o.policies = index + 1;
        const IpAddr& own = &of == w->a.get() ? w->addr_a : w->addr_b;
        const IpAddr& peer = &of == w->a.get() ? w->addr_b : w->addr_a;
        auto out = std::make_shared<conf::Policy>(make_config(own, peer, o)->policies[index]);
        out->id = id;
        for (conf::PolicyTemplate& t : out->templates) {
            t.reqid = ReqId{16401};
            t.reqid_in = ReqId{16402};
        }
        return out;
    }
    void tell(SimHost& host, Policies list) const {
        host.engine->foreign_policies(std::make_shared<const Policies>(std::move(list)), w->now);
    }
    ConfigOptions options;
    std::unique_ptr<World> w;
};

TEST(ForeignPolicy, IsServedFromBothEndsWithTheRequestIdsOfItsDirections) {
    LogCapture log;
    Hosts p;
    World& w = *p.w;
    w.acquire(*w.a, kForeign);
    w.run_for(3s);
    ASSERT_EQ(w.compare(), "") << log.all();
    ASSERT_EQ(w.a->sas.size(), 2u) << log.all();
    EXPECT_TRUE(w.a->acquires.at(7));
    for (const SimHost* host : {w.a.get(), w.b.get()})
        for (const auto& [key, sa] : host->sas) {
            EXPECT_EQ(sa.policy, kForeign);
            EXPECT_EQ(sa.reqid, ReqId{sa.inbound ? 16402u : 16401u});
        }
    // From the other end, and by the administrator, whose selector finds it.
    w.b->engine->flush_phase2(0, w.now);
    w.run_for(1s);
    Status up = fail(Errc::Internal, "not called");
    w.b->engine->establish_phase2(p.policy(*w.b)->selector, w.now,
                                  [&](const Status& s) { up = s; });
    w.run_for(3s);
    EXPECT_TRUE(up) << log.all();
    EXPECT_EQ(w.compare(), "");
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

TEST(ForeignPolicy, IsRenewedAsLongAsItIsThere) {
    LogCapture log;
    ConfigOptions o;
    o.phase2_lifetime = conf::seconds(100);
    Hosts p(o);
    World& w = *p.w;
    w.acquire(*w.a, kForeign);
    w.run_for(250s);
    EXPECT_GE(w.a->events_of(0x0201), 2u) << log.all();
    EXPECT_EQ(w.compare(), "");
    // What others change beside it makes no difference.
    p.tell(*w.a, {p.policy(*w.a, kOther, 1), p.policy(*w.a)});
    const std::size_t before = w.a->events_of(0x0201);
    w.run_for(150s);
    EXPECT_GT(w.a->events_of(0x0201), before);

    p.tell(*w.a, {p.policy(*w.a, kOther, 1)});
    p.tell(*w.b, {});
    EXPECT_GE(w.a->sas.size(), 2u) << "its SAs stay";
    w.run_for(200s);
    EXPECT_TRUE(w.a->sas.empty()) << "until they expire";
    EXPECT_TRUE(w.b->sas.empty());
    EXPECT_GE(log.count("is not renewed: its policy was removed"), 1u) << log.all();
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

TEST(ForeignPolicy, ThatComesBackFindsItsSas) {
    ConfigOptions o;
    o.phase2_lifetime = conf::seconds(100);
    Hosts p(o);
    World& w = *p.w;
    w.acquire(*w.a, kForeign);
    w.run_for(3s);
    for (SimHost* host : {w.a.get(), w.b.get()}) p.tell(*host, {});
    w.run_for(3s);
    for (SimHost* host : {w.a.get(), w.b.get()}) p.tell(*host, {p.policy(*host)});
    w.run_for(250s);
    EXPECT_GE(w.a->events_of(0x0201), 2u) << "they are renewed";
    EXPECT_EQ(w.compare(), "");
    EXPECT_EQ(w.pairs(*w.a), 1u);
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

TEST(ForeignPolicy, ThatHasGoneIsAskedForInVain) {
    LogCapture log;
    Hosts p;
    World& w = *p.w;
    p.tell(*w.a, {});
    w.acquire(*w.a, kForeign);
    w.run_for(1s);
    EXPECT_FALSE(w.a->acquires.at(7));
    EXPECT_EQ(w.a->packets_out, 0u);
    // Here the peer has none for what is asked.
    p.tell(*w.a, {p.policy(*w.a)});
    p.tell(*w.b, {});
    w.acquire(*w.a, kForeign, 8);
    w.run_for(60s);
    EXPECT_FALSE(w.a->acquires.at(8));
    EXPECT_GE(log.count("no suitable policy found"), 1u) << log.all();
    EXPECT_TRUE(w.b->sas.empty());
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

TEST(ForeignPolicy, GoesWhileItIsNegotiated) {
    // While phase 1 runs, while quick mode does, and while the SAs are being installed.
    for (const auto& when : {5ms, 15ms, 25ms, 35ms, 45ms, 55ms, 65ms, 75ms, 85ms, 95ms}) {
        for (const bool at_initiator : {true, false}) {
            LogCapture log;
            Hosts p;
            World& w = *p.w;
            w.acquire(*w.a, kForeign);
            w.run_for(when);
            p.tell(at_initiator ? *w.a : *w.b, {});
            w.run_for(90s);
            EXPECT_EQ(w.a->acquires.count(7), 1u);
            EXPECT_EQ(w.compare(), "") << log.all();
            EXPECT_FALSE(w.stuck);
            EXPECT_EQ(w.end_and_find_leaks(), "") << log.all();
        }
    }
}

TEST(ForeignPolicy, OfAnEarlierTimeIsKeptByNothing) {
    // Each list has all that there were, and changes may come twenty times in a second: before, while and after
    // quick modes run, of which each goes on for a while when it has ended.
    Hosts p;
    World& w = *p.w;
    std::vector<std::weak_ptr<const Policies>> lists;
    const auto alive = [&] {
        return std::count_if(lists.begin(), lists.end(),
                             [](const auto& l) { return !l.expired(); });
    };
    for (unsigned round = 0; round < 3; ++round) {
        w.acquire(*w.a, kForeign, 7 + round);
        for (unsigned i = 0; i < 100; ++i) {
            for (SimHost* host : {w.a.get(), w.b.get()}) {
                Policies list = {p.policy(*host)};
                if (i % 2 == 0) list.push_back(p.policy(*host, kOther, 1));
                auto whole = std::make_shared<const Policies>(std::move(list));
                lists.push_back(whole);
                host->engine->foreign_policies(std::move(whole), w.now);
            }
            w.run_for(4ms);
            ASSERT_LE(alive(), 2) << "one for each host, after " << i * 4 << " ms";
        }
        w.run_for(1s);
        EXPECT_EQ(w.pairs(*w.a), 1u);
        EXPECT_EQ(w.compare(), "");
        w.b->engine->flush_phase2(0, w.now);
        w.run_for(1s);
    }
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

TEST(ForeignPolicy, OutlivesAReloadAndAnotherEngine) {
    LogCapture log;
    Hosts p;
    World& w = *p.w;
    w.acquire(*w.a, kForeign);
    w.run_for(3s);
    const auto counts = w.a->engine->reconfigure(p.bare(w.addr_a, w.addr_b), 2, w.now);
    EXPECT_EQ(counts.phase2_kept, 1u) << log.all();
    EXPECT_EQ(counts.phase2_deleted, 0u);
    w.acquire(*w.a, kForeign, 9);
    w.run_for(1s);
    EXPECT_TRUE(w.a->acquires.at(9));
    EXPECT_EQ(w.compare(), "");
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

TEST(ForeignPolicy, WhoseSasShallHaveAnotherOutputMarkGetsOthers) {
    LogCapture log;
    Hosts p;
    World& w = *p.w;
    w.acquire(*w.a, kForeign);
    w.run_for(3s);
    ASSERT_EQ(w.pairs(*w.a), 1u);
    auto marked = p.policy(*w.a);
    marked->marks.output_mark = {7, 0xff};
    p.tell(*w.a, {marked});
    w.run_for(1s);
    EXPECT_EQ(w.pairs(*w.a), 0u);
    EXPECT_EQ(w.pairs(*w.b), 0u) << "the peer is told";
    w.acquire(*w.a, kForeign, 8);
    w.run_for(3s);
    EXPECT_TRUE(w.a->acquires.at(8)) << log.all();
    ASSERT_EQ(w.a->sas.size(), 2u);
    for (const auto& [key, sa] : w.a->sas)
        EXPECT_EQ(sa.marks.output_mark.given(), !sa.inbound) << "of what goes out";
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

TEST(ForeignPolicy, StartsWithItsSection) {
    Hosts p({}, true);
    World& w = *p.w;
    w.run_for(10s);
    EXPECT_EQ(w.pairs(*w.a), 1u);
    EXPECT_EQ(w.compare(), "");
    p.tell(*w.a, {});
    w.a->engine->flush_phase2(0, w.now);
    w.run_for(200s);
    EXPECT_EQ(w.pairs(*w.a), 0u);
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

TEST(ForeignPolicy, OfTransportModeWithoutAPeerTakesThePackets) {
    ConfigOptions o;
    o.tunnel = false;
    Hosts p(o);
    World& w = *p.w;
    auto open = p.policy(*w.a);
    EXPECT_TRUE(open->templates[0].remote.is_any());
    w.acquire(*w.a, kForeign);
    w.run_for(3s);
    EXPECT_EQ(w.pairs(*w.a), 1u);
    EXPECT_EQ(w.compare(), "");
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

}  // namespace
}  // namespace racoon::sim
