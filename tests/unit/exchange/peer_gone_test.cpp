// dpd_action and close_action: what follows when a peer dies, or deletes what was up.
#include <gtest/gtest.h>

#include "simulation/world.hpp"

namespace racoon::sim {
namespace {

using conf::PeerGone;

class PeerGoneTest : public testing::TestWithParam<PeerGone> {
  protected:
    conf::ConfigPtr config(const IpAddr& local, const IpAddr& peer) const {
        ConfigOptions o;
        o.policies = 2;
        o.dpd.delay = conf::seconds(5);
        o.dpd.retry = conf::seconds(1);
        o.dpd.max_fail = 3;
        auto out = std::make_shared<conf::Config>(*make_config(local, peer, o));
        if (local == ip("192.0.2.1"))
            out->remotes[0].dpd_action = out->remotes[0].close_action = GetParam();
        return out;
    }
    World w{1, config(ip("192.0.2.1"), ip("192.0.2.2")), config(ip("192.0.2.2"), ip("192.0.2.1"))};
    bool restarts() const { return GetParam() == PeerGone::Restart; }
    void bring_up() {
        w.acquire(*w.a, PolicyId{1}, 1);
        w.acquire(*w.a, PolicyId{2}, 2);
        w.run_for(2s);
        ASSERT_EQ(w.pairs(*w.a), 2u);
    }
};
INSTANTIATE_TEST_SUITE_P(Each, PeerGoneTest,
                         testing::Values(PeerGone::Clear, PeerGone::Hold, PeerGone::Restart));

TEST_P(PeerGoneTest, ADeadPeersTunnelsComeBackOnceItIsBackAndOnlyWithRestart) {
    bring_up();
    bool cut = true;
    w.tap = [&](const exchange::Datagram&) { return !cut; };
    w.run_for(120s);
    EXPECT_TRUE(w.a->sas.empty());
    cut = false;
    w.run_for(120s);
    EXPECT_EQ(w.pairs(*w.a), restarts() ? 2u : 0u);
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

TEST_P(PeerGoneTest, WhatThePeerDeletesComesBackOnlyWithRestart) {
    bring_up();
    w.b->engine->flush_phase2(0, w.now);
    w.run_for(1s);
    EXPECT_TRUE(w.a->sas.empty());
    w.run_for(30s);
    EXPECT_EQ(w.pairs(*w.a), restarts() ? 2u : 0u);
    EXPECT_EQ(w.compare(), "");
    // And what our own administrator takes down stays down.
    w.a->engine->flush_phase2(0, w.now);
    w.run_for(30s);
    EXPECT_TRUE(w.a->sas.empty());
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

TEST_P(PeerGoneTest, ARenewalByThePeerIsNoClosing) {
    bring_up();
    const std::size_t before = w.a->events_of(0x0201);
    exchange::KernelEvent e;
    e.type = RACOON_KERNEL_EXPIRE_SOFT;
    e.protocol = 50;
    e.src.addr = w.addr_b;
    e.dst.addr = w.addr_a;
    w.b->outbound(PolicyId{1}, &e.spi.value);
    w.b->engine->kernel_event(e, w.now);
    w.run_for(120s);
    EXPECT_EQ(w.a->events_of(0x0201), before + 1) << "one renewal, and no negotiation beside it";
    EXPECT_EQ(w.pairs(*w.a), 2u);
    EXPECT_EQ(w.compare(), "");
}

}  // namespace
}  // namespace racoon::sim
