#include <fmt/format.h>

#include <algorithm>

#include "exchange/phase1.hpp"
#include "exchange/quick_mode.hpp"
#include "exchange/quick_mode_steps.hpp"
#include "exchange/sealing.hpp"

namespace racoon::exchange {

namespace {

using isakmp::ExchangeType;
using isakmp::MessageBuilder;
using isakmp::NotifyType;

/// IDs that say nothing new: all traffic between the hosts themselves, without a tunnel (reference 5.8).
bool ids_are_left_out(const Phase2& x) {
    const TrafficSelector& s = x.selector();
    const auto& templates = x.policy()->templates;
    return std::none_of(templates.begin(), templates.end(),
                        [](const conf::PolicyTemplate& t) { return t.tunnel; }) &&
           !x.phase1().section().support_proxy && s.protocol == 0 && s.local.port == 0 &&
           s.remote.port == 0 && s.local.net == Prefix::host(x.phase1().local().addr) &&
           s.remote.net == Prefix::host(x.phase1().remote().addr);
}

/// Before message 1: sainfo, IDs, nonce.
Status prepare(Phase2& x) {
    Phase2::Negotiation& n = x.negotiation();
    RACOON_TRY(n.sainfo, find_sainfo(x));
    if (!ids_are_left_out(x)) {
        const TrafficSelector& s = x.selector();
        n.id_ci = isakmp::Identity::selector(s.local, s.protocol).body();
        n.id_cr = isakmp::Identity::selector(s.remote, s.protocol).body();
    }
    n.ni = x.ctx().random_bytes(nonce_size(x));
    return ok();
}

Result<Bytes> message_1(Phase2& x) {
    Phase2::Negotiation& n = x.negotiation();
    RACOON_TRY(n.offered, phase2_offer(x.ctx(), x.rules(), x.params().sas));
    return offer_message(x, isakmp::build_phase2_sa(n.offered), n.ni, {});
}

/// The next message of the peer that is really message 2.
Task<Result<Verified<isakmp::QuickMode1>>> verified_message_2(Phase2& x, bool& committed) {
    for (;;) {
        Result<Received> in = co_await x.message();
        if (!in) co_return tl::unexpected<Error>(in.error());
        Result<isakmp::Message> clear = open_message(in->message, x.phase1().cipher_key(),
                                                     x.ivs().next(), x.settings().config->padding);
        if (!clear) {
            x.ignore(clear.error(), "quick mode message 2");
            continue;
        }
        auto verified = check_of(x).quick_mode_2(std::move(*clear), x.negotiation().ni);
        if (!verified) {
            x.ignore(verified.error(), "quick mode message 2");
            continue;
        }
        committed = in->message.header().commit();
        x.ivs().advance(in->message.body());
        x.accept(*in);
        x.phase1().follow(*in);
        take_nat_oa(x, verified->message());
        co_return verified;
    }
}

Status take_message_2(Phase2& x, const isakmp::QuickMode1& m) {
    Phase2::Negotiation& n = x.negotiation();
    RACOON_TRY(Phase2Choice choice, check_phase2_answer(x.rules(), n.offered, m.sa));
    for (std::size_t i = 0; i < choice.params.sas.size(); ++i)
        choice.params.sas[i].spi_in = x.params().sas[i].spi_in;
    x.set_params(std::move(choice.params));
    RACOON_TRY_STATUS(check_outbound(x));
    n.nr = to_bytes(m.nonce);
    if (m.id_ci && m.id_cr) {
        RACOON_TRY(QuickModeIds theirs,
                   ids_of_quick_mode(m.id_ci, m.id_cr, true, x.phase1().local().addr,
                                     x.phase1().remote().addr));
        // strongSwan names the hosts as it sees them, also when we sent no IDs.
        if (std::none_of(x.params().sas.begin(), x.params().sas.end(),
                         [](const SaParams& one) { return one.tunnel; }))
            name_hosts(x, theirs.selector);
        if (!(theirs.selector == x.selector()))
            return refusal(Errc::InvalidId, NotifyType::InvalidIdInformation,
                           "the peer answered with other IDs: " + theirs.selector.text());
    }
    for (const isakmp::Notification& note : m.notifications)
        if (note.type == NotifyType::ResponderLifetime)
            apply_responder_lifetime(x.params(), x.phase1().section().proposal_check, note.data,
                                     x.peer_text());
    return take_key_exchange(x, m.key_exchange);
}

Result<Bytes> message_3(Phase2& x) {
    const Phase2::Negotiation& n = x.negotiation();
    MessageBuilder b(x.phase1().header(ExchangeType::QuickMode, x.id()));
    b.reserve_hash(hash_of(x).digest_size);
    RACOON_TRY(Secret hash, hash_3(hash_of(x), x.phase1().skeyid_a(), x.id(), n.ni, n.nr));
    b.set_hash(hash.view());
    return seal_message(b, x.phase1().cipher_key(), x.ivs(), x.ctx(), x.settings().config->padding);
}

/// A renewed outbound SA carries traffic from the moment it is installed, but the peer may not take that
/// traffic before message 3 has reached it and it has installed its side; nothing tells us when (but for
/// the commit bit, which few peers know). The SA in use goes on meanwhile, so waiting costs nothing.
Duration switch_delay(const Phase2& x) {
    constexpr Duration kMost = std::chrono::seconds(1);
    if (x.params().seconds == 0 || x.params().seconds > 20) return kMost;
    return kMost * static_cast<int>(x.params().seconds) / 20;
}

}  // namespace

Task<Status> quick_mode_initiator(Phase2& x) {
    Phase2::Negotiation& n = x.negotiation();
    Status prepared = prepare(x);
    if (!prepared) co_return prepared;
    Status spi = co_await get_spis(x);
    if (!spi) co_return spi;
    if (n.sainfo->pfs_group != nullptr) {
        Status pair = co_await make_key_pair(x, *n.sainfo->pfs_group);
        if (!pair) co_return pair;
    }

    // HDR*, HASH(1), SA, Ni, [KE,] IDci, IDcr -->
    Result<Bytes> m1 = message_1(x);
    if (!m1) co_return tl::unexpected<Error>(m1.error());
    x.transmit(std::move(*m1), Repeat::OnTimer);

    // <-- HDR*, HASH(2), SA, Nr, [KE,] IDci, IDcr
    bool committed = false;
    auto m2 = co_await verified_message_2(x, committed);
    if (!m2) co_return tl::unexpected<Error>(m2.error());
    Status taken = take_message_2(x, **m2);
    if (!taken) {
        x.refuse(taken.error());
        co_return taken;
    }
    if (x.params().pfs != nullptr) {
        Status secret = co_await compute_secret(x);
        if (!secret) co_return secret;
    }
    Status inbound = co_await install(x, true);
    if (!inbound) co_return inbound;

    // HDR*, HASH(3) -->
    Result<Bytes> m3 = message_3(x);
    if (!m3) co_return tl::unexpected<Error>(m3.error());
    x.transmit(std::move(*m3), committed ? Repeat::OnTimer : Repeat::OnDuplicate);
    if (committed) {
        Status up = co_await connected(x);
        if (!up) co_return up;
    } else if (x.negotiation().renews) {
        co_await x.pause(switch_delay(x));
    }
    Status outbound = co_await install(x, false);
    if (outbound && x.made() != nullptr) outbound = co_await use_policy(x);
    co_return outbound;
}

}  // namespace racoon::exchange
