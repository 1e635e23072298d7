#include "exchange/main_mode.hpp"

#include "exchange/natt.hpp"
#include "exchange/phase1_steps.hpp"
#include "exchange/sealing.hpp"
#include "exchange/vendor_ids.hpp"

namespace racoon::exchange {

namespace {

using isakmp::ExchangeType;
using isakmp::MessageBuilder;
using isakmp::MessageKind;
using isakmp::PayloadType;

Result<Bytes> message_1(const Phase1& x) {
    MessageBuilder b = phase1_message(x);
    b.add(PayloadType::SecurityAssociation, x.negotiation().sai_b);
    add_vendor_ids(x, b);
    return b.finish();
}

/// Messages 3 and 4.
Result<Bytes> message_3(const Phase1& x) {
    const Negotiation& n = x.negotiation();
    MessageBuilder b = phase1_message(x);
    b.add(PayloadType::KeyExchange, x.initiator() ? n.gxi : n.gxr);
    b.add(PayloadType::Nonce, x.initiator() ? n.ni : n.nr);
    RACOON_TRY_STATUS(add_nat_d(x, b));
    return b.finish();
}

/// Messages 5 and 6.
Result<Bytes> message_5(Phase1& x, const AuthProof& proof) {
    MessageBuilder b = phase1_message(x);
    b.add(PayloadType::Identification, x.negotiation().id_body);
    b.add(proof.type, proof.body);
    return seal_message(b, x.cipher_key(), x.ivs(), x.ctx(), x.config().padding);
}

Status take_message_2(Phase1& x, const isakmp::Message& m) {
    RACOON_TRY_STATUS(check_clear(m));
    RACOON_TRY_STATUS(check_responder_cookie(m));
    RACOON_TRY(auto view, isakmp::MainMode1::parse(m, MessageKind::MainMode2));
    RACOON_TRY(Phase1Params params, check_phase1_answer(x.section(), view.sa));
    x.set_params(params);
    x.note_vendor_ids(view.extras);
    x.set_responder_cookie(m.header().cookies.responder);
    return ok();
}

/// Messages 3 and 4, from the peer.
Status take_message_3(Phase1& x, const isakmp::Message& m, MessageKind kind) {
    RACOON_TRY_STATUS(check_clear(m));
    RACOON_TRY(auto view, isakmp::MainMode3::parse(m, kind));
    RACOON_TRY_STATUS(take_key_exchange(x, view.key_exchange));
    (x.initiator() ? x.negotiation().nr : x.negotiation().ni) = to_bytes(view.nonce);
    x.note_vendor_ids(view.extras);
    take_nat_d(x, m);
    return ok();
}

Task<Result<Bytes>> own_proof_message(Phase1& x) {
    x.negotiation().id_body = our_identity(x).body();
    Result<AuthProof> proof = co_await own_proof(x);
    if (!proof) co_return tl::unexpected<Error>(proof.error());
    co_return message_5(x, *proof);
}

/// HDR*, ID, and a HASH or SIG that the method accepts.
Task<Result<AuthenticatedPeer>> authenticated_message(Phase1& x, MessageKind kind) {
    const std::string what(isakmp::name(kind));
    for (;;) {
        Result<Received> in = co_await x.message();
        if (!in) co_return tl::unexpected<Error>(in.error());
        Result<isakmp::Message> clear =
            open_message(in->message, x.cipher_key(), x.ivs().next(), x.config().padding);
        if (!clear) {
            if (in->message.header().encrypted())
                note_undecryptable(x, clear.error(), what);
            else
                x.ignore(clear.error(), what);
            continue;
        }
        Result<isakmp::MainMode5> view = isakmp::MainMode5::parse(*clear, kind);
        if (!view) {
            note_undecryptable(x, view.error(), what);
            continue;
        }
        Result<AuthenticatedPeer> peer = co_await prove_peer(x, *clear, view->id);
        if (!peer && peer.error().code() == Errc::AuthFailed) {
            note_wrong_proof(x, peer.error(), what, *in);
            continue;  // it may be forged: the peer's own is still awaited
        }
        if (!peer) co_return peer;
        x.ivs().advance(in->message.body());
        x.accept(*in);
        x.follow(*in);
        Status fits = settle_peer_id(x, peer->identity());
        if (!fits) co_return tl::unexpected<Error>(fits.error());
        x.note_vendor_ids(view->extras);
        x.note_notifications(view->extras);
        co_return peer;
    }
}

/// Diffie-Hellman, SKEYID and all keys, once both public values and nonces are known.
Task<Status> compute_keys(Phase1& x) {
    Status skeyid = co_await make_skeyid(x);
    if (!skeyid) co_return skeyid;
    Status keys = co_await make_keys(x);
    co_return keys;
}

}  // namespace

Result<Bytes> main_mode_message_2(const CookiePair& cookies, ByteView sa_answer,
                                  const VendorAnswers& with) {
    isakmp::Header h;
    h.cookies = cookies;
    h.exchange = isakmp::number(ExchangeType::IdentityProtection);
    MessageBuilder b(h);
    b.add(PayloadType::SecurityAssociation, sa_answer);
    if (with.dpd) b.add(PayloadType::VendorId, dpd_vendor_id());
    if (with.fragments)
        b.add(PayloadType::VendorId, fragmentation_vendor_id(ExchangeType::IdentityProtection));
    if (!with.natt.empty()) b.add(PayloadType::VendorId, with.natt);
    return b.finish();
}

Task<Status> main_mode_initiator(Phase1& x) {
    Negotiation& n = x.negotiation();
    Status opened = co_await open_at_keeper(x);
    if (!opened) co_return opened;

    // HDR, SA -->
    n.sai_b = phase1_offer(x.section());
    Result<Bytes> m1 = message_1(x);
    if (!m1) co_return tl::unexpected<Error>(m1.error());
    x.transmit(std::move(*m1), Repeat::OnTimer);
    x.set_progress(3);

    // <-- HDR, SA
    for (;;) {
        Result<Received> in = co_await x.message();
        if (!in) co_return tl::unexpected<Error>(in.error());
        Status taken = take_message_2(x, in->message);
        if (taken) {
            x.accept(*in);
            break;
        }
        x.ignore(taken.error(), "main mode message 2");
    }
    x.set_progress(4);

    // HDR, KE, Ni -->
    Status pair = co_await make_key_pair(x, *x.params().group);
    if (!pair) co_return pair;
    Result<Bytes> m3 = message_3(x);
    if (!m3) co_return tl::unexpected<Error>(m3.error());
    x.transmit(std::move(*m3), Repeat::OnTimer);
    x.set_progress(5);

    // <-- HDR, KE, Nr
    for (;;) {
        Result<Received> in = co_await x.message();
        if (!in) co_return tl::unexpected<Error>(in.error());
        Status taken = take_message_3(x, in->message, MessageKind::MainMode4);
        if (taken) {
            x.accept(*in);
            break;
        }
        x.ignore(taken.error(), "main mode message 4");
    }
    x.set_progress(6);
    Status keys = co_await compute_keys(x);
    if (!keys) co_return keys;

    // HDR*, IDii, HASH_I -->  over the NAT-T ports, where there is a NAT
    x.float_ports();
    Result<Bytes> m5 = co_await own_proof_message(x);
    if (!m5) co_return tl::unexpected<Error>(m5.error());
    x.transmit(std::move(*m5), Repeat::OnTimer);
    x.set_progress(7);

    // <-- HDR*, IDir, HASH_R
    Result<AuthenticatedPeer> peer = co_await authenticated_message(x, MessageKind::MainMode6);
    if (!peer) co_return tl::unexpected<Error>(peer.error());
    x.establish(std::move(*peer));
    co_return ok();
}

Task<Status> main_mode_responder(Phase1& x) {
    // HDR, KE, Ni -->  (its cookie shows that the peer receives what we send)
    for (;;) {
        Result<Received> in = co_await x.message();
        if (!in) co_return tl::unexpected<Error>(in.error());
        Status taken = take_message_3(x, in->message, MessageKind::MainMode3);
        if (taken) {
            x.accept(*in);
            break;
        }
        x.ignore(taken.error(), "main mode message 3");
    }
    x.set_progress(6);
    Status opened = co_await open_at_keeper(x);
    if (!opened) co_return opened;
    Status pair = co_await make_key_pair(x, *x.params().group);
    if (!pair) co_return pair;

    // <-- HDR, KE, Nr
    Result<Bytes> m4 = message_3(x);
    if (!m4) co_return tl::unexpected<Error>(m4.error());
    x.transmit(std::move(*m4), Repeat::OnTimer);
    x.set_progress(7);
    Status keys = co_await compute_keys(x);
    if (!keys) co_return keys;
    x.paid_for_unproved();

    // HDR*, IDii, HASH_I -->
    Result<AuthenticatedPeer> peer = co_await authenticated_message(x, MessageKind::MainMode5);
    if (!peer) co_return tl::unexpected<Error>(peer.error());

    // <-- HDR*, IDir, HASH_R
    Result<Bytes> m6 = co_await own_proof_message(x);
    if (!m6) co_return tl::unexpected<Error>(m6.error());
    x.transmit(std::move(*m6), Repeat::OnDuplicate);
    x.establish(std::move(*peer));
    co_return ok();
}

}  // namespace racoon::exchange
