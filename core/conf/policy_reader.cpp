#include "conf/policy_reader.hpp"

#include <fmt/format.h>

#include <array>

#include "conf/address_hint.hpp"
#include "conf/nearest.hpp"

namespace racoon::conf {

namespace {

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

/// in_conf: in racoon.conf, where no name is looked up: policies are what the keeper holds every SA
/// against, so nobody who answers for a name may move them. setkey does not when it was told -n.
std::string address_problem(std::string_view text, bool in_conf) {
    const std::string hint = address_hint(text);
    if (!hint.empty()) return hint;
    const std::string command = did_you_mean(text, {"spdadd", "spdupdate"});
    if (!command.empty()) return command;
    return in_conf ? "; write the address: a policy does not look up names, only remote and "
                     "remote_address do"
                   : "; names are not looked up here";
}

/// A name that a host can have (RFC 1123 2.1), so that a slip is told before anybody is asked.
bool host_name(std::string_view text) {
    bool letters = false;
    for (const char c : text) {
        if (!is_letter(c) && !is_digit(c) && c != '-' && c != '.') return false;
        letters = letters || is_letter(c);
    }
    return letters && text.front() != '-' && text.front() != '.';
}

}  // namespace

bool PolicyReader::wanted(std::string_view what, const std::vector<std::string>& words) {
    const Token& t = lexer_.peek();
    diagnostics_.error(t.span, fmt::format("expected {}, found {}{}", what, describe(t),
                                           did_you_mean(t.text, words)));
    return false;
}

bool PolicyReader::options(Family& family, bool& numeric) {
    while (lexer_.peek().is(TokenKind::Word) && lexer_.peek().text.starts_with('-')) {
        const Token t = lexer_.next();
        bool good = t.text.size() > 1;
        for (const char c : t.text.substr(1)) {
            if (c == '4')
                family = Family::V4;
            else if (c == '6')
                family = Family::V6;
            else if (c == 'n')
                numeric = true;
            else
                good = false;
        }
        if (!good) {
            diagnostics_.error(
                t.span, fmt::format("unknown option {}; there is -4, -6 and -n", quoted(t.text)));
            return false;
        }
    }
    return true;
}

bool PolicyReader::address(std::string_view text, const Span& where, Family family, bool numeric,
                           std::vector<IpAddr>& out) {
    const auto parsed = IpAddr::parse(text);
    if (parsed) {
        out = {*parsed};
        return true;
    }
    std::string problem = parsed.error().code() == Errc::NotFound
                              ? ": " + parsed.error().text()
                              : address_problem(text, setting_.names == nullptr);
    if (setting_.names && !numeric && host_name(text)) {
        auto found = setting_.names->host(text, family);
        if (found && !found->empty()) {
            out = std::move(*found);
            return true;
        }
        diagnostics_.error(where,
                           fmt::format("{} is no address, and no host of this name was found{}",
                                       quoted(text), found ? "" : ": " + found.error().text()));
        return false;
    }
    if (setting_.names && !numeric)
        diagnostics_.error(
            where, fmt::format("{} is neither an address nor the name of a host", quoted(text)));
    else
        diagnostics_.error(where,
                           fmt::format("{} is not a numeric address{}", quoted(text), problem));
    return false;
}

bool PolicyReader::families(const PolicyEnd& src, const PolicyEnd& dst, Family family) {
    if (src.addr().family != dst.addr().family) {
        diagnostics_.error(dst.where, "source and destination are of one address family");
        return false;
    }
    if (family != Family::None && src.addr().family != family) {
        diagnostics_.error(src.where,
                           fmt::format("this is no IPv{} address", static_cast<int>(family)));
        return false;
    }
    return true;
}

bool PolicyReader::end(PolicyEnd& out, Family family, bool numeric, bool prefix) {
    const Token t = lexer_.peek();
    if (!t.is(TokenKind::Word)) return wanted("an address or a net");
    lexer_.next();
    out.where = t.span;
    if (!address(t.text, t.span, family, numeric, out.addresses)) return false;
    if (prefix && lexer_.peek().is(TokenKind::Slash)) {
        lexer_.next();
        const Token n = lexer_.peek();
        const auto parsed = parse_number(n.text);
        if (!n.is(TokenKind::Word) || parsed.fault != NumberFault::None ||
            parsed.value > out.addr().bits())
            return wanted(fmt::format("a prefix length from 0 to {}", out.addr().bits()));
        lexer_.next();
        out.prefix = static_cast<unsigned>(parsed.value);
    }
    return port(out.port, out.port_written);
}

bool PolicyReader::port(std::uint16_t& out, bool& written) {
    if (!lexer_.peek().is(TokenKind::OpenBracket)) return true;
    lexer_.next();
    const Token t = lexer_.peek();
    const auto parsed = parse_number(t.text);
    const Named* known = t.is(TokenKind::Word) ? find(kServices, t.text) : nullptr;
    std::optional<std::uint16_t> service;
    if (known)
        service = static_cast<std::uint16_t>(known->number);
    else if (t.is(TokenKind::Word) && setting_.names && parsed.fault == NumberFault::NotANumber)
        service = setting_.names->service(t.text);
    if (t.is(TokenKind::Word) && parsed.fault == NumberFault::None && parsed.value <= 65535) {
        out = static_cast<std::uint16_t>(parsed.value);
    } else if (service) {
        out = *service;
    } else {
        return wanted("a port from 0 to 65535, any or the name of a common service");
    }
    written = out != 0;
    lexer_.next();
    if (!lexer_.peek().is(TokenKind::CloseBracket)) return wanted("\"]\" after the port");
    lexer_.next();
    return true;
}

bool PolicyReader::upper(PolicyUpper& out) {
    const Token t = lexer_.peek();
    if (!t.is(TokenKind::Word) || t.text.starts_with('-'))
        return wanted("a protocol after the addresses: any, tcp, udp, icmp, … or a number");
    out.where = t.span;
    const auto parsed = parse_number(t.text);
    std::optional<std::uint8_t> number;
    if (const Named* known = find(kProtocols, t.text))
        number = static_cast<std::uint8_t>(known->number);
    else if (parsed.fault == NumberFault::None && parsed.value <= 255)
        number = static_cast<std::uint8_t>(parsed.value == 255 ? 0 : parsed.value);
    else if (setting_.names)
        number = setting_.names->protocol(t.text);
    if (!number) {
        std::vector<std::string> words;
        for (const Named& n : kProtocols) words.emplace_back(n.word);
        diagnostics_.error(t.span, fmt::format("unknown protocol {}{}", quoted(t.text),
                                               did_you_mean(t.text, words)));
        return false;
    }
    out.protocol = *number;
    lexer_.next();
    const Token more = lexer_.peek();
    if (more.is_word("-P") || (setting_.setkey && more.is_word("-ctx"))) return true;
    if (more.is_word("-ctx"))
        diagnostics_.error(more.span, "security labels (-ctx) are not supported");
    else if (more.is_word("in") || more.is_word("out") || more.is_word("fwd"))
        diagnostics_.error(more.span, fmt::format("missing \"-P\" before {}", quoted(more.text)));
    else if (more.is(TokenKind::Word) && !more.text.starts_with('-') && setting_.setkey)
        return miscellany(out);
    else if (more.is(TokenKind::Word) && !more.text.starts_with('-'))
        diagnostics_.error(
            more.span, fmt::format("{}: policies for one ICMP type or GRE key are not supported",
                                   quoted(more.text)));
    else
        return wanted("\"-P\" and a direction");
    return false;
}

/// TYPE,CODE of ICMP, ICMPv6 and mobility headers; a GRE key, as a number or in dotted form.
bool PolicyReader::miscellany(PolicyUpper& out) {
    const Token t = lexer_.peek();
    const auto first = parse_number(t.text);
    if (out.protocol == 47) {
        const auto dotted = IpAddr::parse(t.text);
        if (dotted && dotted->family == Family::V4) {
            const auto& b = dotted->bytes;
            out.gre_key = (std::uint32_t{b[0]} << 24) | (std::uint32_t{b[1]} << 16) |
                          (std::uint32_t{b[2]} << 8) | b[3];
        } else if (first.fault == NumberFault::None && first.value <= 0xffffffffu) {
            out.gre_key = static_cast<std::uint32_t>(first.value);
        } else {
            return wanted("a GRE key, a number or in dotted form, or \"-P\"");
        }
        lexer_.next();
        return true;
    }
    if (out.protocol != 1 && out.protocol != 58 && out.protocol != 135) {
        diagnostics_.error(
            t.span, fmt::format("expected \"-P\", found {}: only icmp, icmp6, mh and gre can be "
                                "narrowed further",
                                quoted(t.text)));
        return false;
    }
    if (first.fault != NumberFault::None || first.value > 255)
        return wanted("a type from 0 to 255, or \"-P\"");
    lexer_.next();
    if (!lexer_.peek().is(TokenKind::Comma)) return wanted("\",\" and a code from 0 to 255");
    lexer_.next();
    const auto second = parse_number(lexer_.peek().text);
    if (second.fault != NumberFault::None || second.value > 255)
        return wanted("a code from 0 to 255");
    lexer_.next();
    out.icmp.emplace(static_cast<std::uint8_t>(first.value),
                     static_cast<std::uint8_t>(second.value));
    return true;
}

bool PolicyReader::fits(const PolicyUpper& upper, const PolicyEnd& src, const PolicyEnd& dst) {
    const std::uint8_t protocol = upper.protocol;
    const Family family = src.addr().family;
    if ((protocol == 1 && family != Family::V4) || (protocol == 58 && family != Family::V6)) {
        diagnostics_.error(src.where, protocol == 1 ? "icmp goes with IPv4 addresses; write icmp6"
                                                    : "icmp6 goes with IPv6 addresses; write icmp");
        return false;
    }
    if ((src.port != 0 || dst.port != 0) && (protocol == 1 || protocol == 58 || protocol == 47)) {
        diagnostics_.error(src.port != 0 ? src.where : dst.where,
                           "this protocol has no ports; write [any]");
        return false;
    }
    return true;
}

}  // namespace racoon::conf
