// Dead peer detection (RFC 3706): R-U-THERE when nothing was heard for `dpd_delay`, again every
// `dpd_retry`, and the peer is dead after `dpd_maxfail` probes without an answer.
#include <fmt/format.h>

#include <algorithm>

#include "exchange/core.hpp"
#include "isakmp/names.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

using isakmp::NotifyType;
using isakmp::ProtocolId;

namespace {
constexpr auto kLeastRetry = std::chrono::seconds(1);
/// Between the probes of another address; a peer asks again for its quick mode after this.
constexpr auto kAskedAgain = std::chrono::seconds(1);

/// The cookies of the SA, in either order: some peers swap them.
bool names_sa(const Phase1& sa, ByteView spi) {
    const auto c = isakmp::spi_cookies(spi);
    if (!c) return false;
    return *c == sa.cookies() ||
           (c->initiator == sa.cookies().responder && c->responder == sa.cookies().initiator);
}

Bytes sequence_bytes(std::uint32_t n) {
    Writer w;
    w.u32(n);
    return std::move(w).take();
}
}  // namespace

void Core::start_dpd(Phase1& sa) {
    const conf::Dpd& dpd = sa.section().dpd;
    if (!dpd.enabled || dpd.delay.count() <= 0 || !sa.peer_has_dpd) return;
    if (sa.dpd.newest == 0)
        sa.dpd.newest = ctx_.random_u32() & 0x7fffffff;  // RFC 3706 6.2: the top bit is clear
    sa.dpd.sequence = sa.dpd.newest;
    sa.dpd.timer.arm(ctx_.timers, ctx_.now + Duration(dpd.delay), [this, &sa] { dpd_due(sa); });
}

void Core::peer_alive(Phase1& sa) {
    sa.dpd.last_alive = ctx_.now;
    sa.dpd.unanswered = 0;
    sa.suspect = false;
    sa.heard();
    check_volume(sa);
}

void Core::dpd_due(Phase1& sa) {
    if (!sa.usable()) return;
    const conf::Dpd& dpd = sa.section().dpd;
    const TimePoint quiet_until = sa.dpd.last_alive + Duration(dpd.delay);
    if (sa.dpd.unanswered == 0 && quiet_until > ctx_.now) {
        sa.dpd.timer.arm(ctx_.timers, quiet_until, [this, &sa] { dpd_due(sa); });
        return;
    }
    if (sa.dpd.unanswered >= std::max(1u, dpd.max_fail)) {
        // A peer that was heard through another SA meanwhile lives: it just does not have this one.
        for (const Phase1* other : sas_.with_peer(sa.remote().addr))
            if (other != &sa && other->usable() && other->remote() == sa.remote() &&
                same_peer(other->peer_id(), sa.peer_id()) &&
                other->dpd.last_alive > sa.dpd.first_probe)
                return delete_phase1(sa, Tell::No, "the peer does not know it");
        return peer_dead(sa);
    }
    // A repeated probe has the same sequence number, unless a newer one asked elsewhere: the peer would take
    // it for a replay. That newer one is not to be guessed from what comes here.
    if (sa.dpd.sequence != sa.dpd.newest)
        sa.dpd.sequence = unguessed_number(sa);
    else if (sa.dpd.unanswered == 0)
        sa.dpd.sequence = ++sa.dpd.newest;
    if (sa.dpd.unanswered == 0) sa.dpd.first_probe = ctx_.now;
    ++sa.dpd.unanswered;
    const Bytes data = sequence_bytes(sa.dpd.sequence);
    sa.send_notify(NotifyType::RUThere, ProtocolId::Isakmp, isakmp::spi_bytes(sa.cookies()), data);
    const Duration retry = std::max(Duration(dpd.retry), Duration(kLeastRetry));
    sa.dpd.timer.arm(ctx_.timers, ctx_.now + retry, [this, &sa] { dpd_due(sa); });
}

void Core::dpd_notify(Phase1& sa, const isakmp::Notification& n, const Received& in) {
    const auto sequence = n.dpd_sequence();
    if (!sequence || !names_sa(sa, n.spi)) {
        if (sa.log_limit.allow(ctx_.now))
            LOGW(sa.peer_text(),
                 isakmp::name(n.type) + " that does not name this ISAKMP-SA, ignored");
        return;
    }
    if (n.type == NotifyType::RUThereAck) {
        if (sa.dpd.unanswered == 0 || *sequence != sa.dpd.sequence)
            return answered_elsewhere(sa, *sequence, in);
        sa.follow(in.local, in.remote);
        peer_alive(sa);
        return;
    }
    // RFC 3706 6.2: an older number than the last one is a replay; the same one is a repetition.
    auto& last = sa.dpd.peer_sequence;
    if (last && static_cast<std::int32_t>(*sequence - *last) < 0) return;
    const bool fresh = !last || *sequence != *last;
    if (fresh) {
        sa.follow(in.local, in.remote);  // a replayed one would lead us away
        peer_alive(sa);
    }
    last = *sequence;
    const Bytes data = sequence_bytes(*sequence);
    const Bytes spi = isakmp::spi_bytes(sa.cookies());
    // Where it came from, or a peer that has another address now would take us for dead.
    if (fresh && sa.natt().peer_behind && in.remote.addr != sa.remote().addr)
        return sa.send_notify_by(in.local, in.remote, NotifyType::RUThereAck, spi, data);
    sa.send_notify(NotifyType::RUThereAck, ProtocolId::Isakmp, spi, data);
}

