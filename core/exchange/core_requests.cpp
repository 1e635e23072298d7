// Requests for IPsec SAs: who asks (the kernel for a packet, a renewal, the administrator), under which
// ISAKMP SA they are negotiated, and for which policy.
#include <fmt/format.h>

#include <algorithm>

#include "exchange/core.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {
using std::chrono::seconds;
/// The longest wait for a phase 1 where no `timer` block says otherwise.
constexpr auto kPhase1Wait = seconds(75);
/// An acquire for SAs that are younger than this crossed them on its way.
constexpr auto kFreshPair = seconds(2);
}  // namespace

void Core::establish_policy(PolicyId id, const Between& asked, Done done) {
    const conf::Policy* policy = policy_of(id);
    if (policy == nullptr)
        return done(fail(Errc::NotFound, "no outbound ipsec policy " + std::to_string(id.value)));
    const Between hosts = hosts_of(*policy, asked);
    for (const SaPair* p : pairs_.with_policy(id))
        if (!p->replaced && carries_all(*p, *policy, hosts)) return done(ok());
    request(ctx_.settings, *policy, policy->selector, hosts, 0, std::move(done));
}

/// Whether what the policy lets pass between these hosts is a pair's.
bool Core::carries_all(const SaPair& pair, const conf::Policy& policy, const Between& hosts) {
    if (is_between_hosts(policy) && !hosts.local.is_any() && pair.local.addr != hosts.local)
        return false;
    if (peer_of(policy).is_any() && pair.remote.addr != hosts.peer) return false;
    return pair.selector ==
           traffic_between(policy, policy.selector, {pair.local.addr, pair.remote.addr});
}

void Core::establish_selector(const TrafficSelector& selector, Done done) {
    const conf::Policy* policy = ctx_.settings->policies.covering(selector);
    if (policy == nullptr)
        return done(fail(Errc::NotFound, "no suitable policy found for " + selector.text()));
    const auto host = [](const Selector& s) { return s.net.is_host() ? s.net.addr : IpAddr{}; };
    const Between asked{host(selector.local), host(selector.remote)};
    establish_policy(policy->id, asked, std::move(done));
}

/// Null: nobody has asked for it yet. Whoever does not mind with whom shares any.
Request* Core::find_request(const RequestKey& wanted, const PeerIdentity& who) const {
    const auto traffic = [](const RequestKey& k) {
        return std::tie(std::get<PolicyId>(k), std::get<IpAddr>(k), std::get<TrafficSelector>(k));
    };
    RequestKey first = wanted;
    std::get<Bytes>(first).clear();
    for (auto it = requests_.lower_bound(first);
         it != requests_.end() && traffic(it->first) == traffic(wanted); ++it) {
        Request& r = *it->second;
        if (!who || (r.peer_id && same_peer(r.peer_id, who)) ||
            (r.running != nullptr && same_peer(r.running->phase1().peer_id(), who)))
            return &r;
    }
    return nullptr;
}

