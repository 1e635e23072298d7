// `remote` sections: inheritance, identities, proposals.
#include <fmt/format.h>

#include "conf/builder.hpp"
#include "conf/nearest.hpp"

namespace racoon::conf {

namespace {

constexpr std::size_t kMaxProposals = 64;  // transforms of one offer; the wire's limit is 255
constexpr std::size_t kMaxIdentifiers = 4096;
constexpr std::size_t kMaxInherited = 500'000;  // copies in all, so that memory stays linear

/// Aggressive and base mode are read, but no exchange of ours runs them so far.
bool runs(ExchangeMode mode) {
    return mode == ExchangeMode::Main;
}

/// The name under which `inherit` finds an old-form section.
std::string old_form_name(const std::optional<Endpoint>& address) {
    return address ? address->text() : "anonymous";
}

}  // namespace

void Builder::remote(const Statement& s) {
    const Value& head = s.values[0];
    RemoteDraft draft;
    bool good = true;
    bool old_form = head.kind == Value::Kind::Word;
    std::optional<Endpoint> address;
    if (old_form && head.text != "anonymous") {
        address = endpoint(head);
        good = address.has_value();
    }
    std::string name = old_form ? old_form_name(address) : std::string(head.text);
    if (!old_form && name.empty()) {
        diagnostics_.error(head.where, "a remote section needs a name that is not empty");
        good = false;
    }

    if (s.values.size() > 1) {
        const Value& v = s.values[1];
        std::string parent;
        if (v.kind == Value::Kind::String || v.text == "anonymous")
            parent = std::string(v.text);
        else if (const auto e = endpoint(v))
            parent = e->text();
        const auto found = drafts_.find(parent);
        if (found == drafts_.end()) {
            std::vector<std::string> names;
            if (drafts_.size() <= 100)  // so that many such errors cost no more than many lines
                for (const auto& [known, unused] : drafts_) names.push_back(known);
            if (!parent.empty())
                diagnostics_.error(
                    v.where, fmt::format("no remote section {} before this one to inherit from{}",
                                         quoted(parent), did_you_mean(parent, names)));
            good = false;
        } else {
            inherited_ +=
                found->second.proposals.size() + found->second.made.peers_identifiers.size();
            if (inherited_ > kMaxInherited) {
                diagnostics_.error(v.where, "too much is inherited in this file");
                good = false;
            } else {
                draft = found->second;  // a copy: the parent never changes
            }
        }
    }
    draft.made.name = name;
    draft.made.where = location(s.where);
    draft.named = !old_form;
    if (old_form) draft.made.address = address;

    const auto earlier = drafts_.find(name);
    if (earlier != drafts_.end() && good) {
        if (!old_form) {
            diagnostics_.error(head.where,
                               fmt::format("remote {} is already defined at {}", quoted(name),
                                           earlier->second.made.where.text()));
            good = false;
        } else {
            diagnostics_.warning(
                head.where,
                fmt::format("remote {} is also defined at {}: unless mode or proposal tell "
                            "them apart, neither is used",
                            name, earlier->second.made.where.text()));
        }
    }

    const std::size_t errors = diagnostics_.errors();
    for (const Statement& inner : s.body) remote_statement(inner, draft);
    if (!good) return;
    // Kept even with errors inside, so that a child is not told that its parent does not exist.
    drafts_.insert_or_assign(name, draft);
    if (diagnostics_.errors() == errors) finish_remote(s, draft);
}

void Builder::remote_statement(const Statement& s, RemoteDraft& draft) {
    Remote& r = draft.made;
    const Value v = s.values.empty() ? Value{} : s.values[0];
    const std::string_view word = s.directive->keyword;
    if (s.broken) {
        draft.has_modes = draft.has_modes || s.directive->word == Word::ExchangeMode;
        return;
    }
    switch (s.directive->word) {
        case Word::RemoteAddress:
            if (v.text == "anonymous") {
                diagnostics_.error(v.where, "for any peer, leave remote_address out");
            } else if (const auto e = endpoint(v)) {
                if (!draft.named)
                    diagnostics_.error(
                        s.where,
                        fmt::format("remote_address belongs into a named section; this one "
                                    "is already for {}",
                                    r.name));
                r.address = e;
            }
            break;
        case Word::ExchangeMode:
            exchange_mode(s, draft);
            break;
        case Word::Situation:
            if (v.text != "identity_only")
                diagnostics_.error(
                    v.where,
                    fmt::format("situation {} is not supported; only identity_only is", v.text));
            break;
        case Word::MyIdentifier:
            if (auto id = identity(s.values, s, true)) r.my_identifier = std::move(*id);
            break;
        case Word::PeersIdentifier:
            if (r.peers_identifiers.size() >= kMaxIdentifiers)
                diagnostics_.error(
                    s.where,
                    fmt::format("more than {} peers_identifier in one section", kMaxIdentifiers));
            else if (auto id = identity(s.values, s, false))
                r.peers_identifiers.push_back(std::move(*id));
            break;
        case Word::VerifyIdentifier:
            r.verify_identifier = on(v);
            break;
        case Word::NonceSize:
            if (const auto n = number(v, word, 8, 256))
                r.nonce_size = static_cast<std::uint16_t>(*n);
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
        case Word::Passive:
            r.passive = on(v);
            break;
        case Word::Rekey:
            r.rekey = v.text == "off" ? Rekey::Off : v.text == "force" ? Rekey::Force : Rekey::On;
            break;
        case Word::Dpd:
            r.dpd.enabled = on(v);
            break;
        case Word::DpdDelay:
            if (const auto n = number(v, word, 0, 86400))
                r.dpd.delay = seconds(static_cast<std::int64_t>(*n));
            break;
        case Word::DpdRetry:
            if (const auto n = number(v, word, 1, 3600))
                r.dpd.retry = seconds(static_cast<std::int64_t>(*n));
            break;
        case Word::DpdMaxfail:
            if (const auto n = number(v, word, 1, 1000)) r.dpd.max_fail = static_cast<unsigned>(*n);
            break;
        case Word::Ph1id:
            if (const auto n = number(v, word, 0, 0xffffffff))
                r.ph1id = static_cast<std::uint32_t>(*n);
            break;
        case Word::Lifetime:
            if (s.values.empty()) break;
            if (v.number == 0)
                diagnostics_.error(v.where, "a lifetime is at least 1 second");
            else
                draft.lifetime = time(v);
            break;
        case Word::Proposal:
            proposal(s, draft);
            break;
        default:
            break;
    }
}

void Builder::exchange_mode(const Statement& s, RemoteDraft& draft) {
    draft.made.modes.clear();  // the last occurrence wins
    draft.has_modes = true;
    bool unsupported = false;
    for (const Value& v : s.values) {
        const ExchangeMode mode = v.text == "main"         ? ExchangeMode::Main
                                  : v.text == "aggressive" ? ExchangeMode::Aggressive
                                                           : ExchangeMode::Base;
        if (!runs(mode)) {
            unsupported = true;
            continue;
        }
        bool known = false;
        for (const ExchangeMode m : draft.made.modes) known = known || m == mode;
        if (!known) draft.made.modes.push_back(mode);
    }
    if (!unsupported) return;
    for (const Value& v : s.values) {
        if (v.text == "main") continue;
        const std::string message = fmt::format("exchange_mode {} is not supported yet", v.text);
        if (draft.made.modes.empty() && !in_.offline)
            diagnostics_.error(v.where, message + "; write \"main\"");
        else
            diagnostics_.warning(
                v.where, message + (draft.made.modes.empty() ? "" : "; only main mode is used"));
    }
}

std::optional<IdentitySpec> Builder::identity(const std::vector<Value>& values, const Statement& s,
                                              bool mine) {
    const Value& type = values[0];
    const Value* value = values.size() > 1 && values[1].present() ? &values[1] : nullptr;
    const std::string_view word = s.directive->keyword;
    IdentitySpec out;
    out.where = location(s.where);
    if (type.text == "asn1dn") {
        diagnostics_.error(type.where, fmt::format("{} asn1dn is not supported yet", word));
        return std::nullopt;
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
        out.value = std::string(value->text);
        return out;
    }
    // keyid without `tag`: the string names a file whose whole content is the identity.
    auto bytes = in_.files.read(std::string(value->text));
    if (!bytes || bytes->empty() || bytes->size() > 65535 - 8) {
        const std::string message = fmt::format(
            "cannot take the key id from the file {}: {}; for the text itself write \"keyid tag {}\"",
            quoted(value->text),
            !bytes           ? bytes.error().text()
            : bytes->empty() ? "it is empty"
                             : "it is too long",
            quoted(value->text).substr(1, quoted(value->text).size() - 2));
        if (in_.offline && !bytes) {
            diagnostics_.warning(value->where, message);
            out.value = mine ? std::string("?") : std::string(value->text);
            return out;
        }
        diagnostics_.error(value->where, message);
        return std::nullopt;
    }
    out.value = std::move(*bytes);
    return out;
}

void Builder::proposal(const Statement& block, RemoteDraft& draft) {
    ProposalDraft p;
    p.made.where = location(block.where);
    bool encryption = false, hashing = false, method = false, dh = false;
    const std::size_t errors = diagnostics_.errors();
    missing_ = false;
    std::vector<std::pair<Span, std::string>> missing;
    for (const Statement& s : block.body) {
        const Value v = s.values.empty() ? Value{} : s.values[0];
        missing_ = false;
        switch (s.directive->word) {
            case Word::EncryptionAlgorithm:
                encryption = true;
                if (!s.broken) p.made.cipher = cipher(v, p.made.key_bits);
                break;
            case Word::HashAlgorithm:
                hashing = true;
                if (!s.broken) p.made.hash = hash(v);
                break;
            case Word::AuthenticationMethod:
                method = true;
                if (!s.broken) p.made.auth = auth_method(v);
                break;
            case Word::DhGroup:
                dh = true;
                if (!s.broken) p.made.group = group(v, "dh_group");
                break;
            case Word::Lifetime:
                if (s.broken || s.values.empty()) break;
                if (v.number == 0) diagnostics_.error(v.where, "a lifetime is at least 1 second");
                p.made.lifetime = time(v);
                p.has_lifetime = true;
                break;
            default:
                break;
        }
        if (missing_) missing.emplace_back(missing_where_, missing_message_);
    }
    std::string absent;
    for (const auto& [there, what] : {std::pair{encryption, "encryption_algorithm"},
                                      {hashing, "hash_algorithm"},
                                      {method, "authentication_method"},
                                      {dh, "dh_group"}})
        if (!there) absent += (absent.empty() ? "" : ", ") + std::string(what);
    if (!absent.empty())
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

void Builder::finish_remote(const Statement& s, RemoteDraft& draft) {
    Remote r = draft.made;
    bool any_usable = false;
    for (const ProposalDraft& p : draft.proposals) any_usable = any_usable || p.usable;
    for (const ProposalDraft& p : draft.proposals) {
        for (const auto& [where, message] : p.missing) {
            if (!told_missing_.insert({where.file, where.offset}).second) continue;  // inherited
            if (any_usable || in_.offline)
                diagnostics_.warning(where, message);
            else
                diagnostics_.error(where, message);
        }
        if (!p.usable) continue;
        Phase1Proposal made = p.made;
        if (!p.has_lifetime && draft.lifetime) made.lifetime = *draft.lifetime;
        r.proposals.push_back(made);
    }
    if (!draft.has_modes)
        diagnostics_.error(
            s.where, fmt::format("remote {} has no exchange_mode; write \"exchange_mode main;\"",
                                 quoted(r.name)));
    if (draft.proposals.empty())
        diagnostics_.error(s.where,
                           fmt::format("remote {} has no proposal {{ … }}", quoted(r.name)));
    for (const ExchangeMode mode : r.modes)
        if (mode == ExchangeMode::Aggressive)
            for (const Phase1Proposal& p : r.proposals)
                if (p.group != r.proposals.front().group) {
                    diagnostics_.error(
                        s.where,
                        fmt::format("remote {}: aggressive mode needs the same dh_group in "
                                    "all proposals",
                                    quoted(r.name)));
                    break;
                }
    config_->remotes.push_back(std::move(r));
}

}  // namespace racoon::conf
