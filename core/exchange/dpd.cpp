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
    sa.dpd.sequence = ctx_.random_u32() & 0x7fffffff;  // RFC 3706 6.2: the top bit is clear
    sa.dpd.timer.arm(ctx_.timers, ctx_.now + Duration(dpd.delay), [this, &sa] { dpd_due(sa); });
}

void Core::peer_alive(Phase1& sa) {
    sa.dpd.last_alive = ctx_.now;
    sa.dpd.unanswered = 0;
    sa.suspect = false;
    sa.heard();
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
    // A repeated probe has the same sequence number.
    if (sa.dpd.unanswered == 0) {
        ++sa.dpd.sequence;
        sa.dpd.first_probe = ctx_.now;
    }
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
        if (sa.dpd.unanswered == 0 || *sequence != sa.dpd.sequence) return;
        sa.follow(in);
        peer_alive(sa);
        return;
    }
    // RFC 3706 6.2: an older number than the last one is a replay; the same one is a repetition.
    auto& last = sa.dpd.peer_sequence;
    if (last && static_cast<std::int32_t>(*sequence - *last) < 0) return;
    if (!last || *sequence != *last) {
        sa.follow(in);  // a replayed one would lead us away
        peer_alive(sa);
    }
    last = *sequence;
    const Bytes data = sequence_bytes(*sequence);
    sa.send_notify(NotifyType::RUThereAck, ProtocolId::Isakmp, isakmp::spi_bytes(sa.cookies()),
                   data);
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
