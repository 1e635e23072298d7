#include "exchange/main_mode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "conf/select.hpp"
#include "exchange/sealing.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {

using isakmp::ExchangeType;
using isakmp::MessageBuilder;
using isakmp::MessageKind;
using isakmp::NotifyType;
using isakmp::PayloadType;

constexpr std::array<std::uint8_t, 16> kDpdVendorId{0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9,
                                                    0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57, 0x01, 0x00};
constexpr std::uint8_t kProtocolUdp = 17;
constexpr std::uint16_t kIkePort = 500;

MessageBuilder builder(const Phase1& x) {
    return MessageBuilder(x.header(ExchangeType::IdentityProtection, MessageId{0}));
}

/// Messages 1 to 4 come in clear, with message id 0 and without the commit bit.
Status check_clear(const isakmp::Message& m) {
    if (m.header().encrypted()) return fail(Errc::Denied, "encrypted, expected a clear message");
    if (m.header().message_id.value != 0) return fail(Errc::Malformed, "message id is not 0");
    if (m.header().commit())
        return fail(Errc::Malformed, "commit bit in phase 1")
            .notify(isakmp::number(NotifyType::InvalidFlags));
    return ok();
}

/// Asks the keeper to know this phase 1 and for our nonce.
Phase1Open open_request(const Phase1& x) {
    Phase1Open r;
    r.generation = x.settings().generation;
    r.section = x.section().name;
    r.initiator = x.initiator();
    r.exchange_type = isakmp::number(ExchangeType::IdentityProtection);
    r.local = x.local();
    r.peer = x.remote();
    r.nonce_size =
        std::clamp<std::uint16_t>(x.section().nonce_size, isakmp::kMinNonce, isakmp::kMaxNonce);
    return r;
}

Result<Bytes> message_1(Phase1& x) {
    MessageBuilder b = builder(x);
    b.add(PayloadType::SecurityAssociation, x.negotiation().sai_b);
    if (x.section().dpd.enabled) b.add(PayloadType::VendorId, kDpdVendorId);
    return b.finish();
}

/// Messages 3 and 4.
Result<Bytes> message_3(Phase1& x) {
    const Negotiation& n = x.negotiation();
    MessageBuilder b = builder(x);
    b.add(PayloadType::KeyExchange, x.initiator() ? n.gxi : n.gxr);
    b.add(PayloadType::Nonce, x.initiator() ? n.ni : n.nr);
    return b.finish();
}

Status take_message_2(Phase1& x, const isakmp::Message& m) {
    RACOON_TRY_STATUS(check_clear(m));
    if (m.header().cookies.responder.is_zero())
        return fail(Errc::Malformed, "responder cookie is 0");
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
    const conf::GroupInfo& group = *x.params().group;
    if (view.key_exchange.size() != group.public_size)
        return fail(Errc::Malformed, fmt::format("public value of {} bytes, expected {}",
                                                 view.key_exchange.size(), group.public_size))
            .notify(isakmp::number(NotifyType::InvalidKeyInformation));
    if (group.table != nullptr &&
        group.table->check_public(
            group.impl, {view.key_exchange.data(), view.key_exchange.size()}) != RACOON_OK)
        return fail(Errc::Crypto, "public value is not of group " + group.name)
            .notify(isakmp::number(NotifyType::InvalidKeyInformation));
    Negotiation& n = x.negotiation();
    (x.initiator() ? n.gxr : n.gxi) = to_bytes(view.key_exchange);
    (x.initiator() ? n.nr : n.ni) = to_bytes(view.nonce);
    x.note_vendor_ids(view.extras);
    return ok();
}

/// Everything that follows from SKEYID and g^xy (RFC 2409 5, appendix B).
Status derive_keys(Phase1& x, Secret skeyid, const Secret& gxy) {
    const Phase1Params& p = x.params();
    const Negotiation& n = x.negotiation();
    RACOON_TRY(SkeyidSet keys,
               SkeyidSet::derive(*p.hash, std::move(skeyid), gxy.view(), x.cookies()));
    RACOON_TRY(Secret ka, expand_key(*p.hash, keys.e.view(), p.key_bits / 8u));
    RACOON_TRY(CipherKey cipher, CipherKey::make(*p.cipher, ka.view()));
    RACOON_TRY(IvChain ivs, IvChain::phase1(*p.hash, p.cipher->block, n.gxi, n.gxr));
    x.set_keys(std::move(keys), std::move(cipher), ivs);
    return ok();
}

/// Our identity as the configuration wants it; in main mode with a pre-shared key an address.
isakmp::Identity our_identity(const Phase1& x) {
    const conf::IdentitySpec& spec = x.section().my_identifier;
    isakmp::Identity id;
    switch (spec.type) {
        case 2:
            id.value = isakmp::IdFqdn{spec.value.value_or("")};
            return id;
        case 3:
            id.value = isakmp::IdUserFqdn{spec.value.value_or("")};
            return id;
        case 9:
            id.value = isakmp::IdDn{to_bytes(as_bytes(spec.value.value_or("")))};
            return id;
        case 11:
            id.value = isakmp::IdKeyId{to_bytes(as_bytes(spec.value.value_or("")))};
            return id;
        default:
            break;
    }
    return isakmp::Identity::address(spec.address.value_or(x.local().addr), kProtocolUdp, kIkePort);
}

