#include <fmt/format.h>

#include "exchange/natt.hpp"
#include "exchange/phase1.hpp"
#include "exchange/quick_mode.hpp"
#include "exchange/quick_mode_steps.hpp"
#include "exchange/sealing.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {

using isakmp::ExchangeType;
using isakmp::MessageBuilder;
using isakmp::NotifyType;
using isakmp::PayloadType;

/// How long a responder waits for the CONNECTED of an initiator that set the commit bit.
constexpr auto kCommitWait = std::chrono::seconds(3);

/// The policy that the first readable bundle of the offer asks for, where the section makes policies
/// (reference 5.16). It has no number yet: the keeper has the say.
Result<std::shared_ptr<const conf::Policy>> policy_for_peer(Phase2& x, const TrafficSelector& ts,
                                                            const isakmp::SaPayload& offer) {
    const Phase1& sa = x.phase1();
    const std::string nothing =
        fmt::format("no suitable policy found for {} with {}", ts.text(), sa.remote().addr.text());
    if (sa.section().generate_policy == conf::GeneratePolicy::Off)
        return refusal(Errc::NotFound, NotifyType::InvalidIdInformation, nothing);
    if (!x.owner().claim_traffic(x))
        return refusal(Errc::Denied, NotifyType::InvalidIdInformation,
                       nothing + ", and none is made: another peer has such traffic");
    auto out = std::make_shared<conf::Policy>();
    out->direction = conf::Direction::Out;
    out->selector = ts;
    if (!templates_of_offer(offer, sa.local().addr, sa.remote().addr, wire_modes(sa.natt()), *out))
        return refusal(Errc::NoProposalChosen, NotifyType::NoProposalChosen,
                       nothing + ", and none can be made of what it offers");
    return out;
}

/// The keeper's number for a policy that is to be made.
Task<Status> make_policy(Phase2& x) {
    PolicyMake request;
    request.use = x.phase1().use();
    request.selector = x.policy()->selector;
    for (const conf::PolicyTemplate& t : x.policy()->templates) {
        PolicyMake::Rule rule;
        rule.protocol = t.protocol;
        rule.tunnel = t.tunnel;
        request.rules.push_back(rule);
    }
    request.marks = x.policy()->marks;
    Result<PolicyMake::Reply> reply = co_await x.operate(request);
    if (!reply)
        co_return refusal(Errc::Denied, NotifyType::InvalidIdInformation,
                          "no policy is made for the peer: " + reply.error().text());
    auto numbered = std::make_shared<conf::Policy>(*x.policy());
    numbered->id = reply->policy;
    for (conf::PolicyTemplate& t : numbered->templates) t.reqid = reply->reqid;
    for (SaParams& one : x.params().sas) one.reqid = one.reqid_in = reply->reqid;
    x.set_made(std::move(numbered));
    if (!x.owner().claim_traffic(x))  // meanwhile
        co_return refusal(Errc::Denied, NotifyType::InvalidIdInformation,
                          "no policy is made for the peer: another one has such traffic");
    co_return ok();
}

/// What our kernel cannot do is no proposal for the peer to wait for.
Error unserved(const Status& status) {
    if (status.error().notify_type() != 0) return status.error();
    return Error(status.error()).notify(isakmp::number(NotifyType::NoProposalChosen));
}

/// What message 1 asks for, held against policy, sainfo and kernel.
Result<Phase2Choice> plan(Phase2& x) {
    Phase2::Negotiation& n = x.negotiation();
    const isakmp::QuickMode1& m = **n.message1;
    const IpAddr& local = x.phase1().local().addr;
    const IpAddr& peer = x.phase1().remote().addr;
    // The SPI first: a refusal carries it, so that the peer knows what is meant.
    SaParams named;
    named.protocol = ip_protocol(m.sa.proposals[0].protocol);
    named.spi_out = m.sa.proposals[0].spi_value().value_or(Spi{});
    x.params().sas.assign(1, named);
    RACOON_TRY(QuickModeIds ids, ids_of_quick_mode(m.id_ci, m.id_cr, false, local, peer));
    take_nat_oa(x, n.message1->message());
    name_hosts(x, ids.selector);
    const TrafficSelector& ts = ids.selector;
    x.local_id = std::move(ids.local);
    x.remote_id = std::move(ids.remote);
    const PolicyHit hit = x.settings().policies.match(ts, local, peer);
    x.set_selector(ts);
    // At the address of a policy's peer there may be others, behind the same NAT.
    const bool served = hit.policy != nullptr && x.owner().may_have(x, *hit.policy);
    if (served && !(ids.widened && is_between_hosts(*hit.policy))) {
        x.set_policy(hit.policy);
    } else if (ids.widened) {
        return refusal(Errc::NotFound, NotifyType::InvalidIdInformation,
                       fmt::format("no suitable policy found for {} with {}, around a range that "
                                   "is no net",
                                   ts.text(), peer.text()));
    } else {
        auto wanted = policy_for_peer(x, ts, m.sa);
        if (!wanted) return tl::unexpected<Error>(wanted.error());
        x.set_made(std::move(*wanted));
    }
    RACOON_TRY(n.sainfo, find_sainfo(x));
    if (x.made() && x.made()->marks != n.sainfo->marks) {
        auto marked = std::make_shared<conf::Policy>(*x.made());
        marked->marks = n.sainfo->marks;
        x.set_made(std::move(marked));
    }
    // Who names all of a policy for nets means the two hosts, too, and has an SA for them alone.
    if (ts == x.policy()->selector) x.set_selector(traffic_between(*x.policy(), ts, {local, peer}));
    RACOON_TRY(Phase2Choice choice,
               choose_phase2(x.ctx(), x.rules(), x.phase1().section().proposal_check,
                             x.settings().groups, m.sa));
    x.set_params(choice.params);
    RACOON_TRY_STATUS(check_outbound(x));
    n.ni = to_bytes(m.nonce);
    n.nr = x.ctx().random_bytes(nonce_size(x));
    if (m.id_ci) {
        n.id_ci = to_bytes(m.id_ci->body);
        n.id_cr = to_bytes(m.id_cr->body);
    }
    RACOON_TRY_STATUS(take_key_exchange(x, m.key_exchange));
    return choice;
}

