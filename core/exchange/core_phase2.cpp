// IPsec SAs and the requests for them: who asks, under which ISAKMP SA, and how pairs of SAs are
// renewed and end.
//
// Who ends what, so that both ends come to the same SAs:
//   - Whoever rekeys a pair deletes the one it replaced, after a while in which the old one still
//     receives, and tells the peer.
//   - Two pairs for one traffic that came up without either replacing the other (both ends began at
//     once) are settled by one end alone: the initiator of the ISAKMP SA with the lower cookies. It
//     keeps the newest.
//   - A delete from the peer ends the pair here too, and is answered with ours for the other SPI.
#include <fmt/format.h>
#include <racoon/plugin.h>

#include <algorithm>

#include "exchange/core.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {

using std::chrono::seconds;

/// How long a replaced SA still receives, and how long pairs may stand side by side unsettled.
constexpr auto kLinger = seconds(30);
constexpr auto kSettle = seconds(10);
/// How long an ended quick mode can still repeat its last message.
constexpr auto kKeepMessages = seconds(70);
/// The longest wait for a phase 1 where no `timer` block says otherwise.
constexpr auto kPhase1Wait = seconds(75);
constexpr auto kRekeyRetry = seconds(10);
/// An acquire for SAs that are younger than this crossed them on its way.
constexpr auto kFreshPair = seconds(2);

std::string sa_text(const SaPair& p, const SaParams& sa, bool inbound) {
    const Endpoint& src = inbound ? p.remote : p.local;
    const Endpoint& dst = inbound ? p.local : p.remote;
    const Spi spi = inbound ? sa.spi_in : sa.spi_out;
    return fmt::format("{}/{} {}->{} spi={}(0x{:x})", protocol_text(sa.protocol),
                       sa.tunnel ? "Tunnel" : "Transport", src.text(), dst.text(), spi.value,
                       spi.value);
}

/// One line for what concerns the whole pair.
std::string pair_text(const SaPair& p) {
    std::string out;
    for (const SaParams& sa : p.params.sas) out += (out.empty() ? "" : ", ") + sa_text(p, sa, true);
    return out;
}

bool has_protocol(const SaPair& p, std::uint8_t protocol) {
    return protocol == 0 ||
           std::any_of(p.params.sas.begin(), p.params.sas.end(),
                       [&](const SaParams& sa) { return sa.protocol == protocol; });
}

}  // namespace

// --- requests ---

void Core::establish_policy(PolicyId id, Done done) {
    const conf::Policy* policy = policy_of(id);
    if (policy == nullptr)
        return done(fail(Errc::NotFound, "no outbound ipsec policy " + std::to_string(id.value)));
    for (SaPair* p : pairs_.with_policy(id))
        if (!p->replaced && p->selector == policy->selector) return done(ok());
    request(ctx_.settings, *policy, policy->selector, peer_of(*policy), 0, std::move(done), {});
}

void Core::establish_selector(const TrafficSelector& selector, Done done) {
    const conf::Policy* policy = ctx_.settings->policies.covering(selector);
    if (policy == nullptr)
        return done(fail(Errc::NotFound, "no suitable policy found for " + selector.text()));
    establish_policy(policy->id, std::move(done));
}

