// Informational exchanges (RFC 2409 5.7): nothing has an effect but a message whose HASH was right.
#include <fmt/format.h>

#include <algorithm>

#include "exchange/core.hpp"
#include "exchange/sealing.hpp"
#include "isakmp/names.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

using isakmp::NotifyType;
using isakmp::PayloadType;
using isakmp::ProtocolId;

/// In clear, or before there are keys to prove anything with: shown, no more.
void Core::ignored_informational(Phase1& sa, const isakmp::Message& message) {
    if (!sa.log_limit.allow(ctx_.now)) return;
    std::string what;
    if (auto view = isakmp::Informational::parse(message)) {
        for (const auto& n : view->notifications) {
            what += " " + isakmp::name(n.type);
            // Anybody can send it, but most often the peer means it.
            if (n.type == NotifyType::NoProposalChosen && sa.initiator())
                what += " (it may be that the peer takes no proposal of remote \"" +
                        sa.section().name + "\": compare both ends)";
        }
        what = "informational message ignored:" + what;
    } else {
        what = isakmp::name(message.header().exchange_type()) + " message during phase 1, ignored";
    }
    LOGW(sa.peer_text(), "unauthenticated " + what);
}

namespace {

/// What the peer says under the keys of a phase 1 that we began and it has not proved its side of. With a pre-shared
/// key nobody else can say it, so a refusal of our identity or proof need not be waited out. False: it is no such.
bool refused_phase1(Phase1& sa, const isakmp::Message& message) {
    if (sa.state() != Phase1::State::Negotiating || !sa.initiator() || !sa.cipher_key().valid() ||
        !message.header().encrypted())
        return false;
    const AuthSession& auth = sa.negotiation().auth;
    if (!auth.active() || auth.skeyid_recipe() != RACOON_SKEYID_PSK) return false;
    auto chain = sa.phase2_chain(message.header().message_id);
    if (!chain) return false;
    auto clear = open_message(message, sa.cipher_key(), chain->next(), sa.config().padding);
    if (!clear) return false;
    auto info = HashCheck(*sa.params().hash, sa.skeyid_a()).informational(std::move(*clear));
    if (!info) return false;
    for (const isakmp::Notification& n : (*info)->notifications) {
        if (!n.is_error()) continue;
        sa.abort(Error(Errc::Denied, "the peer refused with " + isakmp::name(n.type)));
        return true;
    }
    return false;
}

}  // namespace

void Core::informational(Phase1& sa, Received in) {
    if (refused_phase1(sa, in.message) || keep_for_later(sa, in)) return;
    const isakmp::Message& message = in.message;
    if (!message.header().encrypted() || !sa.usable()) return ignored_informational(sa, message);
    const MessageId id = message.header().message_id;
    auto chain = sa.phase2_chain(id);
    if (!chain) return;
    for (auto& child : sa.children)
        if (child->id() == id && child->awaits_connected) {
            auto copy = isakmp::Message::parse(to_bytes(message.bytes()));
            if (copy) child->deliver(Received(std::move(*copy), in.digest()));
            return;
        }
    auto clear = open_message(message, sa.cipher_key(), chain->next(), sa.config().padding);
    if (!clear) return sa.ignore(clear.error(), "informational message");
    auto info = HashCheck(*sa.params().hash, sa.skeyid_a()).informational(std::move(*clear));
    if (!info) return sa.ignore(info.error(), "informational message");
    handle(sa, *info, in);
}

void Core::handle(Phase1& sa, const InfoMessage& info, const Received& in) {
    const MessageId id = info.message().header().message_id;
    // No more than that it has our keys: anybody can send an old message again. What shows that the peer
    // still lives tells itself from a replay, by the sequence numbers of DPD or an unused message id.
    sa.heard();
    sa.count(in.message);
    for (const isakmp::Notification& n : info->notifications) {
        if (sa.state() == Phase1::State::Dead) return;
        handle_notify(sa, n, id, in);
    }
    for (const isakmp::Delete& d : info->deletes) {
        // One of them may have been this SA: what follows has nobody left to say it.
        if (sa.state() == Phase1::State::Dead) return;
        handle_delete(sa, d);
    }
}

