// The SDK's list of acquires that wait for an answer: each once, none for longer than its larval SA lives.
#include <racoon/kernel_acquires.hpp>

#include <gmock/gmock.h>

namespace racoon::sdk {
namespace {

using ::testing::ElementsAre;

constexpr std::int64_t kSecond = 1'000'000'000;

std::vector<int> all(const Acquires<int>& acquires) {
    std::vector<int> out;
    acquires.each([&](int larval) { out.push_back(larval); });
    return out;
}

TEST(KernelAcquires, EachIsAnsweredOnce) {
    Acquires<int> acquires;
    const auto one = acquires.add(1, 0), two = acquires.add(2, 0);
    EXPECT_NE(one, 0u);
    EXPECT_NE(one, two);
    EXPECT_EQ(acquires.first(), one);
    EXPECT_EQ(acquires.take(one), 1);
    EXPECT_FALSE(acquires.take(one));
    EXPECT_FALSE(acquires.take(99));
    EXPECT_EQ(acquires.take(two), 2);
    EXPECT_EQ(acquires.first(), 0u);
}

TEST(KernelAcquires, NoneOutlivesItsLarvalSa) {
    Acquires<int> acquires;
    acquires.live_for(165);
    const auto old = acquires.add(1, 0);
    acquires.add(2, 100 * kSecond);
    acquires.forget_dead(164 * kSecond);
    EXPECT_THAT(all(acquires), ElementsAre(1, 2));
    // Nobody answers, and nobody looks: the next one that comes does.
    acquires.add(3, 165 * kSecond);
    EXPECT_THAT(all(acquires), ElementsAre(2, 3));
    EXPECT_FALSE(acquires.take(old));
    for (std::int64_t i = 0; i < 100'000; ++i) acquires.add(4, (300 + i) * kSecond);
    EXPECT_EQ(acquires.size(), 165u) << "one each second";
}

TEST(KernelAcquires, TheOldestMakesRoom) {
    Acquires<int> acquires;
    const auto first = acquires.add(0, 0);
    for (std::size_t i = 1; i < Acquires<int>::kMost; ++i) acquires.add(1, 0);
    EXPECT_TRUE(acquires.full());
    acquires.add(2, 0);
    EXPECT_EQ(acquires.size(), Acquires<int>::kMost);
    EXPECT_FALSE(acquires.take(first));
}

}  // namespace
}  // namespace racoon::sdk
