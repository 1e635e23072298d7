#include "conf/token.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

namespace racoon::conf {

namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr std::string_view kNoBreakSpace = "\xc2\xa0", kNarrowSpace = "\xe2\x80\xaf";

/// Marks that editors and pasted pages put in place of double quotes.
struct WrongQuotes {
    std::string_view open, close, or_close;
};
constexpr std::array kWrongQuotes = {
    WrongQuotes{"'", "'", ""},
    WrongQuotes{"`", "`", "'"},
    WrongQuotes{"\xe2\x80\x9c", "\xe2\x80\x9d", "\xe2\x80\x9c"},  // English “ ”
    WrongQuotes{"\xe2\x80\x9d", "\xe2\x80\x9d", ""},              // Swedish ” ”
    WrongQuotes{"\xe2\x80\x9e", "\xe2\x80\x9c", "\xe2\x80\x9d"},  // German „ “, Polish „ ”
    WrongQuotes{"\xe2\x80\x98", "\xe2\x80\x99", "\xe2\x80\x98"},  // ‘ ’
    WrongQuotes{"\xe2\x80\x9a", "\xe2\x80\x98", "\xe2\x80\x99"},  // ‚ ‘
    WrongQuotes{"\xc2\xab", "\xc2\xbb", ""},                      // French « »
    WrongQuotes{"\xc2\xbb", "\xc2\xab", "\xc2\xbb"}};             // German » «
constexpr std::size_t kWrongQuoteReach = 256;  // how far a closing wrong quote is looked for

/// The bytes of the UTF-8 character at the start of `text`, 1 when it is none.
std::size_t character_length(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text.front());
    std::size_t n = lead >= 0xf0 && lead < 0xf8 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 1;
    if (lead >= 0xf8) n = 1;
    if (n > text.size()) return 1;
    for (std::size_t i = 1; i < n; ++i)
        if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return 1;
    return n;
}

}  // namespace

std::string describe(const Token& token) {
    switch (token.kind) {
        case TokenKind::End:
            return "the end of the file";
        case TokenKind::String:
            return "the string " + quoted(token.text);
        default:
            return quoted(token.text);
    }
}

ParsedNumber parse_number(std::string_view text) {
    unsigned base = 10;
    if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text.remove_prefix(2);
    }
    if (text.empty()) return {NumberFault::NotANumber, 0};
    std::uint64_t value = 0;
    bool too_large = false;
    for (const char c : text) {
        unsigned digit;
        if (is_digit(c))
            digit = static_cast<unsigned>(c - '0');
        else if (base == 16 && c >= 'a' && c <= 'f')
            digit = static_cast<unsigned>(c - 'a') + 10;
        else if (base == 16 && c >= 'A' && c <= 'F')
            digit = static_cast<unsigned>(c - 'A') + 10;
        else
            return {NumberFault::NotANumber, 0};
        if (value > (std::numeric_limits<std::uint64_t>::max() - digit) / base)
            too_large = true;
        else
            value = value * base + digit;
    }
    if (too_large) return {NumberFault::TooLarge, 0};
    return {NumberFault::None, value};
}

Lexer::Lexer(const Sources& sources, std::uint32_t file, Diagnostics& diagnostics, Mode mode)
    : bytes_(sources.at(file).bytes), file_(file), diagnostics_(diagnostics), mode_(mode) {
    if (bytes_.starts_with(kByteOrderMark)) place_.at = kByteOrderMark.size();
    last_.span = Span{file, place_.at, 0, 1, 1};
    if (!is_utf16()) return;
    diagnostics_.error(Span{file, 0, 1, 1, 1},
                       "this file is UTF-16; save it as UTF-8 or plain ASCII, or convert it with: "
                       "iconv -f UTF-16 -t UTF-8");
    skip_rest();
}

