// The directive table is the one source for the parser, explain and the manual.
#include "conf/schema.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace racoon::conf {
namespace {

TEST(DirectiveTable, HasEveryWordOnceInItsBlock) {
    std::set<std::pair<Context, std::string_view>> seen;
    for (const Directive& d : directives())
        EXPECT_TRUE(seen.emplace(d.context, d.keyword).second) << d.keyword;
}

TEST(DirectiveTable, ExplainsEverythingThatWorks) {
    for (const Directive& d : directives()) {
        if (d.standing != Standing::Works) continue;
        EXPECT_FALSE(d.help.empty()) << d.keyword;
        EXPECT_FALSE(d.since.empty()) << d.keyword;
    }
}

TEST(DirectiveTable, SaysWhatToWriteInsteadOfOldWords) {
    for (const Directive& d : directives()) {
        if (d.standing == Standing::Alias) {
            EXPECT_NE(find_directive(d.context, d.instead), nullptr) << d.keyword;
        }
        if (d.standing == Standing::Gone) {
            EXPECT_FALSE(d.instead.empty()) << d.keyword;
        }
    }
}

TEST(DirectiveTable, NamesDefaultUnitAndRangeOfEveryNumber) {
    for (const Directive& d : directives()) {
        if (d.standing != Standing::Works) continue;
        if (d.form == Form::Number || d.form == Form::Time) {
            EXPECT_LT(d.least, d.most) << d.keyword;
        }
        if (d.form == Form::Time) {
            EXPECT_EQ(d.unit, "time") << d.keyword;
        }
        if (d.form == Form::Switch && d.keyword != "isolate") {
            EXPECT_TRUE(d.preset == "on" || d.preset == "off") << d.keyword;
        }
        if (d.form == Form::Choice || d.form == Form::LogLevel) {
            EXPECT_NE((" " + std::string(d.choices) + " ").find(" " + std::string(d.preset) + " "),
                      std::string::npos)
                << d.keyword;
        }
    }
}

TEST(DirectiveTable, KnowsAWordOnlyInItsBlock) {
    EXPECT_NE(find_directive(Context::Timer, "counter"), nullptr);
    EXPECT_EQ(find_directive(Context::Top, "counter"), nullptr);
    EXPECT_EQ(find_elsewhere(Context::Top, "counter")->context, Context::Timer);
}

}  // namespace
}  // namespace racoon::conf
