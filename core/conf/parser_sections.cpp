// The heads of `remote` and `sainfo`, and the arguments that only sections and remote access have.
#include <fmt/format.h>

#include "base/net_addr.hpp"
#include "conf/nearest.hpp"
#include "conf/parser.hpp"

namespace racoon::conf {

namespace {

/// "10.0.0.1 - 10.0.0.9": reported, and taken.
bool range_with_blanks(Lexer& lexer, const Token& first, Diagnostics& diagnostics) {
    const Token dash = lexer.peek();
    if (!dash.is(TokenKind::Word) ||
        !(dash.text.starts_with('-') || (first.text.ends_with('-') && is_digit(dash.text[0]))))
        return false;
    std::string range = fmt::format("{}{}", first.text, lexer.next().text);
    if (dash.text == "-" && lexer.peek().is(TokenKind::Word)) range += lexer.next().text;
    diagnostics.error(first.span, fmt::format("a range of addresses has no blanks in it: write {}",
                                              quoted(range)));
    return true;
}

}  // namespace

/// `/24` behind an address; without it nothing is set.
bool Parser::prefix(Value& out) {
    if (!lexer_.peek().is(TokenKind::Slash)) return true;
    const Token slash = lexer_.next();
    const Token n = lexer_.peek();
    const auto parsed = parse_number(n.text);
    if (!n.is(TokenKind::Word) || parsed.fault != NumberFault::None) {
        diagnostics_.error(
            n.is(TokenKind::Word) ? n.span : slash.span,
            fmt::format("expected a prefix length such as /24, found {}", describe(n)));
        return false;
    }
    out = value_of(lexer_.next());
    out.has_number = true;
    out.number = parsed.value;
    return true;
}

/// "name", or an address, a net, a host's name or anonymous with a port. Two values: the second is
/// the prefix length.
bool Parser::remote_index(Statement& s) {
    const Token t = lexer_.peek();
    if (t.is(TokenKind::String)) {
        s.values.push_back(value_of(lexer_.next()));
        s.values.emplace_back();
        return true;
    }
    if (!t.is(TokenKind::Word)) {
        diagnostics_.error(t.span,
                           fmt::format("\"remote\" takes a name in double quotes, an address or "
                                       "anonymous, found {}",
                                       describe(t)));
        return false;
    }
    Value v = value_of(lexer_.next());
    Value length;
    if (!prefix(length) || !port(v, false)) return false;
    s.values.push_back(v);
    s.values.push_back(length);
    return true;
}

bool Parser::remote_head(Statement& s) {
    const std::size_t errors = diagnostics_.errors();
    if (lexer_.peek().is(TokenKind::OpenBrace) && diagnostics_.errors() > errors)
        return false;  // "*", which was told
    if (!remote_index(s)) return false;
    if (!lexer_.peek().is_word("inherit")) return true;
    lexer_.next();
    return remote_index(s);
}

/// remote_address: an address, a net or a host's name, quoted or not, and a port.
bool Parser::peer(const Directive& directive, Statement& s) {
    if (!lexer_.peek().is(TokenKind::Word) && !lexer_.peek().is(TokenKind::String))
        return expected("an address, such as 192.0.2.1 or 192.0.2.1 [500], or a host's name",
                        directive);
    Value v = value_of(lexer_.next());
    Value length;
    if (!prefix(length) || !port(v, false)) return false;
    s.values.push_back(v);
    s.values.push_back(length);
    return true;
}

bool Parser::sainfo_side(Statement& s, bool remote) {
    const Token t = lexer_.peek();
    const auto pad = [&s](std::size_t n) { s.values.resize(s.values.size() + n); };
    if (t.is_word("anonymous") || (t.is_word("clientaddr") && remote)) {
        s.values.push_back(value_of(lexer_.next()));
        pad(3);
        return true;
    }
    if (t.is_word("clientaddr")) {
        diagnostics_.error(t.span,
                           "\"clientaddr\" is the remote side: write \"sainfo anonymous "
                           "clientaddr\", or an address before it");
        return false;
    }
    if (!t.is(TokenKind::Word) || !is_one_of(selector_types(), t.text)) {
        std::vector<std::string> words = selector_types();
        words.emplace_back("anonymous");
        if (remote) words.emplace_back("clientaddr");
        std::string hint = did_you_mean(t.text, words);
        if (t.is(TokenKind::Word) && is_digit(t.text[0]))
            hint = fmt::format("; write \"address {} …\"", t.text);
        if (t.is_word("any") || t.is_word("all") || t.is_word("%any"))
            hint = "; for any address write anonymous";
        diagnostics_.error(t.span,
                           fmt::format("\"sainfo\" takes anonymous or address and a net for the {} "
                                       "side, found {}{}",
                                       remote ? "remote" : "local", describe(t), hint));
        return false;
    }
    s.values.push_back(value_of(lexer_.next()));
    const Token a = lexer_.peek();
    if (a.is(TokenKind::String) && (t.text == "address" || t.text == "subnet")) {
        diagnostics_.error(a.span, fmt::format("an address stands without quotes: write \"{} {}\"",
                                               t.text, a.text));
        return false;
    }
    if (a.is(TokenKind::String)) {
        s.values.push_back(value_of(lexer_.next()));
        pad(2);
        return true;
    }
    if (!a.is(TokenKind::Word)) {
        diagnostics_.error(a.span, fmt::format("expected an address after {}, found {}",
                                               quoted(t.text), describe(a)));
        return false;
    }
    Value address = value_of(lexer_.next());
    if (range_with_blanks(lexer_, a, diagnostics_)) return false;
    Value length;
    if (!prefix(length) || !port(address, true)) return false;
    const Token p = lexer_.peek();
    if (p.is(TokenKind::Word) && p.text.starts_with("255.")) {
        diagnostics_.error(p.span, fmt::format("a net is written with the length of its prefix "
                                               "instead of a mask, such as {}/24",
                                               address.text));
        return false;
    }
    if (!p.is(TokenKind::Word) || p.text == "anonymous" || p.text == "clientaddr" ||
        p.text == "from" || p.text == "group" || is_one_of(selector_types(), p.text)) {
        diagnostics_.error(
            p.span, fmt::format("expected a protocol after the address: any, tcp, udp, icmp, "
                                "… or a number; found {}",
                                describe(p)));
        return false;
    }
    s.values.push_back(address);
    s.values.push_back(length);
    s.values.push_back(value_of(lexer_.next()));
    return true;
}

bool Parser::sainfo_head(Statement& s) {
    const std::size_t errors = diagnostics_.errors();
    if (lexer_.peek().is(TokenKind::OpenBrace) && diagnostics_.errors() > errors)
        return false;  // "*", which was told
    if (!sainfo_side(s, false)) return false;
    const Token t = lexer_.peek();
    const bool only_anonymous =
        s.values[0].is_word("anonymous") &&
        (t.is(TokenKind::OpenBrace) || t.is(TokenKind::CloseBrace) || t.is(TokenKind::End) ||
         t.is_word("from") || t.is_word("group") ||
         (t.is(TokenKind::Word) && t.first_on_line && find_directive(Context::SaInfo, t.text)));
    if (only_anonymous) {
        s.values.push_back(s.values[0]);
        s.values.resize(8);
    } else if (!sainfo_side(s, true)) {
        return false;
    }
    const Token with = lexer_.peek();
    if (!with.is_word("from") && !with.is_word("group")) return true;
    s.values.push_back(value_of(lexer_.next()));
    if (with.text == "group") {
        const Token name = lexer_.peek();
        if (!name.is(TokenKind::String)) {
            diagnostics_.error(
                name.span,
                fmt::format("\"group\" takes the name of a group in double quotes, found {}",
                            describe(name)));
            return false;
        }
        s.values.push_back(value_of(lexer_.next()));
    } else if (!sainfo_from(s)) {
        return false;
    }
    if (const Token more = lexer_.peek(); more.is_word("from") || more.is_word("group")) {
        diagnostics_.error(more.span, "a sainfo has either from or group, not both");
        return false;
    }
    return true;
}

bool Parser::sainfo_from(Statement& s) {
    const Token type = lexer_.peek();
    if (!type.is(TokenKind::Word) || !is_one_of(identifier_types(), type.text)) {
        diagnostics_.error(
            type.span, fmt::format("\"from\" takes {}, found {}{}", one_of(identifier_types()),
                                   describe(type), did_you_mean(type.text, identifier_types())));
        return false;
    }
    Value v = value_of(lexer_.next());
    if (const Token q = lexer_.peek();
        type.text == "keyid" && (q.is_word("tag") || q.is_word("file"))) {
        lexer_.next();
        v.number = q.text == "tag" ? 1 : 2;
    }
    s.values.push_back(v);
    const Token value = lexer_.peek();
    if (value.is(TokenKind::String) ||
        (value.is(TokenKind::Word) && value.text != "group" && value.text != "from"))
        s.values.push_back(value_of(lexer_.next()));
    return true;
}

bool Parser::own_certificate(const Directive& directive, Statement& s) {
    static const std::vector<std::string> kKinds = {"x509", "plain_rsa"};
    const Token t = lexer_.peek();
    if (!t.is(TokenKind::Word) || !is_one_of(kKinds, t.text)) {
        diagnostics_.error(
            t.span,
            fmt::format("{} takes x509 and the files of certificate and key, or plain_rsa "
                        "and the file of the key, found {}{}",
                        quoted(directive.keyword), describe(t), did_you_mean(t.text, kKinds)));
        return false;
    }
    s.values.push_back(value_of(lexer_.next()));
    if (!text(directive, s)) return false;
    if (t.text != "x509") return true;
    if (!lexer_.peek().is(TokenKind::String))
        return expected("two files, certificate and key: here the key is missing", directive);
    return text(directive, s);
}

bool Parser::peers_certificate(const Directive& directive, Statement& s) {
    static const std::vector<std::string> kKinds = {"x509", "plain_rsa", "dnssec"};
    const Token t = lexer_.peek();
    if (t.is(TokenKind::String)) {
        diagnostics_.warning(
            Warning::Deprecated, t.span,
            fmt::format("{} without a kind is an old form; write \"{} x509 {}\"",
                        quoted(directive.keyword), directive.keyword, quoted(t.text)));
        Value kind = value_of(t);
        kind.kind = Value::Kind::Word;
        kind.text = kKinds[0];
        s.values.push_back(kind);
        return text(directive, s);
    }
    if (!t.is(TokenKind::Word) || !is_one_of(kKinds, t.text)) {
        diagnostics_.error(t.span, fmt::format("{} takes x509 or plain_rsa and a file, or dnssec, "
                                               "found {}{}",
                                               quoted(directive.keyword), describe(t),
                                               did_you_mean(t.text, kKinds)));
        return false;
    }
    s.values.push_back(value_of(lexer_.next()));
    return t.text == "dnssec" || text(directive, s);
}

bool Parser::ca_file(const Directive& directive, Statement& s) {
    if (!lexer_.peek().is_word("x509")) return expected("x509 and a file", directive);
    lexer_.next();
    return text(directive, s);
}

bool Parser::script(const Directive& directive, Statement& s) {
    const auto hooks = split_words(directive.choices);
    if (lexer_.peek().is(TokenKind::Word) && is_one_of(hooks, lexer_.peek().text)) {
        const Token hook = lexer_.next();
        diagnostics_.error(
            hook.span, fmt::format("\"script\" takes the file first: write \"script {} {}\"",
                                   lexer_.peek().is(TokenKind::String) ? quoted(lexer_.peek().text)
                                                                       : std::string("\"…\""),
                                   hook.text));
        return false;
    }
    if (!text(directive, s)) return false;
    const Token t = lexer_.peek();
    if (!t.is(TokenKind::Word) || !is_one_of(hooks, t.text)) {
        diagnostics_.error(
            t.span, fmt::format("{} takes a file and {}, found {}{}", quoted(directive.keyword),
                                one_of(hooks), describe(t), did_you_mean(t.text, hooks)));
        return false;
    }
    s.values.push_back(value_of(lexer_.next()));
    return true;
}

/// One address, which is neither quoted nor a net.
bool Parser::ip_address(const Directive& directive, Statement& s) {
    const Token t = lexer_.peek();
    if (t.is(TokenKind::String)) {
        diagnostics_.error(
            t.span,
            fmt::format("{} takes an address without quotes: write {}", quoted(directive.keyword),
                        quoted(t.text).substr(1, quoted(t.text).size() - 2)));
        return false;
    }
    if (!t.is(TokenKind::Word)) return expected("an address, such as 10.0.0.1", directive);
    s.values.push_back(value_of(lexer_.next()));
    const Token slash = lexer_.peek();
    if (!slash.is(TokenKind::Slash) || !slash.glued) return true;
    diagnostics_.error(slash.span,
                       fmt::format("{} takes one address, not a net; the mask of a pool stands in "
                                   "netmask4, its size in pool_size",
                                   quoted(directive.keyword)));
    return false;
}

bool Parser::addresses(const Directive& directive, Statement& s) {
    for (;;) {
        if (!lexer_.peek().is(TokenKind::Word) && !lexer_.peek().is(TokenKind::String))
            return expected("addresses with commas between them, such as 10.0.0.1, 10.0.0.2",
                            directive);
        if (!ip_address(directive, s)) return false;
        if (const Token next = lexer_.peek();
            next.is(TokenKind::Word) && !next.first_on_line && IpAddr::parse(next.text)) {
            diagnostics_.error(next.span,
                               fmt::format("missing \",\" before {}", quoted(next.text)));
            continue;
        }
        if (!lexer_.peek().is(TokenKind::Comma)) return true;
        lexer_.next();
        if (s.values.size() < kMaxListed) continue;
        diagnostics_.error(lexer_.last().span, fmt::format("more than {} addresses", kMaxListed));
        return false;
    }
}

/// [0] include or local_lan, then address and prefix length of each net.
bool Parser::networks(const Directive& directive, Statement& s) {
    const auto kinds = split_words(directive.choices);
    const Token t = lexer_.peek();
    if (!t.is(TokenKind::Word) || !is_one_of(kinds, t.text)) {
        diagnostics_.error(
            t.span, fmt::format("{} takes {} and nets, found {}{}", quoted(directive.keyword),
                                one_of(kinds), describe(t), did_you_mean(t.text, kinds)));
        return false;
    }
    s.values.push_back(value_of(lexer_.next()));
    for (;;) {
        if (!lexer_.peek().is(TokenKind::Word))
            return expected("nets with commas between them, such as 10.0.0.0/8, 172.16.0.0/12",
                            directive);
        s.values.push_back(value_of(lexer_.next()));
        Value length;
        if (!prefix(length)) return false;
        if (!length.present())
            return expected("nets with their prefix length, such as 10.0.0.0/8", directive);
        s.values.push_back(length);
        if (!lexer_.peek().is(TokenKind::Comma)) return true;
        lexer_.next();
        if (s.values.size() < 2 * kMaxListed) continue;
        diagnostics_.error(lexer_.last().span, fmt::format("more than {} nets", kMaxListed));
        return false;
    }
}

bool Parser::texts(const Directive& directive, Statement& s) {
    for (;;) {
        if (!text(directive, s)) return false;
        if (!lexer_.peek().is(TokenKind::Comma)) return true;
        lexer_.next();
        if (s.values.size() < kMaxListed) continue;
        diagnostics_.error(lexer_.last().span, fmt::format("more than {} texts", kMaxListed));
        return false;
    }
}

/// [0] host, its number: port, in brackets or not; [1] secret.
bool Parser::radius_server(const Directive& directive, Statement& s) {
    if (!text(directive, s)) return false;
    Value& host = s.values.back();
    if (lexer_.peek().is(TokenKind::Word)) {
        const auto n = read_number(directive);
        if (!n) return false;
        host.has_number = true;
        host.number = *n;
        host.number_where = lexer_.last().span;
    } else if (!port(host, false)) {
        return false;
    }
    if (!lexer_.peek().is(TokenKind::String))
        return expected(
            "a server, its port in brackets where it is another, and the secret in "
            "double quotes: here the secret is missing",
            directive);
    return text(directive, s);
}

}  // namespace racoon::conf
