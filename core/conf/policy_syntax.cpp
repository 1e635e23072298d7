#include "conf/address_hint.hpp"
#include "conf/policy_syntax.hpp"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <map>
#include <tuple>

#include "conf/nearest.hpp"
#include "conf/token.hpp"

namespace racoon::conf {

namespace {

constexpr std::size_t kMaxRules = 8;  // of one policy: esp, ah, ipcomp, nested tunnels

struct Named {
    std::string_view word;
    std::uint32_t number;
};
// The protocols and services that policy files use. Not the system's databases: keeper and engine
// must read the same, and the engine may not open files.
constexpr std::array kProtocols = {
    Named{"any", 0},     Named{"icmp", 1},   Named{"igmp", 2},       Named{"ip4", 4},
    Named{"ipencap", 4}, Named{"tcp", 6},    Named{"egp", 8},        Named{"udp", 17},
    Named{"dccp", 33},   Named{"ipv6", 41},  Named{"gre", 47},       Named{"esp", 50},
    Named{"ah", 51},     Named{"icmp6", 58}, Named{"ipv6-icmp", 58}, Named{"ospf", 89},
    Named{"ipip", 94},   Named{"pim", 103},  Named{"ipcomp", 108},   Named{"vrrp", 112},
    Named{"l2tp", 115},  Named{"sctp", 132}, Named{"mh", 135},       Named{"udplite", 136}};
constexpr std::array kServices = {Named{"any", 0},      Named{"ftp", 21},
                                  Named{"ssh", 22},     Named{"telnet", 23},
                                  Named{"smtp", 25},    Named{"domain", 53},
                                  Named{"tftp", 69},    Named{"http", 80},
                                  Named{"www", 80},     Named{"pop3", 110},
                                  Named{"sunrpc", 111}, Named{"ntp", 123},
                                  Named{"imap", 143},   Named{"imap2", 143},
                                  Named{"snmp", 161},   Named{"bgp", 179},
                                  Named{"ldap", 389},   Named{"https", 443},
                                  Named{"isakmp", 500}, Named{"syslog", 514},
                                  Named{"ldaps", 636},  Named{"l2tp", 1701},
                                  Named{"l2f", 1701},   Named{"radius", 1812},
                                  Named{"nfs", 2049},   Named{"ipsec-nat-t", 4500},
                                  Named{"bgpd", 2605},  Named{"iscsi-target", 3260},
                                  Named{"mysql", 3306}};

template <std::size_t N>
const Named* find(const std::array<Named, N>& list, std::string_view word) {
    for (const Named& n : list)
        if (n.word == word) return &n;
    return nullptr;
}

/// One end of a selector or tunnel as it was written.
struct End {
    IpAddr addr;
    Span where;
    std::optional<unsigned> prefix;
    std::uint16_t port = 0;
};

class PolicyParser {
  public:
    PolicyParser(Lexer lexer, Diagnostics& diagnostics, std::vector<Policy>& out)
        : lexer_(std::move(lexer)), diagnostics_(diagnostics), out_(out) {}

    void file();
    void statement();

  private:
    bool spdadd(const Span& where);
    bool selector_end(End& out);
    bool port(std::uint16_t& out);
    bool upper(Policy& p);
    bool policy(Policy& p, const End& src, const End& dst);
    bool priority(Policy& p);
    bool rule(Policy& p);
    bool tunnel_end(IpAddr& out, Span& where);
    bool level(PolicyTemplate& t);
    void add(Policy p);
    void recover();
    bool wanted(std::string_view what, const std::vector<std::string>& words = {}) {
        const Token& t = lexer_.peek();
        diagnostics_.error(t.span, fmt::format("expected {}, found {}{}", what, describe(t),
                                               did_you_mean(t.text, words)));
        return false;
    }

