// An engine that dies: the next one goes on with its pairs of IPsec SAs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "simulation/world.hpp"
#include "support/log_capture.hpp"

namespace racoon::sim {
namespace {

using testing::HasSubstr;

class Adopt : public testing::Test {
  protected:
    void up(const ConfigOptions& o = {}) {
        w.emplace(1, make_config(ip("192.0.2.1"), ip("192.0.2.2"), o),
                  make_config(ip("192.0.2.2"), ip("192.0.2.1"), o));
        options = o;
        w->acquire(*w->a, PolicyId{1}, 1);
        w->run_for(2s);
        ASSERT_EQ(w->pairs(*w->a), 1u);
    }
    void restart(bool renew = false) {
        w->a->restart_engine(make_config(ip("192.0.2.1"), ip("192.0.2.2"), options), w->addr_a,
                             renew);
    }
    test::LogCapture log;
    ConfigOptions options;
    std::optional<World> w;
};

TEST_F(Adopt, ShowsWhatTheOneBeforeHadNegotiated) {
    ConfigOptions o;
    o.pfs = true;
    up(o);
    w->run_for(100s);
    const auto before = w->a->engine->phase2_status(w->now);
    restart();
    const auto after = w->a->engine->phase2_status(w->now);
    ASSERT_EQ(after.size(), before.size());
    EXPECT_EQ(after[0].spi_in, before[0].spi_in);
    EXPECT_EQ(after[0].spi_out, before[0].spi_out);
    EXPECT_EQ(after[0].reqid, before[0].reqid);
    EXPECT_EQ(after[0].selector, before[0].selector);
    EXPECT_EQ(after[0].encryption, before[0].encryption);
    EXPECT_EQ(after[0].integrity, before[0].integrity);
    EXPECT_EQ(after[0].pfs_group, before[0].pfs_group);
    EXPECT_EQ(after[0].key_bits, before[0].key_bits);
    EXPECT_EQ(after[0].initiator, before[0].initiator);
    EXPECT_NEAR(static_cast<double>(after[0].age_seconds),
                static_cast<double>(before[0].age_seconds), 1);
    EXPECT_EQ(after[0].lifetime_seconds, before[0].lifetime_seconds);
    EXPECT_TRUE(after[0].established);
    EXPECT_EQ(w->compare(), "") << "and no SA has changed";
    EXPECT_EQ(w->end_and_find_leaks(), "");
}

TEST_F(Adopt, RenewsInTimeUnderAnotherIsakmpSa) {
    up();
    w->run_for(10s);
    restart();
    const auto old = w->a->engine->phase2_status(w->now).at(0).spi_in;
    w->run_for(55min);
    EXPECT_GE(w->a->events_of(0x0201), 2u);
    for (const auto& row : w->a->engine->phase2_status(w->now)) EXPECT_NE(row.spi_in, old);
    EXPECT_EQ(w->pairs(*w->a), 1u);
    EXPECT_EQ(w->compare(), "");
    EXPECT_EQ(w->end_and_find_leaks(), "");
}

TEST_F(Adopt, TellsThePeerOfNoInitialContactThatWouldEndThePairs) {
    up();
    restart();
    w->a->engine->establish_phase1({ip("192.0.2.2"), 500}, "", w->now, {});
    w->run_for(5s);
    EXPECT_EQ(w->pairs(*w->a), 1u);
    EXPECT_EQ(w->pairs(*w->b), 1u);
    EXPECT_EQ(w->compare(), "");
    EXPECT_EQ(w->end_and_find_leaks(), "");
}

TEST_F(Adopt, AReplacedPairStaysReplaced) {
    up();
    exchange::KernelEvent e;
    e.type = RACOON_KERNEL_EXPIRE_SOFT;
    e.protocol = 50;
    e.src.addr = w->addr_a;
    e.dst.addr = w->addr_b;
    w->a->outbound(PolicyId{1}, &e.spi.value);
    w->a->engine->kernel_event(e, w->now);
    w->run_for(5s);
    ASSERT_EQ(w->a->engine->phase2_status(w->now).size(), 2u);
    restart();
    EXPECT_EQ(w->a->engine->phase2_status(w->now).size(), 2u);
    w->run_for(60s);
    EXPECT_EQ(w->a->engine->phase2_status(w->now).size(), 1u);
    EXPECT_EQ(w->compare(), "");
    EXPECT_EQ(w->end_and_find_leaks(), "");
}

TEST_F(Adopt, WhatWasMadeAnewIsRenewedSoon) {
    up();
    restart(true);
    w->run_for(50s);
    EXPECT_EQ(w->a->events_of(0x0201), 1u) << "not in the rush of a start";
    w->run_for(80s);
    EXPECT_EQ(w->a->events_of(0x0201), 2u);
    w->run_for(40s);
    EXPECT_EQ(w->pairs(*w->a), 1u);
    EXPECT_EQ(w->compare(), "");
    EXPECT_EQ(w->end_and_find_leaks(), "");
}

TEST_F(Adopt, ANegotiationThatWasCutOffBeginsAnew) {
    // Killed at every operation of a first negotiation, by either role.
    for (const bool initiator : {true, false})
        for (int step = 0; step < 60; ++step) {
            const ConfigOptions o;
            w.emplace(1, make_config(ip("192.0.2.1"), ip("192.0.2.2"), o),
                      make_config(ip("192.0.2.2"), ip("192.0.2.1"), o));
            SCOPED_TRACE((initiator ? "initiator after " : "responder after ") +
                         std::to_string(step));
            w->acquire(initiator ? *w->a : *w->b, PolicyId{1}, 1);
            w->run_for(std::chrono::milliseconds(step * 2));
            restart();
            w->acquire(*w->a, PolicyId{1}, 2);
            w->run_for(150s);
            EXPECT_GE(w->pairs(*w->a), 1u);
            EXPECT_EQ(w->compare(), "");
            EXPECT_EQ(w->end_and_find_leaks(), "");
            if (HasFailure()) return;
        }
}

TEST_F(Adopt, SasThatNoPolicyIsForAnyMoreGo) {
    up();
    ConfigOptions none = options;
    none.policies = 0;
    w->a->restart_engine(make_config(ip("192.0.2.1"), ip("192.0.2.2"), none), w->addr_a);
    w->run_for(1s);
    EXPECT_TRUE(w->a->sas.empty());
    EXPECT_THAT(log.all(), HasSubstr("nothing can be negotiated for them"));
}

}  // namespace
}  // namespace racoon::sim