bool Lexer::is_utf16() const {
    if (bytes_.starts_with("\xff\xfe") || bytes_.starts_with("\xfe\xff")) return true;
    // Without a mark: every second byte of plain text is NUL.
    if (bytes_.size() < 4) return false;
    const bool odd =
        bytes_[0] == '\0' && bytes_[2] == '\0' && bytes_[1] != '\0' && bytes_[3] != '\0';
    const bool even =
        bytes_[0] != '\0' && bytes_[2] != '\0' && bytes_[1] == '\0' && bytes_[3] == '\0';
    return odd || even;
}

Lexer::Lexer(const Sources& sources, const Span& part, Diagnostics& diagnostics, Mode mode)
    : bytes_(std::string_view(sources.at(part.file).bytes).substr(0, part.offset + part.length)),
      file_(part.file),
      diagnostics_(diagnostics),
      mode_(mode) {
    place_ = {part.offset, part.line, part.offset - (part.column - 1), true};
    last_.span = part;
    last_.span.length = 0;
}

const Token& Lexer::peek() {
    if (!peeked_) {
        before_peek_ = place_;
        peeked_ = scan();
    }
    return *peeked_;
}

Token Lexer::next() {
    last_ = peek();
    peeked_.reset();
    return last_;
}

Token Lexer::split(const Token& word, std::size_t n) {
    peeked_.reset();
    last_ = word;
    last_.text = word.text.substr(0, n);
    last_.span.length = static_cast<std::uint32_t>(n);
    place_.at = word.span.offset + static_cast<std::uint32_t>(n);
    place_.line = word.span.line;
    place_.line_start = word.span.offset - (word.span.column - 1);
    place_.line_empty = false;
    return last_;
}

Span Lexer::raw_statement() {
    const Token first = peek();
    Span out = first.span;
    if (first.is(TokenKind::End) || first.is(TokenKind::Semicolon)) {
        out.length = 0;
        return out;
    }
    split(first, 0);  // read again from its first byte
    std::uint32_t end = place_.at;
    while (place_.at < bytes_.size() && bytes_[place_.at] != ';' && bytes_[place_.at] != '{' &&
           bytes_[place_.at] != '}') {
        if (skip_blank()) continue;
        ++place_.at;
        end = place_.at;
        place_.line_empty = false;
    }
    out.length = end - out.offset;
    last_.span = out;
    return out;
}

void Lexer::skip_rest() {
    peeked_.reset();
    place_.at = static_cast<std::uint32_t>(bytes_.size());
}

void Lexer::rewind(const Span& part) {
    peeked_.reset();
    last_.span = part;
    place_ = {part.offset, part.line, part.offset - (part.column - 1), false};
    for (; place_.at < part.offset + part.length; ++place_.at)
        if (bytes_[place_.at] == '\n') newline_at(place_.at);
    place_.line_empty = false;
}

bool Lexer::is_word_char(char c) const {
    return is_letter(c) || is_digit(c) || c == '_' || c == '.' || c == ':' || c == '%' ||
           c == '-' || (c == '+' && mode_ == Mode::Setkey);
}

/// White space and comments; whether there was any.
bool Lexer::skip_blank() {
    const std::uint32_t start = place_.at;
    while (place_.at < bytes_.size()) {
        const char c = bytes_[place_.at];
        if (c == '\n') {
            newline_at(place_.at++);
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v') {
            ++place_.at;
        } else if (c == '#') {
            const auto end = bytes_.find('\n', place_.at);
            place_.at = static_cast<std::uint32_t>(end == bytes_.npos ? bytes_.size() : end);
        } else {
            break;
        }
    }
    return place_.at != start;
}

Token Lexer::make(TokenKind kind, std::uint32_t start, std::uint32_t length, bool glued) const {
    Token t;
    t.kind = kind;
    t.span = Span{file_, start, length, place_.line, start - place_.line_start + 1};
    t.text = bytes_.substr(start, length);
    t.first_on_line = place_.line_empty;
    t.glued = glued;
    return t;
}

