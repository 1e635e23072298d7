// kernel-sim behaves as the stack that IKE expects: through the module's table, and the model itself.
#include <gtest/gtest.h>

#include "conformance.hpp"
#include "fake_host.hpp"
#include "model.hpp"

namespace racoon::test {
namespace {

using namespace std::chrono_literals;

struct SimBackend : ::testing::Test {
    FakeHost host{FakeHost::Clock::Virtual};
    void SetUp() override {
        ASSERT_TRUE(host.load("kernel-sim")) << host.error();
        ASSERT_TRUE(host.open()) << host.error();
    }
};

TEST_F(SimBackend, AgreesWithTheModelOverRandomOperationLists) {
    for (std::uint32_t seed = 1; seed <= 200; ++seed) {
        FakeHost one(FakeHost::Clock::Virtual);
        ASSERT_TRUE(one.load("kernel-sim")) << one.error();
        ASSERT_TRUE(one.open()) << one.error();
        ASSERT_EQ(conformance(one, true, seed, 300), "");
    }
}

TEST_F(SimBackend, LosesALarvalSaAfterThirtySecondsAndSaysSo) {
    std::uint32_t spi = 0;
    ASSERT_EQ(host.spi_get(spi_request("10.9.0.2", "10.9.0.1", 1), &spi), RACOON_OK);
    host.advance(29s);
    EXPECT_EQ(host.sa_dump().size(), 1u);
    host.advance(1s);
    EXPECT_TRUE(host.sa_dump().empty());
    ASSERT_EQ(host.count(RACOON_KERNEL_EXPIRE_HARD), 1u);
    EXPECT_EQ(host.events[0].spi, spi);
}

TEST_F(SimBackend, ReportsSoftThenHardLifetimeAndFallsBackToAddWhenTheLarvalSaHasGone) {
    std::uint32_t spi = 0;
    ASSERT_EQ(host.spi_get(spi_request("10.9.0.2", "10.9.0.1", 1), &spi), RACOON_OK);
    host.advance(31s);
    racoon_kernel_sa sa = esp_sa(RACOON_DIR_IN, "10.9.0.2", "10.9.0.1", spi, 1, 7);
    sa.soft_ns = 80'000'000'000;
    sa.hard_ns = 100'000'000'000;
    host.events.clear();
    ASSERT_EQ(host.sa_update(sa), RACOON_OK);
    host.advance(79s);
    EXPECT_TRUE(host.events.empty());
    host.advance(1s);
    ASSERT_EQ(host.count(RACOON_KERNEL_EXPIRE_SOFT), 1u);
    EXPECT_EQ(host.sa_dump().at(0).state, 2u);
    host.advance(20s);
    EXPECT_EQ(host.count(RACOON_KERNEL_EXPIRE_HARD), 1u);
    EXPECT_TRUE(host.sa_dump().empty());
    EXPECT_EQ(host.open_timers(), 0u) << "a timer outlives the SA";
}

TEST_F(SimBackend, ImaginesTrafficThatAcquiresAgainOnlyAfterTheAnswer) {
    FakeHost busy(FakeHost::Clock::Virtual);
    busy.set("traffic_every", "1");
    ASSERT_TRUE(busy.load("kernel-sim"));
    ASSERT_TRUE(busy.open());
    const auto net = selector("192.168.1.0/24", "192.168.2.0/24");
    ASSERT_EQ(busy.policy_add(esp_policy(42, RACOON_DIR_OUT, net, "10.9.0.1", "10.9.0.2", 9)),
              RACOON_OK);
    busy.advance(10s);
    ASSERT_EQ(busy.count(RACOON_KERNEL_ACQUIRE), 1u) << "the larval SA suppresses further acquires";
    EXPECT_EQ(busy.events[0].policy_id, 42u);
    busy.table().acquire_done(busy.impl(), busy.events[0].acquire_token, RACOON_TIMEOUT);
    busy.advance(1s);
    EXPECT_EQ(busy.count(RACOON_KERNEL_ACQUIRE), 2u);
    ASSERT_EQ(busy.sa_add(esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 0x4000, 9, 1)), RACOON_OK);
    busy.advance(60s);
    EXPECT_EQ(busy.count(RACOON_KERNEL_ACQUIRE), 2u) << "the SA carries the traffic";
    EXPECT_EQ(busy.sa_dump().at(0).packets, 60u);
}

kernel_sim::Packet packet(const char* local, const char* remote, std::uint32_t bytes) {
    kernel_sim::Packet p;
    p.local = address(local);
    p.remote = address(remote);
    p.protocol = 1;
    p.bytes = bytes;
    return p;
}

TEST(SimModel, GivesPoliciesWithTheSameRequestIdOneAcquireAndOthersTheirOwn) {
    kernel_sim::Model model;
    std::vector<racoon_kernel_event> events;
    model.listen([&](const racoon_kernel_event& e) { events.push_back(e); });
    const auto add = [&](std::uint32_t id, const char* remote, std::uint32_t reqid) {
        const auto s = selector("192.168.1.0/24", remote);
        return model.policy_add(esp_policy(id, RACOON_DIR_OUT, s, "10.9.0.1", "10.9.0.2", reqid));
    };
    ASSERT_EQ(add(1, "192.168.2.0/24", 5), RACOON_OK);
    ASSERT_EQ(add(2, "192.168.3.0/24", 5), RACOON_OK);
    ASSERT_EQ(add(3, "192.168.4.0/24", 6), RACOON_OK);
    using kernel_sim::Verdict;
    EXPECT_EQ(model.send(0, packet("192.168.1.1", "192.168.2.1", 84)).verdict, Verdict::Acquired);
    EXPECT_EQ(model.send(0, packet("192.168.1.1", "192.168.3.1", 84)).verdict, Verdict::Suppressed);
    EXPECT_EQ(model.send(0, packet("192.168.1.1", "192.168.4.1", 84)).verdict, Verdict::Acquired);
    EXPECT_EQ(model.send(0, packet("192.168.1.1", "192.168.9.1", 84)).verdict, Verdict::NoPolicy);
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(events[0].policy_id, 1u);
    EXPECT_EQ(events[1].policy_id, 3u);
}

// As Linux has it: the packet is held against the policy, and the policy against the SA.
TEST(SimModel, FindsPoliciesAndSasByMarkAndInterface) {
    using kernel_sim::Verdict;
    kernel_sim::Model model;
    std::vector<racoon_kernel_event> events;
    model.listen([&](const racoon_kernel_event& e) { events.push_back(e); });
    const auto s = selector("192.168.1.0/24", "192.168.2.0/24");
    racoon_kernel_policy through = esp_policy(1, RACOON_DIR_OUT, s, "10.9.0.1", "10.9.0.2", 5);
    through.if_id = 7;
    racoon_kernel_policy marked = esp_policy(2, RACOON_DIR_OUT, s, "10.9.0.1", "10.9.0.2", 5);
    marked.mark = {0x10, 0xf0};
    ASSERT_EQ(model.policy_add(through), RACOON_OK);
    ASSERT_EQ(model.policy_add(marked), RACOON_OK) << "the same traffic, but by its mark";
    racoon_kernel_policy same = marked;
    same.id = 3;
    EXPECT_EQ(model.policy_add(same), RACOON_STATE);

    auto plain = packet("192.168.1.1", "192.168.2.1", 84);
    EXPECT_EQ(model.send(0, plain).verdict, Verdict::NoPolicy);
    auto into = plain;
    into.if_id = 7;
    auto red = plain;
    red.mark = 0x12;
    EXPECT_EQ(model.send(0, into).verdict, Verdict::Acquired);
    EXPECT_EQ(model.send(0, red).verdict, Verdict::Acquired) << "one request id, another mark";
    EXPECT_EQ(model.send(0, red).verdict, Verdict::Suppressed);
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(events[1].policy_id, 2u);

    racoon_kernel_sa sa = esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 0x1000, 5, 1);
    ASSERT_EQ(model.sa_add(0, sa), RACOON_OK);
    EXPECT_NE(model.send(0, into).verdict, Verdict::Protected) << "an SA of no interface";
    sa.spi = 0x1001;
    sa.if_id = 7;
    ASSERT_EQ(model.sa_add(0, sa), RACOON_OK);
    EXPECT_EQ(model.send(0, into).spi, 0x1001u);
    EXPECT_EQ(model.send(0, red).spi, 0x1000u) << "an SA without a mark serves any";
    sa.spi = 0x1002;
    sa.if_id = 0;
    sa.mark = {0x10, 0xf0};
    ASSERT_EQ(model.sa_add(0, sa), RACOON_OK);
    EXPECT_EQ(model.send(0, red).spi, 0x1002u) << "the youngest";
    EXPECT_EQ(model.acquire_count(), 0u) << "each SA took the larval one of its own kind";
}

