// The SDK's list of policies of others: numbers stay with what they stand for, and there is a bound.
#include <racoon/kernel_foreign.hpp>

#include <cstring>
#include <gmock/gmock.h>

namespace racoon::sdk {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

racoon_addr v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
    racoon_addr out{};
    out.family = 4;
    const std::uint8_t bytes[] = {a, b, c, d};
    std::memcpy(out.bytes, bytes, 4);
    return out;
}

racoon_kernel_policy policy(std::uint32_t net, std::uint32_t reqid = 0) {
    racoon_kernel_policy p{};
    p.struct_size = sizeof p;
    p.direction = RACOON_DIR_OUT;
    p.action = RACOON_POLICY_IPSEC;
    p.selector.local = v4(10, 0, 0, 0);
    p.selector.remote =
        v4(11, static_cast<std::uint8_t>(net >> 8), static_cast<std::uint8_t>(net), 0);
    p.selector.local_prefix = p.selector.remote_prefix = 24;
    p.template_count = 1;
    p.templates[0].protocol = RACOON_IPPROTO_ESP;
    p.templates[0].mode = RACOON_MODE_TUNNEL;
    p.templates[0].reqid = reqid;
    p.templates[0].local = v4(192, 0, 2, 1);
    p.templates[0].remote = v4(192, 0, 2, 2);
    return p;
}

class KernelForeign : public ::testing::Test {
  protected:
    void SetUp() override {
        racoon_kernel_foreign listener{};
        listener.struct_size = sizeof listener;
        listener.arg = this;
        listener.policy = [](void* arg, const racoon_kernel_policy* p) noexcept {
            static_cast<KernelForeign*>(arg)->told.push_back(*p);
        };
        listener.gone = [](void* arg, std::uint32_t id) noexcept {
            static_cast<KernelForeign*>(arg)->gone.push_back(id);
        };
        foreign.listen(listener);
    }
    ForeignPolicies foreign;
    std::vector<racoon_kernel_policy> told;
    std::vector<std::uint32_t> gone;
};

TEST_F(KernelForeign, ANumberStandsForOnePolicyForEver) {
    foreign.put(8, policy(1));
    foreign.put(16, policy(2));
    ASSERT_EQ(told.size(), 2u);
    const std::uint32_t first = told[0].id, second = told[1].id;
    EXPECT_EQ(first, RACOON_FOREIGN_POLICY_FIRST);
    EXPECT_NE(second, first);
    foreign.put(8, policy(1));
    EXPECT_EQ(told.size(), 2u) << "nothing new";
    EXPECT_EQ(foreign.number_of(8), first);
    EXPECT_EQ(foreign.number_of(9), 0u);

    // Only the priority may change.
    auto other = policy(1);
    other.priority = 7;
    foreign.put(8, other);
    ASSERT_EQ(told.size(), 3u);
    EXPECT_EQ(told[2].id, first);
    foreign.put(8, policy(1, 99));
    EXPECT_THAT(gone, ElementsAre(first));
    EXPECT_EQ(told.back().id, second + 1);

    // Removed, and there again under another index of the kernel's.
    foreign.remove(16);
    foreign.put(24, policy(2));
    EXPECT_EQ(foreign.number_of(24), second);
    foreign.put(8, policy(1));
    EXPECT_EQ(foreign.number_of(8), first);
}

TEST_F(KernelForeign, NumbersStayHoweverOftenAFileIsLoadedAnew) {
    for (unsigned round = 0; round < 40'000; ++round) {
        foreign.put(8, policy(1));
        foreign.put(16, policy(2));
        foreign.remove(8);
        foreign.remove(16);
    }
    foreign.put(16, policy(2));
    EXPECT_EQ(foreign.number_of(16), RACOON_FOREIGN_POLICY_FIRST + 1);
}

TEST_F(KernelForeign, ADumpIsComparedWithWhatWasTold) {
    foreign.replace({{8, policy(1)}, {16, policy(2)}, {24, policy(3)}});
    EXPECT_EQ(told.size(), 3u);
    told.clear();
    foreign.replace({{8, policy(1)}, {24, policy(4)}, {32, policy(2)}});
    EXPECT_EQ(gone.size(), 2u) << "the second one comes back as it was";
    EXPECT_EQ(told.size(), 2u);
    EXPECT_EQ(foreign.number_of(32), RACOON_FOREIGN_POLICY_FIRST + 1);
    foreign.replace({});
    EXPECT_EQ(foreign.size(), 0u);
}