void Core::request(SettingsPtr settings, const conf::Policy& policy, const TrafficSelector& asked,
                   const Between& hosts, std::uint64_t acquire, Done done, const SaPair* renews) {
    PeerIdentity who;
    const auto m = made_.find(policy.id);
    if (m != made_.end()) who = m->second.peer_id;
    if (renews != nullptr) who = renews->peer_id;
    const TrafficSelector selector = traffic_between(policy, asked, hosts);
    const RequestKey key(policy.id, peer_of(policy).is_any() ? hosts.peer : IpAddr{}, selector,
                         peer_key(who));
    if (Request* same = find_request(key, who)) {
        // One negotiation per traffic; everybody who asks hears how it ends.
        if (acquire != 0 && same->acquires.size() < 16) same->acquires.push_back(acquire);
        if (done) same->done.push_back(std::move(done));
        if (renews != nullptr) same->replaces = renews->id;
        return;
    }
    auto owned = std::make_unique<Request>();
    Request& r = *owned;
    r.key = key;
    r.settings = std::move(settings);
    r.policy = &policy;
    if (m != made_.end()) r.made = m->second.policy;
    r.peer_id = who;
    r.selector = selector;
    r.local = hosts.local;
    r.peer = hosts.peer;
    if (acquire != 0) r.acquires.push_back(acquire);
    if (done) r.done.push_back(std::move(done));
    if (renews != nullptr) {
        r.replaces = renews->id;
        r.peer_port = renews->remote.port;
    }
    requests_.emplace(r.key, std::move(owned));
    const conf::Timer& timer = r.settings->config->timer;
    const Duration limit =
        timer.given && timer.phase1 > seconds(0) ? Duration(timer.phase1) : Duration(kPhase1Wait);
    r.limit.arm(ctx_.timers, ctx_.now + limit, [this, &r] {
        if (r.running != nullptr) return;
        LOGE(r.peer.text(), fmt::format("phase2 negotiation failed due to time up waiting for "
                                        "phase1. {}",
                                        r.selector.text()));
        ctx_.event(kEventPhase2NoPhase1, {}, Endpoint{r.peer, 0});
        finish_request(r, fail(Errc::Timeout, "time up waiting for phase 1"));
    });
    advance(r);
}

/// Of the sections for a policy's peer those that are for its address say who it is. Where there are none,
/// those for everybody do.
std::vector<const conf::Remote*> Core::sections_for(const Settings& settings, const IpAddr& peer) {
    if (peer.is_any()) return {};
    conf::RemoteQuery query;
    query.peer = peer;
    std::vector<const conf::Remote*> out = settings.index.candidates(query);
    if (std::any_of(out.begin(), out.end(), [](const auto* s) { return !s->anonymous(); }))
        std::erase_if(out, [](const auto* s) { return s->anonymous(); });
    return out;
}

Wanted Core::wanted_by(const Request& r) {
    Wanted out{r.peer_port, r.peer_id, {}};
    if (!r.peer_id) out.sections = sections_for(*r.settings, r.peer);
    return out;
}

bool Core::may_have(const Phase2& x, const conf::Policy& policy) const {
    Wanted who;
    who.sections = sections_for(x.settings(), peer_of(policy));
    return is_with(x.phase1(), who);
}

void Core::advance(Request& r) {
    if (r.peer.is_any())
        return finish_request(r, fail(Errc::Config, "the policy names no peer to negotiate with"));
    if (Phase1* sa = usable_phase1(r.local, r.peer, wanted_by(r));
        sa != nullptr && start_quick_mode(*sa, r))
        return;
    waiting_[r.peer].push_back(&r);
    if (negotiating_as_initiator(r.local, r.peer) || resolve_for(r)) return;
    std::string problem;
    if (initiate_to(r.local, r.peer, problem) != nullptr) return;
    LOGE(r.peer.text(), problem);
    finish_request(r, fail(Errc::NotFound, problem));
}

bool Core::start_quick_mode(Phase1& sa, Request& r) {
    const MessageId id = sa.fresh_message_id();
    auto chain = sa.phase2_chain(id);
    if (!chain || !sa.use_message_id(id)) return false;
    LOGI(sa.peer_text(), fmt::format("initiate new phase 2 negotiation: {}<=>{}", sa.local().text(),
                                     sa.remote().text()));
    sa.children.push_back(
        std::make_unique<Phase2>(ctx_, *this, sa, id, *chain, true, r.settings, r.policy));
    Phase2& x = *sa.children.back();
    if (r.made != nullptr) x.set_made(r.made);
    x.set_selector(traffic_between(*r.policy, r.selector, {sa.local().addr, sa.remote().addr}));
    r.running = &x;
    x.start_initiator(r.acquires.empty() ? 0 : r.acquires.front(), r.replaces.value != 0);
    return true;
}

bool Core::serves(const Phase1& sa, const Request& r) {
    if (is_with(sa, wanted_by(r))) return true;
    // A peer may answer under another identity than it begins with. A configured policy is for whomever its
    // peer's sections name, where it was looked for.
    if (!sa.initiator() || r.made != nullptr) return false;
    Wanted who;
    who.sections = sections_for(*r.settings, r.peer);
    return is_with(sa, who);
}