void Core::request(SettingsPtr settings, const conf::Policy& policy,
                   const TrafficSelector& selector, const IpAddr& peer, std::uint64_t acquire,
                   Done done, PairId replaces, std::uint16_t peer_port) {
    const auto key = std::pair(policy.id, selector);
    if (const auto it = requests_.find(key); it != requests_.end()) {
        // One negotiation per traffic; everybody who asks hears how it ends.
        Request& r = *it->second;
        if (acquire != 0 && r.acquires.size() < 16) r.acquires.push_back(acquire);
        if (done) r.done.push_back(std::move(done));
        if (replaces.value != 0) r.replaces = replaces;
        return;
    }
    auto owned = std::make_unique<Request>();
    Request& r = *owned;
    r.settings = std::move(settings);
    r.policy = &policy;
    if (const auto m = made_.find(policy.id); m != made_.end()) r.made = m->second.policy;
    r.selector = selector;
    r.local = local_of(policy);
    r.peer = peer;
    if (acquire != 0) r.acquires.push_back(acquire);
    if (done) r.done.push_back(std::move(done));
    r.replaces = replaces;
    r.peer_port = peer_port;
    requests_.emplace(key, std::move(owned));
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

void Core::advance(Request& r) {
    if (r.peer.is_any())
        return finish_request(r, fail(Errc::Config, "the policy names no peer to negotiate with"));
    if (Phase1* sa = usable_phase1(r.local, r.peer, r.peer_port);
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
    x.set_selector(r.selector);
    r.running = &x;
    x.start_initiator(r.acquires.empty() ? 0 : r.acquires.front(), r.replaces.value != 0);
    return true;
}

void Core::serve_waiting(Phase1& sa) {
    const auto it = waiting_.find(sa.remote().addr);
    if (it == waiting_.end()) return;
    std::vector<Request*> mine;
    std::vector<Request*> rest;
    for (Request* r : it->second)
        (r->local.family == Family::None || r->local == sa.local().addr ? mine : rest).push_back(r);
    if (rest.empty())
        waiting_.erase(it);
    else
        it->second = std::move(rest);
    for (Request* r : mine)
        if (!start_quick_mode(sa, *r))
            finish_request(*r, fail(Errc::Internal, "no quick mode could be started"));
}

void Core::finish_request(Request& r, const Status& status) {
    const auto it = requests_.find(std::pair(r.policy->id, r.selector));
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
    const auto it = requests_.find(std::pair(x.policy()->id, x.selector()));
    return it != requests_.end() && it->second->running == &x ? it->second.get() : nullptr;
}

/// The peer's quick mode for a policy whose SAs are being installed: the answer to its first packet may
/// ask for what is on its way.
Phase2* Core::nearly_up(const conf::Policy& policy, const IpAddr& peer) {
    for (const Phase1* sa : sas_.with_peer(peer))
        for (const auto& x : sa->children)
            if (x->confirmed && x->running() && x->policy() != nullptr &&
                x->policy()->id == policy.id && x->selector() == policy.selector)
                return x.get();
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

// --- the end of a quick mode ---

void Core::phase2_established(Phase2& x) {
    Phase1& sa = x.phase1();
    std::unique_ptr<SaPair> owned = pair_of(x);
    if (x.made() != nullptr) {
        MadePolicy& m = made_[x.policy()->id];
        m.policy = x.made();
        m.peer = sa.remote().addr;
        m.peer_id = sa.peer_id();
    }
    Request* r = request_of(x);
    if (r != nullptr) owned->replaces = r->replaces;
    x.hand_over();
    SaPair& pair = pairs_.add(std::move(owned));
    peer_alive(sa);
    for (const SaParams& one : pair.params.sas) {
        LOGI(sa.peer_text(), "IPsec-SA established: " + sa_text(pair, one, true));
        LOGI(sa.peer_text(), "IPsec-SA established: " + sa_text(pair, one, false));
    }
    ctx_.event(kEventPhase2Established, sa.local(), sa.remote(), pair.selector.text());
    x.linger.arm(ctx_.timers, ctx_.now + kKeepMessages, [this, &x] { release_child(x); });

    if (SaPair* old = pairs_.find(pair.replaces)) retire(*old);
    bool unsettled = false;
    for (SaPair* other : pairs_.alike(pair))
        if (!other->replaced) unsettled = true;
    pair_timer(pair);
    if (unsettled) {
        auto timer = std::make_unique<Timer>();
        timer->arm(ctx_.timers, ctx_.now + kSettle,
                   [this, id = pair.id] { settle_duplicates(id); });
        settle_timers_[pair.id] = std::move(timer);
    }
    const PairId id = pair.id;
    if (r != nullptr) finish_request(*r, ok());
    for (const std::uint64_t token : x.acquires) acquired(token, true);
    settle_pair(id);
}

void Core::phase2_failed(Phase2& x, const Error& error) {
    Phase1& sa = x.phase1();
    const std::string peer = sa.peer_text();
    if (error.code() == Errc::Timeout) {
        LOGE(peer, fmt::format("phase2 negotiation failed due to time up. {} mid={:08x}",
                               sa.cookies().text(), x.id().value));
        ctx_.event(kEventPhase2NoResponse, sa.local(), sa.remote());
    } else {
        LOGE(peer, fmt::format("phase2 negotiation failed: {}", error.text()));
    }
    // Once both SPIs are known the peer may have installed its half: it is told that ours is gone.
    const std::vector<SaParams>& sas = x.params().sas;
    const bool answered = !sas.empty() && sas.front().spi_out.value != 0;
    if (answered && sas.front().spi_in.value != 0 && sa.usable())
        announce_delete(sas, sa.local(), sa.remote(), true);
    // No message 2 at all: perhaps the peer does not have this ISAKMP SA. Until it is heard again,
    // others are preferred.
    if (x.initiator() && error.code() == Errc::Timeout && !answered) sa.suspect = true;
    Request* r = request_of(x);
    const std::vector<std::uint64_t> acquires = std::move(x.acquires);
    const PolicyId wanted = acquires.empty() ? PolicyId{} : x.policy()->id;
    const IpAddr remote = sa.remote().addr;
    const PolicyId unused =
        x.made() != nullptr && x.policy()->id.value != 0 ? x.policy()->id : PolicyId{};
    release_child(x);
    if (unused.value != 0) drop_made(unused);
    // Who waited for these SAs asks once more, now for a negotiation of our own.
    for (const std::uint64_t token : acquires) acquire(wanted, remote, token);
    if (r == nullptr) return;
    r->running = nullptr;
    if (!sa.usable() && error.code() == Errc::Cancelled && !stopping_) {
        // Its ISAKMP SA was taken away: another one will do.
        advance(*r);
        return;
    }
    finish_request(*r, fail(Error(error)));
}

void Core::phase2_repeated(Phase2& x) {
    // The responder did not get message 3, so it still sends with the SA that we are about to end.
    for (SaPair* p : pairs_.with_policy(x.policy()->id))
        if (p->replaced && p->selector == x.selector()) retire(*p);
}

// --- pairs ---

/// Soft lifetime, then the hard one. The initiator renews first, so that normally one end does.
void Core::pair_timer(SaPair& pair) {
    if (pair.replaced) return;
    const std::uint64_t life = pair.params.seconds;
    if (life == 0) return;
    const Duration whole{seconds(life)};
    const TimePoint hard = pair.established + whole;
    const Duration spread = whole / 100 * static_cast<std::int64_t>(ctx_.random_u32() % 500) / 100;
    const Duration soft = whole / 100 * (pair.initiator ? 80 : 90) - spread;
    TimePoint when = pair.established + soft;
    if (when <= ctx_.now) when = std::min(ctx_.now + Duration(kRekeyRetry), hard);
    if (pair.rekey_asked) when = hard;
    pair.timer.arm(ctx_.timers, when, [this, &pair, hard] {
        if (ctx_.now < hard) return rekey(pair);
        LOGI(pair.remote.addr.text(), "IPsec-SA expired: " + pair_text(pair));
        delete_pair(pair, Tell::Peer, false, "expired");
    });
}

void Core::rekey(SaPair& pair) {
    if (pair.replaced || stopping_) return;
    const bool newer = has_newer(pair);
    pair.rekey_asked = true;
    pair_timer(pair);  // what is left is the hard lifetime
    if (newer) return;
    LOGI(pair.remote.addr.text(), "renegotiating phase2, " + pair_text(pair));
    request(pair.settings, *pair.policy, pair.selector, pair.remote.addr, 0, {}, pair.id,
            pair.remote.port);
}

void Core::retire(SaPair& pair) {
    if (!pair.replaced) {
        pair.replaced = true;
        keep(pair);
    }
    pair.timer.arm(ctx_.timers, ctx_.now + kLinger,
                   [this, &pair] { delete_pair(pair, Tell::Peer, true, "replaced"); });
}

void Core::settle_duplicates(PairId id) {
    if (const auto t = settle_timers_.find(id); t != settle_timers_.end()) {
        dead_timers_.push_back(std::move(t->second));
        settle_timers_.erase(t);
    }
    SaPair* pair = pairs_.find(id);
    if (pair == nullptr || pair->replaced) return;
    SaPair* newest = pair;
    const SaPair* lowest = pair;
    std::vector<SaPair*> all = pairs_.alike(*pair);
    std::erase_if(all, [](const SaPair* p) { return p->replaced; });
    for (SaPair* p : all) {
        if (p->id > newest->id) newest = p;
        if (p->phase1 < lowest->phase1) lowest = p;
    }
    if (all.empty() || !lowest->phase1_initiator) return;  // settled, or the other end's task
    all.push_back(pair);
    for (SaPair* p : all)
        if (p != newest) retire(*p);
}

void Core::delete_pair(SaPair& pair, Tell tell, bool insist, std::string_view why) {
    std::unique_ptr<SaPair> owned = pairs_.remove(pair.id);
    if (owned == nullptr) return;
    pair.timer.cancel();
    for (const bool inbound : {false, true})
        for (const SaParams& sa : pair.params.sas) {
            SaDelete d;
            d.protocol = sa.protocol;
            d.spi = inbound ? sa.spi_in : sa.spi_out;
            d.src = inbound ? pair.remote.addr : pair.local.addr;
            d.dst = inbound ? pair.local.addr : pair.remote.addr;
            ctx_.ops.post(d);
        }
    LOGI(pair.remote.addr.text(), fmt::format("purged IPsec-SA {} ({})", pair_text(pair), why));
    ctx_.event(kEventPhase2Deleted, pair.local, pair.remote, pair.selector.text());
    if (tell == Tell::Peer) announce_delete(pair.params.sas, pair.local, pair.remote, insist);
    if (pair.made != nullptr && !pair.keep_policy) drop_made(pair.policy->id);
    dead_pairs_.push_back(std::move(owned));
    start_lost(StarterKey(pair.policy->id, ""), pair.established);
}

void Core::lose_pair(SaPair& pair, Tell tell, bool dead, std::string_view why) {
    const conf::Remote* section = pair.settings->index.named(pair.section);
    const conf::PeerGone action = section == nullptr ? conf::PeerGone::Clear
                                  : dead             ? section->dpd_action
                                                     : section->close_action;
    // A pair that has been replaced ends by the peer's hand in the course of every renewal.
    const bool replaced = pair.replaced || has_newer(pair);
    if (action != conf::PeerGone::Clear && !replaced && !stopping_ && pair.made != nullptr) {
        // No packet leaves in the clear meanwhile.
        PolicyUse stay;
        stay.policy = pair.policy->id;
        ctx_.ops.post(stay);
        pair.keep_policy = true;
    }
    if (action == conf::PeerGone::Restart && !replaced && !stopping_) restart(pair);
    delete_pair(pair, tell, false, why);
}

// --- policies made for peers ---

const conf::Policy* Core::policy_of(PolicyId id) const {
    if (const auto m = made_.find(id); m != made_.end()) return m->second.policy.get();
    return ctx_.settings->policies.find(id);
}

bool Core::overlaps_another(const Phase2& x) {
    const Prefix& wanted = x.selector().remote.net;
    return std::any_of(made_.begin(), made_.end(), [&](const auto& entry) {
        const MadePolicy& m = entry.second;
        const Prefix& has = m.policy->selector.remote.net;
        if (has.addr.family != wanted.addr.family ||
            !(has.contains(wanted) || wanted.contains(has)))
            return false;
        return m.peer != x.phase1().remote().addr || m.peer_id != x.phase1().peer_id();
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

bool Core::has_newer(const SaPair& pair) const {
    const std::vector<SaPair*> all = pairs_.alike(pair);
    return std::any_of(all.begin(), all.end(),
                       [&](const SaPair* p) { return !p->replaced && p->id > pair.id; });
}

/// A delete is not acknowledged in IKEv1. The one that matters is sent up to three times, until the
/// peer's own delete of the other direction shows that it arrived.
void Core::announce_delete(const std::vector<SaParams>& sas, const Endpoint& local,
                           const Endpoint& remote, bool insist) {
    Phase1* phase1 = usable_phase1(local.addr, remote.addr, remote.port);
    if (phase1 == nullptr) return;
    for (const SaParams& sa : sas) {
        phase1->send_informational(isakmp::PayloadType::Delete,
                                   isakmp::Delete::body_of(wire_protocol(sa.protocol), sa.spi_in));
        if (!insist || stopping_) continue;
        auto d = std::make_unique<PendingDelete>();
        d->protocol = sa.protocol;
        d->local = local;
        d->remote = remote;
        d->sent = 1;
        d->spi_in = sa.spi_in;
        PendingDelete& ref = *d;
        const DeleteKey key(remote.addr, sa.spi_out);
        auto& slot = deletes_[key];
        if (slot != nullptr) dead_deletes_.push_back(std::move(slot));
        slot = std::move(d);
        ref.timer.arm(ctx_.timers, ctx_.now + seconds(2), [this, key] { repeat_delete(key); });
    }
}

void Core::repeat_delete(const DeleteKey& key) {
    const auto it = deletes_.find(key);
    if (it == deletes_.end()) return;
    PendingDelete& d = *it->second;
    Phase1* sa = usable_phase1(d.local.addr, d.remote.addr, d.remote.port);
    if (sa != nullptr)
        sa->send_informational(isakmp::PayloadType::Delete,
                               isakmp::Delete::body_of(wire_protocol(d.protocol), d.spi_in));
    if (sa == nullptr || ++d.sent >= 3) {
        dead_deletes_.push_back(std::move(it->second));
        deletes_.erase(it);
        return;
    }
    d.timer.arm(ctx_.timers, ctx_.now + seconds(4), [this, key] { repeat_delete(key); });
}

std::size_t Core::flush_phase2(std::uint8_t protocol) {
    const ByAdministrator wish(*this);
    std::size_t n = 0;
    for (SaPair* p : pairs_.all())
        if (has_protocol(*p, protocol)) {
            delete_pair(*p, Tell::Peer, true, "flushed by the administrator");
            ++n;
        }
    return n;
}

std::size_t Core::delete_phase2_between(std::uint8_t protocol, const IpAddr& local,
                                        const IpAddr& remote) {
    const ByAdministrator wish(*this);
    std::size_t n = 0;
    for (SaPair* p : pairs_.all()) {
        if (!has_protocol(*p, protocol)) continue;
        if (local.family != Family::None && p->local.addr != local) continue;
        if (p->remote.addr != remote) continue;
        delete_pair(*p, Tell::Peer, true, "deleted by the administrator");
        ++n;
    }
    return n;
}

// --- the kernel ---

/// A packet wants SAs for a policy; `dst` is where it goes, for a policy that names no peer.
void Core::acquire(PolicyId id, const IpAddr& dst, std::uint64_t token) {
    const conf::Policy* policy = policy_of(id);
    if (policy == nullptr || stopping_) {
        if (policy == nullptr)
            LOGW("", fmt::format("acquire for policy {}, for which nothing can be negotiated",
                                 id.value));
        return acquired(token, false);
    }
    // The packet may have been faster than the SAs that just came up, or are about to.
    for (const SaPair* p : pairs_.with_policy(id))
        if (!p->replaced && p->selector == policy->selector &&
            ctx_.now - p->established < Duration(kFreshPair))
            return acquired(token, true);
    IpAddr peer = peer_of(*policy);
    if (peer.is_any()) peer = dst;
    if (Phase2* x = nearly_up(*policy, peer); x != nullptr && x->acquires.size() < 16) {
        x->acquires.push_back(token);
        return;
    }
    request(ctx_.settings, *policy, policy->selector, peer, token, {}, {});
}

void Core::acquired(std::uint64_t token, bool success) {
    AcquireDone done;
    done.acquire_token = token;
    done.success = success;
    ctx_.ops.post(done);
}

void Core::kernel_event(const KernelEvent& event) {
    if (event.type == RACOON_KERNEL_ACQUIRE)
        return acquire(event.policy, event.dst.addr, event.acquire_token);
    SaPair* pair = pairs_.by_inbound(event.protocol, event.spi);
    if (pair == nullptr || pair->local.addr != event.dst.addr)
        pair = pairs_.by_outbound(event.protocol, event.spi, event.dst.addr);
    if (pair == nullptr) return;
    switch (event.type) {
        case RACOON_KERNEL_EXPIRE_SOFT:
            // Volume may end an SA before its time: the responder waits to see whether the
            // initiator, who is told as well, acts.
            if (pair->rekey_asked || pair->replaced) return;
            if (pair->initiator) return rekey(*pair);
            if (!pair->timer.armed() || pair->timer.when() > ctx_.now + Duration(kRekeyRetry))
                pair->timer.arm(ctx_.timers, ctx_.now + Duration(kRekeyRetry),
                                [this, pair] { rekey(*pair); });
            return;
        case RACOON_KERNEL_EXPIRE_HARD:
            LOGI(pair->remote.addr.text(), "IPsec-SA expired: " + pair_text(*pair));
            return delete_pair(*pair, Tell::Peer, true, "expired");
        case RACOON_KERNEL_MAPPING:
            return mapping_changed(*pair, event.src);
        case RACOON_KERNEL_SA_DELETED:
            return delete_pair(*pair, Tell::Peer, true, "deleted in the kernel");
        default:
            return;
    }
}

}  // namespace racoon::exchange
