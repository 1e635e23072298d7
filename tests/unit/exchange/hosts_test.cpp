// Peers by a host's name: negotiations ask first, wait, follow the name, and say when it has no address.
#include <gtest/gtest.h>

#include "simulation/world.hpp"
#include "support/log_capture.hpp"

namespace racoon::sim {
namespace {

using test::LogCapture;

constexpr const char* kHost = "vpn.example.org";

struct Named {
    explicit Named(std::uint64_t seed, bool start = false, unsigned policies = 1)
        : Named(seed, start, [&] {
              ConfigOptions o;
              o.policies = policies;
              return o;
          }()) {}
    Named(std::uint64_t seed, bool start, const ConfigOptions& o) : w(seed, o) {
        auto config = std::make_shared<conf::Config>(*make_config(w.addr_a, w.addr_b, o));
        conf::Remote& r = config->remotes[0];
        r.name = "hq";
        r.address.reset();
        r.host = kHost;
        r.start = start;
        w.a->resolve = [this](const exchange::Resolve& question) {
            asked.push_back(question);
            if (!answer) return Status(fail(answer.error()));
            if (!question.section.empty()) w.a->engine->hosts({{kHost, *answer}}, w.now);
            return ok();
        };
        w.a->engine->reconfigure(config, 2, w.now);
    }
    void establish() {
        w.a->engine->establish_phase1({}, "hq", w.now, [this](const Status& s) {
            heard.push_back(s ? "ok" : s.error().text());
        });
    }
    World w;
    Result<std::vector<IpAddr>> answer = std::vector<IpAddr>{ip("192.0.2.2")};
    std::vector<exchange::Resolve> asked;
    std::vector<std::string> heard;
};

TEST(Hosts, ANegotiationByNameAsksFirstAndGoesWhereTheNamePoints) {
    Named n(1);
    n.establish();
    EXPECT_EQ(n.w.a->packets_out, 0u) << "not before the answer";
    n.w.run_for(2s);
    ASSERT_EQ(n.asked.size(), 1u);
    EXPECT_EQ(n.asked[0].section, "hq");
    EXPECT_EQ(n.asked[0].generation, 2u);
    EXPECT_FALSE(n.asked[0].again);
    EXPECT_EQ(n.heard, std::vector<std::string>{"ok"});
    ASSERT_EQ(n.w.a->engine->phase1_status(n.w.now).size(), 1u);
    EXPECT_EQ(n.w.a->engine->phase1_status(n.w.now)[0].remote.addr, n.w.addr_b);
    n.establish();
    n.w.run_for(1s);
    EXPECT_EQ(n.heard.size(), 2u) << "the one that is up serves";
    EXPECT_EQ(n.w.a->engine->phase1_status(n.w.now).size(), 1u);
    EXPECT_EQ(n.w.end_and_find_leaks(), "");
}

TEST(Hosts, ANameWithoutAnAddressIsToldToWhoAsked) {
    Named n(2);
    n.answer = fail(Errc::NotFound, "cannot resolve vpn.example.org: Name or service not known");
    n.establish();
    n.establish();
    n.w.run_for(1s);
    EXPECT_EQ(n.asked.size(), 1u) << "one question for both";
    EXPECT_EQ(n.heard, std::vector<std::string>(
                           2, "cannot resolve vpn.example.org: Name or service not known"));
    EXPECT_EQ(n.w.a->packets_out, 0u);
    EXPECT_EQ(n.w.end_and_find_leaks(), "");
}

TEST(Hosts, AnAcquireForTheAddressOfAHostAsksAgainBeforeItNegotiates) {
    Named n(3);
    n.w.a->engine->hosts({{kHost, {n.w.addr_b}}}, n.w.now);
    n.w.acquire(*n.w.a);
    n.w.run_for(2s);
    EXPECT_EQ(n.asked.size(), 1u);
    EXPECT_EQ(n.w.pairs(*n.w.a), 1u);
    EXPECT_TRUE(n.w.a->acquires.at(7));
    EXPECT_EQ(n.w.compare(), "");
    EXPECT_EQ(n.w.end_and_find_leaks(), "");
}

TEST(Hosts, WhatWaitsForAnAnswerThatNeverComesEndsAllTheSame) {
    Named n(4);
    n.w.a->engine->hosts({{kHost, {n.w.addr_b}}}, n.w.now);
    n.w.a->answer_ops = false;
    n.w.acquire(*n.w.a);
    n.w.run_for(100s);
    EXPECT_FALSE(n.w.a->acquires.at(7));
}

TEST(Hosts, AnAddressThatMovesTakesNewNegotiationsAlongAndLeavesWhatIsUp) {
    Named n(5);
    n.establish();
    n.w.run_for(2s);
    n.answer = std::vector<IpAddr>{ip("192.0.2.99")};
    n.w.a->engine->hosts({{kHost, *n.answer}}, n.w.now);
    EXPECT_EQ(n.w.a->engine->phase1_status(n.w.now).size(), 1u) << "no reason to end what works";
    std::set<std::string> to;
    n.w.tap = [&](const exchange::Datagram& d) {
        to.insert(d.remote.addr.text());
        return true;
    };
    n.establish();
    n.w.run_for(1s);
    EXPECT_TRUE(to.contains("192.0.2.99"));
}

TEST(Hosts, ATimeOutMakesTheNextQuestionInsist) {
    Named n(6);
    n.w.tap = [](const exchange::Datagram&) { return false; };
    n.establish();
    n.w.run_for(200s);
    n.establish();
    n.w.run_for(1s);
    ASSERT_EQ(n.asked.size(), 2u);
    EXPECT_TRUE(n.asked[1].again);
}

TEST(Hosts, APacketOfAnUnknownAddressHasTheNamesLookedUpButNotTwiceInAMoment) {
    Named n(7);
    n.w.a->engine->hosts({{kHost, {ip("192.0.2.99")}}}, n.w.now);
    n.w.acquire(*n.w.b);
    n.w.run_for(20s);
    ASSERT_EQ(n.asked.size(), 1u) << "of several packets";
    EXPECT_EQ(n.asked[0].section, "");
    n.w.a->engine->hosts({{kHost, {n.w.addr_b}}}, n.w.now);
    n.w.run_for(30s);
    EXPECT_EQ(n.w.pairs(*n.w.b), 1u) << "the peer's next try finds its section";
}

TEST(Hosts, StartOnFollowsANameThatGetsItsAddressLater) {
    Named n(8, true, 0);
    n.answer = fail(Errc::NotFound, "cannot resolve vpn.example.org: no answer within 10 s");
    n.w.run_for(60s);
    EXPECT_EQ(n.w.a->engine->phase1_status(n.w.now).size(), 0u);
    n.answer = std::vector<IpAddr>{n.w.addr_b};
    n.w.run_for(90s);
    EXPECT_EQ(n.w.a->engine->phase1_status(n.w.now).size(), 1u);
}

TEST(Hosts, StartOnBringsThePoliciesUpOnceTheNameIsKnown) {
    Named n(9, true, 2);
    n.w.run_for(5s);
    n.w.a->engine->hosts({{kHost, {n.w.addr_b}}}, n.w.now);
    n.w.run_for(5s);
    EXPECT_EQ(n.w.pairs(*n.w.a), 2u);
    EXPECT_EQ(n.w.compare(), "");
}

}  // namespace
}  // namespace racoon::sim
