// A tunnel that cannot come up is not negotiated once for every packet.
#include "privsep/acquires.hpp"

#include <chrono>
#include <gmock/gmock.h>
#include <memory>
#include <utility>
#include <vector>

namespace racoon::privsep {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class AcquiresTest : public ::testing::Test {
  protected:
    void SetUp() override { loop_ = std::move(*loop::EventLoop::make()); }
    void fail(std::uint64_t token, std::uint32_t policy = 1, const IpAddr& peer = {}) {
        ASSERT_TRUE(acquires().add(token, {PolicyId{policy}, peer}));
        acquires().done(token, false);
    }
    Acquires& acquires() {
        if (!acquires_)
            acquires_ = std::make_unique<Acquires>(
                *loop_,
                [this](std::uint64_t token, bool success) { back_.emplace_back(token, success); });
        return *acquires_;
    }
    void wait(Duration time) {
        loop_->arm(time, [this] { loop_->stop(); });
        loop_->run();
    }
    std::vector<std::pair<std::uint64_t, bool>> take() { return std::exchange(back_, {}); }

    std::unique_ptr<loop::EventLoop> loop_;
    std::unique_ptr<Acquires> acquires_;
    std::vector<std::pair<std::uint64_t, bool>> back_;
};

TEST_F(AcquiresTest, TheFirstFailureGoesBackAtOnceTheNextOneRests) {
    fail(1);
    EXPECT_THAT(take(), ElementsAre(Pair(1, false)));
    fail(2);
    EXPECT_THAT(take(), IsEmpty());
    EXPECT_FALSE(acquires().contains(2)) << "the engine has given it back";
    wait(900ms);
    EXPECT_THAT(take(), IsEmpty());
    wait(300ms);
    EXPECT_THAT(take(), ElementsAre(Pair(2, false)));
    fail(3);
    wait(1200ms);
    EXPECT_THAT(take(), IsEmpty()) << "each pause is longer than the one before";
}

TEST_F(AcquiresTest, OtherPoliciesDoNotWait) {
    fail(1);
    fail(2);
    take();
    fail(3, 2);
    EXPECT_THAT(take(), ElementsAre(Pair(3, false)));
}

TEST_F(AcquiresTest, OtherHostsOfAPolicyForNetsDoNotWait) {
    const IpAddr dead = *IpAddr::parse("192.0.2.3"), other = *IpAddr::parse("192.0.2.2");
    fail(1, 1, dead);
    fail(2, 1, dead);
    EXPECT_THAT(take(), ElementsAre(Pair(1, false)));
    fail(3, 1, other);
    EXPECT_THAT(take(), ElementsAre(Pair(3, false)));
    acquires().add(4, {PolicyId{1}, other});
    acquires().done(4, true);
    fail(5, 1, other);
    EXPECT_THAT(take(), ElementsAre(Pair(4, true), Pair(5, false)));
    fail(6, 1, dead);
    EXPECT_THAT(take(), IsEmpty()) << "another's success is not its";
}

TEST_F(AcquiresTest, SuccessMakesUpForFailures) {
    fail(1);
    acquires().add(2, {PolicyId{1}});
    EXPECT_TRUE(acquires().contains(2));
    acquires().done(2, true);
    fail(3);
    EXPECT_THAT(take(), ElementsAre(Pair(1, false), Pair(2, true), Pair(3, false)));
}

TEST_F(AcquiresTest, AnotherConfigurationIsTriedAtOnce) {
    fail(1);
    fail(2);
    take();
    acquires().forget_failures();
    EXPECT_THAT(take(), ElementsAre(Pair(2, false)));
    fail(3);
    EXPECT_THAT(take(), ElementsAre(Pair(3, false)));
    wait(1200ms);
    EXPECT_THAT(take(), IsEmpty()) << "given back twice";
}

TEST_F(AcquiresTest, NothingIsLostWithTheEngine) {
    fail(1);
    fail(2);
    acquires().add(3, {PolicyId{2}});
    take();
    acquires().forget_all();
    EXPECT_THAT(take(), UnorderedElementsAre(Pair(2, false), Pair(3, false)));
    acquires().done(3, true);  // late
    acquires().done(9, true);  // never ours
    EXPECT_THAT(take(), IsEmpty());
}

TEST_F(AcquiresTest, AreBoundedIncludingThoseThatRest) {
    fail(1);
    fail(2);
    std::uint64_t token = 3;
    while (acquires().add(token, {PolicyId{2}})) ++token;
    EXPECT_EQ(token, 3u + 16'384 - 1);
    acquires_.reset();
    wait(1200ms);  // a timer of what is gone would call back now
}

}  // namespace
}  // namespace racoon::privsep