Phase1HashInput hash_input(const Phase1& x, Negotiation& n, ByteView id_b) {
    Phase1HashInput in;
    in.gxi = n.gxi;
    in.gxr = n.gxr;
    in.cookies = x.cookies();
    in.sai_b = n.sai_b;
    in.id_b = id_b;
    return in;
}

/// Messages 5 and 6.
Result<Bytes> message_5(Phase1& x, const AuthProof& proof) {
    MessageBuilder b = builder(x);
    b.add(PayloadType::Identification, x.negotiation().id_body);
    b.add(proof.type, proof.body);
    return seal_message(b, x.cipher_key(), x.ivs(), x.ctx(), x.config().padding);
}

/// Garbage where message 5 or 6 should be: the keys differ, and what makes them differ between two
/// daemons that agreed on everything else is nearly always the pre-shared key.
void note_undecryptable(Phase1& x, const Error& why, std::string_view what) {
    Negotiation& n = x.negotiation();
    ++n.undecryptable;
    const bool psk = n.auth.active() && n.auth.skeyid_recipe() == RACOON_SKEYID_PSK;
    if (!psk || n.guessed_psk) {
        x.ignore(why, what);
        return;
    }
    n.guessed_psk = true;
    LOGE(x.peer_text(), fmt::format("{} of {} cannot be decrypted ({}): likely a wrong pre-shared "
                                    "key, compare the keys for this pair of addresses",
                                    what, x.text(), why.text()));
}

conf::Phase1Transform agreed_transform(const Phase1Params& p) {
    conf::Phase1Transform t;
    t.cipher = p.cipher->ike_id;
    t.key_bits = p.cipher->key.fixed() ? std::uint16_t{0} : p.key_bits;
    t.hash = p.hash->ike_id;
    t.auth = p.auth->number;
    t.group = p.group->number;
    t.lifetime = p.lifetime;
    return t;
}

/// Of the peer's ID: what the section asks for (reference 2.10). Sections that only the identity
/// could tell apart are chosen here.
Status check_peer_id(Phase1& x, const isakmp::Identity& id) {
    const Bytes data = id.data();
    conf::PeerId peer;
    peer.type = static_cast<std::uint8_t>(id.type());
    peer.data = data;
    if (!x.initiator()) {
        conf::RemoteQuery query;
        query.peer = x.remote().addr;
        query.mode = conf::ExchangeMode::Main;
        query.agreed = agreed_transform(x.params());
        query.peer_id = peer;
        const conf::RemoteChoice found = x.settings().index.choose(query);
        if (found.refused != nullptr)
            return fail(Errc::Unsupported, found.problem)
                .notify(isakmp::number(NotifyType::NoProposalChosen));
        if (found.remote != nullptr) x.set_section(found.remote);
    }
    if (conf::matches_any(x.section().peers_identifiers, peer)) return ok();
    const std::string text = "the peer's identity " + id.text() +
                             " is not in peers_identifier of \"" + x.section().name + "\"";
    if (x.section().verify_identifier)
        return fail(Errc::InvalidId, text).notify(isakmp::number(NotifyType::InvalidIdInformation));
    LOGW(x.peer_text(), text + "; accepted, since verify_identifier is off");
    return ok();
}

Task<Result<Bytes>> own_proof_message(Phase1& x) {
    Negotiation& n = x.negotiation();
    n.id_body = our_identity(x).body();
    const Phase1HashInput in = hash_input(x, n, n.id_body);
    Result<Secret> hash = x.initiator() ? hash_i(*x.params().hash, n.skeyid.view(), in)
                                        : hash_r(*x.params().hash, n.skeyid.view(), in);
    if (!hash) co_return tl::unexpected<Error>(hash.error());
    Result<AuthProof> proof = co_await make_proof(x, n.auth, *hash);
    if (!proof) co_return tl::unexpected<Error>(proof.error());
    co_return message_5(x, *proof);
}