TEST(SimModel, EndsAnSaByItsBytes) {
    kernel_sim::Model model;
    std::vector<std::uint32_t> types;
    model.listen([&](const racoon_kernel_event& e) { types.push_back(e.type); });
    const auto s = selector("192.168.1.0/24", "192.168.2.0/24");
    ASSERT_EQ(model.policy_add(esp_policy(1, RACOON_DIR_OUT, s, "10.9.0.1", "10.9.0.2", 5)),
              RACOON_OK);
    racoon_kernel_sa sa = esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 0x1234, 5, 1);
    sa.soft_bytes = 150;
    sa.hard_bytes = 250;
    ASSERT_EQ(model.sa_add(0, sa), RACOON_OK);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(model.send(i, packet("192.168.1.1", "192.168.2.1", 100)).spi, 0x1234u);
    }
    EXPECT_EQ(types,
              (std::vector<std::uint32_t>{RACOON_KERNEL_EXPIRE_SOFT, RACOON_KERNEL_EXPIRE_HARD}));
    EXPECT_EQ(model.sa_count(), 0u);
}

TEST(SimModel, PrefersTheYoungestSaThatIsNotDying) {
    kernel_sim::Model model;
    const auto s = selector("192.168.1.0/24", "192.168.2.0/24");
    ASSERT_EQ(model.policy_add(esp_policy(1, RACOON_DIR_OUT, s, "10.9.0.1", "10.9.0.2", 5)),
              RACOON_OK);
    racoon_kernel_sa old = esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 0x1000, 5, 1);
    ASSERT_EQ(model.sa_add(0, old), RACOON_OK);
    racoon_kernel_sa young = esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 0x2000, 5, 1);
    young.soft_ns = 1000;
    ASSERT_EQ(model.sa_add(10, young), RACOON_OK);
    EXPECT_EQ(model.send(20, packet("192.168.1.1", "192.168.2.1", 1)).spi, 0x2000u);
    EXPECT_EQ(model.send(5000, packet("192.168.1.1", "192.168.2.1", 1)).spi, 0x1000u);
}

}  // namespace
}  // namespace racoon::test
