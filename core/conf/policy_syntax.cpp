#include "conf/policy_syntax.hpp"

#include <fmt/format.h>

#include <map>
#include <tuple>

#include "conf/nearest.hpp"
#include "conf/policy_reader.hpp"
#include "conf/token.hpp"

namespace racoon::conf {

namespace {

constexpr std::size_t kMaxPolicies = 200'000;  // some 700 bytes each while they are judged

class PolicyParser {
  public:
    PolicyParser(Lexer lexer, Diagnostics& diagnostics, std::vector<Policy>& out)
        : lexer_(std::move(lexer)), diagnostics_(diagnostics), out_(out) {}

    void file();
    void statement();

  private:
    bool spdadd(const Span& where);
    Selector side(const PolicyEnd& end);
    void add(Policy p);
    void recover();

    Lexer lexer_;
    Diagnostics& diagnostics_;
    std::vector<Policy>& out_;
    PolicyReader reader_{lexer_, diagnostics_, {}};
};

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
    bool numeric = true;
    if (!reader_.options(family, numeric)) return false;
    if (lexer_.peek().is_word("tagged")) {
        diagnostics_.error(lexer_.peek().span, "\"tagged\" policies are not supported");
        return false;
    }
    PolicyEnd src, dst;
    PolicyUpper upper;
    if (!reader_.end(src, family, true) || !reader_.end(dst, family, true) ||
        !reader_.families(src, dst, family) || !reader_.upper(upper) ||
        !reader_.fits(upper, src, dst))
        return false;
    lexer_.next();  // -P
    WrittenPolicy written;
    if (!reader_.policy(written)) return false;
    p.direction = written.direction;
    p.priority = written.priority;
    p.marks = written.marks;
    switch (written.action) {
        case WrittenPolicy::Action::Ipsec:
            p.action = PolicyAction::Ipsec;
            break;
        case WrittenPolicy::Action::Discard:
            p.action = PolicyAction::Discard;
            break;
        default:
            p.action = PolicyAction::None;
    }
    const bool out = p.direction == Direction::Out;
    p.selector.protocol = upper.protocol;
    p.selector.local = side(out ? src : dst);
    p.selector.remote = side(out ? dst : src);
    for (const PolicyRule& rule : written.rules) {
        PolicyTemplate t;
        t.protocol = rule.protocol;
        t.tunnel = rule.tunnel;
        t.level = rule.level;
        if (rule.unique) {
            t.reqid = ReqId{*rule.unique};
            t.reqid_written = true;
        }
        if (t.tunnel) {  // transport mode takes the traffic's own addresses
            t.local = out ? rule.from.addr : rule.to.addr;
            t.remote = out ? rule.to.addr : rule.from.addr;
        }
        p.templates.push_back(t);
    }
    add(std::move(p));
    return true;
}

Selector PolicyParser::side(const PolicyEnd& end) {
    Selector s;
    s.net = end.prefix ? *Prefix::make(end.addr(), *end.prefix) : Prefix::host(end.addr());
    s.port = end.port;
    if (s.net.addr != end.addr())
        diagnostics_.warning(Warning::HostBits, end.where,
                             fmt::format("{} has bits beyond its prefix; {} is meant",
                                         end.addr().text(), s.net.text()));
    return s;
}

void PolicyParser::add(Policy p) {
    if (out_.size() >= kMaxPolicies) {
        diagnostics_.error(lexer_.last().span,
                           fmt::format("there are more than {} policies, with those that follow "
                                       "from others",
                                       kMaxPolicies));
        return;
    }
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
    using Key = std::tuple<Direction, std::int32_t, TrafficSelector, std::uint32_t, Mark>;
    const auto key = [](const Policy& p) {
        return Key(p.direction, p.priority, p.selector, p.marks.if_id, p.marks.mark);
    };
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
