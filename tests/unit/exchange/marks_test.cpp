// if_id and marks: every SA has those of its policy, also after a renewal and under another engine.
#include <gtest/gtest.h>

#include "simulation/world.hpp"
#include "support/log_capture.hpp"

namespace racoon::sim {
namespace {

using test::LogCapture;

const Marks kMarks{7, {0x10, 0xff}, {0x20, 0xf0}};

/// "": each SA of the host has what kMarks gives it, and there are some of either direction.
std::string unmarked(const SimHost& host) {
    bool in = false, out = false;
    for (const auto& [key, sa] : host.sas) {
        (sa.inbound ? in : out) = true;
        const Marks wanted = sa.inbound ? Marks{7, {}, {}} : kMarks;
        if (sa.marks != wanted) return (sa.inbound ? "in: \"" : "out: \"") + sa.marks.text() + "\"";
    }
    return in && out ? "" : "no SAs";
}

TEST(EngineMarks, AreThoseOfThePolicyAndStayWhenSasAreRenewed) {
    LogCapture log;
    ConfigOptions o;
    o.phase2_lifetime = conf::seconds(200);
    auto config = std::make_shared<conf::Config>(*make_config(ip("192.0.2.1"), ip("192.0.2.2"), o));
    for (conf::Policy& p : config->policies) p.marks = kMarks;
    World w(1, config, make_config(ip("192.0.2.2"), ip("192.0.2.1"), o));
    w.acquire(*w.a);
    w.run_for(3s);
    EXPECT_EQ(unmarked(*w.a), "") << log.all();
    for (const auto& [key, sa] : w.b->sas) EXPECT_FALSE(sa.marks.any());
    const auto first = w.a->engine->phase2_status(w.now).at(0).spi_in;
    w.run_for(400s);
    EXPECT_NE(w.a->engine->phase2_status(w.now).at(0).spi_in, first);
    EXPECT_EQ(unmarked(*w.a), "") << log.all();
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

TEST(EngineMarks, OfASainfoAreThoseOfThePoliciesMadeUnderItAlsoForTheNextEngine) {
    LogCapture log;
    ConfigOptions o;
    o.phase2_lifetime = conf::seconds(200);
    ConfigOptions none = o;
    none.policies = 0;
    auto config =
        std::make_shared<conf::Config>(*make_config(ip("192.0.2.2"), ip("192.0.2.1"), none));
    config->remotes[0].generate_policy = conf::GeneratePolicy::Require;
    config->sainfos[0].marks = kMarks;
    World w(1, make_config(ip("192.0.2.1"), ip("192.0.2.2"), o), config);
    w.b->may_make = true;
    w.acquire(*w.a);
    w.run_for(3s);
    ASSERT_EQ(w.b->made.size(), 1u) << log.all();
    EXPECT_EQ(w.b->made.begin()->second.marks, kMarks);
    EXPECT_EQ(unmarked(*w.b), "");
    w.b->restart_engine(config, w.addr_b, false);
    const auto before = w.b->engine->phase2_status(w.now).at(0).spi_in;
    w.run_for(400s);
    ASSERT_FALSE(w.b->engine->phase2_status(w.now).empty());
    EXPECT_NE(w.b->engine->phase2_status(w.now).at(0).spi_in, before);
    EXPECT_EQ(unmarked(*w.b), "") << log.all();
}

}  // namespace
}  // namespace racoon::sim
