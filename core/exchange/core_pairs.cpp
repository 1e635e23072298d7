// IPsec SAs in pairs, one for each direction: how they come up, are renewed and end.
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
constexpr auto kRekeyRetry = seconds(10);

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

// --- the end of a quick mode ---

void Core::phase2_established(Phase2& x) {
    Phase1& sa = x.phase1();
    std::unique_ptr<SaPair> owned = pair_of(x);
    claims_.erase(&x);
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
    claims_.erase(&x);
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
        announce_delete(sas, sa.local(), sa.remote(), sa.peer_id(), true);
    // No message 2 at all: perhaps the peer does not have this ISAKMP SA. Until it is heard again,
    // others are preferred.
    if (x.initiator() && error.code() == Errc::Timeout && !answered) sa.suspect = true;
    Request* r = request_of(x);
    const std::vector<std::uint64_t> acquires = std::move(x.acquires);
    const PolicyId wanted = acquires.empty() ? PolicyId{} : x.policy()->id;
    const Between hosts{sa.local().addr, sa.remote().addr};
    const PolicyId unused =
        x.made() != nullptr && x.policy()->id.value != 0 ? x.policy()->id : PolicyId{};
    release_child(x);
    if (unused.value != 0) drop_made(unused);
    // Who waited for these SAs asks once more, now for a negotiation of our own.
    for (const std::uint64_t token : acquires) acquire(wanted, hosts, token);
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
        if (p->replaced && p->selector == x.selector() &&
            same_peer(p->peer_id, x.phase1().peer_id()))
            retire(*p);
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
    if (!is_wanted(*pair.policy)) {
        LOGI(pair.remote.addr.text(),
             fmt::format("{} is not renewed: its policy was removed", pair_text(pair)));
        return;
    }
    LOGI(pair.remote.addr.text(), "renegotiating phase2, " + pair_text(pair));
    Between hosts = hosts_of(*pair.policy, {pair.local.addr, pair.remote.addr});
    hosts.peer = pair.remote.addr;  // it may have moved
    request(pair.settings, *pair.policy, pair.selector, hosts, 0, {}, &pair);
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
    if (tell == Tell::Peer)
        announce_delete(pair.params.sas, pair.local, pair.remote, pair.peer_id, insist);
    if (pair.made != nullptr && !pair.keep_policy) drop_made(pair.policy->id);
    dead_pairs_.push_back(std::move(owned));
    start_lost(starter_of(pair), pair.established);
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
    if (action == conf::PeerGone::Restart && !replaced && !stopping_ && is_wanted(*pair.policy))
        restart(pair);
    delete_pair(pair, tell, false, why);
}

bool Core::has_newer(const SaPair& pair) const {
    const std::vector<SaPair*> all = pairs_.alike(pair);
    return std::any_of(all.begin(), all.end(),
                       [&](const SaPair* p) { return !p->replaced && p->id > pair.id; });
}

// --- deletes ---

/// A delete is not acknowledged in IKEv1. The one that matters is sent up to three times, until the
/// peer's own delete of the other direction shows that it arrived.
void Core::announce_delete(const std::vector<SaParams>& sas, const Endpoint& local,
                           const Endpoint& remote, const PeerIdentity& who, bool insist) {
    Phase1* phase1 = usable_phase1(local.addr, remote.addr, Wanted{remote.port, who, {}});
    if (phase1 == nullptr) return;
    for (const SaParams& sa : sas) {
        phase1->send_informational(isakmp::PayloadType::Delete,
                                   isakmp::Delete::body_of(wire_protocol(sa.protocol), sa.spi_in));
        if (!insist || stopping_) continue;
        auto d = std::make_unique<PendingDelete>();
        d->protocol = sa.protocol;
        d->local = local;
        d->remote = remote;
        d->who = who;
        d->sent = 1;
        d->spi_in = sa.spi_in;
        PendingDelete& ref = *d;
        const DeleteKey key(remote.addr, peer_key(who), sa.spi_out);
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
    Phase1* sa = usable_phase1(d.local.addr, d.remote.addr, Wanted{d.remote.port, d.who, {}});
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

void Core::kernel_event(const KernelEvent& event) {
    if (event.type == RACOON_KERNEL_ACQUIRE)
        return acquire(event.policy, {event.src.addr, event.dst.addr}, event.acquire_token);
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