// --- a peer that may have another address ---

/// RFC 3706 6.2 wants numbers to grow. The step is so wide that nobody who does not get the probe answers it:
/// there is one try for each.
std::uint32_t Core::unguessed_number(Phase1& sa) {
    if (sa.dpd.newest == 0) sa.dpd.newest = ctx_.random_u32() & 0x7fffffff;
    sa.dpd.newest += 1 + (ctx_.random_u32() & 0xfffff);
    return sa.dpd.newest;
}

/// Whether the SA may go on at this address. What an address can have is its own: the section that is chosen
/// for it has to be the same, and where a policy names it as its peer nobody comes but who began there.
bool Core::may_move(const Phase1& sa, const IpAddr& to) const {
    if (to.is_any() || to.is_multicast()) return false;
    const auto mode = static_cast<conf::ExchangeMode>(isakmp::number(sa.exchange()));
    if (to != sa.first_remote().addr && ctx_.settings->policies.names_peer(to)) return false;
    if (!conf::may_move_to(sa.settings().index, sa.section(), to, mode)) return false;
    conf::RemoteQuery query;
    query.peer = to;
    query.mode = mode;
    Bytes data;
    if (sa.peer_id()) {
        data = sa.peer_id()->data();
        query.peer_id = conf::PeerId{static_cast<std::uint8_t>(sa.peer_id()->type()), data};
    }
    return sa.settings().index.choose(query).remote == &sa.section();
}

/// The packet is authentic, but anybody who saw it may have sent it on: the peer is asked there, and only its
/// answer moves the SA. Peers without DPD cannot be asked, and stay.
void Core::phase1_elsewhere(Phase1& sa, const Endpoint& local, const Endpoint& remote) {
    if (sa.elsewhere.sent != 0) return;  // one after the other
    const bool allowed = may_move(sa, remote.addr);
    if (sa.log_limit.allow(ctx_.now))
        LOGI(sa.peer_text(),
             fmt::format("NAT-T: the peer of {} may be at {} now: {}", sa.text(), remote.text(),
                         !allowed          ? "not allowed there"
                         : sa.peer_has_dpd ? "it is asked there"
                                           : "without DPD it cannot be asked"));
    if (!allowed || !sa.peer_has_dpd) return;
    sa.elsewhere.local = local;
    sa.elsewhere.remote = remote;
    sa.elsewhere.sequence = unguessed_number(sa);
    ask_elsewhere(sa);
}

void Core::ask_elsewhere(Phase1& sa) {
    constexpr unsigned kTries = 3;
    if (!sa.usable() || sa.elsewhere.sent >= kTries) {
        sa.elsewhere.sent = 0;
        return;
    }
    ++sa.elsewhere.sent;
    const Bytes data = sequence_bytes(sa.elsewhere.sequence);
    sa.send_notify_by(sa.elsewhere.local, sa.elsewhere.remote, NotifyType::RUThere,
                      isakmp::spi_bytes(sa.cookies()), data);
    sa.elsewhere.timer.arm(ctx_.timers, ctx_.now + Duration(kAskedAgain),
                           [this, &sa] { ask_elsewhere(sa); });
}

void Core::answered_elsewhere(Phase1& sa, std::uint32_t sequence, const Received& in) {
    if (sa.elsewhere.sent == 0) return;
    const bool right = sequence == sa.elsewhere.sequence, there = in.remote == sa.elsewhere.remote;
    // The right answer from where the peer was: somebody sends its packets on, and this answer may come from
    // there next.
    if (!right && !there) return;
    const Endpoint local = sa.elsewhere.local, remote = sa.elsewhere.remote;
    sa.elsewhere.sent = 0;
    sa.elsewhere.timer.cancel();
    if (!right || !there || !may_move(sa, remote.addr)) return;
    peer_alive(sa);
    sa.move_to(local, remote);
}

void Core::peer_dead(Phase1& sa) {
    LOGE(sa.peer_text(), fmt::format("remote {} seems to be dead: {} probes without an answer",
                                     sa.remote().text(), sa.dpd.unanswered));
    ctx_.event(kEventPhase1Dead, sa.local(), sa.remote());
    const Endpoint remote = sa.remote();
    const IpAddr local = sa.local().addr;
    const PeerIdentity who = sa.peer_id();
    doubt_host(sa.section());
    for (SaPair* pair : pairs_.with_peer(remote.addr))
        if (pair->remote == remote && pair->local.addr == local && same_peer(pair->peer_id, who))
            lose_pair(*pair, Tell::No, true, "dead peer");
    const std::vector<Phase1*> list = sas_.with_peer(remote.addr);
    for (Phase1* other : list)
        if (other->remote() == remote && other->local().addr == local && other->usable() &&
            same_peer(other->peer_id(), who))
            delete_phase1(*other, Tell::No, "dead peer");
}

}  // namespace racoon::exchange
