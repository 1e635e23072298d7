// Arguments that name somebody or something: addresses and ports, the control socket, identifiers, algorithms.
#include <fmt/format.h>

#include "conf/nearest.hpp"
#include "conf/parser.hpp"

namespace racoon::conf {

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

}  // namespace racoon::conf
