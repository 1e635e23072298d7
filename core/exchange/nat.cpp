// Life with a NAT between the ends: keepalives of the side behind it (RFC 3948 4), and mappings that
// change under SAs that are up. Nothing moves but on word of an authentic packet.
#include <fmt/format.h>
#include <racoon/plugin.h>

#include <algorithm>

#include "exchange/core.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {
constexpr std::uint8_t kKeepalive = 0xff;
}

// --- keepalives ---

/// The mapping is needed by whatever lives between the two: ISAKMP SAs, and IPsec SAs that outlive them.
bool Core::needs_keepalive(const Endpoint& local, const Endpoint& remote) const {
    const auto& sas = sas_.with_peer(remote.addr);
    const bool phase1 = std::any_of(sas.begin(), sas.end(), [&](const Phase1* sa) {
        return sa->usable() && sa->natt().we_behind && sa->local() == local &&
               sa->remote() == remote;
    });
    if (phase1) return true;
    const auto pairs = pairs_.with_peer(remote.addr);
    return std::any_of(pairs.begin(), pairs.end(), [&](const SaPair* p) {
        return p->we_behind && p->local == local && p->remote == remote;
    });
}

void Core::keep_alive(const Endpoint& local, const Endpoint& remote) {
    const Duration every = ctx_.settings->config->timer.natt_keepalive;
    if (every <= Duration::zero()) return;
    auto& slot = keepalives_[{local, remote}];
    if (slot != nullptr) return;
    slot = std::make_unique<Timer>();
    slot->arm(ctx_.timers, ctx_.now + every,
              [this, key = std::pair(local, remote)] { keepalive_due(key); });
}

void Core::keepalive_due(const std::pair<Endpoint, Endpoint>& key) {
    const auto it = keepalives_.find(key);
    if (it == keepalives_.end()) return;
    const Duration every = ctx_.settings->config->timer.natt_keepalive;
    if (every <= Duration::zero() || !needs_keepalive(key.first, key.second)) {
        dead_timers_.push_back(std::move(it->second));
        keepalives_.erase(it);
        return;
    }
    Datagram d;
    d.local = key.first;
    d.remote = key.second;
    d.bytes = ByteView(&kKeepalive, 1);
    d.keepalive = true;
    ctx_.output.send(d);
    it->second->arm(ctx_.timers, ctx_.now + every, [this, key] { keepalive_due(key); });
}

// --- mappings that change ---

void Core::phase1_moved(Phase1& sa, const Endpoint& old) {
    sas_.moved(sa, old.addr);
    if (sa.remote().addr != old.addr) {
        Phase1Move move;
        move.use = sa.use();
        move.peer = sa.remote();
        ctx_.ops.post(move);
        // What is being negotiated belongs to the old address; the peer begins anew.
        std::vector<Phase2*> running;
        for (const auto& child : sa.children)
            if (child->running()) running.push_back(child.get());
        for (Phase2* x : running)
            x->abort(Error(Errc::Cancelled, "the peer has another address now"));
    }
    for (SaPair* pair : pairs_.with_peer(old.addr))
        if (pair->remote == old && pair->peer_behind && same_peer(pair->peer_id, sa.peer_id()))
            move_pair(*pair, sa.remote());
    const std::vector<Phase1*> others = sas_.with_peer(old.addr);
    for (Phase1* other : others)
        if (other->remote() == old && other->usable() && other->natt().peer_behind &&
            same_peer(other->peer_id(), sa.peer_id()) &&
            (sa.remote().addr == old.addr || may_move(*other, sa.remote().addr)))
            other->move_to(sa.local(), sa.remote());
    if (sa.natt().we_behind) keep_alive(sa.local(), sa.remote());
}

/// To another port of the same address, which its policy names. Under another address the SAs would
/// serve no policy of ours: they end, and are negotiated anew where a policy is for it.
void Core::move_pair(SaPair& pair, const Endpoint& remote) {
    if (pair.remote.addr != remote.addr) {
        announce_delete(pair.params.sas, pair.local, remote, pair.peer_id, true);
        return delete_pair(pair, Tell::No, false, "the peer has another address now");
    }
    pair.remote = remote;
    keep(pair);
    SaMove move;
    move.local = pair.local.addr;
    move.peer = pair.remote.addr;
    move.peer_port = remote.port;
    for (const SaParams& sa : pair.params.sas) {
        if (sa.compression != nullptr) continue;  // has no ports
        for (const bool inbound : {false, true}) {
            move.protocol = sa.protocol;
            move.inbound = inbound;
            move.spi = inbound ? sa.spi_in : sa.spi_out;
            ctx_.ops.post(move);
        }
    }
}

/// The kernel decrypted a packet of the peer that came from elsewhere: the NAT has a new mapping, or somebody
/// else sent on what he saw. The next packet of the peer sets another port right; another address it proves.
void Core::mapping_changed(SaPair& pair, const Endpoint& remote) {
    if (!pair.peer_behind || remote == pair.remote || remote.port == 0) return;
    const Endpoint old = pair.remote;
    const PeerIdentity who = pair.peer_id;
    if (ctx_.mappings.allow(ctx_.now))
        LOGI(old.addr.text(), fmt::format("NAT-T: the peer's mapping changed from {} to {}",
                                          old.text(), remote.text()));
    const std::vector<Phase1*> sas = sas_.with_peer(old.addr);
    for (Phase1* sa : sas)
        if (sa->remote() == old && sa->usable() && same_peer(sa->peer_id(), who))
            sa->follow(sa->local(), remote);
    if (remote.addr != old.addr) return;
    // The ISAKMP SA may have ended before.
    for (SaPair* left : pairs_.with_peer(old.addr))
        if (left->remote == old && left->peer_behind && same_peer(left->peer_id, who))
            move_pair(*left, remote);
}

}  // namespace racoon::exchange
