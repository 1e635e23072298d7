// The arguments of each Form.
#include <fmt/format.h>

#include "conf/nearest.hpp"
#include "conf/parser.hpp"

namespace racoon::conf {

bool is_one_of(const std::vector<std::string>& words, std::string_view word) {
    for (const std::string& w : words)
        if (w == word) return true;
    return false;
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
        case Form::Volume:
            return volume(directive, s);
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