Token Lexer::scan() {
    bool glued = true;
    for (;;) {
        if (skip_blank()) glued = false;
        // What is beyond the bound of errors is not told, and need not be read.
        if (diagnostics_.full()) place_.at = static_cast<std::uint32_t>(bytes_.size());
        if (place_.at >= bytes_.size())
            return make(TokenKind::End, static_cast<std::uint32_t>(bytes_.size()), 0, false);
        const std::uint32_t start = place_.at;
        const char c = bytes_[start];
        if (is_word_char(c)) {
            std::uint32_t end = start + 1;
            while (end < bytes_.size() && is_word_char(bytes_[end])) ++end;
            Token t = make(TokenKind::Word, start, end - start, glued);
            place_.at = end;
            place_.line_empty = false;
            return t;
        }
        std::optional<TokenKind> single;
        switch (c) {
            case ';':
                single = TokenKind::Semicolon;
                break;
            case ',':
                single = TokenKind::Comma;
                break;
            case '{':
                single = TokenKind::OpenBrace;
                break;
            case '}':
                single = TokenKind::CloseBrace;
                break;
            case '[':
                single = TokenKind::OpenBracket;
                break;
            case ']':
                single = TokenKind::CloseBracket;
                break;
            case '/':
                single = TokenKind::Slash;
                break;
            case '"':
                return string_token(glued);
            default:
                break;
        }
        if (c == '/' && mode_ == Mode::Racoon && foreign_comment()) {
            glued = false;
            continue;
        }
        if (single) {
            Token t = make(*single, start, 1, glued);
            ++place_.at;
            place_.line_empty = false;
            return t;
        }
        if (auto t = quoted_wrongly(glued)) return *t;
        bad_character();
        glued = false;
    }
}

/// A comment as in C: one error, and what is in it is not read.
bool Lexer::foreign_comment() {
    const std::string_view text = rest();
    const bool block = text.starts_with("/*");
    if (!block && !text.starts_with("//")) return false;
    Span span = make(TokenKind::Slash, place_.at, 2, true).span;
    diagnostics_.error(span,
                       fmt::format("\"{}\" begins no comment here; a comment goes from # to the "
                                   "end of its line",
                                   text.substr(0, 2)));
    std::size_t end = text.npos;
    if (!block) {
        end = text.find('\n');
    } else if (place_.at < no_comment_ends_from_) {
        end = text.find("*/", 2);
        // Not looked for again: else a file of nothing but openings costs its length for each.
        if (end == text.npos) no_comment_ends_from_ = place_.at;
    }
    if (end == text.npos) end = block ? text.find('\n') : text.size();
    if (end == text.npos) end = text.size();
    const std::size_t stop = place_.at + std::min(text.size(), end + (block ? 2 : 0));
    while (place_.at < stop) {
        if (bytes_[place_.at] == '\n')
            newline_at(place_.at);
        else
            place_.line_empty = false;
        ++place_.at;
    }
    return true;
}

Token Lexer::string_token(bool glued) {
    const std::uint32_t start = place_.at;
    auto end = bytes_.find('"', start + 1);
    bool closed = end != bytes_.npos;
    if (!closed) {  // take the line, so that what follows is still read
        end = bytes_.find('\n', start);
        if (end == bytes_.npos) end = bytes_.size();
        while (end > start + 1 && (bytes_[end - 1] == '\r' || bytes_[end - 1] == ' ' ||
                                   bytes_[end - 1] == ';' || bytes_[end - 1] == '{'))
            --end;
    }
    const std::uint32_t stop = static_cast<std::uint32_t>(end) + (closed ? 1 : 0);
    Token t = make(TokenKind::String, start, stop - start, glued);
    t.text = bytes_.substr(start + 1, end - start - 1);
    if (!closed) {
        Span mark = t.span;
        mark.length = 1;
        diagnostics_.error(mark,
                           "the string that opens here is never closed: its second \" is missing");
    } else if (t.text.find('\0') != t.text.npos) {
        diagnostics_.error(t.span, "a string cannot hold a NUL byte");
    }
    place_.line_empty = false;
    for (auto nl = t.text.find('\n'); nl != t.text.npos; nl = t.text.find('\n', nl + 1))
        newline_at(start + 1 + static_cast<std::uint32_t>(nl));
    if (closed) place_.line_empty = false;
    place_.at = stop;
    return t;
}

