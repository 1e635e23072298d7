#include "ctl/explain.hpp"

#include <gmock/gmock.h>

#include <sstream>

#include "control/explain.hpp"

namespace racoon::ctl {
namespace {

using ::testing::HasSubstr;

/// The widest line that could have been broken: a single word stays whole.
std::size_t widest(const std::string& text) {
    std::istringstream in(text);
    std::size_t out = 0;
    for (std::string line; std::getline(in, line);) {
        const std::size_t word = line.find_first_not_of(' ');
        if (word != line.npos && line.find(' ', word) != line.npos)
            out = std::max(out, line.size());
    }
    return out;
}

TEST(ExplainText, BreaksLinesAtTheWidth) {
    EXPECT_EQ(wrapped("one two three", 2, 9), "  one two\n  three\n");
    EXPECT_EQ(wrapped("", 4, 20), "");
    EXPECT_EQ(wrapped("averylongword x", 0, 5), "averylongword\nx\n");
}

TEST(ExplainText, FitsTheTerminal) {
    const auto topics = conf::directive_topics();
    for (const std::size_t width : {60u, 80u, 100u}) {
        EXPECT_LE(widest(topic_list(topics, width)), width);
        for (const conf::Topic& t : topics) {
            const std::string text = topic_text(t, topics, width);
            EXPECT_LE(widest(text), width) << text;
            for (const char c : text) ASSERT_TRUE(c == '\n' || (c >= ' ' && c <= '~')) << text;
        }
    }
}

TEST(ExplainText, ShowsSyntaxHelpAndFacts) {
    const auto topics = conf::directive_topics();
    const std::string text = topic_text(*conf::find_topics(topics, "nonce_size").at(0), topics, 80);
    EXPECT_THAT(text, HasSubstr("remote.nonce_size - directive, in remote\n"));
    EXPECT_THAT(text, HasSubstr("\n    nonce_size NUMBER;\n"));
    EXPECT_THAT(text, HasSubstr("default  16 bytes\n"));
}

TEST(ExplainText, NoWordReachesTheTerminalAsItIs) {
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(explain({"\x1b[31mxyzzy"}, {}), 1);
    const std::string told = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(told.find('\x1b'), std::string::npos) << told;
    EXPECT_THAT(told, HasSubstr("xyzzy"));
}

TEST(ExplainJson, HasWhatTheTextHas) {
    const auto topics = conf::directive_topics();
    const auto json = control::topic_json(*conf::find_topics(topics, "nonce_size").at(0));
    EXPECT_EQ(json["name"], "remote.nonce_size");
    EXPECT_EQ(json["syntax"][0], "nonce_size NUMBER;");
    EXPECT_EQ(json["facts"]["default"], "16 bytes");
}

}  // namespace
}  // namespace racoon::ctl
