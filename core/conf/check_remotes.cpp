// `remote` sections beside one another: ties, repeated proposals, settings without effect.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "conf/check.hpp"

namespace racoon::conf {

namespace {

/// Bytes of keys that are compared at most, so that many identities times many proposals stay cheap.
constexpr std::size_t kMaxKeyBytes = 48u << 20;
constexpr std::size_t kPerKey = 64;  // what a key costs besides its bytes

void add_part(std::string& key, std::string_view part) {
    key += std::to_string(part.size());
    key += ':';
    key += part;
}

std::string peer_key(const Remote& r) {
    std::string key;
    add_part(key, r.address         ? r.address->addr.text()
                  : r.net           ? r.net->text()
                  : !r.host.empty() ? r.host
                                    : std::string("anonymous"));
    return key;
}

/// Everything by which an exchange can find this section and not another one: mode, proposal and, with
/// verify_identifier on, the peer's identity. Sections with a key in common tie. Until `each` says false.
template <typename Each>
void for_each_key(const Remote& r, Each each) {
    const std::string peer = peer_key(r);
    for (const ExchangeMode mode : r.modes)
        for (const Phase1Proposal& p : r.proposals) {
            if (!p.cipher || !p.hash || !p.auth || !p.group) continue;
            std::string key = peer;
            add_part(key, std::to_string(static_cast<int>(mode)));
            for (const std::string_view name :
                 {std::string_view(p.cipher->name), std::string_view(p.hash->name),
                  std::string_view(p.auth->name), std::string_view(p.group->name)})
                add_part(key, name);
            add_part(key, std::to_string(p.key_bits));
            // Certificate requests tell sections with different certificates apart.
            if (p.auth->credential == CredentialKind::Key && r.certificate)
                add_part(key, r.certificate->certificate + '\0' + r.certificate->key);
            if (!r.verify_identifier) {
                if (!each(key + "unverified")) return;
                continue;
            }
            if (r.peers_identifiers.empty() && !each(key + "anybody")) return;
            for (const IdentitySpec& id : r.peers_identifiers) {
                std::string one = key;
                add_part(one, std::to_string(id.type));
                if (id.address) add_part(one, id.address->text());
                if (id.value) add_part(one, *id.value);
                if (!each(std::move(one))) return;
            }
        }
}

/// The names of sections that others inherit from. Without an address they are templates.
std::unordered_set<std::string_view> parents(const Whole& whole) {
    std::unordered_set<std::string_view> out;
    for (const Statement* s : whole.remotes)
        if (s->values.size() > 2) out.insert(s->values[2].text);
    return out;
}

void check_ties(const Whole& whole) {
    const auto& remotes = whole.config.remotes;
    const auto templates = parents(whole);
    std::unordered_map<std::string, std::size_t> seen;      // every key: who has it
    std::unordered_map<std::string, std::size_t> starters;  // by peer: who may begin
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < remotes.size(); ++i) {
        const Remote& r = remotes[i];
        if (r.anonymous() && templates.contains(r.name)) continue;
        const Span& where = whole.remotes[i]->where;
        std::optional<std::size_t> rival;
        for_each_key(r, [&](std::string key) {
            bytes += key.size() + kPerKey;
            if (bytes > kMaxKeyBytes) return false;
            const auto [at, fresh] = seen.emplace(std::move(key), i);
            if (!fresh && at->second != i && (!rival || at->second < *rival)) rival = at->second;
            return true;
        });
        if (rival)
            whole.diagnostics.warning(
                Warning::Tied, where,
                fmt::format(
                    "remote {} matches the same peers as remote {} at {}, with the same mode "
                    "and proposal; of two that match equally racoon uses neither: remove "
                    "one, or tell them apart by peers_identifier and \"verify_identifier "
                    "on;\"",
                    quoted(r.name), quoted(remotes[*rival].name), remotes[*rival].where.text()));
        if (r.passive || r.anonymous()) continue;
        const auto [first, fresh] = starters.emplace(peer_key(r), i);
        if (fresh || rival) continue;
        whole.diagnostics.warning(
            Warning::Tied, where,
            fmt::format("remote {} is for the same address as remote {} at {}; when a negotiation "
                        "begins here nothing tells them apart, and racoon uses neither: write "
                        "\"passive on;\" in one of them",
                        quoted(r.name), quoted(remotes[first->second].name),
                        remotes[first->second].where.text()));
    }
}

void check_proposals(const Whole& whole, const Remote& r, const Statement& section) {
    std::unordered_map<std::string, const Phase1Proposal*> seen;
    for (const Phase1Proposal& p : r.proposals) {
        if (!p.cipher || !p.hash || !p.auth || !p.group) continue;
        std::string key;
        for (const std::string_view name :
             {std::string_view(p.cipher->name), std::string_view(p.hash->name),
              std::string_view(p.auth->name), std::string_view(p.group->name)})
            add_part(key, name);
        add_part(key, std::to_string(p.key_bits));
        const auto [earlier, fresh] = seen.emplace(std::move(key), &p);
        if (fresh) continue;
        for (const Statement& s : section.body)  // an inherited one was told at the parent
            if (static_cast<int>(s.where.line) == p.where.line &&
                static_cast<int>(s.where.column) == p.where.column &&
                s.directive->word == Word::Proposal)
                whole.diagnostics.warning(
                    Warning::Repeated, s.where,
                    fmt::format(
                        "this proposal is the same as the one at {}{}; remove it",
                        earlier->second->where.text(),
                        earlier->second->lifetime == p.lifetime ? "" : ", but for its lifetime"));
    }
}

void check_dpd(const Whole& whole, const Remote& r, const Statement& section) {
    const Statement* delay = written(section, Word::DpdDelay);
    if (!r.dpd.enabled && delay && r.dpd.delay.count() > 0)
        whole.diagnostics.warning(Warning::NoEffect, delay->where,
                                  "dpd_delay has no effect with dpd off; remove one of them");
    if (r.dpd.delay.count() > 0 || !r.dpd.enabled) return;
    for (const Word word : {Word::DpdRetry, Word::DpdMaxfail})
        if (const Statement* s = written(section, word))
            whole.diagnostics.warning(
                Warning::NoEffect, s->where,
                fmt::format(
                    "{} has no effect without dpd_delay, which is 0: no probe is sent; write "
                    "for example \"dpd_delay 20;\"",
                    s->directive->keyword));
}

void check_identity(const Whole& whole, const Remote& r, const Statement& section) {
    const Statement* named = written(section, Word::PeersIdentifier);
    if (named && !r.verify_identifier)
        whole.diagnostics.warning(
            Warning::UncheckedPeer, named->where,
            "without \"verify_identifier on;\", peers_identifier keeps nobody out: a peer with "
            "another identity is only logged");
    const Statement* verify = written(section, Word::VerifyIdentifier);
    const bool keys =
        std::any_of(r.proposals.begin(), r.proposals.end(), [](const Phase1Proposal& p) {
            return p.auth && p.auth->credential == CredentialKind::Key;
        });
    if (verify && r.verify_identifier && r.peers_identifiers.empty() && !keys)
        whole.diagnostics.warning(
            Warning::NoEffect, verify->where,
            "verify_identifier on has no effect without peers_identifier: every identity is right");
}

void check_phase2_ids(const Whole& whole) {
    const Config& config = whole.config;
    if (config.remotes.empty()) return;
    if (config.sainfos.empty()) {
        whole.diagnostics.warning(
            Warning::NoSaInfo, whole.remotes.front()->where,
            "there is no sainfo section, so phase 2 cannot be negotiated with anybody; write for "
            "example \"sainfo anonymous { encryption_algorithm aes 256; authentication_algorithm "
            "hmac_sha256; compression_algorithm deflate; }\"");
        return;
    }
    std::unordered_set<std::uint32_t> served;
    for (const SaInfo& info : config.sainfos) served.insert(info.remoteid);
    for (std::size_t i = 0; i < config.remotes.size(); ++i) {
        const Statement* s = written(*whole.remotes[i], Word::Ph1id);
        if (s && !served.contains(config.remotes[i].ph1id))
            whole.diagnostics.warning(
                Warning::NoSaInfo, s->where,
                fmt::format("no sainfo has \"remoteid {};\", so phase 2 cannot be negotiated with "
                            "these peers",
                            config.remotes[i].ph1id));
    }
}

}  // namespace

void check_remotes(const Whole& whole) {
    check_ties(whole);
    check_phase2_ids(whole);
    for (std::size_t i = 0; i < whole.remotes.size(); ++i) {
        const Remote& r = whole.config.remotes[i];
        check_proposals(whole, r, *whole.remotes[i]);
        check_dpd(whole, r, *whole.remotes[i]);
        check_identity(whole, r, *whole.remotes[i]);
    }
}

}  // namespace racoon::conf