void Core::handle_delete(Phase1& sa, const isakmp::Delete& d) {
    if (d.protocol == ProtocolId::Isakmp) {
        for (ByteView spi : d.spis) {
            if (sa.state() == Phase1::State::Dead) return;
            delete_of_phase1(sa, spi);
        }
        return;
    }
    const std::uint8_t protocol = ip_protocol(d.protocol);
    for (ByteView bytes : d.spis) {
        const auto spi = isakmp::spi_number(bytes);
        if (!spi) continue;
        // A delete that we repeat has arrived, when the peer deletes the other direction.
        if (const auto it =
                deletes_.find(DeleteKey(sa.remote().addr, peer_key(sa.peer_id()), *spi));
            it != deletes_.end() && it->second->protocol == protocol) {
            dead_deletes_.push_back(std::move(it->second));
            deletes_.erase(it);
        }
        if (SaPair* pair = pairs_.by_outbound(protocol, *spi, sa.remote().addr, sa.peer_id())) {
            lose_pair(*pair, Tell::Peer, false, "deleted by the peer");
            continue;
        }
        // A quick mode that is not finished: the peer gave it up.
        Phase2* mine = nullptr;
        for (auto& child : sa.children)
            if (child->running() && child->params().outbound(protocol, *spi) != nullptr)
                mine = child.get();
        if (mine != nullptr) mine->abort(Error(Errc::Denied, "the peer deleted its SA"));
    }
}

void Core::delete_of_phase1(Phase1& sa, ByteView spi) {
    const auto cookies = isakmp::spi_cookies(spi);
    if (!cookies) return;
    Phase1* victim = sas_.by_cookies(*cookies);
    // An SA belongs to the sender when it is with the same address and the same proved identity.
    if (victim == nullptr || !victim->usable() || victim->remote().addr != sa.remote().addr ||
        !same_peer(victim->peer_id(), sa.peer_id())) {
        if (sa.log_limit.allow(ctx_.now))
            LOGW(sa.peer_text(), "delete of an ISAKMP-SA that is not the sender's, ignored");
        return;
    }
    ctx_.event(kEventPhase1PeerDeleted, victim->local(), victim->remote());
    const Endpoint remote = victim->remote();
    const Endpoint local = victim->local();
    const bool natted = victim->natt().peer_behind;
    const PeerIdentity who = victim->peer_id();
    delete_phase1(*victim, Tell::No, "deleted by the peer");
    const auto& left = sas_.with_peer(remote.addr);
    // Clients behind one NAT share an address.
    const auto of_peer = [&](const Endpoint& e) { return !natted || e.port == remote.port; };
    const bool others = std::any_of(left.begin(), left.end(), [&](const Phase1* other) {
        return other->usable() && other->local().addr == local.addr && of_peer(other->remote()) &&
               same_peer(other->peer_id(), who);
    });
    if (others) return;
    // The last one: the peer has ended everything, and would not hear of our SAs any more.
    for (SaPair* pair : pairs_.with_peer(remote.addr))
        if (pair->local.addr == local.addr && of_peer(pair->remote) &&
            same_peer(pair->peer_id, who))
            lose_pair(*pair, Tell::No, false, "the peer deleted its last ISAKMP-SA");
}

void Core::handle_notify(Phase1& sa, const isakmp::Notification& n, MessageId id,
                         const Received& in) {
    switch (n.type) {
        case NotifyType::RUThere:
        case NotifyType::RUThereAck:
            return dpd_notify(sa, n, in);
        case NotifyType::InitialContact:
            return initial_contact(sa);
        case NotifyType::ResponderLifetime:
        case NotifyType::ReplayStatus:
        case NotifyType::UnityHeartbeat:
            LOGD(sa.peer_text(), isakmp::name(n.type) + " outside of quick mode, ignored");
            return;
        case NotifyType::Connected:
            return;
        default:
            break;
    }
    if (n.is_error()) return handle_error_notify(sa, n, id);
    if (sa.log_limit.allow(ctx_.now))
        LOGW(sa.peer_text(), "unknown notify message " + isakmp::name(n.type));
}

