// What host names stand for; numeric ones take the place of a name server here.
#include "privsep/resolver.hpp"

#include <gtest/gtest.h>

namespace racoon::privsep {
namespace {

conf::Config config_of(const std::vector<std::string>& hosts) {
    conf::Config out;
    for (const std::string& host : hosts) {
        conf::Remote remote;
        remote.name = host + "[500]";
        remote.host = host;
        out.remotes.push_back(remote);
    }
    return out;
}

class ResolverTest : public ::testing::Test {
  protected:
    std::string ask(const std::string& host, bool again = false) {
        std::string out = "not called";
        resolver_.lookup(host, again, [&](const Status& status) {
            out = status ? "ok" : status.error().text();
            loop_->stop();
        });
        loop_->run();
        return out;
    }
    std::unique_ptr<loop::EventLoop> loop_ = std::move(*loop::EventLoop::make());
    int changes_ = 0;
    Resolver resolver_{*loop_, Family::None, [this] { ++changes_; }};
};

TEST_F(ResolverTest, LooksNamesUpAsSoonAsTheConfigurationHasThem) {
    resolver_.use(config_of({"192.0.2.1", "2001:db8::1"}));
    EXPECT_EQ(ask("192.0.2.1"), "ok");
    EXPECT_EQ(ask("2001:db8::1"), "ok");
    EXPECT_EQ(changes_, 2);
    EXPECT_EQ(resolver_.addresses().size(), 2u);
    EXPECT_EQ(resolver_.addresses().at("192.0.2.1"),
              std::vector<IpAddr>{*IpAddr::parse("192.0.2.1")});
}

TEST_F(ResolverTest, TheSameAnswerIsNoChange) {
    resolver_.use(config_of({"192.0.2.1"}));
    EXPECT_EQ(ask("192.0.2.1"), "ok");
    EXPECT_EQ(ask("192.0.2.1", true), "ok");
    resolver_.use(config_of({"192.0.2.1"}));
    EXPECT_EQ(ask("192.0.2.1"), "ok");
    EXPECT_EQ(changes_, 1);
}

TEST_F(ResolverTest, ANameThatHasNoAddressIsNamedInTheError) {
    resolver_.use(config_of({"no-such-host.invalid"}));
    const std::string told = ask("no-such-host.invalid");
    EXPECT_EQ(told.rfind("cannot resolve no-such-host.invalid: ", 0), 0u) << told;
    EXPECT_EQ(changes_, 0);
    EXPECT_TRUE(resolver_.addresses().empty());
}

TEST_F(ResolverTest, OnlyNamesOfTheConfigurationAreResolved) {
    resolver_.use(config_of({"192.0.2.1"}));
    EXPECT_EQ(ask("192.0.2.2"), "192.0.2.2 is not configured");
}

TEST_F(ResolverTest, ANameThatLeavesTheConfigurationIsForgottenAndWhoWaitsIsTold) {
    resolver_.use(config_of({"192.0.2.1"}));
    EXPECT_EQ(ask("192.0.2.1"), "ok");
    std::string told;
    resolver_.use(config_of({"no-such-host.invalid"}));
    EXPECT_TRUE(resolver_.addresses().empty());
    resolver_.lookup("no-such-host.invalid", false,
                     [&](const Status& s) { told = s ? "ok" : s.error().text(); });
    resolver_.use(config_of({}));
    EXPECT_EQ(told, "no-such-host.invalid is no longer in the configuration");
}

}  // namespace
}  // namespace racoon::privsep
