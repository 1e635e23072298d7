// What a section asks for and this release does not do: told when it is read, refused when it is used.
#include <fmt/format.h>

#include <algorithm>

#include "conf/builder.hpp"

namespace racoon::conf {

namespace {

bool wants_certificates(const Remote& r) {
    return std::any_of(r.proposals.begin(), r.proposals.end(), [](const Phase1Proposal& p) {
        return p.auth && p.auth->credential == CredentialKind::Key;
    });
}

}  // namespace

/// Notes that a section asks for a feature that is not there, and warns of it once for each place.
void Builder::unsupported(std::vector<Unsupported>& out, const Span& where, std::string_view what,
                          Feature feature, std::string_view section, bool initiating) {
    if (has(feature)) return;
    Unsupported u;
    u.where = location(where);
    u.message = fmt::format("{}: this release has no support for {}", what, feature_name(feature));
    u.initiating = initiating;
    if (told_missing_.insert({where.file, where.offset}).second)
        diagnostics_.warning(
            Warning::NotSupported, where,
            fmt::format("{}; {} is not {}", u.message, section,
                        initiating ? "used until it has" : "used to answer until it has"));
    out.push_back(std::move(u));
}

/// What the section asks for, judged at its end: whether certificates matter depends on the methods.
void Builder::find_unsupported(const RemoteDraft& draft, Remote& r) {
    const auto asked = [&](Word word) -> const Statement* {
        const auto found = draft.asked.find(word);
        return found == draft.asked.end() ? nullptr : found->second;
    };
    const auto note = [&](Word word, bool wanted, Feature feature, std::string_view what,
                          bool initiating = true) {
        const Statement* s = asked(word);
        if (s && wanted)
            unsupported(r.unsupported, s->where, what, feature, "this section", initiating);
    };
    if (const Statement* s = asked(Word::ExchangeMode); s && !r.modes.empty()) {
        const auto usable = initiating_mode(r);
        for (const Value& v : s->values) {
            const Feature feature = feature_of(v.text == "main"         ? ExchangeMode::Main
                                               : v.text == "aggressive" ? ExchangeMode::Aggressive
                                                                        : ExchangeMode::Base);
            if (has(feature)) continue;
            const std::string what = fmt::format("exchange_mode {}", v.text);
            if (!usable)
                unsupported(r.unsupported, v.where, what, feature, "this section");
            else if (told_missing_.insert({v.where.file, v.where.offset}).second)
                diagnostics_.warning(
                    Warning::NotSupported, v.where,
                    fmt::format("{}: this release has no support for {}; the other modes "
                                "of this section are used",
                                what, feature_name(feature)));
        }
    }
    note(Word::MyIdentifier, r.my_identifier.type == 9, Feature::DistinguishedNames,
         "my_identifier asn1dn");
    bool names = false;
    for (const IdentitySpec& id : r.peers_identifiers) names = names || (id.type == 9 && id.value);
    note(Word::PeersIdentifier, names && r.verify_identifier, Feature::DistinguishedNames,
         "peers_identifier asn1dn");
    note(Word::XauthLogin, !r.xauth_login.empty(), Feature::XAuth, "xauth_login");
    note(Word::ModeCfg, r.mode_cfg, Feature::ModeConfig, "mode_cfg on");
    note(Word::GeneratePolicy, r.generate_policy != GeneratePolicy::Off, Feature::GeneratePolicy,
         "generate_policy", false);
    note(Word::Script, true, Feature::Scripts, "script");
    if (!wants_certificates(r)) return;
    if (r.certificate) {
        const bool raw = r.certificate->kind == CertificateKind::PlainRsa;
        note(Word::CertificateType, true, raw ? Feature::RawKeys : Feature::Certificates,
             raw ? "certificate_type plain_rsa" : "certificate_type x509");
    }
    for (const PeersCertificate& c : r.peers_certificates)
        note(Word::PeersCertfile, true,
             c.kind == CertificateKind::X509       ? Feature::Certificates
             : c.kind == CertificateKind::PlainRsa ? Feature::RawKeys
                                                   : Feature::DnssecKeys,
             "peers_certfile");
    note(Word::CaType, !r.ca_file.empty(), Feature::Certificates, "ca_type");
}

}  // namespace racoon::conf
