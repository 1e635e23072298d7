#include "psk_file.hpp"

#include <gtest/gtest.h>
#include <string>

namespace credential_files {
namespace {

class PskFile : public testing::Test {
  protected:
    void parse(const std::string& text) {
        memory_.assign(text.begin(), text.end());
        index_ = PskIndex::parse(memory_);
    }
    /// The key for `id`; "<none>" and "<problem: …>" for the other answers.
    std::string key(std::string_view id) const {
        const PskEntry* entry = index_.find(id);
        if (!entry) return "<none>";
        if (entry->problem) return std::string("<problem: ") + entry->problem + ">";
        return std::string(entry->key.begin(), entry->key.end());
    }
    std::vector<std::uint8_t> memory_;
    PskIndex index_;
};

TEST_F(PskFile, KeyRunsToTheEndOfTheLineWithItsBlanks) {
    parse("192.0.2.1 \t a key, with blanks  \n2001:db8::1\tother\n");
    EXPECT_EQ(key("192.0.2.1"), "a key, with blanks  ");
    EXPECT_EQ(key("2001:db8::1"), "other");
    EXPECT_EQ(key("192.0.2.2"), "<none>");
}

TEST_F(PskFile, LastLineNeedsNoNewline) {
    parse("a key");
    EXPECT_EQ(key("a"), "key");
}

TEST_F(PskFile, CommentsStartInTheFirstColumnOnly) {
    parse("# a x\n#a y\na key # not a comment\n");
    EXPECT_EQ(key("a"), "key # not a comment");
    EXPECT_EQ(key("#a"), "<none>");
}

TEST_F(PskFile, IdentifiersAreComparedAsTheyAre) {
    parse("VPN.example.org upper\n192.0.2.001 padded\n");
    EXPECT_EQ(key("vpn.example.org"), "<none>");
    EXPECT_EQ(key("VPN.example.or"), "<none>");
    EXPECT_EQ(key("VPN.example.org"), "upper");
    EXPECT_EQ(key("192.0.2.1"), "<none>");
}

TEST_F(PskFile, FirstMatchWinsLiteralOrStar) {
    parse("a first\na second\n* star\nb too late\n* star again\n");
    EXPECT_EQ(key("a"), "first");
    EXPECT_EQ(key("b"), "star");
    EXPECT_EQ(key("anything"), "star");
}

TEST_F(PskFile, HexKeysAreDecoded) {
    parse("a 0x6B65790001fF\nb 0x00\n");
    EXPECT_EQ(key("a"), std::string("key\0\x01\xff", 6));
    EXPECT_EQ(key("b"), std::string("\0", 1));
}

TEST_F(PskFile, ABrokenLineThatMatchesIsAnErrorAndNotTheNextMatch) {
    parse("a 0x123\nb 0x12zz\nc 0x\nd 0x41 \n* star\n");
    for (const char* id : {"a", "b", "c", "d"})
        EXPECT_EQ(key(id).rfind("<problem: ", 0), 0u) << id << " gave " << key(id);
    EXPECT_EQ(key("e"), "star");
    ASSERT_EQ(index_.remarks().size(), 4u);
    EXPECT_EQ(index_.remarks()[1].line, 2u);
}

TEST_F(PskFile, LinesOfMoreThan1023BytesAreRefusedAndNotCut) {
    const std::string fits = "a " + std::string(kMaxLine - 2, 'k');
    parse(fits + "\n" + "b " + std::string(kMaxLine - 1, 'k') + "\nc key\n");
    EXPECT_EQ(key("a").size(), kMaxLine - 2);
    EXPECT_EQ(key("b").rfind("<problem: ", 0), 0u);
    EXPECT_EQ(key("c"), "key");
}

TEST_F(PskFile, LinesWithoutAKeyOrIndentedAreSkippedWithARemark) {
    parse("a\na   \n  a indented\n\n   \na key\n");
    EXPECT_EQ(key("a"), "key");
    ASSERT_EQ(index_.remarks().size(), 3u);
    EXPECT_EQ(index_.remarks()[2].line, 3u);
}

TEST_F(PskFile, ACarriageReturnStaysInTheKeyAndIsRemarked) {
    parse("a key\r\n");
    EXPECT_EQ(key("a"), "key\r");
    ASSERT_EQ(index_.remarks().size(), 1u);
}

TEST_F(PskFile, AnAddressInAnotherSpellingIsRemarked) {
    parse("2001:DB8::1 a\n2001:db8:0::2 b\n2001:db8::3 c\n192.0.2.1 d\nfe80::1%eth0 e\n");
    EXPECT_EQ(key("2001:db8::1"), "<none>") << "compared as text, as racoon has always done";
    EXPECT_EQ(key("2001:db8::3"), "c");
    ASSERT_EQ(index_.remarks().size(), 2u);
    EXPECT_EQ(index_.remarks()[0].line, 1u);
    EXPECT_EQ(index_.remarks()[1].line, 2u);
}

TEST_F(PskFile, HabitsOfOtherFilesAreRemarkedAtTheirPlace) {
    struct Case {
        const char *text, *expected;
        unsigned line, column;
    };
    for (const Case& c : {
             Case{"\xef\xbb\xbf"
                  "a key\n",
                  "a byte order mark", 1, 1},
             Case{"a key \t\n", "the key ends in a blank", 1, 6},
             Case{"a \"key\"\n", "the quotes are part of the key", 1, 3},
             Case{"a 'key'\n", "the quotes are part of the key", 1, 3},
             Case{"a key # ours\n", "found a comment behind the key", 1, 7},
             Case{"a key\na other\n", "a line before it has the same identifier", 2, 1},
             Case{"* key\na other\n", "a line with * stands before it", 2, 1},
             Case{"192.0.2.0/24 key\n", "not for a net", 1, 1},
             Case{"192.0.2.1[500] key\n", "without its port", 1, 1},
             Case{"any key\n", "for every peer write *", 1, 1},
             Case{"%any key\n", "for every peer write *", 1, 1},
             Case{"anonymous key\n", "for every peer write *", 1, 1},
             Case{": PSK \"key\"\n", "the form of ipsec.secrets", 1, 1},
             Case{"192.0.2.1 : PSK key\n", "the form of ipsec.secrets", 1, 1},
             Case{"192.0.2.1:key\n", "found a colon after the identifier", 1, 10},
             Case{"192.0.2.1: key\n", "without the colon", 1, 1},
         }) {
        SCOPED_TRACE(c.text);
        parse(c.text);
        ASSERT_EQ(index_.remarks().size(), 1u);
        EXPECT_NE(std::string(index_.remarks()[0].text).find(c.expected), std::string::npos)
            << index_.remarks()[0].text;
        EXPECT_EQ(index_.remarks()[0].line, c.line);
        EXPECT_EQ(index_.remarks()[0].column, c.column);
    }
    parse(
        "\xef\xbb\xbf"
        "a key\n");
    EXPECT_EQ(key("a"), "key") << "without the mark";
    parse("2001:db8::1 a key, \"in part\" quoted #1\n");
    EXPECT_EQ(index_.remarks().size(), 1u) << "a # behind a blank alone";
    parse("2001:db8::1 key#1\nfe80::1%eth0 'tis\n");
    EXPECT_TRUE(index_.remarks().empty());
}

TEST_F(PskFile, ACapitalXMakesNoHexAndIsRemarked) {
    parse("a 0X41\n");
    EXPECT_EQ(key("a"), "0X41");
    ASSERT_EQ(index_.remarks().size(), 1u);
}

TEST_F(PskFile, WeakKeysAreFoundWithoutBrokenLines) {
    parse(
        "a 0x123\nb twenty and one chars.\nc twenty characters!!!\nd 0x00112233445566778899aabbccddee\n"
        "host.name.of.some.length host.name.of.some.length\n* 0x00112233445566778899aabbccddeeff\n");
    std::vector<unsigned> lines;
    for (const PskRemark& r : index_.weak_keys()) lines.push_back(r.line);
    EXPECT_EQ(lines, (std::vector<unsigned>{4, 5}));
    std::string many;
    for (int i = 0; i < 100; ++i) many += "x y\n";
    parse(many);
    EXPECT_EQ(index_.weak_keys().size(), kMaxRemarks);
}

TEST_F(PskFile, ANulIsRefused) {
    parse(std::string("a k\0y\n* star\n", 13));
    EXPECT_EQ(key("a").rfind("<problem: ", 0), 0u);
}

TEST_F(PskFile, RemarksAreBounded) {
    std::string text;
    for (int i = 0; i < 1000; ++i) text += "x\n";
    parse(text);
    EXPECT_EQ(index_.remarks().size(), kMaxRemarks);
}

}  // namespace
}  // namespace credential_files
