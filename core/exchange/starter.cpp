// `start on`: the tunnels of a remote come up without a packet that asks for them, at the start and after a
// reload, and again when they are lost. With `dpd_action restart` or `close_action restart` a tunnel that was
// up is brought up again once. A peer that does not answer is tried again with growing pauses.
// What the administrator takes down stays down until a reload, or until traffic asks for it.
#include <fmt/format.h>

#include <algorithm>

#include "exchange/core.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kFirstPause = seconds(2);
constexpr auto kLongestPause = seconds(60);
/// SAs that were up for less are a failure like any other: two ends could chase each other.
constexpr auto kStable = seconds(60);
/// So many begin at one moment; the others follow in groups.
constexpr std::size_t kTogether = 32;
constexpr auto kBetweenGroups = milliseconds(250);

}  // namespace

/// Which tunnels the configuration wants up; those that are not are begun.
void Core::update_starters(bool now) {
    std::map<StarterKey, bool> wanted;
    const conf::Config& config = *ctx_.settings->config;
    const bool any = std::any_of(config.remotes.begin(), config.remotes.end(),
                                 [](const conf::Remote& r) { return r.start; });
    if (any && !stopping_) {
        std::map<std::string, bool> with_policy;
        const auto consider = [&](const conf::Policy& policy) {
            if (ctx_.settings->policies.find(policy.id) != &policy) return;
            const IpAddr peer = peer_of(policy);
            if (peer.is_any()) return;
            conf::RemoteQuery query;
            query.peer = peer;
            query.initiating = true;
            const conf::Remote* section = ctx_.settings->index.choose(query).remote;
            if (section == nullptr || !section->start) return;
            wanted.emplace(StarterKey{policy.id, ""}, true);
            with_policy.emplace(section->name, true);
        };
        for (const conf::Policy& policy : config.policies) consider(policy);
        if (foreign_ != nullptr)
            for (const auto& policy : *foreign_) consider(*policy);
        for (const conf::Remote& r : config.remotes)
            if (r.start && (r.address || !r.host.empty()) && !with_policy.contains(r.name))
                wanted.emplace(StarterKey{{}, r.name}, true);
    }
    for (auto it = starters_.begin(); it != starters_.end();) {
        // What is to come up once more does, unless a reload says otherwise, or its policy has gone.
        const bool once = !now && it->second->once && policy_of(it->first.policy) != nullptr;
        if (once || wanted.contains(it->first)) {
            ++it;
            continue;
        }
        dead_starters_.push_back(std::move(it->second));
        it = starters_.erase(it);
    }
    std::size_t begun = 0;
    for (const auto& [key, yes] : wanted) {
        auto& slot = starters_[key];
        if (slot != nullptr && !now) continue;
        if (slot == nullptr) slot = std::make_unique<Starter>();
        slot->held = false;
        if (slot->asked || is_up(key)) continue;
        slot->failures = 0;
        slot->timer.arm(ctx_.timers,
                        ctx_.now + kBetweenGroups * static_cast<int>(begun++ / kTogether),
                        [this, key = key] { start_one(key); });
    }
}

Core::StarterKey Core::starter_of(const SaPair& pair) {
    StarterKey key{pair.policy->id, ""};
    if (peer_of(*pair.policy).is_any()) key.hosts = {pair.local.addr, pair.remote.addr};
    return key;
}

bool Core::is_up(const StarterKey& key) const {
    if (key.policy.value != 0) {
        const conf::Policy* policy = policy_of(key.policy);
        const std::vector<SaPair*> list = pairs_.with_policy(key.policy);
        return policy != nullptr && std::any_of(list.begin(), list.end(), [&](const SaPair* p) {
                   return !p->replaced && carries_all(*p, *policy, key.hosts);
               });
    }
    const conf::Remote* remote = ctx_.settings->index.named(key.section);
    if (remote == nullptr) return false;
    const std::optional<Endpoint> to = remote->address ? remote->address : host_endpoint(*remote);
    if (!to) return false;
    const Phase1* sa = usable_phase1(IpAddr{}, to->addr);
    return sa != nullptr && sa->state() == Phase1::State::Established;
}

void Core::start_one(const StarterKey& key) {
    const auto found = starters_.find(key);
    if (found == starters_.end() || found->second->asked || found->second->held) return;
    if (is_up(key)) return started(key);
    found->second->asked = true;
    Done done = [this, key](const Status& status) { start_ended(key, status); };
    if (key.policy.value != 0) return establish_policy(key.policy, key.hosts, std::move(done));
    const conf::Remote* remote = ctx_.settings->index.named(key.section);
    establish_phase1(remote->address.value_or(Endpoint{}), key.section, std::move(done));
}

void Core::start_ended(const StarterKey& key, const Status& status) {
    const auto found = starters_.find(key);
    if (found == starters_.end()) return;
    found->second->asked = false;
    if (!status) return start_again(key, *found->second);
    started(key);
}

void Core::started(const StarterKey& key) {
    const auto found = starters_.find(key);
    if (found == starters_.end() || !found->second->once) return;
    dead_starters_.push_back(std::move(found->second));
    starters_.erase(found);
}

/// What a pair served is wanted again, after a moment in which what belongs to its peer is cleared away.
void Core::restart(const SaPair& pair) {
    const StarterKey key = starter_of(pair);
    auto& slot = starters_[key];
    if (slot == nullptr) {
        slot = std::make_unique<Starter>();
        slot->once = true;
    }
    if (slot->asked || slot->held || slot->timer.armed()) return;
    start_again(key, *slot);
}

void Core::start_again(const StarterKey& key, Starter& s) {
    const auto doubled = kFirstPause * (1 << std::min(s.failures, 5u));
    const auto pause = std::min<Duration>(doubled, kLongestPause);
    ++s.failures;
    // Some spread, so that many tunnels to one gateway do not come at one moment.
    const Duration spread = pause / 100 * static_cast<std::int64_t>(ctx_.random_u32() % 20);
    s.timer.arm(ctx_.timers, ctx_.now + pause + spread, [this, key] { start_one(key); });
}

/// SAs of a policy, or an ISAKMP SA of a section, are no more; they were up since then.
void Core::start_lost(const StarterKey& key, TimePoint since) {
    const auto found = starters_.find(key);
    if (found == starters_.end() || stopping_) return;
    Starter& s = *found->second;
    if (by_administrator_) {
        s.held = true;
        s.timer.cancel();
        return;
    }
    if (s.asked || s.held || is_up(key)) return;
    if (ctx_.now - since >= Duration(kStable)) s.failures = 0;
    start_again(key, s);
}

}  // namespace racoon::exchange
