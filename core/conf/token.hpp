// Tokens of racoon.conf and of setkey's policy lines. Words are not judged here: the grammar is
// stateful, a word is a keyword only where the directive table says so.
//
//     Lexer lexer(sources, file, diagnostics, Lexer::Mode::Racoon);
//     Token t = lexer.next();                  // the word "aes256"
//     Token aes = lexer.split(t, 3);           // "aes"; next() gives "256"
//
// Characters that belong to no token are reported here and skipped, so that the parser goes on. Time
// is linear in the size of the file, and nothing is copied: texts are views into Sources.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "conf/diagnostic.hpp"

namespace racoon::conf {

enum class TokenKind : std::uint8_t {
    End,
    Word,
    String,
    Semicolon,
    Comma,
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    Slash
};

struct Token {
    TokenKind kind = TokenKind::End;
    Span span;
    std::string_view text;       // of a String: what is between the quotes
    bool first_on_line = false;  // only white space before it on its line
    bool glued = false;          // no white space before it

    bool is(TokenKind k) const { return kind == k; }
    bool is_word(std::string_view w) const { return kind == TokenKind::Word && text == w; }
};

/// How a message names a token: `"aes"`, `the end of the file`.
std::string describe(const Token& token);

class Lexer {
  public:
    /// Setkey: `=` and parentheses are not skipped, `+` belongs to words.
    enum class Mode : std::uint8_t { Racoon, Setkey };

    Lexer(const Sources& sources, std::uint32_t file, Diagnostics& diagnostics, Mode mode);
    /// Only a part of the file: a policy statement inside racoon.conf.
    Lexer(const Sources& sources, const Span& part, Diagnostics& diagnostics, Mode mode);

    const Token& peek();
    Token next();
    /// The token last returned by next(); an End token before the first.
    const Token& last() const { return last_; }
    /// Cuts a word: returns its first n bytes, and reading resumes behind them. Only for the token
    /// that next() returned last.
    Token split(const Token& word, std::size_t n);
    /// From the next token to before the `;` or brace (comments may hold one), which is next. Up to
    /// the end when there is none.
    Span raw_statement();
    /// Nothing more is read: the end of the file is next.
    void skip_rest();
    /// Reading resumes at the end of `part`, which was read before.
    void rewind(const Span& part);

  private:
    struct Place {
        std::uint32_t at = 0, line = 1, line_start = 0;
        bool line_empty = true;
    };
    Token scan();
    Token make(TokenKind kind, std::uint32_t start, std::uint32_t length, bool glued) const;
    Token string_token(bool glued);
    std::optional<Token> quoted_wrongly(bool glued);
    bool is_utf16() const;
    bool foreign_comment();
    void bad_character();
    bool skip_blank();
    bool is_word_char(char c) const;
    void newline_at(std::uint32_t at) {
        ++place_.line;
        place_.line_start = at + 1;
        place_.line_empty = true;
    }
    std::string_view rest() const { return bytes_.substr(place_.at); }

    std::string_view bytes_;
    std::uint32_t file_;
    Diagnostics& diagnostics_;
    Mode mode_;
    Place place_;
    Place before_peek_;
    Token last_;
    std::optional<Token> peeked_;
    std::size_t no_comment_ends_from_ = std::string_view::npos;  // from here on there is no "*/"
};

/// A decimal or, after 0x, hexadecimal number.
enum class NumberFault : std::uint8_t { None, NotANumber, TooLarge };
struct ParsedNumber {
    NumberFault fault = NumberFault::None;
    std::uint64_t value = 0;
};
ParsedNumber parse_number(std::string_view text);

inline bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
inline bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

}  // namespace racoon::conf
