#include "conf/nearest.hpp"

#include <gtest/gtest.h>

namespace racoon::conf {
namespace {

TEST(EditDistance, CountsASwapOfNeighboursAsOne) {
    EXPECT_EQ(edit_distance("lifetime", "lifetiem", 3), 1u);
    EXPECT_EQ(edit_distance("counter", "countr", 3), 1u);
    EXPECT_EQ(edit_distance("", "abc", 5), 3u);
    EXPECT_EQ(edit_distance("abc", "xyz", 2), 3u) << "more than the limit is the limit and one";
}

TEST(Nearest, FindsTheWordThatWasMeant) {
    const std::vector<std::string> words = {"remote", "sainfo", "timer", "log"};
    EXPECT_EQ(nearest("remot", words), "remote");
    EXPECT_EQ(nearest("sianfo", words), "sainfo");
    EXPECT_EQ(nearest("lgo", words), "log");
}

TEST(Nearest, SaysNothingRatherThanSomethingFarAway) {
    EXPECT_EQ(nearest("frobnicate", {"remote", "sainfo"}), std::nullopt);
    EXPECT_EQ(nearest("x", {"on"}), std::nullopt);
    EXPECT_EQ(nearest(std::string(100000, 'a'), {"aaaa"}), std::nullopt);
    EXPECT_EQ(did_you_mean("psk", {}), "");
}

}  // namespace
}  // namespace racoon::conf
