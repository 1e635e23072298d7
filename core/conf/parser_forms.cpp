// The arguments of each Form.
#include <fmt/format.h>

#include <algorithm>
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

const std::vector<std::string>& identifier_types() {
    static const std::vector<std::string> kTypes = {"address", "fqdn", "user_fqdn", "keyid",
                                                    "asn1dn"};
    return kTypes;
}

const std::vector<std::string>& selector_types() {
    static const std::vector<std::string> kTypes = {"address",   "subnet", "fqdn",
                                                    "user_fqdn", "keyid",  "asn1dn"};
    return kTypes;
}

bool is_one_of(const std::vector<std::string>& words, std::string_view word) {
    for (const std::string& w : words)
        if (w == word) return true;
    return false;
}

std::uint32_t unit_seconds(std::string_view unit) {
    for (const Unit& u : kUnits)
        if (u.word == unit) return u.seconds;
    return 0;
}

Value Parser::value_of(const Token& token) {
    Value v;
    v.kind = token.is(TokenKind::String) ? Value::Kind::String : Value::Kind::Word;
    v.where = token.span;
    v.text = token.text;
    return v;
}

bool Parser::expected(std::string_view what, const Directive& directive) {
    const Token& t = lexer_.peek();
    diagnostics_.error(
        t.span, fmt::format("{} takes {}, found {}", quoted(directive.keyword), what, describe(t)));
    return false;
}

bool Parser::arguments(const Directive& directive, Context context, Statement& s) {
    switch (directive.form) {
        case Form::Block:
        case Form::Nothing:
            return true;
        case Form::Skipped:
            return true;
        case Form::Path: {
            const Token kind = lexer_.peek();
            const Directive* found =
                kind.is(TokenKind::Word) ? find_directive(Context::Path, kind.text) : nullptr;
            if (!found) {
                diagnostics_.error(
                    kind.span,
                    fmt::format("\"path\" takes {}, found {}{}", one_of(keywords(Context::Path)),
                                describe(kind), did_you_mean(kind.text, keywords(Context::Path))));
                return false;
            }
            lexer_.next();
            if (found->standing == Standing::Gone) {
                diagnostics_.error(kind.span,
                                   fmt::format("{} {}", quoted(kind.text), found->instead));
                return false;
            }
            s.directive = found;
            return text(*found, s);
        }
        case Form::Text:
            return text(directive, s);
        case Form::Name:
            if (lexer_.peek().is(TokenKind::Word)) {
                s.values.push_back(value_of(lexer_.next()));
                return true;
            }
            return text(directive, s);
        case Form::Number:
            return number(directive, s);
        case Form::Mark:
            return mark(directive, s);
        case Form::Time:
            return time(directive, s);
        case Form::Lifetime:
            return lifetime(directive, s);
        case Form::Switch:
        case Form::Choice:
        case Form::LogLevel:
            return choice(directive, s);
        case Form::Choices:
            return choices(directive, context, s);
        case Form::Address:
            return address(directive, s);
        case Form::Peer:
            return peer(directive, s);
        case Form::OwnCertificate:
            return own_certificate(directive, s);
        case Form::PeersCertificate:
            return peers_certificate(directive, s);
        case Form::CaFile:
            return ca_file(directive, s);
        case Form::Script:
            return script(directive, s);
        case Form::IpAddress:
            return ip_address(directive, s);
        case Form::Addresses:
            return addresses(directive, s);
        case Form::Networks:
            return networks(directive, s);
        case Form::Texts:
            return texts(directive, s);
        case Form::RadiusServer:
            return radius_server(directive, s);
        case Form::AdminSocket:
            return admin_socket(directive, s);
        case Form::AdminPort:
            return admin_port();
        case Form::Identifier:
            return identifier(directive, s);
        case Form::Group: {
            if (!lexer_.peek().is(TokenKind::Word))
                return expected("a group's name or number, such as modp2048 or 14", directive);
            s.values.push_back(value_of(lexer_.next()));
            return true;
        }
        case Form::Algorithm:
            return algorithm(directive, s);
        case Form::Algorithms:
            return algorithms(directive, s);
        case Form::Remote:
            return remote_head(s);
        case Form::SaInfo:
            return sainfo_head(s);
        case Form::Module:
            return text(directive, s);
        case Form::Policy:
            return policy(s);
    }
    return false;
}

/// What an unquoted path or name looks like in full, for the advice to quote it.
std::string Parser::unquoted_run(const Token& from) const {
    return unquoted_run_at(from.span);
}