Result<Bytes> message_2(Phase2& x, const Phase2Choice& choice) {
    const Phase2::Negotiation& n = x.negotiation();
    std::vector<isakmp::ChosenProposal> chosen;
    for (const Phase2Choice::Part& part : choice.parts) {
        isakmp::ChosenProposal one;
        one.proposal = part.proposal;
        one.transform = part.transform;
        one.spi = isakmp::spi_bytes(part.proposal->protocol, x.params().sas[part.sa].spi_in);
        chosen.push_back(std::move(one));
    }
    std::optional<Bytes> notify;
    if (x.params().send_lifetime || x.params().send_kilobytes) {
        isakmp::Notification note;
        const Bytes data = responder_lifetime(x.params());
        note.protocol = chosen.front().proposal->protocol;
        note.type = NotifyType::ResponderLifetime;
        note.spi = chosen.front().spi;
        note.data = data;
        notify = note.body();
    }
    return offer_message(x, isakmp::build_sa_answer(chosen), n.nr, notify);
}

/// The next message of the peer that is really message 3: what makes a responder's SAs count.
Task<Result<Verified<isakmp::QuickMode3>>> verified_message_3(Phase2& x) {
    for (;;) {
        Result<Received> in = co_await x.message();
        if (!in) co_return tl::unexpected<Error>(in.error());
        Result<isakmp::Message> clear = open_message(in->message, x.phase1().cipher_key(),
                                                     x.ivs().next(), x.settings().config->padding);
        if (!clear) {
            x.ignore(clear.error(), "quick mode message 3");
            continue;
        }
        const Phase2::Negotiation& n = x.negotiation();
        auto verified = check_of(x).quick_mode_3(std::move(*clear), n.ni, n.nr);
        if (!verified) {
            x.ignore(verified.error(), "quick mode message 3");
            continue;
        }
        x.ivs().advance(in->message.body());
        x.accept(*in);
        x.phase1().follow(*in);
        co_return verified;
    }
}

/// HASH, N(CONNECTED) as message 4: that we are ready, for an initiator that set the commit bit and expects it
/// of us, as racoon does.
Result<Bytes> message_4(Phase2& x) {
    isakmp::Notification n;
    n.protocol = wire_protocol(x.params().sas.front().protocol);
    n.type = NotifyType::Connected;
    const Bytes spi = isakmp::spi_bytes(n.protocol, x.params().sas.front().spi_in);
    n.spi = spi;
    MessageBuilder b(x.phase1().header(ExchangeType::QuickMode, x.id()));
    b.reserve_hash(hash_of(x).digest_size);
    b.add(PayloadType::Notification, n.body());
    RACOON_TRY(Secret hash, hash_1(hash_of(x), x.phase1().skeyid_a(), x.id(), b.after_hash()));
    b.set_hash(hash.view());
    return seal_message(b, x.phase1().cipher_key(), x.ivs(), x.ctx(), x.settings().config->padding);
}

}  // namespace

Task<Status> quick_mode_responder(Phase2& x) {
    Phase2::Negotiation& n = x.negotiation();
    // HDR*, HASH(1), SA, Ni, [KE,] IDci, IDcr -->
    Result<Phase2Choice> choice = plan(x);
    if (!choice) {
        x.refuse(choice.error());
        co_return tl::unexpected<Error>(choice.error());
    }
    if (x.made() != nullptr) {
        Status made = co_await make_policy(x);
        if (!made) {
            x.refuse(made.error());
            co_return made;
        }
    }
    Status spi = co_await get_spis(x);
    if (!spi) {
        x.refuse(unserved(spi));
        co_return spi;
    }
    if (x.params().pfs != nullptr) {
        Status pair = co_await make_key_pair(x, *x.params().pfs);
        if (!pair) co_return pair;
        Status secret = co_await compute_secret(x);
        if (!secret) co_return secret;
    }
    Status inbound = co_await install(x, true);
    if (!inbound) {
        x.refuse(unserved(inbound));
        co_return inbound;
    }

    // <-- HDR*, HASH(2), SA, Nr, [KE,] IDci, IDcr
    Result<Bytes> m2 = message_2(x, *choice);
    if (!m2) co_return tl::unexpected<Error>(m2.error());
    n.message1.reset();
    x.transmit(std::move(*m2), Repeat::OnTimer);

    // HDR*, HASH(3) -->
    auto m3 = co_await verified_message_3(x);
    if (!m3) co_return tl::unexpected<Error>(m3.error());
    x.confirmed = !n.peer_committed;
    if (n.peer_committed) {
        // Message 3 has proved as much, so a peer that leaves it out is not waited for long.
        x.wait_at_most(kCommitWait);
        Status up = co_await connected(x);
        if (!up && up.error().code() != Errc::Timeout) co_return up;
        x.awaits_connected = false;
    }
    Status outbound = co_await install(x, false);
    if (!outbound) co_return outbound;
    if (x.made() != nullptr) {
        Status used = co_await use_policy(x);
        if (!used) co_return used;
    }
    if (n.peer_committed) {
        Result<Bytes> m4 = message_4(x);
        if (m4) x.transmit(std::move(*m4), Repeat::OnDuplicate);
    }
    co_return ok();
}

}  // namespace racoon::exchange
