// `remote` and `sainfo` sections as racoon.conf.
#include <fmt/format.h>

#include <utility>

#include "base/bytes.hpp"
#include "conf/print.hpp"
#include "conf/print_text.hpp"
#include "conf/warnings.hpp"

namespace racoon::conf {

namespace {

using text::endpoint;
using text::on_off;
using text::quote;

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

/// A list in its order; `missing` are those that no loaded module serves.
template <typename List, typename Name>
void list(std::string& out, std::string_view directive, const List& items,
          const std::vector<UnavailableAlgorithm>& missing, Name name) {
    if (items.empty() && missing.empty()) return;
    out += fmt::format("    {} ", directive);
    const char* comma = "";
    auto next = missing.begin();
    for (std::size_t i = 0; i <= items.size(); ++i) {
        for (; next != missing.end() && next->at == i; ++next, comma = ", ")
            out += comma + next->text;
        if (i == items.size()) break;
        out += comma + name(items[i]);
        comma = ", ";
    }
    out += ";\n";
}

void proposal(std::string& out, std::string_view encryption, std::string_view hash,
              std::string_view method, std::string_view group, seconds lifetime,
              std::uint64_t kilobytes, const std::optional<std::string>& gss_id) {
    out += fmt::format(
        "    proposal {{\n        encryption_algorithm {};\n        hash_algorithm {};\n"
        "        authentication_method {};\n        dh_group {};\n        lifetime {};\n",
        encryption, hash, method, group, time_text(lifetime));
    if (kilobytes != 0) out += fmt::format("        lifetime byte {} KB;\n", kilobytes);
    if (gss_id) out += fmt::format("        gss_id {};\n", quote(*gss_id));
    out += "    }\n";
}

void proposals(std::string& out, const Remote& r) {
    auto missing = r.unavailable.begin();
    for (std::size_t i = 0; i <= r.proposals.size(); ++i) {
        for (; missing != r.unavailable.end() && missing->at == i; ++missing)
            proposal(out, missing->encryption, missing->hash, missing->method, missing->group,
                     missing->lifetime, missing->kilobytes, missing->gss_id);
        if (i == r.proposals.size()) break;
        const Phase1Proposal& p = r.proposals[i];
        proposal(out, with_bits(p.cipher->name, p.key_bits), p.hash->name, p.auth->name,
                 p.group->name, p.lifetime, p.kilobytes, p.gss_id);
    }
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

/// Both addresses of a range's ID data.
std::string range(const LiteralId& id) {
    const ByteView bytes = as_bytes(id.data);
    const auto half = bytes.size() / 2;
    const auto first = IpAddr::from_bytes(bytes.first(half));
    const auto last = IpAddr::from_bytes(bytes.subspan(half));
    return first && last ? first->text() + "-" + last->text() : std::string();
}

std::string side(const SaInfoSide& s) {
    if (s.clientaddr) return "clientaddr";
    if (s.literal) {
        switch (s.literal->type) {
            case 2:
                return "fqdn " + quote(s.literal->data);
            case 3:
                return "user_fqdn " + quote(s.literal->data);
            case 11:
                return "keyid " + quote(s.literal->data);
            default:
                return fmt::format("address {} {}", range(*s.literal), protocol_name(s.protocol));
        }
    }
    if (!s.selector) return "anonymous";
    return fmt::format("address {} {} {}", s.selector->net.text(), port(s.selector->port),
                       protocol_name(s.protocol));
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

const char* offer_name(Offer o) {
    return o == Offer::On ? "on" : o == Offer::Force ? "force" : "off";
}

const char* action_name(PeerGone action) {
    return action == PeerGone::Hold ? "hold" : action == PeerGone::Restart ? "restart" : "clear";
}
const char* generate_name(GeneratePolicy g) {
    return g == GeneratePolicy::Require  ? "require"
           : g == GeneratePolicy::Unique ? "unique"
                                         : "off";
}

void certificates(std::string& out, const Remote& r) {
    if (r.certificate && r.certificate->kind == CertificateKind::PlainRsa)
        out += fmt::format("    certificate_type plain_rsa {};\n", quote(r.certificate->key));
    else if (r.certificate)
        out += fmt::format("    certificate_type x509 {} {};\n", quote(r.certificate->certificate),
                           quote(r.certificate->key));
    for (const PeersCertificate& c : r.peers_certificates)
        out += c.kind == CertificateKind::Dnssec
                   ? "    peers_certfile dnssec;\n"
                   : fmt::format("    peers_certfile {} {};\n",
                                 c.kind == CertificateKind::X509 ? "x509" : "plain_rsa",
                                 quote(c.file));
    if (!r.ca_file.empty()) out += fmt::format("    ca_type x509 {};\n", quote(r.ca_file));
    out += fmt::format(
        "    verify_cert {};\n    send_cert {};\n    send_cr {};\n    match_empty_cr {};\n",
        on_off(r.verify_cert), on_off(r.send_cert), on_off(r.send_cr), on_off(r.match_empty_cr));
}

/// What came with remote access, NAT and certificates.
void extras(std::string& out, const Remote& r) {
    out += fmt::format("    nat_traversal {};\n    ike_frag {};\n    esp_frag {};\n",
                       offer_name(r.nat_traversal), offer_name(r.ike_frag),
                       r.esp_frag == 0 ? 65535 : r.esp_frag);
    certificates(out, r);
    if (!r.xauth_login.empty()) out += fmt::format("    xauth_login {};\n", quote(r.xauth_login));
    out += fmt::format("    mode_cfg {};\n    generate_policy {};\n", on_off(r.mode_cfg),
                       generate_name(r.generate_policy));
    for (const auto& [file, hook] : {std::pair(&r.scripts.phase1_up, "phase1_up"),
                                     {&r.scripts.phase1_down, "phase1_down"},
                                     {&r.scripts.phase1_dead, "phase1_dead"}})
        if (!file->empty()) out += fmt::format("    script {} {};\n", quote(*file), hook);
    if (r.weak_phase1_check) out += "    weak_phase1_check on;\n";
}

/// As it stands behind `remote` and `remote_address`.
std::string whom(const Remote& r) {
    if (r.address) return endpoint(*r.address);
    if (r.net) return fmt::format("{} [{}]", r.net->text(), r.port);
    return fmt::format("{} [{}]", r.host, r.port);
}

/// Whether the name is the one that a section without a name of its own gets.
bool old_form(const Remote& r) {
    if (r.address) return r.name == r.address->text();
    if (r.net) return r.name == fmt::format("{}[{}]", r.net->text(), r.port);
    if (!r.host.empty())
        return r.name == fmt::format("{}[{}]", r.host, r.port) && r.host.find('.') != r.host.npos;
    return r.name == "anonymous";
}

}  // namespace

std::string text::warnings(const std::vector<WarningChoice>& choices) {
    if (choices.empty()) return {};
    std::string out = "    warnings {\n";
    for (const WarningChoice& c : choices)
        out += fmt::format("        {} {};\n", about(c.warning).name, on_off(c.told));
    return out + "    }\n";
}

std::string print(const Remote& r, SectionText what) {
    std::string out = "remote ";
    if (old_form(r)) {
        out += (r.anonymous() ? "anonymous" : whom(r)) + " {\n";
    } else {
        out += quote(r.name) + " {\n";
        if (!r.host.empty())  // a name without a dot needs the quotes
            out += fmt::format("    remote_address {} [{}];\n", quote(r.host), r.port);
        else if (!r.anonymous())
            out += fmt::format("    remote_address {};\n", whom(r));
    }
    out += "    exchange_mode ";
    for (std::size_t i = 0; i < r.modes.size(); ++i)
        out += (i == 0 ? "" : ", ") + std::string(mode_name(r.modes[i]));
    out += ";\n";
    out += fmt::format("    my_identifier {};\n", identifier(r.my_identifier));
    for (const IdentitySpec& id : r.peers_identifiers)
        out += fmt::format("    peers_identifier {};\n", identifier(id));
    out += fmt::format(
        "    verify_identifier {};\n    passive {};\n    start {};\n    support_proxy {};\n"
        "    initial_contact {};\n    nonce_size {};\n    proposal_check {};\n    rekey {};\n",
        on_off(r.verify_identifier), on_off(r.passive), on_off(r.start), on_off(r.support_proxy),
        on_off(r.initial_contact), r.nonce_size, check_name(r.proposal_check),
        r.rekey == Rekey::On    ? "on"
        : r.rekey == Rekey::Off ? "off"
                                : "force");
    if (r.dpd_action != PeerGone::Clear)
        out += fmt::format("    dpd_action {};\n", action_name(r.dpd_action));
    if (r.close_action != PeerGone::Clear)
        out += fmt::format("    close_action {};\n", action_name(r.close_action));
    out +=
        fmt::format("    dpd {};\n    dpd_delay {};\n", on_off(r.dpd.enabled), r.dpd.delay.count());
    // Without a delay they have no effect, and are warned of.
    const Dpd preset;
    if (!r.dpd.enabled || r.dpd.delay.count() > 0 || r.dpd.retry != preset.retry ||
        r.dpd.max_fail != preset.max_fail)
        out += fmt::format("    dpd_retry {};\n    dpd_maxfail {};\n", r.dpd.retry.count(),
                           r.dpd.max_fail);
    out += fmt::format("    ph1id {};\n", r.ph1id);
    extras(out, r);
    proposals(out, r);
    if (what == SectionText::Whole) out += text::warnings(r.warnings);
    return out + "}\n";
}

std::string print(const SaInfo& s, SectionText what) {
    std::string out = "sainfo ";
    if (s.local.anonymous() && s.remote.anonymous())
        out += "anonymous";
    else
        out += side(s.local) + " " + side(s.remote);
    if (s.from) out += " from " + identifier(*s.from);
    if (!s.group.empty()) out += " group " + quote(s.group);
    out += " {\n";
    if (s.remoteid != 0) out += fmt::format("    remoteid {};\n", s.remoteid);
    if (s.pfs_group) out += fmt::format("    pfs_group {};\n", s.pfs_group->name);
    if (!s.no_pfs_group.empty()) out += fmt::format("    pfs_group {};\n", s.no_pfs_group);
    out += fmt::format("    lifetime {};\n", time_text(s.lifetime));
    if (s.kilobytes != 0) out += fmt::format("    lifetime byte {} KB;\n", s.kilobytes);
    if (s.esn) out += "    esn on;\n";
    if (s.marks.if_id != 0) out += fmt::format("    if_id {};\n", s.marks.if_id);
    if (s.marks.mark.given()) out += fmt::format("    mark {};\n", s.marks.mark.text());
    if (s.marks.output_mark.given())
        out += fmt::format("    output_mark {};\n", s.marks.output_mark.text());
    list(out, "encryption_algorithm", s.encryption, s.no_encryption,
         [](const Phase2Encryption& e) { return with_bits(e.transform->name, e.key_bits); });
    list(out, "authentication_algorithm", s.integrity, s.no_integrity,
         [](const TransformInfo* t) { return t->name; });
    list(out, "compression_algorithm", s.compression, s.no_compression,
         [](const TransformInfo* t) { return t->name; });
    if (what == SectionText::Whole) out += text::warnings(s.warnings);
    return out + "}\n";
}

}  // namespace racoon::conf