std::string Parser::unquoted_run_at(const Span& from) const {
    const std::string_view rest =
        std::string_view(sources_.at(from.file).bytes).substr(from.offset, 80);
    return std::string(rest.substr(0, rest.find_first_of(" \t\r\n;{}\"")));
}

std::optional<Value> Parser::quoted_text(const Directive& directive) {
    const Token t = lexer_.peek();
    if (t.is(TokenKind::String)) return value_of(lexer_.next());
    if (t.is(TokenKind::Word) || t.is(TokenKind::Slash)) {
        const std::string run = unquoted_run(t);
        diagnostics_.error(t.span, fmt::format("{} takes a text in double quotes: write {}",
                                               quoted(directive.keyword), quoted(run)));
        lexer_.next();
        const std::string_view bytes = sources_.at(t.span.file).bytes;
        const std::size_t behind = t.span.offset + run.size();
        const bool closed =
            behind < bytes.size() && bytes[behind] == '"';  // only the first is missing
        lexer_.split(t, run.size() + (closed ? 1 : 0));
    } else {
        expected("a text in double quotes", directive);
    }
    return std::nullopt;
}

bool Parser::text(const Directive& directive, Statement& s) {
    const auto value = quoted_text(directive);
    if (!value) return false;
    s.values.push_back(*value);
    return true;
}

/// A number that may be followed directly by letters: "5sec" leaves "sec".
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
        lexer_.next();
        diagnostics_.warning(Warning::Deprecated, t.span,
                             "a lifetime in bytes has no effect; remove it");
        if (!read_number(directive)) return false;
        if (lexer_.peek().is(TokenKind::Word)) lexer_.next();
        return true;
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

bool Parser::choice(const Directive& directive, Statement& s) {
    const Token t = lexer_.peek();
    const auto words = directive.form == Form::Switch ? std::vector<std::string>{"on", "off"}
                                                      : split_words(directive.choices);
    Value v = value_of(t);
    if (directive.form == Form::Switch && (t.is_word("yes") || t.is_word("no")))
        v.text = t.text == "yes" ? "on" : "off";
    // KAME's levels beyond debug2, and its hexadecimal mask.
    if (directive.form == Form::LogLevel && t.is(TokenKind::Word) && !is_one_of(words, t.text) &&
        (t.text == "debug3" || t.text == "debug4" ||
         parse_number(t.text).fault == NumberFault::None)) {
        diagnostics_.warning(
            Warning::Deprecated, t.span,
            fmt::format("log {} is an old form; write \"log debug2\"", quoted(t.text)));
        v.text = "debug2";
    }
    if (!t.is(TokenKind::Word) || !is_one_of(words, v.text)) {
        std::string hint = t.is(TokenKind::Word) ? did_you_mean(t.text, words) : "";
        if (is_one_of(words, "on") && hint.empty()) {
            if (is_one_of({"yes", "true", "1", "enable", "enabled"}, t.text))
                hint = "; write \"on\"";
            if (is_one_of({"no", "false", "0", "disable", "disabled"}, t.text))
                hint = "; write \"off\"";
        }
        diagnostics_.error(t.span, fmt::format("{} takes {}, found {}{}", quoted(directive.keyword),
                                               one_of(words), describe(t), hint));
        return false;
    }
    lexer_.next();
    v.number = v.text == "on" ? 1 : 0;
    s.values.push_back(v);
    return true;
}

/// Commas between the words are ignored wherever they are, as in racoon.
bool Parser::choices(const Directive& directive, Context context, Statement& s) {
    const auto words = split_words(directive.choices);
    for (;;) {
        const Token t = lexer_.peek();
        if (t.is(TokenKind::Comma)) {
            lexer_.next();
            continue;
        }
        if (!t.is(TokenKind::Word)) break;
        if (!is_one_of(words, t.text)) {
            if (!s.values.empty() && begins_statement(context, t)) break;  // a missing semicolon
            diagnostics_.error(
                t.span, fmt::format("{} takes {}, found {}{}", quoted(directive.keyword),
                                    one_of(words), quoted(t.text), did_you_mean(t.text, words)));
            return false;
        }
        s.values.push_back(value_of(lexer_.next()));
        if (s.values.size() <= kMaxWords) continue;
        diagnostics_.error(t.span, fmt::format("more than {} words", kMaxWords));
        return false;
    }
    if (s.values.empty()) return expected(one_of(words), directive);
    return true;
}