/// Diffie-Hellman, SKEYID and all keys, once both public values and nonces are known.
Task<Status> compute_keys(Phase1& x) {
    Negotiation& n = x.negotiation();
    DhCompute dh;
    dh.handle = n.dh.id();
    dh.peer_public = x.initiator() ? n.gxr : n.gxi;
    Result<DhCompute::Reply> gxy = co_await x.operate(dh);
    if (!gxy) co_return tl::unexpected<Error>(gxy.error());
    n.dh.reset();

    Result<AuthSession> session =
        AuthSession::begin(*x.params().auth, x.initiator(),
                           isakmp::number(ExchangeType::IdentityProtection), x.local(), x.remote());
    if (!session) co_return tl::unexpected<Error>(session.error());
    n.auth = std::move(*session);

    Secret skeyid;
    const std::uint32_t recipe = n.auth.skeyid_recipe();
    if (recipe == RACOON_SKEYID_PSK) {
        Phase1Skeyid request;
        request.use = x.use();
        request.hash = x.params().hash->name;
        request.peer_nonce = x.initiator() ? n.nr : n.ni;
        Result<Phase1Skeyid::Reply> reply = co_await x.operate(request);
        if (!reply) co_return tl::unexpected<Error>(reply.error());
        skeyid = std::move(reply->skeyid);
    } else if (recipe == RACOON_SKEYID_SIGNATURE) {
        Result<Secret> made = skeyid_signature(*x.params().hash, n.ni, n.nr, gxy->shared.view());
        if (!made) co_return tl::unexpected<Error>(made.error());
        skeyid = std::move(*made);
    } else {
        co_return fail(Errc::Plugin, x.params().auth->name + ": unknown SKEYID recipe");
    }
    co_return derive_keys(x, std::move(skeyid), gxy->shared);
}

/// The keeper's nonce and a key pair, for our KE and Nonce payloads.
Task<Status> open_at_keeper(Phase1& x) {
    const Phase1Open open = open_request(x);
    Result<Phase1Open::Reply> opened = co_await x.operate(open);
    if (!opened) co_return tl::unexpected<Error>(opened.error());
    x.set_use(KeeperUse(x.ctx(), opened->use));
    (x.initiator() ? x.negotiation().ni : x.negotiation().nr) = std::move(opened->nonce);
    co_return ok();
}

Task<Status> make_key_pair(Phase1& x) {
    DhGenerate request;
    request.group = x.params().group->number;
    Result<DhGenerate::Reply> pair = co_await x.operate(request);
    if (!pair) co_return tl::unexpected<Error>(pair.error());
    x.negotiation().dh = DhKey(x.ctx(), pair->handle);
    if (pair->public_value.size() != x.params().group->public_size)
        co_return fail(Errc::Plugin, "a public value of the wrong size");
    (x.initiator() ? x.negotiation().gxi : x.negotiation().gxr) = std::move(pair->public_value);
    co_return ok();
}

}  // namespace

bool is_dpd_vendor_id(ByteView vid) {
    // The last two bytes are the version; 1.0 is the only one.
    return vid.size() >= kDpdVendorId.size() &&
           std::equal(kDpdVendorId.begin(), kDpdVendorId.end(), vid.begin());
}
ByteView dpd_vendor_id() {
    return kDpdVendorId;
}

Result<Bytes> main_mode_message_2(const CookiePair& cookies, ByteView sa_answer, bool with_dpd) {
    isakmp::Header h;
    h.cookies = cookies;
    h.exchange = isakmp::number(ExchangeType::IdentityProtection);
    MessageBuilder b(h);
    b.add(PayloadType::SecurityAssociation, sa_answer);
    if (with_dpd) b.add(PayloadType::VendorId, kDpdVendorId);
    return b.finish();
}

/// The one place where a phase 1 is proved: HDR*, ID, and a HASH or SIG that the method accepts.
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
        Negotiation& n = x.negotiation();
        const Phase1HashInput input = hash_input(x, n, view->id.body);
        Result<Secret> expected = x.initiator() ? hash_r(*x.params().hash, n.skeyid.view(), input)
                                                : hash_i(*x.params().hash, n.skeyid.view(), input);
        if (!expected) co_return tl::unexpected<Error>(expected.error());
        Result<std::uint32_t> verdict =
            co_await judge_proof(x, n.auth, *expected, *clear, view->id);
        if (!verdict) {
            if (verdict.error().code() != Errc::AuthFailed)
                co_return tl::unexpected<Error>(verdict.error());
            LOGE(x.peer_text(), fmt::format("{}: {}", what, verdict.error().text()));
            continue;  // it may be forged: the peer's own is still awaited
        }
        if (*verdict != RACOON_AUTH_FULL) {
            Error why(Errc::AuthFailed, x.params().auth->name + ": the peer proved too little");
            co_return tl::unexpected<Error>(std::move(why));
        }
        x.ivs().advance(in->message.body());
        x.accept(*in);
        Status fits = check_peer_id(x, view->id.identity);
        if (!fits) {
            x.send_notify(static_cast<NotifyType>(fits.error().notify_type()),
                          isakmp::ProtocolId::Isakmp, {});
            co_return tl::unexpected<Error>(fits.error());
        }
        x.note_vendor_ids(view->extras);
        x.note_notifications(view->extras);
        co_return AuthenticatedPeer(view->id.identity);
    }
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
    Status pair = co_await make_key_pair(x);
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

    // HDR*, IDii, HASH_I -->
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
    Status pair = co_await make_key_pair(x);
    if (!pair) co_return pair;

    // <-- HDR, KE, Nr
    Result<Bytes> m4 = message_3(x);
    if (!m4) co_return tl::unexpected<Error>(m4.error());
    x.transmit(std::move(*m4), Repeat::OnTimer);
    x.set_progress(7);
    Status keys = co_await compute_keys(x);
    if (!keys) co_return keys;

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
