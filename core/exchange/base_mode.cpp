#include "exchange/base_mode.hpp"

#include "exchange/natt.hpp"
#include "exchange/phase1_steps.hpp"

namespace racoon::exchange {

namespace {

using isakmp::MessageBuilder;
using isakmp::MessageKind;
using isakmp::PayloadType;

/// Messages 1 and 2.
Result<Bytes> message_1(const Phase1& x) {
    const Negotiation& n = x.negotiation();
    MessageBuilder b = phase1_message(x);
    b.add(PayloadType::SecurityAssociation, x.initiator() ? n.sai_b : n.sa_answer);
    b.add(PayloadType::Nonce, x.initiator() ? n.ni : n.nr);
    b.add(PayloadType::Identification, n.id_body);
    add_vendor_ids(x, b);
    return b.finish();
}

/// Messages 3 and 4.
Result<Bytes> message_3(const Phase1& x, const AuthProof& proof) {
    const Negotiation& n = x.negotiation();
    MessageBuilder b = phase1_message(x);
    b.add(PayloadType::KeyExchange, x.initiator() ? n.gxi : n.gxr);
    b.add(proof.type, proof.body);
    RACOON_TRY_STATUS(add_nat_d(x, b));
    return b.finish();
}

/// Messages 1 and 2, from the peer.
void take_nonce_and_id(Phase1& x, isakmp::Base1& view) {
    Negotiation& n = x.negotiation();
    (x.initiator() ? n.nr : n.ni) = to_bytes(view.nonce);
    n.peer_id_body = to_bytes(view.id.body);
    n.peer_id = std::move(view.id.identity);
    x.note_vendor_ids(view.extras);
}

Status take_message_1(Phase1& x, const isakmp::Message& m) {
    RACOON_TRY_STATUS(check_clear(m));
    RACOON_TRY(auto view, isakmp::Base1::parse(m, MessageKind::Base1));
    take_nonce_and_id(x, view);
    return ok();
}

Status take_message_2(Phase1& x, const isakmp::Message& m) {
    RACOON_TRY_STATUS(check_clear(m));
    RACOON_TRY_STATUS(check_responder_cookie(m));
    RACOON_TRY(auto view, isakmp::Base1::parse(m, MessageKind::Base2));
    RACOON_TRY(Phase1Params params, check_phase1_answer(x.section(), view.sa));
    if (x.section().verify_identifier) RACOON_TRY_STATUS(check_peer_id(x, view.id.identity));
    x.set_params(params);
    take_nonce_and_id(x, view);
    x.set_responder_cookie(m.header().cookies.responder);
    return ok();
}

/// HDR, KE, HASH, and the hash is right: messages 3 and 4.
Task<Result<AuthenticatedPeer>> proved_message(Phase1& x, MessageKind kind) {
    const std::string what(isakmp::name(kind));
    Negotiation& n = x.negotiation();
    for (;;) {
        Result<Received> in = co_await x.message();
        if (!in) co_return tl::unexpected<Error>(in.error());
        if (n.decoy) continue;
        Result<isakmp::Base3> view = isakmp::Base3::parse(in->message, kind);
        Status taken = check_clear(in->message);
        if (taken && !view) taken = tl::unexpected<Error>(view.error());
        if (taken) taken = take_key_exchange(x, view->key_exchange);
        if (!taken) {
            x.ignore(taken.error(), what);
            continue;
        }
        isakmp::IdView id;
        id.identity = *n.peer_id;
        id.body = n.peer_id_body;
        Result<AuthenticatedPeer> peer = co_await prove_peer(x, in->message, id);
        if (!peer && peer.error().code() == Errc::AuthFailed) {
            note_wrong_proof(x, peer.error(), what, *in);
            continue;  // it may be forged: the peer's own is still awaited
        }
        if (!peer) co_return peer;
        x.accept(*in);
        take_nat_d(x, in->message);
        x.follow(*in);
        x.note_vendor_ids(view->extras);
        co_return peer;
    }
}

}  // namespace

Task<Status> base_mode_initiator(Phase1& x) {
    Negotiation& n = x.negotiation();
    Status opened = co_await open_at_keeper(x);
    if (!opened) co_return opened;

    // HDR, SA, Ni, IDii -->
    n.sai_b = phase1_offer(x.section());
    n.id_body = our_identity(x).body();
    Result<Bytes> m1 = message_1(x);
    if (!m1) co_return tl::unexpected<Error>(m1.error());
    x.transmit(std::move(*m1), Repeat::OnTimer);
    x.set_progress(3);

    // <-- HDR, SA, Nr, IDir
    for (;;) {
        Result<Received> in = co_await x.message();
        if (!in) co_return tl::unexpected<Error>(in.error());
        Status taken = take_message_2(x, in->message);
        if (taken) {
            x.accept(*in);
            break;
        }
        x.ignore(taken.error(), "base mode message 2");
    }
    x.set_progress(4);
    Status pair = co_await make_key_pair(x, *x.params().group);
    if (!pair) co_return pair;
    Status skeyid = co_await make_skeyid(x);
    if (!skeyid) co_return skeyid;

    // HDR, KE, HASH_I -->
    Result<AuthProof> proof = co_await own_proof(x);
    if (!proof) co_return tl::unexpected<Error>(proof.error());
    Result<Bytes> m3 = message_3(x, *proof);
    if (!m3) co_return tl::unexpected<Error>(m3.error());
    x.transmit(std::move(*m3), Repeat::OnTimer);
    x.set_progress(5);

    // <-- HDR, KE, HASH_R
    Result<AuthenticatedPeer> peer = co_await proved_message(x, MessageKind::Base4);
    if (!peer) co_return tl::unexpected<Error>(peer.error());
    x.set_progress(6);
    Status keys = co_await make_keys(x);
    if (!keys) co_return keys;
    Status fits = settle_peer_id(x, peer->identity());
    if (!fits) co_return fits;
    x.float_ports();  // nothing of this mode is encrypted: what follows it is
    x.establish(std::move(*peer));
    co_return ok();
}

Task<Status> base_mode_responder(Phase1& x) {
    Negotiation& n = x.negotiation();
    // HDR, SA, Ni, IDii -->
    Result<Received> in = co_await x.message();
    if (!in) co_return tl::unexpected<Error>(in.error());
    Status taken = take_message_1(x, in->message);
    if (!taken) co_return taken;
    x.accept(*in);
    x.set_progress(2);
    Status opened = co_await open_at_keeper(x);
    if (!opened) co_return opened;
    n.id_body = our_identity(x).body();

    // <-- HDR, SA, Nr, IDir
    Result<Bytes> m2 = message_1(x);
    if (!m2) co_return tl::unexpected<Error>(m2.error());
    Status sent = answer_sparingly(x, std::move(*m2), in->message.bytes().size());
    if (!sent) co_return sent;
    x.set_progress(3);
    Status skeyid = co_await make_skeyid(x);
    if (!skeyid) co_return skeyid;

    // HDR, KE, HASH_I -->
    Result<AuthenticatedPeer> peer = co_await proved_message(x, MessageKind::Base3);
    if (!peer) co_return tl::unexpected<Error>(peer.error());
    x.set_progress(4);
    Status pair = co_await make_key_pair(x, *x.params().group);
    if (!pair) co_return pair;

    // <-- HDR, KE, HASH_R
    Result<AuthProof> proof = co_await own_proof(x);
    if (!proof) co_return tl::unexpected<Error>(proof.error());
    Result<Bytes> m4 = message_3(x, *proof);
    if (!m4) co_return tl::unexpected<Error>(m4.error());
    Status keys = co_await make_keys(x);
    if (!keys) co_return keys;
    Status fits = settle_peer_id(x, peer->identity());
    if (!fits) co_return fits;
    x.transmit(std::move(*m4), Repeat::OnDuplicate);
    x.set_progress(5);
    x.establish(std::move(*peer));
    co_return ok();
}

}  // namespace racoon::exchange