    Lexer lexer_;
    Diagnostics& diagnostics_;
    std::vector<Policy>& out_;
};

std::string address_problem(std::string_view text) {
    const std::string hint = address_hint(text);
    if (!hint.empty()) return hint;
    const std::string command = did_you_mean(text, {"spdadd", "spdupdate"});
    return command.empty() ? "; names are not looked up here" : command;
}

bool address_of(Diagnostics& diagnostics, std::string_view text, const Span& where, IpAddr& out) {
    const auto parsed = IpAddr::parse(text);
    if (parsed) {
        out = *parsed;
        return true;
    }
    diagnostics.error(
        where, fmt::format("{} is not a numeric address{}", quoted(text),
                           parsed.error().code() == Errc::NotFound ? ": " + parsed.error().text()
                                                                   : address_problem(text)));
    return false;
}

void PolicyParser::recover() {
    for (;;) {
        const Token t = lexer_.peek();
        if (t.is(TokenKind::End)) return;
        lexer_.next();
        if (t.is(TokenKind::Semicolon)) return;
    }
}

void PolicyParser::file() {
    while (!diagnostics_.full()) {
        const Token t = lexer_.peek();
        if (t.is(TokenKind::End)) return;
        lexer_.next();
        if (!t.is(TokenKind::Word)) {
            diagnostics_.error(t.span, fmt::format("expected spdadd, found {}", describe(t)));
            if (!t.is(TokenKind::Semicolon)) recover();
            continue;
        }
        if (t.text == "spdadd" || t.text == "spdupdate") {
            if (!spdadd(t.span)) {
                recover();
            } else if (lexer_.peek().is(TokenKind::Semicolon)) {
                lexer_.next();
            } else {
                const Token next = lexer_.peek();
                diagnostics_.error(
                    next.span,
                    fmt::format("expected \";\" after the policy, found {}", describe(next)));
                if (!next.is_word("spdadd")) recover();
            }
            continue;
        }
        static const std::vector<std::string> kCommands = {"spdadd", "spdflush", "flush"};
        if (t.text == "flush" || t.text == "spdflush" || t.text == "dump" || t.text == "spddump") {
            // Nothing to do: racoon installs its own policies and touches no others.
        } else if (t.text == "add" || t.text == "delete" || t.text == "deleteall" ||
                   t.text == "update" || t.text == "get" || t.text == "getspi" ||
                   t.text == "spddelete") {
            diagnostics_.error(
                t.span, fmt::format("{} has no place among racoon's policies; use setkey for it",
                                    quoted(t.text)));
        } else {
            diagnostics_.error(t.span, fmt::format("unknown command {}{}", quoted(t.text),
                                                   did_you_mean(t.text, kCommands)));
        }
        recover();
    }
}

void PolicyParser::statement() {
    const Token t = lexer_.peek();
    if (t.is_word("spdadd")) lexer_.next();
    if (!spdadd(t.span)) return;
    const Token end = lexer_.peek();
    if (!end.is(TokenKind::End))
        diagnostics_.error(end.span,
                           fmt::format("expected \";\" after the policy, found {}", describe(end)));
}

bool PolicyParser::spdadd(const Span& where) {
    Policy p;
    p.where = diagnostics_.sources().location(where);
    Family family = Family::None;
    while (lexer_.peek().is(TokenKind::Word) && lexer_.peek().text.starts_with('-')) {
        const Token t = lexer_.next();
        bool good = t.text.size() > 1;
        for (const char c : t.text.substr(1)) {
            if (c == '4')
                family = Family::V4;
            else if (c == '6')
                family = Family::V6;
            else if (c != 'n')
                good = false;
        }
        if (!good) {
            diagnostics_.error(
                t.span, fmt::format("unknown option {}; there is -4, -6 and -n", quoted(t.text)));
            return false;
        }
    }
    if (lexer_.peek().is_word("tagged")) {
        diagnostics_.error(lexer_.peek().span, "\"tagged\" policies are not supported");
        return false;
    }
    End src, dst;
    if (!selector_end(src) || !selector_end(dst)) return false;
    if (src.addr.family != dst.addr.family) {
        diagnostics_.error(dst.where, "source and destination are of one address family");
        return false;
    }
    if (family != Family::None && src.addr.family != family) {
        diagnostics_.error(src.where,
                           fmt::format("this is no IPv{} address", static_cast<int>(family)));
        return false;
    }
    if (!upper(p)) return false;
    const std::uint8_t protocol = p.selector.protocol;
    if ((protocol == 1 && src.addr.family != Family::V4) ||
        (protocol == 58 && src.addr.family != Family::V6)) {
        diagnostics_.error(src.where, protocol == 1 ? "icmp goes with IPv4 addresses; write icmp6"
                                                    : "icmp6 goes with IPv6 addresses; write icmp");
        return false;
    }
    if ((src.port != 0 || dst.port != 0) && (protocol == 1 || protocol == 58 || protocol == 47)) {
        diagnostics_.error(src.port != 0 ? src.where : dst.where,
                           "this protocol has no ports; write [any]");
        return false;
    }
    return policy(p, src, dst);
}

/// ADDRESS [/PREFIX] [[PORT]]
bool PolicyParser::selector_end(End& out) {
    const Token t = lexer_.peek();
    if (!t.is(TokenKind::Word)) return wanted("an address or a net");
    lexer_.next();
    out.where = t.span;
    if (!address_of(diagnostics_, t.text, t.span, out.addr)) return false;
    if (lexer_.peek().is(TokenKind::Slash)) {
        lexer_.next();
        const Token n = lexer_.peek();
        const auto parsed = parse_number(n.text);
        if (!n.is(TokenKind::Word) || parsed.fault != NumberFault::None ||
            parsed.value > out.addr.bits())
            return wanted(fmt::format("a prefix length from 0 to {}", out.addr.bits()));
        lexer_.next();
        out.prefix = static_cast<unsigned>(parsed.value);
    }
    return port(out.port);
}

bool PolicyParser::port(std::uint16_t& out) {
    if (!lexer_.peek().is(TokenKind::OpenBracket)) return true;
    lexer_.next();
    const Token t = lexer_.peek();
    const auto parsed = parse_number(t.text);
    if (t.is(TokenKind::Word) && parsed.fault == NumberFault::None && parsed.value <= 65535) {
        out = static_cast<std::uint16_t>(parsed.value);
    } else if (const Named* service = t.is(TokenKind::Word) ? find(kServices, t.text) : nullptr) {
        out = static_cast<std::uint16_t>(service->number);
    } else {
        return wanted("a port from 0 to 65535, any or the name of a common service");
    }
    lexer_.next();
    if (!lexer_.peek().is(TokenKind::CloseBracket)) return wanted("\"]\" after the port");
    lexer_.next();
    return true;
}

bool PolicyParser::upper(Policy& p) {
    const Token t = lexer_.peek();
    if (!t.is(TokenKind::Word) || t.text.starts_with('-'))
        return wanted("a protocol after the addresses: any, tcp, udp, icmp, … or a number");
    const auto parsed = parse_number(t.text);
    if (const Named* known = find(kProtocols, t.text)) {
        p.selector.protocol = static_cast<std::uint8_t>(known->number);
    } else if (parsed.fault == NumberFault::None && parsed.value <= 255) {
        p.selector.protocol = static_cast<std::uint8_t>(parsed.value == 255 ? 0 : parsed.value);
    } else {
        std::vector<std::string> words;
        for (const Named& n : kProtocols) words.emplace_back(n.word);
        diagnostics_.error(t.span, fmt::format("unknown protocol {}{}", quoted(t.text),
                                               did_you_mean(t.text, words)));
        return false;
    }
    lexer_.next();
    const Token more = lexer_.peek();
    if (more.is_word("-P")) return true;
    if (more.is_word("-ctx"))
        diagnostics_.error(more.span, "security labels (-ctx) are not supported");
    else if (more.is_word("in") || more.is_word("out") || more.is_word("fwd"))
        diagnostics_.error(more.span, fmt::format("missing \"-P\" before {}", quoted(more.text)));
    else if (more.is(TokenKind::Word) && !more.text.starts_with('-'))
        diagnostics_.error(
            more.span, fmt::format("{}: policies for one ICMP type or GRE key are not supported",
                                   quoted(more.text)));
    else
        return wanted("\"-P\" and a direction");
    return false;
}

bool PolicyParser::policy(Policy& p, const End& src, const End& dst) {
    lexer_.next();  // -P
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

    const auto side = [&](const End& e) {
        Selector s;
        s.net = e.prefix ? *Prefix::make(e.addr, *e.prefix) : Prefix::host(e.addr);
        s.port = e.port;
        if (s.net.addr != e.addr)
            diagnostics_.warning(Warning::HostBits, e.where,
                                 fmt::format("{} has bits beyond its prefix; {} is meant",
                                             e.addr.text(), s.net.text()));
        return s;
    };
    p.selector.local = side(p.direction == Direction::Out ? src : dst);
    p.selector.remote = side(p.direction == Direction::Out ? dst : src);

    if ((lexer_.peek().is_word("prio") || lexer_.peek().is_word("priority")) && !priority(p))
        return false;
    const Token action = lexer_.peek();
    if (action.is_word("none") || action.is_word("bypass")) {
        p.action = PolicyAction::None;
    } else if (action.is_word("discard")) {
        p.action = PolicyAction::Discard;
    } else if (action.is_word("ipsec")) {
        p.action = PolicyAction::Ipsec;
    } else if (action.is_word("entrust")) {
        diagnostics_.error(action.span,
                           "entrust is for sockets only; write ipsec, none or discard");
        return false;
    } else {
        return wanted("ipsec, none or discard", {"ipsec", "none", "discard"});
    }
    lexer_.next();
    if (p.action == PolicyAction::Ipsec) {
        while (lexer_.peek().is(TokenKind::Word) && !lexer_.peek().is_word("spdadd")) {
            if (p.templates.size() >= kMaxRules) {
                diagnostics_.error(lexer_.peek().span,
                                   fmt::format("more than {} rules in one policy", kMaxRules));
                return false;
            }
            if (!rule(p)) return false;
        }
        if (p.templates.empty())
            diagnostics_.warning(Warning::NoEffect, action.span,
                                 "ipsec without a rule such as esp/transport//require protects "
                                 "nothing");
    }
    add(std::move(p));
    return true;
}

/// prio [-]N, or low, def, high with + or - N. Larger is looked at first; def is 0.
bool PolicyParser::priority(Policy& p) {
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
    p.priority = static_cast<std::int32_t>(value);
    return true;
}

/// esp/tunnel/192.0.2.1-192.0.2.2/require
bool PolicyParser::rule(Policy& p) {
    PolicyTemplate t;
    const Token proto = lexer_.peek();
    if (proto.is_word("esp"))
        t.protocol = 50;
    else if (proto.is_word("ah"))
        t.protocol = 51;
    else if (proto.is_word("ipcomp"))
        t.protocol = 108;
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

    IpAddr from, to;
    const Token ends = lexer_.peek();
    bool has_ends = false;
    Span from_where, to_where;
    if (ends.is_word("me-any") || ends.is_word("any-me")) {
        diagnostics_.error(ends.span, fmt::format("{} is for sockets only", quoted(ends.text)));
        return false;
    }
    if (ends.is(TokenKind::Word)) {
        has_ends = true;
        if (!tunnel_end(from, from_where)) return false;
        // "a-b" arrives as one word, "a[500]-b" and "a - b" in pieces.
        Token dash = lexer_.peek();
        if (!dash.is(TokenKind::Word) || dash.text[0] != '-')
            return wanted("\"-\" and the tunnel's other end");
        lexer_.split(lexer_.next(), 1);
        if (!tunnel_end(to, to_where)) return false;
        if (from.family != to.family) {
            diagnostics_.error(to_where, "both ends of a tunnel are of one address family");
            return false;
        }
    }
    if (t.tunnel && !has_ends) {
        diagnostics_.error(ends.span,
                           "a tunnel needs its two ends: esp/tunnel/192.0.2.1-192.0.2.2/require");
        return false;
    }
    if (t.tunnel) {  // transport mode takes the traffic's own addresses
        t.local = p.direction == Direction::Out ? from : to;
        t.remote = p.direction == Direction::Out ? to : from;
        if (from.is_any() || to.is_any() || from.is_multicast() || to.is_multicast()) {
            diagnostics_.error(from.is_any() || from.is_multicast() ? from_where : to_where,
                               "the end of a tunnel is one host's address");
            return false;
        }
    }
    if (lexer_.peek().is(TokenKind::Slash)) {
        lexer_.next();
        if (!level(t)) return false;
    } else {
        t.level = Level::Default;
    }
    p.templates.push_back(t);
    return true;
}

bool PolicyParser::tunnel_end(IpAddr& out, Span& where) {
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
    if (!address_of(diagnostics_, t.text, t.span, out)) return false;
    std::uint16_t ignored = 0;  // ports of tunnel ends matter to manual UDP encapsulation only
    return port(ignored);
}

bool PolicyParser::level(PolicyTemplate& t) {
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
        t.reqid = ReqId{static_cast<std::uint32_t>(parsed.value)};
        t.reqid_written = true;
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

void PolicyParser::add(Policy p) {
    if (p.direction != Direction::In) {
        out_.push_back(std::move(p));
        return;
    }
    bool tunnel = false;
    for (const PolicyTemplate& t : p.templates) tunnel = tunnel || t.tunnel;
    Policy forward = p;
    out_.push_back(std::move(p));
    if (!tunnel) return;
    forward.direction = Direction::Forward;
    forward.copied = true;
    out_.push_back(std::move(forward));
}

}  // namespace

void parse_policy_file(const Sources& sources, std::uint32_t file, Diagnostics& diagnostics,
                       std::vector<Policy>& out) {
    PolicyParser(Lexer(sources, file, diagnostics, Lexer::Mode::Setkey), diagnostics, out).file();
}

void parse_policy_statement(const Sources& sources, const Span& text, Diagnostics& diagnostics,
                            std::vector<Policy>& out) {
    PolicyParser(Lexer(sources, text, diagnostics, Lexer::Mode::Setkey), diagnostics, out)
        .statement();
}

void drop_duplicate_policies(std::vector<Policy>& policies, Diagnostics& diagnostics) {
    using Key = std::tuple<Direction, std::int32_t, TrafficSelector>;
    const auto key = [](const Policy& p) { return Key(p.direction, p.priority, p.selector); };
    std::map<Key, const Policy*> written;  // a copied fwd policy yields to a written one
    std::map<Key, const Policy*> any;
    for (const Policy& p : policies) {
        any.emplace(key(p), &p);
        if (!p.copied) written.emplace(key(p), &p);
    }
    std::vector<Policy> kept;
    kept.reserve(policies.size());
    for (const Policy& p : policies) {
        const auto first = written.find(key(p));
        const Policy* winner = first != written.end() ? first->second : any.find(key(p))->second;
        if (winner == &p) {
            kept.push_back(p);
        } else if (!p.copied) {
            diagnostics.warning(
                Warning::Shadowed, p.where,
                fmt::format("this policy is never used: the one at {} is for the same "
                            "traffic",
                            winner->where.text()));
        }
    }
    policies = std::move(kept);
}

}  // namespace racoon::conf
