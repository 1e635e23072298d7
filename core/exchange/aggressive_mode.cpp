#include "exchange/aggressive_mode.hpp"

#include "exchange/natt.hpp"
#include "exchange/phase1_steps.hpp"
#include "exchange/sealing.hpp"

namespace racoon::exchange {

namespace {

using isakmp::MessageBuilder;
using isakmp::PayloadType;

/// Answers whose proof is tried before the initiator gives up. The keeper makes as many SKEYIDs.
constexpr unsigned kMaxAnswers = 4;

const conf::GroupInfo& offered_group(const Phase1& x) {
    return *x.section().proposals.front().group;  // the same in all of them
}

Result<Bytes> message_1(const Phase1& x) {
    const Negotiation& n = x.negotiation();
    MessageBuilder b = phase1_message(x);
    b.add(PayloadType::SecurityAssociation, n.sai_b);
    b.add(PayloadType::KeyExchange, n.gxi);
    b.add(PayloadType::Nonce, n.ni);
    b.add(PayloadType::Identification, n.id_body);
    add_vendor_ids(x, b);
    return b.finish();
}

Result<Bytes> message_2(const Phase1& x, const AuthProof& proof) {
    const Negotiation& n = x.negotiation();
    MessageBuilder b = phase1_message(x);
    b.add(PayloadType::SecurityAssociation, n.sa_answer);
    b.add(PayloadType::KeyExchange, n.gxr);
    b.add(PayloadType::Nonce, n.nr);
    b.add(PayloadType::Identification, n.id_body);
    b.add(proof.type, proof.body);
    RACOON_TRY_STATUS(add_nat_d(x, b));
    add_vendor_ids(x, b);
    return b.finish();
}

Result<Bytes> message_3(Phase1& x, const AuthProof& proof) {
    MessageBuilder b = phase1_message(x);
    b.add(proof.type, proof.body);
    RACOON_TRY_STATUS(add_nat_d(x, b));
    return seal_message(b, x.cipher_key(), x.ivs(), x.ctx(), x.config().padding);
}

Status take_message_1(Phase1& x, const isakmp::Message& m) {
    RACOON_TRY_STATUS(check_clear(m));
    RACOON_TRY(auto view, isakmp::Aggressive1::parse(m));
    RACOON_TRY_STATUS(take_key_exchange(x, view.key_exchange));
    Negotiation& n = x.negotiation();
    n.ni = to_bytes(view.nonce);
    n.peer_id_body = to_bytes(view.id.body);
    n.peer_id = std::move(view.id.identity);
    x.note_vendor_ids(view.extras);
    return ok();
}

/// A candidate: another one may follow, as long as none is proved.
Status take_message_2(Phase1& x, const isakmp::Message& m) {
    RACOON_TRY_STATUS(check_clear(m));
    RACOON_TRY_STATUS(check_responder_cookie(m));
    RACOON_TRY(auto view, isakmp::Aggressive2::parse(m));
    RACOON_TRY(Phase1Params params, check_phase1_answer(x.section(), view.sa));
    if (params.group != &offered_group(x))
        return fail(Errc::NoProposalChosen, "the answer is for group " + params.group->name +
                                                ", our public value is of group " +
                                                offered_group(x).name);
    // Asked before anything is made with it: the keeper has no key for an identity that is not ours
    // to talk to.
    if (x.section().verify_identifier) RACOON_TRY_STATUS(check_peer_id(x, view.id.identity));
    x.set_params(params);
    RACOON_TRY_STATUS(take_key_exchange(x, view.key_exchange));
    Negotiation& n = x.negotiation();
    n.gxy = Secret();
    n.nr = to_bytes(view.nonce);
    n.peer_id_body = to_bytes(view.id.body);
    n.peer_id = std::move(view.id.identity);
    CookiePair cookies = x.cookies();
    cookies.responder = m.header().cookies.responder;
    x.set_cookies(cookies);
    x.set_natt(Natt{});  // of an answer that was not proved
    x.note_vendor_ids(view.extras);
    return ok();
}

isakmp::IdView claimed_id(const Negotiation& n) {
    isakmp::IdView id;
    id.identity = *n.peer_id;
    id.body = n.peer_id_body;
    return id;
}

/// HDR, SA, KE, Nr, IDir, HASH_R, and the hash is right.
Task<Result<AuthenticatedPeer>> proved_message_2(Phase1& x) {
    constexpr std::string_view kWhat = "aggressive mode message 2";
    std::optional<std::uint64_t> refused;
    for (unsigned tried = 0; tried < kMaxAnswers;) {
        Result<Received> in = co_await x.message();
        if (!in) co_return tl::unexpected<Error>(in.error());
        if (refused == in->digest()) continue;
        Status taken = take_message_2(x, in->message);
        if (!taken) {
            x.ignore(taken.error(), kWhat);
            continue;
        }
        ++tried;
        refused = in->digest();
        Status skeyid = co_await make_skeyid(x);
        if (!skeyid && skeyid.error().code() == Errc::NotFound) {
            x.ignore(skeyid.error(), kWhat);
            continue;
        }
        if (!skeyid) co_return tl::unexpected<Error>(skeyid.error());
        const isakmp::IdView id = claimed_id(x.negotiation());
        Result<AuthenticatedPeer> peer = co_await prove_peer(x, in->message, id);
        if (!peer && peer.error().code() == Errc::AuthFailed) {
            note_wrong_proof(x, peer.error(), kWhat, *in);
            continue;  // it may be forged: the peer's own is still awaited
        }
        if (!peer) co_return peer;
        x.set_responder_cookie(x.cookies().responder);
        x.accept(*in);
        take_nat_d(x, in->message);
        co_return peer;
    }
    Error none(Errc::AuthFailed, "none of the answers was proved");
    co_return tl::unexpected<Error>(std::move(none));
}

/// HDR*, HASH_I, or the same in clear, and the hash is right.
Task<Result<AuthenticatedPeer>> proved_message_3(Phase1& x) {
    constexpr std::string_view kWhat = "aggressive mode message 3";
    for (;;) {
        Result<Received> in = co_await x.message();
        if (!in) co_return tl::unexpected<Error>(in.error());
        if (x.negotiation().decoy) continue;
        // Its cookie shows that the peer receives what we send: now g^xy is worth the work.
        if (!x.cipher_key().valid()) {
            Status keys = co_await make_keys(x);
            if (!keys) co_return tl::unexpected<Error>(keys.error());
        }
        const bool sealed = in->message.header().encrypted();
        std::optional<isakmp::Message> opened;
        if (sealed) {
            Result<isakmp::Message> clear =
                open_message(in->message, x.cipher_key(), x.ivs().next(), x.config().padding);
            if (!clear) {
                note_undecryptable(x, clear.error(), kWhat);
                continue;
            }
            opened.emplace(std::move(*clear));
        } else if (Status clear = check_clear(in->message); !clear) {
            x.ignore(clear.error(), kWhat);
            continue;
        }
        const isakmp::Message& message = sealed ? *opened : in->message;
        Result<isakmp::Aggressive3> view = isakmp::Aggressive3::parse(message);
        if (!view) {
            x.ignore(view.error(), kWhat);
            continue;
        }
        const isakmp::IdView id = claimed_id(x.negotiation());
        Result<AuthenticatedPeer> peer = co_await prove_peer(x, message, id);
        if (!peer && peer.error().code() == Errc::AuthFailed) {
            note_wrong_proof(x, peer.error(), kWhat, *in);
            continue;
        }
        if (!peer) co_return peer;
        if (sealed) {
            x.ivs().advance(in->message.body());
            x.note_notifications(view->extras);
        }
        x.accept(*in);
        take_nat_d(x, message);
        x.follow(*in);
        x.note_vendor_ids(view->extras);
        co_return peer;
    }
}

}  // namespace

Task<Status> aggressive_mode_initiator(Phase1& x) {
    Negotiation& n = x.negotiation();
    Status opened = co_await open_at_keeper(x);
    if (!opened) co_return opened;
    Status pair = co_await make_key_pair(x, offered_group(x));
    if (!pair) co_return pair;

    // HDR, SA, KE, Ni, IDii -->
    n.sai_b = phase1_offer(x.section());
    n.id_body = our_identity(x).body();
    Result<Bytes> m1 = message_1(x);
    if (!m1) co_return tl::unexpected<Error>(m1.error());
    x.transmit(std::move(*m1), Repeat::OnTimer);
    x.set_progress(3);

    // <-- HDR, SA, KE, Nr, IDir, HASH_R
    Result<AuthenticatedPeer> peer = co_await proved_message_2(x);
    if (!peer) co_return tl::unexpected<Error>(peer.error());
    x.set_progress(4);
    Status keys = co_await make_keys(x);
    if (!keys) co_return keys;
    Status fits = settle_peer_id(x, peer->identity());
    if (!fits) co_return fits;

    // HDR*, HASH_I -->  over the NAT-T ports, where there is a NAT
    Result<AuthProof> proof = co_await own_proof(x);
    if (!proof) co_return tl::unexpected<Error>(proof.error());
    Result<Bytes> m3 = message_3(x, *proof);
    if (!m3) co_return tl::unexpected<Error>(m3.error());
    x.float_ports();
    x.transmit(std::move(*m3), Repeat::OnDuplicate);
    x.expect_sign_of_life();
    x.establish(std::move(*peer));
    co_return ok();
}

Task<Status> aggressive_mode_responder(Phase1& x) {
    Negotiation& n = x.negotiation();
    // HDR, SA, KE, Ni, IDii -->
    Result<Received> in = co_await x.message();
    if (!in) co_return tl::unexpected<Error>(in.error());
    Status taken = take_message_1(x, in->message);
    if (!taken) co_return taken;
    x.accept(*in);
    x.set_progress(2);
    Status opened = co_await open_at_keeper(x);
    if (!opened) co_return opened;
    Status pair = co_await make_key_pair(x, *x.params().group);
    if (!pair) co_return pair;
    Status skeyid = co_await make_skeyid(x);
    if (!skeyid) co_return skeyid;
    n.id_body = our_identity(x).body();
    Result<AuthProof> proof = co_await own_proof(x);
    if (!proof) co_return tl::unexpected<Error>(proof.error());

    // <-- HDR, SA, KE, Nr, IDir, HASH_R
    Result<Bytes> m2 = message_2(x, *proof);
    if (!m2) co_return tl::unexpected<Error>(m2.error());
    Status sent = answer_sparingly(x, std::move(*m2), in->message.bytes().size());
    if (!sent) co_return sent;
    x.set_progress(3);

    // HDR*, HASH_I -->
    Result<AuthenticatedPeer> peer = co_await proved_message_3(x);
    if (!peer) co_return tl::unexpected<Error>(peer.error());
    Status fits = settle_peer_id(x, peer->identity());
    if (!fits) co_return fits;
    x.establish(std::move(*peer));
    co_return ok();
}

}  // namespace racoon::exchange
