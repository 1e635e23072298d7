// The statements inside of `remote` sections.
#include <fmt/format.h>

#include "conf/builder.hpp"
#include "conf/nearest.hpp"

namespace racoon::conf {

namespace {

constexpr std::size_t kMaxIdentifiers = 4096;
constexpr std::size_t kMaxIdentity = 4096;  // bytes
constexpr std::size_t kMaxKeyFiles = 64;

Offer offer_of(std::string_view text) {
    return text == "off" ? Offer::Off : text == "force" ? Offer::Force : Offer::On;
}

ExchangeMode mode_of(std::string_view text) {
    return text == "main"         ? ExchangeMode::Main
           : text == "aggressive" ? ExchangeMode::Aggressive
                                  : ExchangeMode::Base;
}

}  // namespace

void Builder::remote_statement(const Statement& s, RemoteDraft& draft) {
    Remote& r = draft.made;
    const Value v = s.values.empty() ? Value{} : s.values[0];
    if (s.broken) {
        draft.has_broken = draft.has_broken || s.directive->word == Word::Proposal ||
                           s.directive == &unknown_directive();
        draft.has_modes = draft.has_modes || s.directive->word == Word::ExchangeMode;
        return;
    }
    switch (s.directive->word) {
        case Word::RemoteAddress:
            remote_address(s, draft);
            break;
        case Word::ExchangeMode:
            exchange_mode(s, draft);
            break;
        case Word::Passive:
            r.passive = on(v);
            break;
        case Word::Start:
            r.start = on(v);
            break;
        case Word::Situation:
            if (v.text != "identity_only")
                diagnostics_.warning(
                    Warning::NotSupported, v.where,
                    fmt::format("situation {} has no effect, as in every racoon; what is "
                                "negotiated is identity_only",
                                v.text));
            break;
        case Word::MyIdentifier:
            draft.asked[Word::MyIdentifier] = &s;
            if (auto id = identity(s.values, s)) r.my_identifier = std::move(*id);
            break;
        case Word::PeersIdentifier:
            if (v.text == "asn1dn") draft.asked[Word::PeersIdentifier] = &s;
            if (r.peers_identifiers.size() >= kMaxIdentifiers)
                diagnostics_.error(
                    s.where,
                    fmt::format("more than {} peers_identifier in one section", kMaxIdentifiers));
            else if (auto id = identity(s.values, s))
                r.peers_identifiers.push_back(std::move(*id));
            break;
        case Word::VerifyIdentifier:
            r.verify_identifier = on(v);
            break;
        case Word::Proposal:
            proposal(s, draft);
            break;
        default:
            phase1_statement(s, draft);
            break;
    }
}

/// The negotiation itself.
void Builder::phase1_statement(const Statement& s, RemoteDraft& draft) {
    Remote& r = draft.made;
    const Value v = s.values.empty() ? Value{} : s.values[0];
    switch (s.directive->word) {
        case Word::NonceSize:
            if (const auto n = number(s)) r.nonce_size = static_cast<std::uint16_t>(*n);
            break;
        case Word::ProposalCheck:
            r.proposal_check = v.text == "obey"    ? ProposalCheck::Obey
                               : v.text == "claim" ? ProposalCheck::Claim
                               : v.text == "exact" ? ProposalCheck::Exact
                                                   : ProposalCheck::Strict;
            break;
        case Word::SupportProxy:
            r.support_proxy = on(v);
            break;
        case Word::InitialContact:
            r.initial_contact = on(v);
            break;
        case Word::DpdAction:
        case Word::CloseAction: {
            const PeerGone action = v.text == "hold"      ? PeerGone::Hold
                                    : v.text == "restart" ? PeerGone::Restart
                                                          : PeerGone::Clear;
            (s.directive->word == Word::DpdAction ? r.dpd_action : r.close_action) = action;
            break;
        }
        case Word::Rekey:
            r.rekey = v.text == "off" ? Rekey::Off : v.text == "force" ? Rekey::Force : Rekey::On;
            break;
        case Word::Dpd:
            r.dpd.enabled = on(v);
            break;
        case Word::DpdDelay:
            if (const auto n = number(s)) r.dpd.delay = seconds(*n);
            break;
        case Word::DpdRetry:
            if (const auto n = number(s)) r.dpd.retry = seconds(*n);
            break;
        case Word::DpdMaxfail:
            if (const auto n = number(s)) r.dpd.max_fail = static_cast<unsigned>(*n);
            break;
        case Word::Ph1id:
            if (const auto n = number(s)) r.ph1id = static_cast<std::uint32_t>(*n);
            break;
        case Word::Lifetime:
            if (v.number == 0)
                diagnostics_.error(v.where, "a lifetime is at least 1 second");
            else
                draft.lifetime = time(v);
            break;
        case Word::LifetimeByte:
            draft.kilobytes = v.number;
            break;
        default:
            extras_statement(s, draft);
            break;
    }
}

/// Offers, certificates, remote access, scripts.
void Builder::extras_statement(const Statement& s, RemoteDraft& draft) {
    Remote& r = draft.made;
    const Value v = s.values.empty() ? Value{} : s.values[0];
    switch (s.directive->word) {
        case Word::NatTraversal:
            r.nat_traversal = offer_of(v.text);
            if (r.nat_traversal == Offer::Off) break;
            offer_only(s, "negotiations go on without");
            if (!in_.offline && in_.catalog.names(Kind::Natt).empty()) {
                const auto module = in_.catalog.module_offering(Kind::Natt, "rfc3947");
                diagnostics_.warning(
                    Warning::NoEffect, s.where,
                    fmt::format("nat_traversal: no loaded module speaks it, so negotiations go on "
                                "without{}",
                                module ? add_module(*module) : std::string()));
            }
            break;
        case Word::IkeFrag:
            r.ike_frag = offer_of(v.text);
            if (r.ike_frag != Offer::Off) offer_only(s, "negotiations go on without");
            break;
        case Word::EspFrag:
            if (const auto n = number(s)) r.esp_frag = esp_frag(s, *n);
            break;
        case Word::CertificateType:
            certificate(s, r);
            draft.asked[s.directive->word] = &s;
            break;
        case Word::PeersCertfile:
            peers_certificate(s, r);
            draft.asked[s.directive->word] = &s;
            break;
        case Word::CaType:
            r.ca_file = std::string(v.text);
            draft.asked[s.directive->word] = &s;
            break;
        case Word::VerifyCert:
            r.verify_cert = on(v);
            break;
        case Word::SendCert:
            r.send_cert = on(v);
            break;
        case Word::SendCr:
            r.send_cr = on(v);
            break;
        case Word::MatchEmptyCr:
            r.match_empty_cr = on(v);
            break;
        case Word::XauthLogin:
            if (v.text.empty())
                diagnostics_.error(v.where, "xauth_login takes a login that is not empty");
            r.xauth_login = std::string(v.text);
            draft.asked[s.directive->word] = &s;
            break;
        case Word::ModeCfg:
            r.mode_cfg = on(v);
            draft.asked[s.directive->word] = &s;
            break;
        case Word::GeneratePolicy:
            r.generate_policy = v.text == "off"      ? GeneratePolicy::Off
                                : v.text == "unique" ? GeneratePolicy::Unique
                                                     : GeneratePolicy::Require;
            draft.asked[s.directive->word] = &s;
            break;
        case Word::Script:
            script(s, r);
            draft.asked[s.directive->word] = &s;
            break;
        case Word::WeakPhase1Check:
            r.weak_phase1_check = on(v);
            if (r.weak_phase1_check)
                diagnostics_.warning(Warning::Deprecated, s.where,
                                     "\"weak_phase1_check\" has no effect: a delete that nobody "
                                     "authenticated is never obeyed; remove it");
            break;
        default:
            break;
    }
}

void Builder::remote_address(const Statement& s, RemoteDraft& draft) {
    const Value& v = s.values[0];
    Remote& r = draft.made;
    if (v.is_word("anonymous")) {
        diagnostics_.error(v.where, "for any peer, leave remote_address out");
        return;
    }
    const auto whom = peer(v, s.values[1]);
    if (!whom) return;
    if (!draft.named) {
        diagnostics_.error(s.where,
                           fmt::format("remote_address belongs into a named section; this one is "
                                       "already for {}",
                                       r.name));
        return;
    }
    if (draft.has_address) {
        diagnostics_.error(s.where,
                           fmt::format("remote {} has a remote_address already; for several peers "
                                       "write several sections, with inherit",
                                       quoted(r.name)));
        return;
    }
    draft.has_address = true;  // an inherited one is replaced
    r.address = whom->address;
    r.net = whom->net;
    r.host = whom->host;
    r.port = whom->port;
}

/// Less than every host takes (RFC 791 3.1) and 65535, which older racoons have as their default, bound nothing.
std::uint16_t Builder::esp_frag(const Statement& s, std::uint64_t size) {
    constexpr std::uint16_t kLeast = 552;
    if (size == 0 || size == 65535) return 0;
    if (size >= kLeast) return static_cast<std::uint16_t>(size);
    diagnostics_.warning(Warning::OddValue, s.values[0].where,
                         fmt::format("{} takes {} to 65535 bytes, found {}; {} is used",
                                     quoted(s.directive->keyword), kLeast, size, kLeast));
    return kLeast;
}

void Builder::exchange_mode(const Statement& s, RemoteDraft& draft) {
    std::vector<ExchangeMode>& modes = draft.made.modes;
    modes.clear();  // the last occurrence wins
    draft.has_modes = true;
    draft.asked[Word::ExchangeMode] = &s;
    for (const Value& v : s.values) {
        bool known = false;
        for (const ExchangeMode m : modes) known = known || m == mode_of(v.text);
        if (!known) modes.push_back(mode_of(v.text));
    }
}

void Builder::certificate(const Statement& s, Remote& r) {
    OwnCertificate c;
    c.where = location(s.where);
    c.kind = s.values[0].text == "plain_rsa" ? CertificateKind::PlainRsa : CertificateKind::X509;
    for (std::size_t i = 1; i < s.values.size(); ++i)
        if (s.values[i].text.empty())
            diagnostics_.error(s.values[i].where, "a file's name is not empty");
    c.key = std::string(s.values.back().text);
    if (c.kind == CertificateKind::X509) {
        c.certificate = std::string(s.values[1].text);
    } else {
        r.send_cert = r.send_cr = r.verify_cert = false;  // there is none to send or to check
    }
    r.certificate = std::move(c);
}

void Builder::peers_certificate(const Statement& s, Remote& r) {
    PeersCertificate c;
    c.where = location(s.where);
    const std::string_view kind = s.values[0].text;
    c.kind = kind == "x509"        ? CertificateKind::X509
             : kind == "plain_rsa" ? CertificateKind::PlainRsa
                                   : CertificateKind::Dnssec;
    if (s.values.size() > 1) c.file = std::string(s.values[1].text);
    if (c.kind != CertificateKind::Dnssec && c.file.empty()) {
        diagnostics_.error(s.values[1].where, "a file's name is not empty");
        return;
    }
    // Only files of plain keys add up; of the other kinds the last counts.
    if (c.kind != CertificateKind::PlainRsa)
        std::erase_if(r.peers_certificates,
                      [&](const PeersCertificate& old) { return old.kind == c.kind; });
    if (r.peers_certificates.size() >= kMaxKeyFiles) {
        diagnostics_.error(s.where,
                           fmt::format("more than {} peers_certfile in one section", kMaxKeyFiles));
        return;
    }
    r.peers_certificates.push_back(std::move(c));
}

void Builder::script(const Statement& s, Remote& r) {
    const Value& file = s.values[0];
    if (file.text.empty()) {
        diagnostics_.error(file.where, "a file's name is not empty");
        return;
    }
    const std::string_view hook = s.values[1].text;
    std::string& out = hook == "phase1_up"     ? r.scripts.phase1_up
                       : hook == "phase1_down" ? r.scripts.phase1_down
                                               : r.scripts.phase1_dead;
    out = std::string(file.text);
}

/// The shape of "C=XX, O=Example/CN=*", or DER in hexadecimal after a ~; which attribute types exist
/// is known to whoever reads certificates.
bool Builder::distinguished_name(const Value& v) {
    const std::string_view text = v.text;
    const auto wrong = [&](std::string_view why) {
        diagnostics_.error(v.where,
                           fmt::format("{} is no distinguished name: {}", quoted(text), why));
        return false;
    };
    if (text.empty()) return wrong("it is empty");
    if (text.front() == '~') {
        const auto der = from_hex(text.substr(1));
        return der && !der->empty() ? true
                                    : wrong("after ~ come the DER bytes in hexadecimal digits");
    }
    if (text.front() == '/') return wrong("write \"C=XX, O=Example\", without a / before it");
    std::size_t start = 0;
    while (start < text.size()) {
        while (start < text.size() && text[start] == ' ') ++start;
        std::size_t end = start, equals = text.npos;
        for (; end < text.size() && text[end] != ',' && text[end] != '/'; ++end) {
            if (text[end] == '=' && equals == text.npos) equals = end;
            if (text[end] == '\\' && end + 1 < text.size()) ++end;
        }
        if (equals == text.npos || equals == start)
            return wrong("its parts are TYPE=value with , or / between them");
        start = end + 1;
    }
    return true;
}

bool Builder::identity_fits(const Value& v, std::size_t size) {
    if (size <= kMaxIdentity) return true;
    diagnostics_.error(v.where, fmt::format("an identity of {} bytes is too long; the most is {}",
                                            size, kMaxIdentity));
    return false;
}

std::optional<IdentitySpec> Builder::identity(const std::vector<Value>& values,
                                              const Statement& s) {
    const Value& type = values[0];
    const Value* value = values.size() > 1 && values[1].present() ? &values[1] : nullptr;
    const std::string_view word = s.directive->keyword;
    IdentitySpec out;
    out.where = location(s.where);
    if (type.text == "asn1dn") {
        out.type = 9;
        if (!value) return out;
        if (!identity_fits(*value, value->text.size()) || !distinguished_name(*value))
            return std::nullopt;
        out.value = std::string(value->text);
        return out;
    }
    if (type.text == "address") {
        out.type = 1;
        if (!value) return out;
        const auto a = address(*value);
        if (!a) return std::nullopt;
        out.address = a;
        return out;
    }
    out.type = type.text == "fqdn" ? 2 : type.text == "user_fqdn" ? 3 : 11;
    if (!value) {
        diagnostics_.error(type.where,
                           fmt::format("{} {} takes a text in double quotes", word, type.text));
        return std::nullopt;
    }
    if (value->text.empty()) {
        diagnostics_.error(value->where, "an identity cannot be empty");
        return std::nullopt;
    }
    if (value->kind == Value::Kind::Word && type.number == 1 && value->text.starts_with("0x")) {
        const auto bytes =
            from_hex(value->text.substr(2));  // keyid tag 0x00ff: bytes no string can hold
        if (!bytes || bytes->empty()) {
            diagnostics_.error(
                value->where, fmt::format("expected pairs of hexadecimal digits after 0x, found {}",
                                          quoted(value->text)));
            return std::nullopt;
        }
        if (!identity_fits(*value, bytes->size())) return std::nullopt;
        out.value = std::string(as_text(*bytes));
        return out;
    }
    if (value->kind == Value::Kind::Word) {
        diagnostics_.error(value->where,
                           fmt::format("{} {} takes a text in double quotes: write {}", word,
                                       type.text, quoted(value->text)));
        return std::nullopt;
    }
    if (type.text != "keyid" || type.number == 1) {
        if (!identity_fits(*value, value->text.size())) return std::nullopt;
        out.value = std::string(value->text);
        return out;
    }
    // keyid without `tag`: the string names a file whose whole content is the identity.
    auto bytes = in_.files.read(std::string(value->text));
    if (!bytes || bytes->empty() || bytes->size() > kMaxIdentity) {
        const std::string message = fmt::format(
            "cannot take the key id from the file {}: {}; for the text itself write: keyid tag {}",
            quoted(value->text),
            !bytes           ? bytes.error().text()
            : bytes->empty() ? std::string("it is empty")
                             : fmt::format("it is longer than {} bytes", kMaxIdentity),
            quoted(value->text));
        if (in_.offline && !bytes) {
            diagnostics_.warning(Warning::MissingFile, value->where, message);
            out.value = std::string(value->text);
            return out;
        }
        diagnostics_.error(value->where, message);
        return std::nullopt;
    }
    out.value = std::move(*bytes);
    return out;
}

}  // namespace racoon::conf
