// Two engines in memory: main mode, quick mode, deletes, dead peers, renewal.
#include <gtest/gtest.h>

#include "simulation/world.hpp"

namespace racoon::sim {
namespace {

TEST(Tunnel, ComesUpOverAPerfectWireWithEqualSasAtBothEnds) {
    World w(1);
    w.acquire(*w.a);
    w.run_for(2s);
    EXPECT_EQ(w.compare(), "");
    EXPECT_EQ(w.pairs(*w.a), 1u);
    EXPECT_EQ(w.pairs(*w.b), 1u);
    EXPECT_EQ(w.a->events_of(0x0100), 1u);
    EXPECT_EQ(w.b->events_of(0x0100), 1u);
    EXPECT_TRUE(w.a->acquires[7]);
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

}  // namespace
}  // namespace racoon::sim