void Core::serve_waiting(Phase1& sa) {
    const auto it = waiting_.find(sa.remote().addr);
    if (it == waiting_.end()) return;
    // Whoever answered is who is to be had there, unless somebody else is about to answer.
    const bool last = sa.initiator() && !negotiating_as_initiator(sa.local().addr, it->first);
    std::vector<Request*> mine, strange, rest;
    for (Request* r : it->second) {
        const bool here = r->local.family == Family::None || r->local == sa.local().addr;
        (!here ? rest : serves(sa, *r) ? mine : last ? strange : rest).push_back(r);
    }
    if (rest.empty())
        waiting_.erase(it);
    else
        it->second = std::move(rest);
    for (Request* r : mine)
        if (!start_quick_mode(sa, *r))
            finish_request(*r, fail(Errc::Internal, "no quick mode could be started"));
    for (Request* r : strange) {
        LOGE(sa.peer_text(), fmt::format("phase2 negotiation failed: who answers there is not the "
                                         "peer of the policy. {}",
                                         r->selector.text()));
        r->replaces = {};  // to try again would find the same; the peer can renew its SAs itself
        finish_request(*r, fail(Errc::Denied, "somebody else answers at the peer's address"));
    }
}

void Core::finish_request(Request& r, const Status& status) {
    const auto it = requests_.find(r.key);
    if (it == requests_.end() || it->second.get() != &r) return;
    std::unique_ptr<Request> owned = std::move(it->second);
    requests_.erase(it);
    if (const auto w = waiting_.find(r.peer); w != waiting_.end()) {
        std::erase(w->second, &r);
        if (w->second.empty()) waiting_.erase(w);
    }
    r.limit.cancel();
    for (const std::uint64_t token : r.acquires) acquired(token, status.has_value());
    if (!status && r.replaces.value != 0)
        if (SaPair* old = pairs_.find(r.replaces)) {
            // The old pair has time left: try again.
            old->rekey_asked = false;
            pair_timer(*old);
        }
    std::vector<Done> list = std::move(r.done);
    dead_requests_.push_back(std::move(owned));
    for (Done& d : list) d(status);
}

Request* Core::request_of(const Phase2& x) {
    if (!x.initiator() || x.policy() == nullptr) return nullptr;
    const PolicyId policy = x.policy()->id;
    for (auto it = requests_.lower_bound(RequestKey(policy, IpAddr{}, TrafficSelector{}, Bytes()));
         it != requests_.end() && std::get<PolicyId>(it->first) == policy; ++it)
        if (it->second->running == &x) return it->second.get();
    return nullptr;
}

/// The peer's quick mode for a policy whose SAs are being installed: the answer to its first packet may
/// ask for what is on its way.
Phase2* Core::nearly_up(const conf::Policy& policy, const Between& hosts) {
    for (const Phase1* sa : sas_.with_peer(hosts.peer)) {
        const IpAddr& local = sa->local().addr;
        if (is_between_hosts(policy) && !hosts.local.is_any() && local != hosts.local) continue;
        const TrafficSelector all = traffic_between(policy, policy.selector, {local, hosts.peer});
        for (const auto& x : sa->children)
            if (x->confirmed && x->running() && x->policy() != nullptr &&
                x->policy()->id == policy.id && x->selector() == all)
                return x.get();
    }
    return nullptr;
}

void Core::release_child(Phase2& x) {
    auto& list = x.phase1().children;
    const auto it =
        std::find_if(list.begin(), list.end(), [&](const auto& c) { return c.get() == &x; });
    if (it == list.end()) return;
    dead_phase2_.push_back(std::move(*it));
    list.erase(it);
}
// --- of the kernel ---