/// `[500]` behind an address, with or without a space before it; without it nothing is set.
bool Parser::port(Value& address, bool any_allowed) {
    if (!lexer_.peek().is(TokenKind::OpenBracket)) return true;
    lexer_.next();
    const Token t = lexer_.peek();
    const auto parsed = parse_number(t.text);
    if (t.is_word("any") && any_allowed) {
        lexer_.next();
    } else if (t.is(TokenKind::Word) && parsed.fault == NumberFault::None &&
               parsed.value <= 65535) {
        lexer_.next();
        address.number = parsed.value;
        address.has_number = true;
        address.number_where = t.span;
    } else {
        diagnostics_.error(t.span, fmt::format("expected a port from 0 to 65535{}, found {}",
                                               any_allowed ? " or any" : "", describe(t)));
        return false;
    }
    if (!lexer_.peek().is(TokenKind::CloseBracket)) {
        diagnostics_.error(
            lexer_.peek().span,
            fmt::format("expected \"]\" after the port, found {}", describe(lexer_.peek())));
        return false;
    }
    lexer_.next();
    return true;
}

bool Parser::address(const Directive& directive, Statement& s) {
    if (lexer_.peek().is(TokenKind::OpenBracket)) {
        diagnostics_.error(lexer_.peek().span,
                           "only the port stands in brackets: write for example \"2001:db8::1 "
                           "[500]\"");
        return false;
    }
    if (!lexer_.peek().is(TokenKind::Word))
        return expected("an address, such as 192.0.2.1 or 192.0.2.1 [500]", directive);
    Value v = value_of(lexer_.next());
    if (!port(v, false)) return false;
    s.values.push_back(v);
    return true;
}

bool Parser::admin_socket(const Directive& directive, Statement& s) {
    if (lexer_.peek().is_word("disabled")) {
        s.values.push_back(value_of(lexer_.next()));
        return true;
    }
    if (!text(directive, s)) return false;
    const Token owner = lexer_.peek();
    if (owner.is(TokenKind::Word) && !owner.first_on_line) return text(directive, s);  // unquoted
    if (!owner.is(TokenKind::String)) return true;
    if (!text(directive, s)) return false;
    if (!lexer_.peek().is(TokenKind::String))
        return expected("a path alone, or path, owner, group and mode: here the group is missing",
                        directive);
    if (!text(directive, s)) return false;
    const Token t = lexer_.peek();
    bool octal = t.is(TokenKind::Word) && t.text.size() <= 4;
    for (const char c : t.text) octal = octal && c >= '0' && c <= '7';
    if (!octal) return expected("a mode in octal digits, such as 0660, after the group", directive);
    s.values.push_back(value_of(lexer_.next()));
    for (const char c : t.text)
        s.values.back().number = s.values.back().number * 8 + static_cast<unsigned>(c - '0');
    return true;
}

bool Parser::admin_port() {
    Value v;
    const Span where = lexer_.peek().span;
    if (!port(v, false)) return false;
    if (v.has_number && v.number == 0) {
        diagnostics_.warning(Warning::Deprecated, where,
                             "there is no TCP admin port any more; remove \"admin\"");
        return true;
    }
    diagnostics_.error(
        where, "there is no TCP admin port any more; the control socket is set with adminsock");
    return true;
}

bool Parser::identifier(const Directive& directive, Statement& s) {
    const Token t = lexer_.peek();
    Value type = value_of(t);
    if (t.is_word("certname")) {
        diagnostics_.warning(Warning::Deprecated, t.span,
                             "\"certname\" is an old spelling; write \"asn1dn\"");
        type.text = "asn1dn";
    }
    if (!t.is(TokenKind::Word) || !is_one_of(identifier_types(), type.text)) {
        diagnostics_.error(t.span, fmt::format("{} takes {}, found {}{}", quoted(directive.keyword),
                                               one_of(identifier_types()), describe(t),
                                               did_you_mean(t.text, identifier_types())));
        return false;
    }
    lexer_.next();
    if (const Token q = lexer_.peek(); q.is_word("tag") || q.is_word("file")) {
        if (type.text != "keyid") {
            diagnostics_.error(q.span, fmt::format("{} belongs to keyid only", quoted(q.text)));
            return false;
        }
        lexer_.next();
        type.number = q.text == "tag" ? 1 : 2;
    }
    s.values.push_back(type);
    const Token v = lexer_.peek();
    if (v.is(TokenKind::Word) && type.text != "address" &&
        !begins_statement(directive.context, v) &&
        !(type.number == 1 && v.text.starts_with("0x"))) {
        const std::string run = unquoted_run(v);
        diagnostics_.error(v.span, fmt::format("{} {} takes a text in double quotes: write {}",
                                               quoted(directive.keyword), type.text, quoted(run)));
        lexer_.next();
        lexer_.split(v, run.size());
        return false;
    }
    if (v.is(TokenKind::String) ||
        (v.is(TokenKind::Word) && !begins_statement(directive.context, v)))
        s.values.push_back(value_of(lexer_.next()));
    return true;
}

