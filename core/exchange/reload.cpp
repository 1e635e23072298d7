// A new configuration and what is up: whose section is unchanged stays as it is, the rest is matched again
// (reference 1.8). Nothing is renegotiated and no SA in the kernel is touched but those that have to go.
#include <fmt/format.h>

#include <algorithm>

#include "conf/differences.hpp"
#include "exchange/core.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {

bool same_dpd(const conf::Dpd& a, const conf::Dpd& b) {
    return a.enabled == b.enabled && a.delay == b.delay && a.retry == b.retry &&
           a.max_fail == b.max_fail;
}

/// The section of a quick mode as it was chosen.
const conf::SaInfo* sainfo_of(const Settings& settings, const SaPair& pair, std::uint32_t ph1id,
                              const std::optional<conf::PeerId>& peer) {
    conf::SaInfoQuery query;
    query.selector = pair.selector;
    query.ph1id = ph1id;
    query.client = pair.remote.addr;
    if (!pair.initiator) query.peer_id = peer;
    if (pair.local_id) query.local_id = conf::PeerId{pair.local_id->type, pair.local_id->data};
    if (pair.remote_id) query.remote_id = conf::PeerId{pair.remote_id->type, pair.remote_id->data};
    return sainfo_for(settings.index, query, *pair.policy, pair.initiator);
}

std::optional<conf::PeerId> peer_id_of(const Phase1* sa, Bytes& storage) {
    if (sa == nullptr || !sa->peer_id()) return {};
    storage = sa->peer_id()->data();
    return conf::PeerId{static_cast<std::uint8_t>(sa->peer_id()->type()), storage};
}

}  // namespace

/// What was compared in the course of one reload: many SAs have the same sections.
class Core::Comparison {
  public:
    template <typename Section>
    bool same(const Section& a, const Section& b) {
        const auto [at, fresh] = known_.emplace(Pair(&a, &b), false);
        if (fresh) at->second = conf::same(a, b);
        return at->second;
    }
    std::unordered_map<const Phase1*, Rematch> verdicts;

  private:
    using Pair = std::pair<const void*, const void*>;
    std::map<Pair, bool> known_;
};

const Core::Rematch& Core::verdict_of(const Phase1& sa, const Settings& next,
                                      Comparison& compared) const {
    const auto [at, fresh] = compared.verdicts.try_emplace(&sa);
    if (fresh) at->second = rematch(sa, next, compared);
    return at->second;
}

Core::Rematch Core::rematch(const Phase1& sa, const Settings& next, Comparison& compared) const {
    Rematch out;
    const conf::Remote* same_name = next.index.named(sa.section().name);
    if (same_name != nullptr && compared.same(sa.section(), *same_name)) {
        out.section = same_name;
        return out;
    }
    if (!sa.usable()) {
        out.why = "its section is gone or changed";
        return out;
    }
    conf::RemoteQuery query;
    query.peer = sa.remote().addr;
    Bytes id;
    query.peer_id = peer_id_of(&sa, id);
    query.mode = static_cast<conf::ExchangeMode>(sa.exchange());
    const conf::RemoteChoice any = next.index.choose(query);
    query.agreed = to_conf(sa.params());
    const conf::RemoteChoice found = next.index.choose(query);
    out.section = found.remote;
    if (out.section != nullptr) return out;
    if (!found.tied.empty())
        out.why = found.problem;
    else if (any.remote != nullptr)
        out.why = "remote \"" + any.remote->name + "\" (" + any.remote->where.text() +
                  ") no longer accepts what was agreed";
    else
        out.why = any.problem + " takes this peer any more";
    return out;
}

/// The same SA under the new settings. The keeper follows, so that it judges what is asked for under this
/// SA by the configuration in force.
void Core::adopt(Phase1& sa, const SettingsPtr& next, const conf::Remote* section) {
    const conf::Dpd before = sa.section().dpd;
    if (section->name != sa.section().name)
        LOGI(sa.peer_text(),
             fmt::format("ISAKMP-SA {} belongs to remote \"{}\" now", sa.text(), section->name));
    sa.adopt_settings(next, section);
    if (sa.use() != 0) {
        Phase1Rebind rebind;
        rebind.use = sa.use();
        rebind.generation = next->generation;
        rebind.section = section->name;
        ctx_.ops.post(rebind);
    }
    if (!same_dpd(before, section->dpd)) {
        sa.dpd.timer.cancel();
        sa.dpd.unanswered = 0;
        start_dpd(sa);
    }
}

