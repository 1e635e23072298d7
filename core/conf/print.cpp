#include "conf/print.hpp"

#include <fmt/format.h>

#include "base/bytes.hpp"
#include "log/log.hpp"

namespace racoon::conf {

namespace {

const char* on_off(bool b) {
    return b ? "on" : "off";
}

std::string quote(std::string_view text) {
    return fmt::format("\"{}\"", text);
}

std::string endpoint(const Endpoint& e) {
    return fmt::format("{} [{}]", e.addr.text(), e.port);
}

std::string identifier(const IdentitySpec& id) {
    switch (id.type) {
        case 1:
            return id.address ? "address " + id.address->text() : "address";
        case 2:
            return "fqdn " + quote(id.value.value_or(""));
        case 3:
            return "user_fqdn " + quote(id.value.value_or(""));
        case 9:
            return id.value ? "asn1dn " + quote(*id.value) : "asn1dn";
        default:
            break;
    }
    const std::string value = id.value.value_or("");
    bool plain = !value.empty();
    for (const char c : value) plain = plain && c >= 0x20 && c < 0x7f && c != '"';
    // What no quoted string can hold is written in hexadecimal.
    return "keyid tag " + (plain ? quote(value) : "0x" + to_hex(as_bytes(value)));
}

std::string time_text(seconds s) {
    return fmt::format("time {} sec", s.count());
}

std::string with_bits(const std::string& name, unsigned bits) {
    return bits == 0 ? name : fmt::format("{} {}", name, bits);
}

/// An algorithm that is looked up by its own name again; a bundle that was left empty by a missing
/// module prints nothing.
template <typename List, typename Name>
void list(std::string& out, std::string_view directive, const List& items, Name name) {
    if (items.empty()) return;
    out += fmt::format("    {} ", directive);
    for (std::size_t i = 0; i < items.size(); ++i) out += (i == 0 ? "" : ", ") + name(items[i]);
    out += ";\n";
}

std::string protocol_name(std::uint8_t protocol) {
    switch (protocol) {
        case 0:
            return "any";
        case 1:
            return "icmp";
        case 6:
            return "tcp";
        case 17:
            return "udp";
        case 47:
            return "gre";
        case 50:
            return "esp";
        case 51:
            return "ah";
        case 58:
            return "icmp6";
        case 108:
            return "ipcomp";
        default:
            return std::to_string(protocol);
    }
}

std::string port(std::uint16_t p) {
    return p == 0 ? std::string("[any]") : fmt::format("[{}]", p);
}

std::string side(const SaInfoSide& s) {
    if (!s.selector) return "anonymous";
    return fmt::format("address {} {} {}", s.selector->net.text(), port(s.selector->port),
                       protocol_name(s.protocol));
}

std::string selector(const Selector& s) {
    return s.net.text() + port(s.port);
}

const char* mode_name(ExchangeMode m) {
    return m == ExchangeMode::Main ? "main" : m == ExchangeMode::Aggressive ? "aggressive" : "base";
}

const char* check_name(ProposalCheck c) {
    switch (c) {
        case ProposalCheck::Obey:
            return "obey";
        case ProposalCheck::Strict:
            return "strict";
        case ProposalCheck::Claim:
            return "claim";
        case ProposalCheck::Exact:
            return "exact";
    }
    return "";
}

void blocks(std::string& out, const Config& c) {
    const Listen& l = c.listen;
    if (!l.isakmp.empty() || !l.isakmp_natt.empty() || l.strict_address || l.adminsock.disabled ||
        !l.adminsock.path.empty()) {
        out += "listen {\n";
        for (const Endpoint& e : l.isakmp) out += fmt::format("    isakmp {};\n", endpoint(e));
        for (const Endpoint& e : l.isakmp_natt)
            out += fmt::format("    isakmp_natt {};\n", endpoint(e));
        if (l.strict_address) out += "    strict_address;\n";
        const AdminSocket& a = l.adminsock;
        if (a.disabled)
            out += "    adminsock disabled;\n";
        else if (!a.path.empty() && (!a.owner.empty() || !a.group.empty()))
            out += fmt::format("    adminsock {} {} {} {:04o};\n", quote(a.path), quote(a.owner),
                               quote(a.group), a.mode);
        else if (!a.path.empty())
            out += fmt::format("    adminsock {};\n", quote(a.path));
        out += "}\n";
    }
    if (c.timer.given)
        out += fmt::format(
            "timer {{\n    counter {};\n    interval {} sec;\n    persend {};\n    phase1 {} sec;\n"
            "    phase2 {} sec;\n    natt_keepalive {} sec;\n}}\n",
            c.timer.counter, c.timer.interval.count(), c.timer.persend, c.timer.phase1.count(),
            c.timer.phase2.count(), c.timer.natt_keepalive.count());
    out += fmt::format(
        "padding {{\n    randomize {};\n    randomize_length {};\n    maximum_length {};\n"
        "    exclusive_tail {};\n    strict_check {};\n}}\n",
        on_off(c.padding.randomize), on_off(c.padding.randomize_length), c.padding.maximum_length,
        on_off(c.padding.exclusive_tail), on_off(c.padding.strict_check));
    if (c.privsep) {
        out += "privsep {\n";
        if (c.privsep->user) out += fmt::format("    user {};\n", quote(*c.privsep->user));
        if (c.privsep->group) out += fmt::format("    group {};\n", quote(*c.privsep->group));
        if (c.privsep->chroot) out += fmt::format("    chroot {};\n", quote(*c.privsep->chroot));
        out += "}\n";
    }
}

}  // namespace

std::string print(const Remote& r) {
    std::string out = "remote ";
    const bool old_form = r.address ? r.name == r.address->text() : r.name == "anonymous";
    if (!old_form) {
        out += quote(r.name) + " {\n";
        if (r.address) out += fmt::format("    remote_address {};\n", endpoint(*r.address));
    } else {
        out += (r.address ? endpoint(*r.address) : "anonymous") + " {\n";
    }
    out += "    exchange_mode ";
    for (std::size_t i = 0; i < r.modes.size(); ++i)
        out += (i == 0 ? "" : ", ") + std::string(mode_name(r.modes[i]));
    out += ";\n";
    out += fmt::format("    my_identifier {};\n", identifier(r.my_identifier));
    for (const IdentitySpec& id : r.peers_identifiers)
        out += fmt::format("    peers_identifier {};\n", identifier(id));
    out += fmt::format(
        "    verify_identifier {};\n    passive {};\n    support_proxy {};\n"
        "    initial_contact {};\n    nonce_size {};\n    proposal_check {};\n    rekey {};\n",
        on_off(r.verify_identifier), on_off(r.passive), on_off(r.support_proxy),
        on_off(r.initial_contact), r.nonce_size, check_name(r.proposal_check),
        r.rekey == Rekey::On    ? "on"
        : r.rekey == Rekey::Off ? "off"
                                : "force");
    out += fmt::format(
        "    dpd {};\n    dpd_delay {};\n    dpd_retry {};\n    dpd_maxfail {};\n    ph1id {};\n",
        on_off(r.dpd.enabled), r.dpd.delay.count(), r.dpd.retry.count(), r.dpd.max_fail, r.ph1id);
    for (const Phase1Proposal& p : r.proposals)
        out += fmt::format(
            "    proposal {{\n        encryption_algorithm {};\n        hash_algorithm {};\n"
            "        authentication_method {};\n        dh_group {};\n        lifetime {};\n    }}\n",
            with_bits(p.cipher->name, p.key_bits), p.hash->name, p.auth->name, p.group->name,
            time_text(p.lifetime));
    return out + "}\n";
}

std::string print(const SaInfo& s) {
    std::string out = "sainfo ";
    if (!s.local.selector && !s.remote.selector)
        out += "anonymous";
    else
        out += side(s.local) + " " + side(s.remote);
    if (s.from) out += " from " + identifier(*s.from);
    out += " {\n";
    if (s.remoteid != 0) out += fmt::format("    remoteid {};\n", s.remoteid);
    if (s.pfs_group) out += fmt::format("    pfs_group {};\n", s.pfs_group->name);
    out += fmt::format("    lifetime {};\n", time_text(s.lifetime));
    list(out, "encryption_algorithm", s.encryption,
         [](const Phase2Encryption& e) { return with_bits(e.transform->name, e.key_bits); });
    list(out, "authentication_algorithm", s.integrity,
         [](const TransformInfo* t) { return t->name; });
    if (s.compression.empty())
        out += "    compression_algorithm deflate;\n";  // known, but nothing provides it
    list(out, "compression_algorithm", s.compression,
         [](const TransformInfo* t) { return t->name; });
    return out + "}\n";
}

std::string print(const Policy& p) {
    const bool outward = p.direction == Direction::Out;
    const auto& s = p.selector;
    std::string out = fmt::format("spdadd {} {} {} -P {}", selector(outward ? s.local : s.remote),
                                  selector(outward ? s.remote : s.local),
                                  s.protocol == 0 ? "any" : std::to_string(s.protocol),
                                  outward                        ? "out"
                                  : p.direction == Direction::In ? "in"
                                                                 : "fwd");
    if (p.priority != 0) out += fmt::format(" prio {}", p.priority);
    out += p.action == PolicyAction::None      ? " none"
           : p.action == PolicyAction::Discard ? " discard"
                                               : " ipsec";
    for (const PolicyTemplate& t : p.templates) {
        out += t.protocol == 50 ? " esp/" : t.protocol == 51 ? " ah/" : " ipcomp/";
        out += t.tunnel ? "tunnel/" : "transport/";
        if (t.tunnel)
            out +=
                (outward ? t.local : t.remote).text() + "-" + (outward ? t.remote : t.local).text();
        switch (t.level) {
            case Level::Default:
                out += "/default";
                break;
            case Level::Use:
                out += "/use";
                break;
            case Level::Require:
                out += "/require";
                break;
            case Level::Unique:
                out += t.reqid_written ? fmt::format("/unique:{}", t.reqid.value)
                                       : std::string("/unique");
                break;
        }
    }
    return out + ";";
}

std::string print(const Config& c) {
    std::string out;
    for (const auto& [kind, value] : c.paths)
        out += fmt::format("path {} {};\n", kind, quote(value));
    for (const ModuleBlock& m : c.modules) {
        out += fmt::format("module {} {{\n", quote(m.name));
        if (m.optional) out += "    optional on;\n";
        if (m.isolate) out += "    isolate on;\n";
        if (!m.sha256.empty()) out += fmt::format("    sha256 {};\n", quote(m.sha256));
        for (const auto& [key, value] : m.values)
            out += value.text.empty() ? fmt::format("    {};\n", key)
                                      : fmt::format("    {} {};\n", key, quote(value.text));
        out += "}\n";
    }
    out += fmt::format("kernel {};\n", c.kernel == "auto" ? c.kernel : quote(c.kernel));
    if (c.log_level) {
        static constexpr const char* kLevels[] = {"error", "warning", "notify",
                                                  "info",  "debug",   "debug2"};
        if (*c.log_level >= 1 && *c.log_level <= 6)
            out += fmt::format("log {};\n", kLevels[*c.log_level - 1]);
    }
    blocks(out, c);
    for (const Remote& r : c.remotes) out += print(r);
    for (const SaInfo& s : c.sainfos) out += print(s);
    for (const Policy& p : c.policies)
        if (!p.copied) out += "policy " + print(p) + "\n";
    return out;
}

}  // namespace racoon::conf