/// An authenticated refusal ends the quick mode that it speaks of at once.
void Core::handle_error_notify(Phase1& sa, const isakmp::Notification& n, MessageId id) {
    if (!sa.use_message_id(id)) return;  // seen before
    if (sa.log_limit.allow(ctx_.now))
        LOGE(sa.peer_text(), fmt::format("the peer answers {}", isakmp::name(n.type)));
    peer_alive(sa);
    const auto spi = isakmp::spi_number(n.spi);
    if (n.type == NotifyType::InvalidSpi && spi) {
        // The peer gets packets of an SA that it does not have.
        if (SaPair* pair =
                pairs_.by_outbound(ip_protocol(n.protocol), *spi, sa.remote().addr, sa.peer_id()))
            return delete_pair(*pair, Tell::Peer, true, "the peer does not know it");
    }
    Phase2* meant = nullptr;
    std::size_t candidates = 0;
    for (auto& child : sa.children) {
        if (!child->running() || !child->initiator()) continue;
        const auto named = [&](const SaParams& one) {
            return one.spi_in == *spi || one.spi_out == *spi;
        };
        const auto& list = child->params().sas;
        if (spi && std::any_of(list.begin(), list.end(), named)) {
            meant = child.get();
            candidates = 1;
            break;
        }
        if (!spi || spi->value == 0) {
            meant = child.get();
            ++candidates;
        }
    }
    // The peer takes back that it believes us.
    if (candidates == 0 && n.type == NotifyType::AuthenticationFailed)
        return delete_phase1(sa, Tell::No, "the peer does not accept our proof");
    // It could not read some message, or found it forged: ours is sent again, and was hardly the one.
    if (!spi &&
        (n.type == NotifyType::InvalidHashInformation || n.type == NotifyType::PayloadMalformed))
        return;
    if (candidates != 1) return;  // cannot be told which one is meant
    meant->abort(Error(Errc::Denied, "the peer refused with " + isakmp::name(n.type)));
}

// --- INITIAL-CONTACT (RFC 2407 4.6.3.3) ---

void Core::send_initial_contact(Phase1& sa) {
    if (!sa.section().initial_contact) return;
    for (const Phase1* other : sas_.with_peer(sa.remote().addr)) {
        if (other == &sa) continue;
        // In aggressive mode the peer has what it began as soon as we answered, and would take it for
        // an SA that we have lost.
        const bool answered = !other->initiator() &&
                              other->exchange() == isakmp::ExchangeType::Aggressive &&
                              other->state() == Phase1::State::Negotiating;
        if (other->usable() || answered) return;
    }
    if (!pairs_.with_peer(sa.remote().addr).empty()) return;
    sa.send_notify(NotifyType::InitialContact, ProtocolId::Isakmp, isakmp::spi_bytes(sa.cookies()));
}

/// The peer knows no older SA with us. What stood before this ISAKMP SA began is gone there; what came
/// up beside it is not meant, and nothing of somebody else who shares its address.
void Core::initial_contact(Phase1& sa) {
    const auto older = [&](const Endpoint& remote, const Endpoint& local, const PeerIdentity& who,
                           TimePoint since) {
        return remote == sa.remote() && local.addr == sa.local().addr && since < sa.created() &&
               same_peer(who, sa.peer_id());
    };
    for (SaPair* pair : pairs_.with_peer(sa.remote().addr))
        if (older(pair->remote, pair->local, pair->peer_id, pair->established))
            delete_pair(*pair, Tell::Peer, false, "initial contact of the peer");
    const std::vector<Phase1*> list = sas_.with_peer(sa.remote().addr);
    for (Phase1* other : list)
        if (other != &sa && other->usable() &&
            older(other->remote(), other->local(), other->peer_id(), other->established_at()))
            delete_phase1(*other, Tell::No, "initial contact of the peer");
}

}  // namespace racoon::exchange
