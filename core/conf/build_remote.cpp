// `remote` sections: whom they are for, inheritance, proposals, and what this release lacks for them.
#include <fmt/format.h>

#include <algorithm>

#include "conf/builder.hpp"
#include "conf/check.hpp"
#include "conf/nearest.hpp"
#include "conf/token.hpp"

namespace racoon::conf {

namespace {

constexpr std::size_t kMaxProposals = 64;  // transforms of one offer; the wire's limit is 255
constexpr std::size_t kMaxInherited = 64u << 20;  // bytes of copies, so that memory stays linear
constexpr std::size_t kMaxHostName = 253;

/// A name that DNS could know. A last label of digits would be a mistyped address.
bool is_host_name(std::string_view name) {
    if (name.empty() || name.size() > kMaxHostName) return false;
    std::string_view label;
    for (std::string_view rest = name; !rest.empty();) {
        const auto dot = rest.find('.');
        label = rest.substr(0, dot);
        if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-')
            return false;
        for (const char c : label)
            if (!is_letter(c) && !is_digit(c) && c != '-' && c != '_') return false;
        rest = dot == rest.npos ? std::string_view{} : rest.substr(dot + 1);
        if (dot != rest.npos && rest.empty()) break;  // the root's dot
    }
    return !std::all_of(label.begin(), label.end(), is_digit);
}

/// "camellia 128"
std::string as_written(const Value& v) {
    return v.has_number ? fmt::format("{} {}", v.text, v.number) : std::string(v.text);
}

/// What a copy of a section costs, about.
std::size_t bytes_of(const RemoteDraft& draft) {
    std::size_t out = sizeof draft + draft.proposals.size() * sizeof(ProposalDraft);
    for (const IdentitySpec& id : draft.made.peers_identifiers)
        out += sizeof id + (id.value ? id.value->size() : 0);
    for (const PeersCertificate& c : draft.made.peers_certificates) out += sizeof c + c.file.size();
    for (const std::string* text : {&draft.made.host, &draft.made.ca_file, &draft.made.xauth_login,
                                    &draft.made.scripts.phase1_up, &draft.made.scripts.phase1_down,
                                    &draft.made.scripts.phase1_dead})
        out += text->size();
    if (draft.made.my_identifier.value) out += draft.made.my_identifier.value->size();
    if (draft.made.certificate)
        out += draft.made.certificate->certificate.size() + draft.made.certificate->key.size();
    for (const ProposalDraft& p : draft.proposals) {
        out += p.missing.size() * 200 + p.written.encryption.size() + p.written.hash.size() +
               p.written.method.size() + p.written.group.size();
        if (p.made.gss_id) out += p.made.gss_id->size();
    }
    return out;
}

}  // namespace

std::string PeerSpec::text() const {
    if (address) return address->text();
    if (net) return fmt::format("{}[{}]", net->text(), port);
    if (!host.empty()) return fmt::format("{}[{}]", host, port);
    return "anonymous";
}

/// An address, a net, or a host's name. Bare, a name needs a dot, so that a mistyped word is told as
/// one; in double quotes (remote_address only) any name will do.
std::optional<PeerSpec> Builder::peer(const Value& where, const Value& length) {
    PeerSpec out;
    if (where.has_number) out.port = static_cast<std::uint16_t>(where.number);
    const std::string_view text = where.text;
    const bool name = is_host_name(text) &&
                      (where.kind == Value::Kind::String || text.find('.') != text.npos) &&
                      !IpAddr::parse(text);
    if (name && !length.present()) {
        out.host = std::string(text.ends_with('.') ? text.substr(0, text.size() - 1) : text);
        return out;
    }
    if (name) {
        diagnostics_.error(length.where, "a host's name has no prefix length");
        return std::nullopt;
    }
    if (where.kind == Value::Kind::Word && is_host_name(text) && is_letter(text.front())) {
        diagnostics_.error(
            where.where,
            fmt::format("{} is neither an address nor a host's name with a dot; a "
                        "section's name stands in double quotes{}",
                        quoted(text),
                        text == "any" || text == "all" ? "; for any peer write anonymous"
                                                       : did_you_mean(text, {"anonymous"})));
        return std::nullopt;
    }
    const auto n = net(where, length);
    if (!n) return std::nullopt;
    if (length.has_number && !n->is_host()) {
        out.net = n;
        return out;
    }
    IpAddr addr = n->addr;
    if (!length.has_number)
        if (const auto written = address(where)) addr = *written;  // with its interface
    out.address = Endpoint{addr, out.port};
    return out;
}

/// The name of a section in `inherit`; empty: reported.
std::string Builder::index_name(const Value& v, const Value& length) {
    if (v.kind == Value::Kind::String || v.text == "anonymous") return std::string(v.text);
    const auto p = peer(v, length);
    return p ? p->text() : std::string();
}

/// Which names are inherited from: only those sections are kept in the form that children need.
void Builder::find_parents() {
    Diagnostics unheard(in_.sources);
    Builder probe(in_, unheard);
    for (const Statement& s : in_.statements)
        if (!s.broken && s.directive->word == Word::Remote && s.values.size() > 3)
            parents_.insert(probe.index_name(s.values[2], s.values[3]));
}

/// Copies the parent into the draft. False: reported.
bool Builder::inherit(const Statement& s, RemoteDraft& draft) {
    const Value& v = s.values[2];
    const std::string parent = index_name(v, s.values[3]);
    const auto found = drafts_.find(parent);
    if (found == drafts_.end()) {
        std::vector<std::string> names;
        if (remote_places_.size() <= 100)  // so that many such errors cost no more than many lines
            for (const auto& [known, unused] : remote_places_) names.push_back(known);
        std::sort(names.begin(), names.end());
        if (!parent.empty() && !has_broken_remote_)
            diagnostics_.error(v.where,
                               fmt::format("no remote section {} before this one to inherit from{}",
                                           quoted(parent), did_you_mean(parent, names)));
        return false;
    }
    inherited_ += bytes_of(found->second);
    if (inherited_ > kMaxInherited) {
        diagnostics_.error(v.where, "too much is inherited in this file");
        return false;
    }
    draft = found->second;  // a copy: the parent never changes
    draft.has_address = false;
    return true;
}

void Builder::remote(const Statement& s) {
    const Value& head = s.values[0];
    RemoteDraft draft;
    bool good = true;
    const bool old_form = head.kind == Value::Kind::Word;
    PeerSpec whom;
    if (old_form && head.text != "anonymous") {
        if (auto p = peer(head, s.values[1]))
            whom = std::move(*p);
        else
            good = false;
    } else if (old_form && s.values[1].present()) {
        diagnostics_.error(s.values[1].where, "anonymous has no prefix length");
        good = false;
    }
    std::string name = old_form ? whom.text() : std::string(head.text);
    if (!old_form && name.empty()) {
        diagnostics_.error(head.where, "a remote section needs a name that is not empty");
        good = false;
    }
    if (s.values.size() > 2 && !inherit(s, draft)) good = false;
    draft.made.name = name;
    draft.made.where = location(s.where);
    draft.named = !old_form;
    if (old_form) {
        draft.made.address = whom.address;
        draft.made.net = whom.net;
        draft.made.host = whom.host;
        draft.made.port = whom.port;
    }

    // Two old-form sections for one peer are judged with all others, in check_remotes.cpp.
    const auto earlier = remote_places_.find(name);
    if (earlier != remote_places_.end() && good && !old_form) {
        diagnostics_.error(head.where, fmt::format("remote {} is already defined at {}",
                                                   quoted(name), location(earlier->second).text()));
        good = false;
    }

    const std::size_t errors = diagnostics_.errors();
    for (const Statement& inner : s.body) remote_statement(inner, draft);
    if (!good) return;
    // Kept even with errors inside, so that a child is not told that its parent does not exist.
    remote_places_.insert_or_assign(name, s.where);
    if (parents_.contains(name)) drafts_.insert_or_assign(name, draft);
    if (diagnostics_.errors() == errors) finish_remote(s, draft);
}

void Builder::proposal(const Statement& block, RemoteDraft& draft) {
    ProposalDraft p;
    p.made.where = location(block.where);
    bool encryption = false, hashing = false, method = false, dh = false, is_gssapi = false;
    const Statement* gss_id = nullptr;
    const std::size_t errors = diagnostics_.errors();
    missing_ = false;
    std::vector<std::pair<Span, std::string>> missing;
    bool unknown = false;  // it may be what seems to be absent
    for (const Statement& s : block.body) {
        const Value v = s.values.empty() ? Value{} : s.values[0];
        missing_ = false;
        unknown = unknown || s.directive == &unknown_directive();
        switch (s.directive->word) {
            case Word::EncryptionAlgorithm:
                encryption = true;
                if (!s.broken) p.made.cipher = cipher(v, p.made.key_bits);
                p.written.encryption = as_written(v);
                break;
            case Word::HashAlgorithm:
                hashing = true;
                if (!s.broken) p.made.hash = hash(v);
                p.written.hash = as_written(v);
                break;
            case Word::AuthenticationMethod:
                method = true;
                is_gssapi = v.text == "gssapi_krb";
                if (!s.broken) p.made.auth = auth_method(v);
                p.written.method = as_written(v);
                break;
            case Word::DhGroup:
                dh = true;
                if (!s.broken) p.made.group = group(v, "dh_group");
                p.written.group = as_written(v);
                break;
            case Word::GssId:
                if (!s.broken) p.made.gss_id = std::string(v.text);
                gss_id = &s;
                if (!method)
                    diagnostics_.error(s.where,
                                       fmt::format("{} belongs behind authentication_method "
                                                   "gssapi_krb in the same proposal",
                                                   s.directive->keyword));
                break;
            case Word::Lifetime:
                if (s.broken) break;
                if (v.number == 0) diagnostics_.error(v.where, "a lifetime is at least 1 second");
                p.made.lifetime = time(v);
                p.has_lifetime = true;
                break;
            case Word::LifetimeByte:
                if (s.broken) break;
                p.made.kilobytes = v.number;
                p.has_kilobytes = true;
                break;
            default:
                break;
        }
        if (missing_) missing.emplace_back(missing_where_, missing_message_);
    }
    if (gss_id && method && !is_gssapi)
        diagnostics_.error(gss_id->where,
                           fmt::format("{} is for authentication_method gssapi_krb only",
                                       gss_id->directive->keyword));
    std::string absent;
    for (const auto& [there, what] : {std::pair{encryption, "encryption_algorithm"},
                                      {hashing, "hash_algorithm"},
                                      {method, "authentication_method"},
                                      {dh, "dh_group"}})
        if (!there) absent += (absent.empty() ? "" : ", ") + std::string(what);
    if (!absent.empty() && !unknown)
        diagnostics_.error(block.where, fmt::format("this proposal has no {}", absent));
    p.usable = missing.empty();
    if (draft.proposals.size() >= kMaxProposals) {
        diagnostics_.error(block.where,
                           fmt::format("more than {} proposals in one section", kMaxProposals));
        return;
    }
    p.missing = std::move(missing);  // an error or a warning? known only at the end of the section
    if (diagnostics_.errors() == errors) draft.proposals.push_back(std::move(p));
}

void Builder::finish_proposals(const RemoteDraft& draft, Remote& r) {
    bool any_usable = false;
    for (const ProposalDraft& p : draft.proposals) any_usable = any_usable || p.usable;
    for (const ProposalDraft& p : draft.proposals) {
        for (const auto& [where, message] : p.missing) {
            if (!told_missing_.insert({where.file, where.offset}).second) continue;  // inherited
            tell_missing(where, message, any_usable);
        }
        const seconds lifetime =
            !p.has_lifetime && draft.lifetime ? *draft.lifetime : p.made.lifetime;
        const std::uint64_t kilobytes =
            !p.has_kilobytes && draft.kilobytes ? *draft.kilobytes : p.made.kilobytes;
        if (p.usable) {
            r.proposals.push_back(p.made);
            r.proposals.back().lifetime = lifetime;
            r.proposals.back().kilobytes = kilobytes;
        } else {
            r.unavailable.push_back(p.written);
            r.unavailable.back().at = r.proposals.size();
            r.unavailable.back().lifetime = lifetime;
            r.unavailable.back().kilobytes = kilobytes;
            r.unavailable.back().gss_id = p.made.gss_id;
        }
    }
}

void Builder::finish_remote(const Statement& s, RemoteDraft& draft) {
    // Only for others to inherit from: what it lacks, they say.
    const bool whole = draft.has_modes && !draft.proposals.empty();
    const bool names_nobody =
        !draft.made.address && !draft.made.net && draft.made.host.empty() && draft.named;
    if (!whole && names_nobody && parents_.contains(draft.made.name)) return;
    Remote r = std::move(draft.made);
    r.warnings = section_warnings(s);
    finish_proposals(draft, r);
    if (!draft.has_modes && !draft.has_broken)
        diagnostics_.error(
            s.where, fmt::format("remote {} has no exchange_mode; write \"exchange_mode main;\"",
                                 quoted(r.name)));
    if (draft.proposals.empty() && !draft.has_broken)
        diagnostics_.error(s.where,
                           fmt::format("remote {} has no proposal; write \"proposal {{ "
                                       "encryption_algorithm aes 256; hash_algorithm sha256; "
                                       "authentication_method pre_shared_key; dh_group modp2048; "
                                       "}}\"",
                                       quoted(r.name)));
    const bool one_group =
        std::all_of(draft.proposals.begin(), draft.proposals.end(), [&](const ProposalDraft& p) {
            const GroupInfo* first = draft.proposals.front().made.group;
            return !p.made.group || !first || p.made.group->number == first->number;
        });
    if (!one_group &&
        std::find(r.modes.begin(), r.modes.end(), ExchangeMode::Aggressive) != r.modes.end())
        diagnostics_.error(s.where,
                           fmt::format("remote {}: aggressive mode needs the same dh_group in all "
                                       "proposals",
                                       quoted(r.name)));
    if (r.start && r.passive)
        diagnostics_.error(s.where,
                           fmt::format("remote {}: \"start on\" and \"passive on\" contradict "
                                       "each other; remove one",
                                       quoted(r.name)));
    find_unsupported(draft, r);
    config_->remotes.push_back(std::move(r));
}

}  // namespace racoon::conf