bool Parser::algorithm(const Directive& directive, Statement& s) {
    const Token t = lexer_.peek();
    if (t.is(TokenKind::String)) {
        diagnostics_.error(t.span,
                           fmt::format("{} takes the name of an algorithm without quotes: "
                                       "write {}",
                                       quoted(directive.keyword),
                                       quoted(t.text).substr(1, quoted(t.text).size() - 2)));
        return false;
    }
    if (!t.is(TokenKind::Word)) return expected("the name of an algorithm", directive);
    Value v = value_of(lexer_.next());
    const Token n = lexer_.peek();
    if (n.is(TokenKind::Word)) {
        const auto parsed = parse_number(n.text);
        if (parsed.fault == NumberFault::TooLarge) {
            diagnostics_.error(n.span, fmt::format("the number {} is too large", quoted(n.text)));
            return false;
        }
        if (parsed.fault == NumberFault::None) {
            lexer_.next();
            v.has_number = true;
            v.number = parsed.value;
            v.number_where = n.span;
        }
    }
    s.values.push_back(v);
    return true;
}

bool Parser::algorithms(const Directive& directive, Statement& s) {
    for (;;) {
        if (!algorithm(directive, s)) return false;
        const Token t = lexer_.peek();
        if (s.values.size() > kMaxWords) {
            diagnostics_.error(t.span, fmt::format("more than {} algorithms", kMaxWords));
            return false;
        }
        if (t.is(TokenKind::Comma)) {
            lexer_.next();
            continue;
        }
        if (t.is(TokenKind::Word) && !begins_statement(directive.context, t)) {
            diagnostics_.error(t.span, fmt::format("missing \",\" before {}", quoted(t.text)));
            continue;
        }
        return true;
    }
}

/// A policy ends at its ";"; where a line begins with a word of racoon's before it, the ";" is missing.
Span Parser::forgotten_semicolon(Span policy) {
    const std::string_view text = sources_.text(policy);
    for (auto nl = text.find('\n'); nl != text.npos; nl = text.find('\n', nl + 1)) {
        const auto at = text.find_first_not_of(" \t\r\n", nl);
        if (at == text.npos) break;
        const std::string_view word = text.substr(at, text.find_first_of(" \t\r\n\";{", at) - at);
        if (!find_directive(Context::Top, word)) continue;
        const auto end = text.find_last_not_of(" \t\r\n", nl);
        const auto line = text.rfind('\n', end) == text.npos ? 0 : text.rfind('\n', end) + 1;
        Span gap = policy;
        gap.offset += static_cast<std::uint32_t>(end + 1);
        gap.length = 1;
        gap.line += static_cast<std::uint32_t>(
            std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
        gap.column =
            static_cast<std::uint32_t>(line == 0 ? policy.column + end + 1 : end - line + 2);
        diagnostics_.error(gap, "missing \";\" after this policy");
        policy.length = static_cast<std::uint32_t>(end + 1);
        lexer_.rewind(policy);
        break;
    }
    return policy;
}

bool Parser::policy(Statement& s) {
    const Token t = lexer_.peek();
    if (t.is_word("file")) {
        lexer_.next();
        return text(*find_directive(Context::Top, "policy"), s);
    }
    Value v;
    v.kind = Value::Kind::Word;
    const Token keyword = lexer_.last();
    // Not read as tokens: the policy syntax does that, and has its own idea of `+` and the rest.
    const Span raw = lexer_.raw_statement();
    const Span span = forgotten_semicolon(raw);
    const bool cut = span.length != raw.length;
    if (lexer_.peek().is(TokenKind::OpenBrace)) {
        diagnostics_.error(
            keyword.span,
            "\"policy … { }\" is gone; write policies in setkey's syntax: policy spdadd "
            "10.1.0.0/16 10.2.0.0/16 any -P out ipsec esp/transport//require;");
        return false;
    }
    v.where = span;
    v.text = sources_.text(span);
    s.values.push_back(v);
    s.end_told = cut;
    if (span.length == 0) {
        diagnostics_.error(t.span,
                           "\"policy\" takes file \"…\", or a policy such as: spdadd 10.1.0.0/16 "
                           "10.2.0.0/16 any -P out ipsec esp/tunnel/192.0.2.1-192.0.2.2/require");
        return false;
    }
    return true;
}

}  // namespace racoon::conf
