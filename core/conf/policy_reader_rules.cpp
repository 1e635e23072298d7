// PolicyReader: what follows `-P`.
#include <fmt/format.h>

#include <limits>

#include "conf/marks.hpp"
#include "conf/nearest.hpp"
#include "conf/policy_reader.hpp"

namespace racoon::conf {

bool PolicyReader::policy(WrittenPolicy& p, bool direction_only) {
    using Action = WrittenPolicy::Action;
    const Token d = lexer_.peek();
    if (d.is_word("in"))
        p.direction = Direction::In;
    else if (d.is_word("out"))
        p.direction = Direction::Out;
    else if (d.is_word("fwd"))
        p.direction = Direction::Forward;
    else
        return wanted("in, out or fwd after -P", {"in", "out", "fwd"});
    lexer_.next();
    if (lexer_.peek().is_word("prio") || lexer_.peek().is_word("priority")) {
        p.priority_written = true;
        if (!priority(p.priority)) return false;
    }
    for (bool found = true; found;)
        if (!marks(p, found)) return false;
    const Token action = lexer_.peek();
    p.action_where = action.span;
    if (action.is_word("none")) {
        p.action = Action::None;
    } else if (action.is_word("bypass")) {
        p.action = Action::Bypass;
    } else if (action.is_word("discard")) {
        p.action = Action::Discard;
    } else if (action.is_word("ipsec")) {
        p.action = Action::Ipsec;
    } else if (action.is_word("entrust") && setting_.setkey) {
        p.action = Action::Entrust;
    } else if (action.is_word("entrust")) {
        diagnostics_.error(action.span,
                           "entrust is for sockets only; write ipsec, none or discard");
        return false;
    } else if (direction_only && (action.is(TokenKind::Semicolon) || action.is(TokenKind::End))) {
        return true;
    } else {
        return wanted("ipsec, none or discard", {"ipsec", "none", "discard"});
    }
    lexer_.next();
    if (p.action != Action::Ipsec) return true;
    while (lexer_.peek().is(TokenKind::Word) && !lexer_.peek().is_word("spdadd")) {
        if (p.rules.size() >= kMaxRules) {
            diagnostics_.error(lexer_.peek().span,
                               fmt::format("more than {} rules in one policy", kMaxRules));
            return false;
        }
        if (!rule(p.rules.emplace_back(), p.direction)) return false;
    }
    if (p.rules.empty())
        diagnostics_.warning(Warning::NoEffect, action.span,
                             "ipsec without a rule such as esp/transport//require protects "
                             "nothing");
    return true;
}

bool PolicyReader::number(std::string_view word, std::uint64_t& out, Span& where) {
    const Token t = lexer_.peek();
    const auto parsed = parse_number(t.text);
    if (!t.is(TokenKind::Word) || parsed.fault != NumberFault::None)
        return wanted(fmt::format("a number after {}", word));
    lexer_.next();
    out = parsed.value;
    where = t.span;
    return true;
}

/// VALUE or VALUE/MASK
bool PolicyReader::mark(std::string_view word, Mark& out) {
    std::uint64_t value = 0, mask = 0;
    Span value_where, mask_where;
    if (!number(word, value, value_where)) return false;
    const bool masked = lexer_.peek().is(TokenKind::Slash);
    if (masked) {
        lexer_.next();
        if (!number(word, mask, mask_where)) return false;
    }
    const auto fault =
        judge_mark(word, value, masked ? std::optional<std::uint64_t>(mask) : std::nullopt, out);
    if (fault) diagnostics_.error(fault->in_mask ? mask_where : value_where, fault->text);
    return !fault;
}

/// if_id N, mark VALUE[/MASK], output_mark VALUE[/MASK], each once and in any order.
bool PolicyReader::marks(WrittenPolicy& p, bool& found) {
    const Token t = lexer_.peek();
    found = t.is_word("if_id") || t.is_word("mark") || t.is_word("output_mark");
    if (!found) return true;
    const auto refuse = [&](std::string_view why) {
        diagnostics_.error(t.span, fmt::format("{} {}", quoted(t.text), why));
        return false;
    };
    if (setting_.setkey)
        return refuse(
            "is beyond PF_KEY, which setkey speaks; write the policy in racoon.conf, or in "
            "a file that \"policy file\" names there");
    lexer_.next();
    if (t.text == "if_id") {
        if (p.marks.if_id != 0) return refuse("is there twice");
        std::uint64_t value = 0;
        Span where;
        if (!number(t.text, value, where)) return false;
        if (value == 0 || value > std::numeric_limits<std::uint32_t>::max()) {
            diagnostics_.error(where,
                               fmt::format("{} takes a number from 1 to 4294967295, found {}",
                                           quoted(t.text), value));
            return false;
        }
        p.marks.if_id = static_cast<std::uint32_t>(value);
        return true;
    }
    Mark& into = t.text == "mark" ? p.marks.mark : p.marks.output_mark;
    if (into.given()) return refuse("is there twice");
    if (t.text == "output_mark" && p.direction != Direction::Out)
        return refuse("belongs to an out policy: outbound SAs set it");
    return mark(t.text, into);
}

/// prio [-]N, or low, def, high with + or - N. Larger is looked at first; def is 0.
bool PolicyReader::priority(std::int32_t& out) {
    lexer_.next();
    const Token t = lexer_.peek();
    if (!t.is(TokenKind::Word)) return wanted("a priority: a number, low, def or high");
    constexpr std::int64_t kStep = 0x40000000;
    std::int64_t value = 0;
    std::string_view word = t.text;
    std::string_view tail;
    const auto base = [&](std::string_view name, std::int64_t at) {
        if (!word.starts_with(name)) return false;
        tail = word.substr(name.size());
        if (!tail.empty() && tail[0] != '+' && tail[0] != '-') return false;
        value = at;
        return true;
    };
    if (base("low", -kStep) || base("def", 0) || base("high", kStep)) {
        lexer_.next();
        std::string offset(tail);
        // "def+10", "def + 10", "def +10", "def+ 10"
        if (offset.empty() && lexer_.peek().is(TokenKind::Word) &&
            (lexer_.peek().text[0] == '+' || lexer_.peek().text[0] == '-'))
            offset = std::string(lexer_.next().text);
        if (offset == "+" || offset == "-") {
            if (!lexer_.peek().is(TokenKind::Word)) return wanted("a number after the sign");
            offset += lexer_.next().text;
        }
        if (!offset.empty()) {
            const auto parsed = parse_number(std::string_view(offset).substr(1));
            const std::uint64_t most = offset[0] == '+' ? 0x40000000u : 0x3fffffffu;
            if (parsed.fault != NumberFault::None || parsed.value > most) {
                diagnostics_.error(
                    lexer_.last().span,
                    fmt::format("an offset to a priority is a number up to {}, found {}", most,
                                quoted(offset)));
                return false;
            }
            const auto n = static_cast<std::int64_t>(parsed.value);
            value += offset[0] == '+' ? n : -n;
        }
    } else {
        bool negative = false;
        lexer_.next();
        if (word == "-" && lexer_.peek().is(TokenKind::Word)) {
            negative = true;
            word = lexer_.next().text;
        } else if (word.starts_with('-')) {
            negative = true;
            word.remove_prefix(1);
        }
        const auto parsed = parse_number(word);
        if (parsed.fault != NumberFault::None || parsed.value > 0x7fffffff) {
            diagnostics_.error(
                t.span, fmt::format("a priority is a number up to 2147483647, low, def or high, "
                                    "found {}",
                                    quoted(t.text)));
            return false;
        }
        value = static_cast<std::int64_t>(parsed.value) * (negative ? -1 : 1);
    }
    if (value > std::numeric_limits<std::int32_t>::max())
        value = std::numeric_limits<std::int32_t>::max();
    out = static_cast<std::int32_t>(value);
    return true;
}

/// esp/tunnel/192.0.2.1-192.0.2.2/require
bool PolicyReader::rule(PolicyRule& t, Direction direction) {
    const Token proto = lexer_.peek();
    if (proto.is_word("esp"))
        t.protocol = 50;
    else if (proto.is_word("ah"))
        t.protocol = 51;
    else if (proto.is_word("ipcomp"))
        t.protocol = 108;
    else if (proto.is_word("if_id") || proto.is_word("mark") || proto.is_word("output_mark"))
        return wanted(fmt::format(
            "{} before ipsec, and here a rule that begins with esp, ah or ipcomp", proto.text));
    else
        return wanted("a rule that begins with esp, ah or ipcomp", {"esp", "ah", "ipcomp"});
    lexer_.next();
    if (!lexer_.peek().is(TokenKind::Slash)) return wanted("\"/\" and transport or tunnel");
    lexer_.next();
    const Token mode = lexer_.peek();
    if (mode.is_word("transport"))
        t.tunnel = false;
    else if (mode.is_word("tunnel"))
        t.tunnel = true;
    else
        return wanted("transport or tunnel", {"transport", "tunnel"});
    lexer_.next();
    if (!lexer_.peek().is(TokenKind::Slash)) return wanted("\"/\" after the mode");
    lexer_.next();

    const Token ends = lexer_.peek();
    if (ends.is_word("me-any") || ends.is_word("any-me")) {
        const bool out = ends.is_word("me-any");
        if (!setting_.setkey || t.tunnel) {
            diagnostics_.error(ends.span, fmt::format("{} is for sockets only", quoted(ends.text)));
            return false;
        }
        if (out != (direction == Direction::Out)) {
            diagnostics_.error(ends.span, out ? "me-any goes with out; write any-me"
                                              : "any-me goes with in; write me-any");
            return false;
        }
        lexer_.next();
    } else if (ends.is(TokenKind::Word) && !rule_ends(t)) {
        return false;
    }
    if (t.tunnel && t.from.addr.family == Family::None) {
        diagnostics_.error(ends.span,
                           "a tunnel needs its two ends: esp/tunnel/192.0.2.1-192.0.2.2/require");
        return false;
    }
    const IpAddr &from = t.from.addr, &to = t.to.addr;
    if (t.tunnel && (from.is_any() || to.is_any() || from.is_multicast() || to.is_multicast())) {
        diagnostics_.error(from.is_any() || from.is_multicast() ? t.from_where : t.to_where,
                           "the end of a tunnel is one host's address");
        return false;
    }
    if (!lexer_.peek().is(TokenKind::Slash)) return true;
    lexer_.next();
    return level(t);
}

/// "a-b" arrives as one word, "a[500]-b" and "a - b" in pieces.
bool PolicyReader::rule_ends(PolicyRule& t) {
    if (!tunnel_end(t.from, t.from_where)) return false;
    const Token dash = lexer_.peek();
    if (!dash.is(TokenKind::Word) || dash.text[0] != '-')
        return wanted("\"-\" and the tunnel's other end");
    lexer_.split(lexer_.next(), 1);
    if (!tunnel_end(t.to, t.to_where)) return false;
    if (t.from.addr.family != t.to.addr.family) {
        diagnostics_.error(t.to_where, "both ends of a tunnel are of one address family");
        return false;
    }
    return true;
}

bool PolicyReader::tunnel_end(Endpoint& out, Span& where) {
    Token t = lexer_.peek();
    if (!t.is(TokenKind::Word)) return wanted("the address of a tunnel's end");
    lexer_.next();
    const auto dash = t.text.find('-');
    if (dash == 0) {
        diagnostics_.error(t.span, fmt::format("expected the address of a tunnel's end, found {}",
                                               quoted(t.text)));
        return false;
    }
    if (dash != t.text.npos) t = lexer_.split(t, dash);
    where = t.span;
    std::vector<IpAddr> found;  // the end of a tunnel is never a name
    if (!address(t.text, t.span, Family::None, true, found)) return false;
    out.addr = found.front();
    bool written = false;
    return port(out.port, written);
}

bool PolicyReader::level(PolicyRule& t) {
    const Token word = lexer_.peek();
    if (word.is_word("default"))
        t.level = Level::Default;
    else if (word.is_word("use"))
        t.level = Level::Use;
    else if (word.is_word("require"))
        t.level = Level::Require;
    else if (word.is_word("unique"))
        t.level = Level::Unique;
    else if (word.is(TokenKind::Word) && word.text.starts_with("unique:")) {
        t.level = Level::Unique;
        const auto parsed = parse_number(word.text.substr(7));
        if (parsed.fault != NumberFault::None || parsed.value == 0 || parsed.value > 65535) {
            diagnostics_.error(
                word.span,
                fmt::format("unique: takes a number from 1 to 32767, found {}", quoted(word.text)));
            return false;
        }
        if (parsed.value > 32767)
            diagnostics_.warning(
                Warning::NoEffect, word.span,
                fmt::format("{}: numbers above 32767 are the kernel's own", quoted(word.text)));
        t.unique = static_cast<std::uint32_t>(parsed.value);
    } else {
        std::vector<std::string> levels = {"default", "use", "require", "unique"};
        diagnostics_.error(
            word.span,
            fmt::format("expected default, use, require, unique or unique:N, found {}{}",
                        describe(word),
                        word.is(TokenKind::Word) ? did_you_mean(word.text, levels) : ""));
        return false;
    }
    lexer_.next();
    return true;
}

}  // namespace racoon::conf