/// Under `next`: empty and adopted, or why the pair has to go.
std::string Core::rematch_pair(SaPair& pair, const SettingsPtr& next, Comparison& compared) {
    const conf::Policy* policy =
        pair.made != nullptr ? pair.policy : next->policies.same(*pair.policy);
    if (policy == nullptr) return "its policy is gone or changed";
    // With the ISAKMP SA that it belongs to, or another one with its peer, that stays. Where all have to go
    // it goes too: the peer ends it with the last one.
    const Phase1* sa = nullptr;
    std::string why;
    for (const Phase1* candidate : sas_.with_peer(pair.remote.addr)) {
        if (!candidate->usable() || candidate->local().addr != pair.local.addr ||
            !same_peer(candidate->peer_id(), pair.peer_id))
            continue;
        const Rematch& verdict = verdict_of(*candidate, *next, compared);
        if (verdict.section == nullptr)
            why = verdict.why;
        else if (sa == nullptr || candidate->cookies() == pair.phase1)
            sa = candidate;
    }
    if (sa == nullptr && !why.empty()) return why;
    const conf::Remote* was = pair.settings->index.named(pair.section);
    const conf::Remote* section =
        sa != nullptr ? verdict_of(*sa, *next, compared).section : next->index.named(pair.section);
    if (section == nullptr) section = next->index.choose({.peer = pair.remote.addr}).remote;
    if (section == nullptr) return "no remote section is for its peer any more";
    if (pair.made != nullptr && section->generate_policy == conf::GeneratePolicy::Off)
        return "its section makes no policies any more";

    Bytes id;
    const std::optional<conf::PeerId> peer = peer_id_of(sa, id);
    const conf::SaInfo* info = sainfo_of(*next, pair, section->ph1id, peer);
    if (info == nullptr) return "no sainfo is for it any more";
    const conf::SaInfo* before =
        sainfo_of(*pair.settings, pair, was != nullptr ? was->ph1id : section->ph1id, peer);
    if (before == nullptr || !compared.same(*before, *info)) {
        const auto check = sa != nullptr ? section->proposal_check : conf::ProposalCheck::Exact;
        if (!still_acceptable(*info, pair.params, check))
            return "sainfo " + info->where.text() + " no longer accepts what was agreed";
    }
    const bool other = pair.section != section->name;
    pair.section = section->name;
    pairs_.adopt(pair, next, policy);
    if (other) keep(pair);
    return {};
}

ReloadCounts Core::reconfigure(conf::ConfigPtr config, std::uint32_t generation) {
    ReloadCounts counts;
    Comparison compared;
    const SettingsPtr before = ctx_.settings;  // what is compared stays in place
    const SettingsPtr next =
        std::make_shared<const Settings>(std::move(config), generation, hosts_, foreign_);
    ctx_.settings = next;
    guard_.clear();

    // Requests that wait for a phase 1 begin again below, with what is left.
    waiting_.clear();
    std::vector<Request*> waiting;
    std::vector<Phase2*> orphans;
    for (const auto& [key, r] : requests_) {
        if (r->running == nullptr)
            waiting.push_back(r.get());
        else if (r->made == nullptr && next->policies.same(*r->policy) == nullptr)
            orphans.push_back(r->running);
    }
    for (Phase2* x : orphans) x->abort(Error(Errc::Cancelled, "its policy is gone or changed"));

    // Pairs before ISAKMP SAs: their deletes need one.
    for (SaPair* pair : pairs_.all()) {
        const std::string why = rematch_pair(*pair, next, compared);
        ++(why.empty() ? counts.phase2_kept : counts.phase2_deleted);
        if (!why.empty()) delete_pair(*pair, Tell::Peer, false, why);
    }
    for (Phase1* sa : sas_.all()) {
        const Rematch verdict = verdict_of(*sa, *next, compared);
        if (verdict.section == nullptr) {
            if (sa->usable()) ++counts.phase1_deleted;
            delete_phase1(*sa, Tell::Peer, verdict.why);
        } else if (sa->usable()) {
            ++counts.phase1_kept;
            adopt(*sa, next, verdict.section);
        }
        // One that is being negotiated goes on as it began, and is judged when it is established.
    }
    for (Request* r : waiting) {
        const conf::Policy* policy =
            r->made != nullptr ? r->policy : next->policies.same(*r->policy);
        if (policy == nullptr) {
            finish_request(*r, fail(Errc::Cancelled, "its policy is gone or changed"));
            continue;
        }
        r->settings = next;
        r->policy = policy;
        advance(*r);
    }
    update_starters(true);
    return counts;
}

/// An ISAKMP SA that was negotiated while the configuration changed. False: it had to go.
bool Core::settle_phase1(Phase1& sa) {
    if (sa.settings_ptr() == ctx_.settings) return true;
    Comparison compared;
    const Rematch verdict = rematch(sa, *ctx_.settings, compared);
    if (verdict.section != nullptr) {
        adopt(sa, ctx_.settings, verdict.section);
        return true;
    }
    const IpAddr peer = sa.remote().addr;
    delete_phase1(sa, Tell::Peer, verdict.why);
    if (const auto it = waiting_.find(peer); it != waiting_.end()) {
        const std::vector<Request*> list = std::move(it->second);
        waiting_.erase(it);
        for (Request* r : list) advance(*r);
    }
    return false;
}

/// The same for a pair.
void Core::settle_pair(PairId id) {
    SaPair* pair = pairs_.find(id);
    if (pair == nullptr || (pair->settings == ctx_.settings && pair->kept == nullptr)) return;
    Comparison compared;
    const std::string why = rematch_pair(*pair, ctx_.settings, compared);
    if (!why.empty()) delete_pair(*pair, Tell::Peer, true, why);
}

}  // namespace racoon::exchange
