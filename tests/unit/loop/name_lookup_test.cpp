#include "loop/name_lookup.hpp"

#include <gtest/gtest.h>

namespace racoon::loop {
namespace {

class NameLookupTest : public ::testing::Test {
  protected:
    Result<std::vector<IpAddr>> ask(const std::string& host, Family family = Family::None) {
        Result<std::vector<IpAddr>> out = fail(Errc::Internal, "not called");
        names_->find(host, family, [&](Result<std::vector<IpAddr>> found) {
            out = std::move(found);
            loop_->stop();
        });
        loop_->run();
        return out;
    }
    std::unique_ptr<EventLoop> loop_ = std::move(*EventLoop::make());
    std::unique_ptr<NameLookup> names_ = std::make_unique<NameLookup>(*loop_);
};

TEST_F(NameLookupTest, AnswersWithAddressesEachOnce) {
    const auto v4 = ask("192.0.2.7");
    ASSERT_TRUE(v4) << v4.error().text();
    EXPECT_EQ(*v4, std::vector<IpAddr>{*IpAddr::parse("192.0.2.7")});
    const auto v6 = ask("2001:db8::7", Family::V6);
    ASSERT_TRUE(v6) << v6.error().text();
    EXPECT_EQ((*v6)[0].text(), "2001:db8::7");
}

TEST_F(NameLookupTest, AFamilyRestrictsTheAnswer) {
    EXPECT_FALSE(ask("192.0.2.7", Family::V6));
    EXPECT_FALSE(ask("2001:db8::7", Family::V4));
}

TEST_F(NameLookupTest, NobodysAddressIsNoAnswer) {
    for (const char* host : {"0.0.0.0", "::", "224.0.0.1", "ff02::1"}) {
        const auto found = ask(host);
        ASSERT_FALSE(found) << host;
        EXPECT_EQ(found.error().code(), Errc::NotFound);
    }
}

TEST_F(NameLookupTest, AnUnknownNameIsAnErrorInTheResolversWords) {
    const auto found = ask("no-such-host.invalid");
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code(), Errc::NotFound);
    EXPECT_FALSE(found.error().text().empty());
}

TEST_F(NameLookupTest, ManyQuestionsAreAllAnswered) {
    int left = 500;
    for (int i = 0; i < 500; ++i)
        names_->find("192.0.2." + std::to_string(i % 250 + 1), Family::None,
                     [&](const Result<std::vector<IpAddr>>& found) {
                         EXPECT_TRUE(found);
                         if (--left == 0) loop_->stop();
                     });
    loop_->run();
    EXPECT_EQ(left, 0);
}

TEST_F(NameLookupTest, ItsEndWaitsForNobodyAndNothingIsCalledAfterIt) {
    for (int i = 0; i < 50; ++i)
        names_->find("no-such-host-" + std::to_string(i) + ".invalid", Family::None,
                     [](const Result<std::vector<IpAddr>>&) { FAIL() << "called after the end"; });
    names_.reset();
    loop_->arm(std::chrono::milliseconds(50), [this] { loop_->stop(); });
    loop_->run();
}

}  // namespace
}  // namespace racoon::loop
