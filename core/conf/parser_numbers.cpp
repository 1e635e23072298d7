// Arguments that are numbers, times and amounts.
#include <fmt/format.h>

#include <array>
#include <limits>

#include "conf/nearest.hpp"
#include "conf/parser.hpp"

namespace racoon::conf {

namespace {

struct Unit {
    std::string_view word;
    std::uint32_t seconds;
};
constexpr std::array kUnits = {Unit{"sec", 1},     Unit{"secs", 1},     Unit{"second", 1},
                               Unit{"seconds", 1}, Unit{"min", 60},     Unit{"mins", 60},
                               Unit{"minute", 60}, Unit{"minutes", 60}, Unit{"hour", 3600},
                               Unit{"hours", 3600}};

constexpr std::uint64_t kKilobyte = 1024;

/// 0: no unit.
std::uint64_t unit_bytes(std::string_view unit) {
    if (unit == "B" || unit == "byte" || unit == "bytes") return 1;
    std::uint64_t size = kKilobyte;
    for (const std::string_view known : {"KB", "MB", "GB", "TB"}) {
        if (unit == known) return size;
        size *= kKilobyte;
    }
    return 0;
}

/// What to write instead of a time with a unit that does not exist.
std::string meant_time(std::uint64_t number, std::string_view unit,
                       const std::vector<std::string>& units) {
    struct Other {
        std::string_view word, unit;
        std::uint64_t times = 1;
    };
    static constexpr std::array kOthers = {
        Other{"s", "sec"},           Other{"m", "min"},          Other{"h", "hours"},
        Other{"hr", "hours"},        Other{"hrs", "hours"},      Other{"d", "hours", 24},
        Other{"day", "hours", 24},   Other{"days", "hours", 24}, Other{"week", "hours", 168},
        Other{"weeks", "hours", 168}};
    for (const Other& o : kOthers)
        if (o.word == unit && number <= 10'000)
            return fmt::format("write \"{} {}\"", number * o.times,
                               number * o.times == 1 && o.unit == "hours" ? "hour" : o.unit);
    if (const auto close = nearest(unit, units)) return fmt::format("did you mean \"{}\"?", *close);
    return "a time is a number and sec, min or hours";
}

}  // namespace

std::uint32_t unit_seconds(std::string_view unit) {
    for (const Unit& u : kUnits)
        if (u.word == unit) return u.seconds;
    return 0;
}

std::optional<std::uint64_t> Parser::read_number(const Directive& directive) {
    Token t = lexer_.peek();
    if (!t.is(TokenKind::Word)) {
        expected("a number", directive);
        return std::nullopt;
    }
    lexer_.next();
    auto parsed = parse_number(t.text);
    if (parsed.fault == NumberFault::NotANumber) {
        std::size_t n = 0;
        while (n < t.text.size() && is_digit(t.text[n])) ++n;
        if (n > 0 && n < t.text.size() && is_letter(t.text[n])) {
            t = lexer_.split(t, n);
            parsed = parse_number(t.text);
        }
    }
    if (parsed.fault == NumberFault::None) return parsed.value;
    if (parsed.fault == NumberFault::TooLarge)
        diagnostics_.error(t.span, fmt::format("the number {} is too large", quoted(t.text)));
    else if (t.text.starts_with('-'))
        diagnostics_.error(t.span, fmt::format("{} takes a number that is not negative, found {}",
                                               quoted(directive.keyword), quoted(t.text)));
    else
        diagnostics_.error(t.span, fmt::format("{} takes a number, found {}",
                                               quoted(directive.keyword), quoted(t.text)));
    return std::nullopt;
}

bool Parser::number(const Directive& directive, Statement& s) {
    if (!counted(directive, s)) return false;
    const Value& v = s.values.back();
    const Token t = lexer_.peek();
    if (!t.is(TokenKind::Word) || t.first_on_line) return true;
    if (const std::uint32_t unit = unit_seconds(t.text)) {
        const std::string plain =
            directive.unit == "seconds"
                ? fmt::format(": write \"{} {};\"", directive.keyword, v.number * unit)
                : std::string();
        diagnostics_.error(t.span, fmt::format("{} takes a number without a unit{}",
                                               quoted(directive.keyword), plain));
        return false;
    }
    if (t.glued && !find_directive(directive.context, t.text)) {
        diagnostics_.error(v.where,
                           fmt::format("{} takes a number, found {}", quoted(directive.keyword),
                                       quoted(unquoted_run_at(v.where))));
        return false;
    }
    return true;
}

bool Parser::counted(const Directive& directive, Statement& s) {
    const auto n = read_number(directive);
    if (!n) return false;
    Value v = value_of(lexer_.last());
    v.number = *n;
    v.has_number = true;
    s.values.push_back(v);
    return true;
}

/// 0x10 or 0x10/0xff
bool Parser::mark(const Directive& directive, Statement& s) {
    if (!counted(directive, s)) return false;
    if (!lexer_.peek().is(TokenKind::Slash)) return true;
    lexer_.next();
    return counted(directive, s);
}

bool Parser::time(const Directive& directive, Statement& s) {
    if (!counted(directive, s)) return false;
    Value& v = s.values.back();
    const Token t = lexer_.peek();
    const std::uint32_t unit = t.is(TokenKind::Word) ? unit_seconds(t.text) : 0;
    if (unit == 0) {
        std::vector<std::string> units;
        for (const Unit& u : kUnits) units.emplace_back(u.word);
        if (t.is(TokenKind::Word) && !t.first_on_line)
            diagnostics_.error(t.span, fmt::format("unknown unit {}; {}", quoted(t.text),
                                                   meant_time(v.number, t.text, units)));
        else
            diagnostics_.error(v.where,
                               fmt::format("{} takes a time with its unit: write \"{} sec\"",
                                           quoted(directive.keyword), v.number));
        return false;
    }
    lexer_.next();
    if (v.number > std::numeric_limits<std::uint32_t>::max() / unit) {
        diagnostics_.error(v.where,
                           fmt::format("{} {} is too long; the most is {}", v.number, t.text,
                                       std::numeric_limits<std::uint32_t>::max() / unit));
        return false;
    }
    v.number *= unit;
    return true;
}

bool Parser::lifetime(const Directive& directive, Statement& s) {
    Token t = lexer_.peek();
    if (t.is(TokenKind::Word) && t.text.size() > 4 && t.text.starts_with("time") &&
        is_digit(t.text[4]))
        t = lexer_.split(lexer_.next(), 4);  // "time1hour"
    else if (t.is_word("time"))
        t = lexer_.next();
    if (t.is_word("time")) return time(directive, s);
    if (t.is_word("byte") || t.is_word("volume")) {
        if (t.is_word("volume"))
            diagnostics_.warning(Warning::Deprecated, t.span,
                                 "\"volume\" is an old spelling; write \"byte\"");
        lexer_.next();
        s.directive = find_directive(directive.context, "lifetime byte");
        return volume(*s.directive, s);
    }
    if (t.is(TokenKind::Word) && is_digit(t.text[0])) {
        lexer_.next();
        const Token unit = lexer_.peek();
        const bool has_unit = unit.is(TokenKind::Word) && !unit.first_on_line;
        const bool bare = parse_number(t.text).fault == NumberFault::None;
        diagnostics_.error(t.span,
                           fmt::format("\"lifetime\" takes the word time first: write \"lifetime "
                                       "time {} {}\"",
                                       bare ? t.text : "8",
                                       has_unit && unit_seconds(unit.text) ? unit.text
                                       : bare                              ? "sec"
                                                                           : "hours"));
        return false;
    }
    return expected("the word time and a time, such as \"time 8 hours\"", directive);
}

/// "100 MB", in kilobytes of 1024; a part of one counts as one.
bool Parser::volume(const Directive& directive, Statement& s) {
    if (!counted(directive, s)) return false;
    Value& v = s.values.back();
    const Token t = lexer_.peek();
    const bool word = t.is(TokenKind::Word) && !t.first_on_line;
    const std::uint64_t unit = word ? unit_bytes(t.text) : 0;
    if (unit == 0) {
        if (word)
            diagnostics_.error(t.span,
                               fmt::format("unknown unit {}; an amount is a number and B, KB, MB, "
                                           "GB or TB",
                                           quoted(t.text)));
        else
            diagnostics_.error(v.where,
                               fmt::format("{} takes an amount with its unit: write \"{} MB\"",
                                           quoted(directive.keyword), v.number));
        return false;
    }
    lexer_.next();
    // What is more than the wire has numbers for never ends anything.
    const std::uint64_t most = directive.most * kKilobyte / unit;
    v.number = v.number > most ? directive.most : (v.number * unit + kKilobyte - 1) / kKilobyte;
    if (v.number < directive.least) {
        diagnostics_.error(v.where, "a lifetime is at least 1 byte");
        return false;
    }
    return true;
}

}  // namespace racoon::conf