TEST_F(KernelForeign, OnlyWhatAsksForIpsecIsTold) {
    auto bypass = policy(1);
    bypass.action = RACOON_POLICY_NONE;
    foreign.put(8, bypass);
    auto fwd = policy(2);
    fwd.direction = RACOON_DIR_FWD;
    foreign.put(16, fwd);
    EXPECT_THAT(told, IsEmpty());
    foreign.put(24, policy(3));
    bypass = policy(3);
    bypass.action = RACOON_POLICY_DISCARD;
    foreign.put(24, bypass);
    EXPECT_EQ(gone.size(), 1u);
}

TEST_F(KernelForeign, KnowsTheRequestIdsThatAreThere) {
    auto two = policy(2, 7);
    two.template_count = 2;
    two.templates[1] = two.templates[0];
    two.templates[1].protocol = RACOON_IPPROTO_COMP;
    foreign.put(8, policy(1, 7));
    foreign.put(16, two);
    foreign.put(24, policy(3, 9));
    auto first = policy(1, 7);
    first.priority = 3;
    foreign.put(8, first);
    EXPECT_TRUE(foreign.uses_reqid(7));
    EXPECT_FALSE(foreign.uses_reqid(8));
    foreign.remove(16);
    EXPECT_TRUE(foreign.uses_reqid(7)) << "one of them has it still";
    foreign.put(8, policy(1, 8));
    EXPECT_FALSE(foreign.uses_reqid(7)) << "nobody has it any more";
    EXPECT_TRUE(foreign.uses_reqid(8));
    foreign.replace({{24, policy(3, 10)}});
    for (const std::uint32_t gone : {8u, 9u}) EXPECT_FALSE(foreign.uses_reqid(gone)) << gone;
    EXPECT_TRUE(foreign.uses_reqid(10));
    foreign.forget();
    EXPECT_FALSE(foreign.uses_reqid(10));
}

TEST_F(KernelForeign, ThereIsABoundAndAWordAboutIt) {
    std::vector<ForeignPolicies::Indexed> all;
    for (std::uint32_t i = 0; i < ForeignPolicies::kMost + 10; ++i)
        all.emplace_back(i * 8, policy(i));
    foreign.replace(all);
    EXPECT_EQ(foreign.size(), ForeignPolicies::kMost);
    EXPECT_EQ(foreign.left_out(), 10u);
    EXPECT_NE(foreign.complaint().find("10 policies of others are not served"), std::string::npos);
    foreign.put(999'999, policy(60'000));
    EXPECT_EQ(foreign.complaint(), "") << "not for each one";
    foreign.forget();
    EXPECT_EQ(foreign.size(), 0u);
    EXPECT_THAT(gone, IsEmpty());
}

TEST_F(KernelForeign, ALarvalSaIsFoundByItsTemplate) {
    racoon_kernel_spi_request larval{};
    larval.protocol = RACOON_IPPROTO_ESP;
    larval.src = v4(192, 0, 2, 1);
    larval.dst = v4(192, 0, 2, 2);
    EXPECT_TRUE(can_have_left(policy(1), nullptr, &larval));
    EXPECT_EQ(larval.mode, RACOON_MODE_TUNNEL);
    const std::uint32_t reqids[4] = {5, 0, 0, 0};
    EXPECT_FALSE(can_have_left(policy(1), reqids, &larval));
    EXPECT_FALSE(can_have_left(policy(1, 7), nullptr, &larval));
    larval.reqid = 7;
    EXPECT_TRUE(can_have_left(policy(1, 7), nullptr, &larval));
    larval.dst = v4(192, 0, 2, 3);
    EXPECT_FALSE(can_have_left(policy(1, 7), nullptr, &larval));
    // In transport mode it is between the packets' own addresses.
    auto open = policy(1);
    open.templates[0].local = open.templates[0].remote = racoon_addr{};
    larval.reqid = 0;
    EXPECT_FALSE(can_have_left(open, nullptr, &larval));
    larval.src = v4(10, 0, 0, 77);
    larval.dst = v4(11, 0, 1, 200);
    EXPECT_TRUE(can_have_left(open, nullptr, &larval));
}

TEST_F(KernelForeign, ALarvalSaIsOfTheOutboundPolicyWithItsTemplate) {
    racoon_kernel_spi_request larval{};
    larval.protocol = RACOON_IPPROTO_ESP;
    larval.src = v4(192, 0, 2, 1);
    larval.dst = v4(192, 0, 2, 2);
    EXPECT_EQ(asked_for_by(foreign, &larval), 0u);
    auto in = policy(1);
    in.direction = RACOON_DIR_IN;
    foreign.put(8, in);
    EXPECT_EQ(asked_for_by(foreign, &larval), 0u);
    foreign.put(16, policy(2, 7));
    foreign.put(24, policy(3));
    EXPECT_EQ(asked_for_by(foreign, &larval), foreign.number_of(24));
}

}  // namespace
}  // namespace racoon::sdk
