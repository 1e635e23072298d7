#include "ctl/arguments.hpp"

#include <gmock/gmock.h>
#include <sstream>

namespace racoon::ctl {
namespace {

using control::number_of;
using control::text_of;
using ::testing::HasSubstr;

TEST(ParseCommand, TakesAliasesOfRacoonctl) {
    EXPECT_EQ(parse_command({"ss", "isakmp"})->name, "show-sa");
    EXPECT_EQ(parse_command({"rc"})->name, "reload-config");
}

TEST(ParseCommand, UnknownCommandIsNamedAsRacoonDoes) {
    const auto r = parse_command({"frobnicate"});
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().text(), "Invalid command [frobnicate]");
}

TEST(ParseCommand, TooFewArgumentsAndTooManyAreToldApart) {
    EXPECT_EQ(parse_command({"show-sa"}).error().text(), "insufficient arguments");
    EXPECT_EQ(parse_command({"show-sa", "esp", "x"}).error().text(),
              "too many arguments: found \"x\", expected no more");
    EXPECT_THAT(parse_command({"reload-config", "now"}).error().text(), HasSubstr("\"now\""));
    EXPECT_THAT(
        parse_command({"ds", "isakmp", "inet", "192.0.2.1", "192.0.2.2", "any"}).error().text(),
        HasSubstr("too many"));
    EXPECT_TRUE(parse_command({"ds", "esp", "inet", "192.0.2.1", "192.0.2.2", "any"}));
    EXPECT_TRUE(parse_command({"ds", "esp", "inet", "192.0.2.1", "192.0.2.2"}));
    EXPECT_EQ(parse_command({"establish-sa", "isakmp", "inet", "192.0.2.1"}).error().text(),
              "insufficient arguments");
}

TEST(ParseCommand, EstablishTakesSectionWaitAndSelectors) {
    const auto c = parse_command(
        {"es", "-n", "hq", "-w", "esp", "inet", "10.1.0.0/16", "10.2.0.0/16[80]", "tcp"});
    ASSERT_TRUE(c) << c.error().text();
    EXPECT_EQ(text_of(c->args, "section"), "hq");
    EXPECT_TRUE(control::flag_of(c->args, "wait"));
    EXPECT_EQ(text_of(c->args, "src"), "10.1.0.0/16");
    EXPECT_EQ(number_of(c->args, "dst_port"), 80);
    EXPECT_EQ(number_of(c->args, "upper"), 6);
}

TEST(ParseCommand, WrongFamilyAndBadPrefixAreNamed) {
    EXPECT_FALSE(parse_command({"es", "isakmp", "inet", "2001:db8::1", "192.0.2.1"}));
    EXPECT_FALSE(parse_command({"es", "esp", "inet", "10.0.0.0/33", "10.1.0.0/8", "any"}));
}

TEST(Usage, FitsATerminal) {
    std::istringstream lines(usage());
    for (std::string line; std::getline(lines, line);) {
        EXPECT_LE(line.size(), 80u) << line;
        EXPECT_FALSE(line.ends_with(' ')) << line;
    }
}

}  // namespace
}  // namespace racoon::ctl