/// A packet between these hosts wants SAs for a policy.
void Core::acquire(PolicyId id, const Between& packet, std::uint64_t token) {
    const conf::Policy* policy = policy_of(id);
    if (policy == nullptr || stopping_) {
        if (policy == nullptr)
            LOGW("", fmt::format("acquire for policy {}, for which nothing can be negotiated",
                                 id.value));
        return acquired(token, false);
    }
    const Between hosts = hosts_of(*policy, packet);
    if (hosts.peer.is_multicast()) return acquired(token, false);  // is nobody to negotiate with
    // Forwarded: without a tunnel, SAs are between the packet's own hosts, of which none is this one (reference 5.15).
    if (is_between_hosts(*policy) && !hosts.local.is_any() && !has_address(hosts.local)) {
        LOGI(hosts.peer.text(), "nothing is negotiated for packets from " + hosts.local.text() +
                                    ", which is no address of ours: the policy has no tunnel");
        return acquired(token, false);
    }
    // The packet may have been faster than the SAs that just came up, or are about to.
    for (const SaPair* p : pairs_.with_policy(id))
        if (!p->replaced && carries_all(*p, *policy, hosts) &&
            ctx_.now - p->established < Duration(kFreshPair))
            return acquired(token, true);
    if (Phase2* x = nearly_up(*policy, hosts); x != nullptr && x->acquires.size() < 16) {
        x->acquires.push_back(token);
        return;
    }
    request(ctx_.settings, *policy, policy->selector, hosts, token, {});
}

void Core::acquired(std::uint64_t token, bool success) {
    AcquireDone done;
    done.acquire_token = token;
    done.success = success;
    ctx_.ops.post(done);
}

// --- policies made for peers ---

const conf::Policy* Core::policy_of(PolicyId id) const {
    if (const auto m = made_.find(id); m != made_.end()) return m->second.policy.get();
    return ctx_.settings->policies.find(id);
}

bool Core::claim_traffic(const Phase2& x) {
    const Prefix& wanted = x.selector().remote.net;
    const auto overlaps = [&](const Prefix& has) {
        return has.addr.family == wanted.addr.family &&
               (has.contains(wanted) || wanted.contains(has));
    };
    const bool made = std::any_of(made_.begin(), made_.end(), [&](const auto& entry) {
        const MadePolicy& m = entry.second;
        if (!overlaps(m.policy->selector.remote.net)) return false;
        return m.peer != x.phase1().remote().addr || !same_peer(m.peer_id, x.phase1().peer_id());
    });
    // Of two that ask at once it is whose policy the keeper makes first; to ask alone keeps nobody out.
    const bool claimed = std::any_of(claims_.begin(), claims_.end(), [&](const Phase2* other) {
        return other->made() != nullptr && overlaps(other->selector().remote.net) &&
               (other->phase1().remote().addr != x.phase1().remote().addr ||
                !same_peer(other->phase1().peer_id(), x.phase1().peer_id()));
    });
    if (made || claimed) return false;
    claims_.insert(&x);
    return true;
}

bool Core::outbound_taken(const Phase2& x) const {
    const IpAddr& peer = x.phase1().remote().addr;
    const std::vector<Phase1*>& neighbours = sas_.with_peer(peer);
    return std::any_of(x.params().sas.begin(), x.params().sas.end(), [&](const SaParams& one) {
        if (pairs_.by_outbound(one.protocol, one.spi_out, peer) != nullptr) return true;
        // A peer that begins anew may use the SPI of the attempt that it gave up.
        for (const Phase1* sa : neighbours)
            for (const auto& child : sa->children)
                if (child.get() != &x && child->running() &&
                    !same_peer(sa->peer_id(), x.phase1().peer_id()) &&
                    child->params().outbound(one.protocol, one.spi_out) != nullptr)
                    return true;
        return false;
    });
}

/// Nothing needs it any more, unless something does.
void Core::drop_made(PolicyId id) {
    if (!pairs_.with_policy(id).empty()) return;
    for (const Phase1* sa : sas_.all())
        for (const auto& child : sa->children)
            if (child->running() && child->policy() != nullptr && child->policy()->id == id) return;
    made_.erase(id);
    PolicyDrop drop;
    drop.policy = id;
    ctx_.ops.post(drop);
}

}  // namespace racoon::exchange