/// Single and typographic quotation marks, of English, German and French: one error, and the text is
/// taken as the string that was meant.
std::optional<Token> Lexer::quoted_wrongly(bool glued) {
    const auto marks = std::find_if(kWrongQuotes.begin(), kWrongQuotes.end(),
                                    [this](const auto& m) { return rest().starts_with(m.open); });
    if (marks == kWrongQuotes.end()) return std::nullopt;
    const std::uint32_t start = place_.at;
    const auto open = marks->open.size();
    const std::string_view window = bytes_.substr(start + open, kWrongQuoteReach);
    auto end = window.find(marks->close);
    std::string_view close = marks->close;
    if (const auto other = window.find(marks->or_close);
        !marks->or_close.empty() && other < std::min(end, window.size())) {
        end = other;
        close = marks->or_close;
    }
    const auto newline = window.find('\n');
    if (end == window.npos || newline < end) return std::nullopt;
    const auto length = static_cast<std::uint32_t>(open + end + close.size());
    Token t = make(TokenKind::String, start, length, glued);
    t.text = bytes_.substr(start + open, end);
    while (t.text.starts_with(' ')) t.text.remove_prefix(1);  // as the French write it
    while (t.text.ends_with(' ')) t.text.remove_suffix(1);
    diagnostics_.error(t.span,
                       fmt::format("a string stands in double quotes: write {}", quoted(t.text)));
    place_.at = start + length;
    place_.line_empty = false;
    return t;
}

/// A character that begins no token. racoon skipped them all without a word, which turned `counter
/// @3` into zero; real files rely on that only for `=` and parentheses.
void Lexer::bad_character() {
    const std::uint32_t start = place_.at;
    const char c = bytes_[start];
    const std::size_t length = character_length(bytes_.substr(start));
    Span span = make(TokenKind::Word, start, static_cast<std::uint32_t>(length), true).span;
    place_.at = start + static_cast<std::uint32_t>(length);
    place_.line_empty = false;
    if (mode_ == Mode::Racoon && (c == '=' || c == '(' || c == ')')) {
        if (diagnostics_.beyond(Warning::StrayCharacter, span)) return;
        diagnostics_.warning(Warning::StrayCharacter, span,
                             fmt::format("\"{}\" means nothing here and is skipped; remove it", c));
        return;
    }
    // A run of the same character is one mistake.
    while (place_.at < bytes_.size() && length == 1 && bytes_[place_.at] == c) {
        ++place_.at;
        ++span.length;
    }
    const auto code = static_cast<unsigned char>(c);
    const std::string_view character = bytes_.substr(start, length);
    if (character == kNoBreakSpace || character == kNarrowSpace) {
        while (rest().starts_with(character)) place_.at += static_cast<std::uint32_t>(length);
        diagnostics_.error(span, fmt::format("a no-break space ({}), which looks like a blank; "
                                             "write an ordinary blank",
                                             character == kNoBreakSpace ? "U+00A0" : "U+202F"));
    } else if (c == '\0')
        diagnostics_.error(span, "a NUL byte; is this a text file?");
    else if (c == '|' && mode_ == Mode::Racoon)
        diagnostics_.error(span,
                           "\"|\" means nothing here; between the items of a list write \",\"");
    else if (c == '*' && mode_ == Mode::Racoon)
        diagnostics_.error(span,
                           "\"*\" means nothing here; for any peer, and for any end of a sainfo, "
                           "write anonymous");
    else if (c == '\'')
        diagnostics_.error(span,
                           "single quotes mean nothing here; a string stands in double quotes");
    else if (length > 1)
        diagnostics_.error(span, fmt::format("the character \"{}\" means nothing here; remove it",
                                             bytes_.substr(start, length)));
    else if (code < 0x20 || code >= 0x7f)
        diagnostics_.error(span,
                           fmt::format("the byte 0x{:02x} means nothing here; remove it", code));
    else
        diagnostics_.error(span,
                           fmt::format("the character \"{}\" means nothing here; remove it", c));
}

}  // namespace racoon::conf
