#include "conf/token.hpp"

#include "unit/conf/conf_test_support.hpp"

namespace racoon::conf {
namespace {

struct Lexed {
    std::vector<std::string> tokens;
    std::string messages;
};
Lexed lex(std::string text, Lexer::Mode mode = Lexer::Mode::Racoon) {
    Sources sources;
    Diagnostics diagnostics(sources);
    Lexer lexer(sources, sources.add("f", std::move(text)), diagnostics, mode);
    Lexed out;
    for (Token t = lexer.next(); !t.is(TokenKind::End); t = lexer.next())
        out.tokens.push_back((t.is(TokenKind::String) ? "'" : "") + std::string(t.text));
    for (const Diagnostic& d : diagnostics.take()) out.messages += d.line() + "\n";
    return out;
}
using Words = std::vector<std::string>;

TEST(Lexer, CutsAddressesPortsAndPrefixesIntoTheirParts) {
    EXPECT_EQ(
        lex("10.0.0.0/24[any] fe80::1%eth0 [500];").tokens,
        (Words{"10.0.0.0", "/", "24", "[", "any", "]", "fe80::1%eth0", "[", "500", "]", ";"}));
}

TEST(Lexer, EndsCommentsAtTheLineAndKeepsHashesInsideStrings) {
    EXPECT_EQ(lex("a # b ; \"\nc \"#d\" # e").tokens, (Words{"a", "c", "'#d"}));
}

TEST(Lexer, CountsLinesBehindAStringThatSpansSeveral) {
    Sources sources;
    Diagnostics diagnostics(sources);
    Lexer lexer(sources, sources.add("f", "\"a\nbb\nc\" x"), diagnostics, Lexer::Mode::Racoon);
    lexer.next();
    const Token x = lexer.next();
    EXPECT_EQ(x.span.line, 3u);
    EXPECT_EQ(x.span.column, 4u);
    EXPECT_FALSE(x.first_on_line);
}

TEST(Lexer, TreatsCarriageReturnsAndFormFeedsAsWhiteSpace) {
    const Lexed l = lex("a\r\n\fb\v;\r\n");
    EXPECT_EQ(l.tokens, (Words{"a", "b", ";"}));
    EXPECT_EQ(l.messages, "");
}

TEST(Lexer, SplitsAWordWhereTheParserAsks) {
    Sources sources;
    Diagnostics diagnostics(sources);
    Lexer lexer(sources, sources.add("f", "aes256;"), diagnostics, Lexer::Mode::Racoon);
    const Token word = lexer.next();
    EXPECT_EQ(lexer.split(word, 3).text, "aes");
    const Token rest = lexer.next();
    EXPECT_EQ(rest.text, "256");
    EXPECT_EQ(rest.span.column, 4u);
    EXPECT_TRUE(rest.glued);
    EXPECT_TRUE(lexer.next().is(TokenKind::Semicolon));
}

TEST(Lexer, ReportsAStrangeCharacterInsteadOfGluingItToTheNextWord) {
    const Lexed l = lex("counter @3;");
    EXPECT_EQ(l.tokens, (Words{"counter", "3", ";"}));
    EXPECT_EQ(l.messages, "f:1:9: the character \"@\" means nothing here; remove it\n");
}

TEST(Lexer, SkipsEqualSignsAndParenthesesWithAWarning) {
    const Lexed l = lex("a = (b);");
    EXPECT_EQ(l.tokens, (Words{"a", "b", ";"}));
    EXPECT_NE(l.messages.find("f:1:3: warning: \"=\" means nothing here"), l.messages.npos);
    EXPECT_NE(l.messages.find("f:1:5: warning: \"(\""), l.messages.npos);
}

TEST(Lexer, DoesNotAcceptEqualSignsInPolicyLines) {
    EXPECT_NE(lex("a = b", Lexer::Mode::Setkey).messages.find("f:1:3: the character \"=\""),
              std::string::npos);
}

TEST(Lexer, TakesARunOfOneStrangeCharacterAsOneMistake) {
    EXPECT_EQ(lex(std::string(5000, '!')).messages,
              "f:1:1: the character \"!\" means nothing here; remove it\n");
}

TEST(Numbers, AreCheckedForOverflowAndNeverTakenForZero) {
    EXPECT_EQ(parse_number("18446744073709551615").value, 18446744073709551615ull);
    EXPECT_EQ(parse_number("18446744073709551616").fault, NumberFault::TooLarge);
    EXPECT_EQ(parse_number("0x10").value, 16u);
    for (const char* wrong : {"", "-1", "3x", "@3", "0x", "x", "1.5"})
        EXPECT_EQ(parse_number(wrong).fault, NumberFault::NotANumber) << wrong;
}

}  // namespace
}  // namespace racoon::conf
