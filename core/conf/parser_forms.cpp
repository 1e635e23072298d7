// The arguments of each Form.
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
            if (!lexer_.peek().is(TokenKind::Word))
                return expected("an address, such as 10.0.0.1", directive);
            s.values.push_back(value_of(lexer_.next()));
            return true;
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
    const std::string_view rest =
        std::string_view(sources_.at(from.span.file).bytes).substr(from.span.offset, 80);
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
        lexer_.split(t, run.size());
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
    const auto n = read_number(directive);
    if (!n) return false;
    Value v = value_of(lexer_.last());
    v.number = *n;
    v.has_number = true;
    s.values.push_back(v);
    return true;
}

bool Parser::time(const Directive& directive, Statement& s) {
    if (!number(directive, s)) return false;
    Value& v = s.values.back();
    const Token t = lexer_.peek();
    const std::uint32_t unit = t.is(TokenKind::Word) ? unit_seconds(t.text) : 0;
    if (unit == 0) {
        std::vector<std::string> units;
        for (const Unit& u : kUnits) units.emplace_back(u.word);
        if (t.is(TokenKind::Word) && !t.first_on_line)
            diagnostics_.error(
                t.span, fmt::format("unknown unit {}; a time is a number and sec, min or hour{}",
                                    quoted(t.text), did_you_mean(t.text, units)));
        else
            diagnostics_.error(v.where,
                               fmt::format("{} takes a time with its unit: write \"{} sec\"",
                                           quoted(directive.keyword), v.number));
        return false;
    }
    lexer_.next();
    if (v.number > std::numeric_limits<std::uint32_t>::max() / unit) {
        diagnostics_.error(v.where, fmt::format("{} {} is too long; the most is 4294967295 seconds",
                                                v.number, quoted(t.text)));
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
        diagnostics_.warning(t.span, "a lifetime in bytes has no effect; remove it");
        if (!read_number(directive)) return false;
        if (lexer_.peek().is(TokenKind::Word)) lexer_.next();
        return true;
    }
    if (t.is(TokenKind::Word) && is_digit(t.text[0])) {
        diagnostics_.error(t.span,
                           fmt::format("\"lifetime\" takes the word time first: write \"lifetime "
                                       "time {} …\"",
                                       quoted(t.text).substr(1, t.text.size())));
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
            t.span, fmt::format("log {} is an old form; write \"log debug2\"", quoted(t.text)));
        v.text = "debug2";
    }
    if (!t.is(TokenKind::Word) || !is_one_of(words, v.text)) {
        diagnostics_.error(
            t.span,
            fmt::format("{} takes {}, found {}{}", quoted(directive.keyword), one_of(words),
                        describe(t), t.is(TokenKind::Word) ? did_you_mean(t.text, words) : ""));
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
    if (!lexer_.peek().is(TokenKind::String)) return true;
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
        diagnostics_.warning(where, "there is no TCP admin port any more; remove \"admin\"");
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
        diagnostics_.warning(t.span, "\"certname\" is an old spelling; write \"asn1dn\"");
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
    if (!t.is(TokenKind::Word)) return expected("the name of an algorithm", directive);
    Value v = value_of(lexer_.next());
    const Token n = lexer_.peek();
    if (n.is(TokenKind::Word) && !n.first_on_line) {
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
    const Span span = lexer_.raw_statement();
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
    if (span.length == 0) {
        diagnostics_.error(t.span,
                           "\"policy\" takes file \"…\", or a policy such as: spdadd 10.1.0.0/16 "
                           "10.2.0.0/16 any -P out ipsec esp/tunnel/192.0.2.1-192.0.2.2/require");
        return false;
    }
    return true;
}

}  // namespace racoon::conf
