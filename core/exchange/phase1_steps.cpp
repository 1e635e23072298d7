#include "exchange/phase1_steps.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "conf/select.hpp"
#include "exchange/natt.hpp"
#include "exchange/vendor_ids.hpp"
#include "log/log.hpp"

namespace racoon::exchange {

namespace {

using isakmp::ExchangeType;
using isakmp::MessageBuilder;
using isakmp::NotifyType;
using isakmp::PayloadType;

constexpr std::uint8_t kProtocolUdp = 17;
constexpr std::uint16_t kIkePort = 500;

FlatIdentity flat(const isakmp::Identity& id) {
    FlatIdentity out;
    out.type = static_cast<std::uint8_t>(id.type());
    out.protocol = id.protocol;
    out.port = id.port;
    out.data = id.data();
    return out;
}

/// g^xy, once.
Task<Status> shared_secret(Phase1& x) {
    Negotiation& n = x.negotiation();
    if (!n.gxy.empty()) co_return ok();
    DhCompute dh;
    dh.handle = n.dh.id();
    dh.peer_public = x.initiator() ? n.gxr : n.gxi;
    Result<DhCompute::Reply> reply = co_await x.operate(dh);
    if (!reply) co_return tl::unexpected<Error>(reply.error());
    n.gxy = std::move(reply->shared);
    co_return ok();
}

/// SKEYID of a pre-shared key, which only the keeper can make (RFC 2409 5.4).
Task<Status> psk_skeyid(Phase1& x) {
    Negotiation& n = x.negotiation();
    Phase1Skeyid request;
    request.use = x.use();
    request.hash = x.params().hash->name;
    request.peer_nonce = x.initiator() ? n.nr : n.ni;
    if (n.peer_id) request.peer_id = flat(*n.peer_id);
    Result<Phase1Skeyid::Reply> reply = co_await x.operate(request);
    if (reply) {
        n.skeyid = std::move(reply->skeyid);
        co_return ok();
    }
    const Errc why = reply.error().code();
    if (x.initiator() || !n.peer_id || (why != Errc::NotFound && why != Errc::InvalidId))
        co_return tl::unexpected<Error>(reply.error());
    // Whoever asks for one identity after the other must not learn which of them exist: an unknown
    // one gets an answer like any other, made with a key that nobody has.
    if (x.ctx().noise.allow(x.ctx().now))
        LOGW(x.peer_text(), reply.error().text() + "; identity " + n.peer_id->text());
    n.decoy = true;
    n.skeyid = Secret(x.ctx().random_bytes(x.params().hash->digest_size));
    co_return ok();
}

/// Everything that follows from SKEYID and g^xy (RFC 2409 5, appendix B).
Status derive_keys(Phase1& x) {
    const Phase1Params& p = x.params();
    Negotiation& n = x.negotiation();
    RACOON_TRY(SkeyidSet keys,
               SkeyidSet::derive(*p.hash, std::move(n.skeyid), n.gxy.view(), x.cookies()));
    RACOON_TRY(Secret ka, expand_key(*p.hash, keys.e.view(), p.key_bits / 8u));
    RACOON_TRY(CipherKey cipher, CipherKey::make(*p.cipher, ka.view()));
    RACOON_TRY(IvChain ivs, IvChain::phase1(*p.hash, p.cipher->block, n.gxi, n.gxr));
    x.set_keys(std::move(keys), std::move(ka), std::move(cipher), ivs);
    return ok();
}

}  // namespace

// --- messages ---

MessageBuilder phase1_message(const Phase1& x) {
    return MessageBuilder(x.header(x.exchange(), MessageId{0}));
}

Status check_clear(const isakmp::Message& m) {
    if (m.header().encrypted()) return fail(Errc::Denied, "encrypted, expected a clear message");
    if (m.header().message_id.value != 0) return fail(Errc::Malformed, "message id is not 0");
    if (m.header().commit())
        return fail(Errc::Malformed, "commit bit in phase 1")
            .notify(isakmp::number(NotifyType::InvalidFlags));
    return ok();
}

Status check_responder_cookie(const isakmp::Message& m) {
    if (m.header().cookies.responder.is_zero())
        return fail(Errc::Malformed, "responder cookie is 0");
    // HASH_I and HASH_R differ in the order of cookies and public values: where both were the same
    // ours would prove the peer (RFC 2409 5).
    if (m.header().cookies.responder == m.header().cookies.initiator)
        return fail(Errc::Malformed, "responder cookie is ours");
    return ok();
}

void add_vendor_ids(const Phase1& x, MessageBuilder& b) {
    if (x.section().dpd.enabled && (x.initiator() || x.peer_has_dpd))
        b.add(PayloadType::VendorId, dpd_vendor_id());
    add_natt_vendor_ids(x, b);
    if (x.takes_fragments() && (x.initiator() || x.peer_has_fragments))
        b.add(PayloadType::VendorId, fragmentation_vendor_id(x.exchange()));
}

Status answer_sparingly(Phase1& x, Bytes answer, std::size_t asked) {
    if (answer.size() > kMostAnswer * asked)
        return fail(Errc::TooLong,
                    fmt::format("an answer of {} bytes to {} of an address that is not proved",
                                answer.size(), asked));
    x.answer_unproved(std::move(answer));
    return ok();
}

Status check_key_exchange(const conf::GroupInfo& group, ByteView value) {
    if (value.size() != group.public_size)
        return fail(Errc::Malformed, fmt::format("public value of {} bytes, expected {}",
                                                 value.size(), group.public_size))
            .notify(isakmp::number(NotifyType::InvalidKeyInformation));
    if (group.table != nullptr &&
        group.table->check_public(group.impl, {value.data(), value.size()}) != RACOON_OK)
        return fail(Errc::Crypto, "public value is not of group " + group.name)
            .notify(isakmp::number(NotifyType::InvalidKeyInformation));
    return ok();
}

Status take_key_exchange(Phase1& x, ByteView value) {
    RACOON_TRY_STATUS(check_key_exchange(*x.params().group, value));
    Negotiation& n = x.negotiation();
    const Bytes& ours = x.initiator() ? n.gxi : n.gxr;
    if (std::equal(value.begin(), value.end(), ours.begin(), ours.end()))
        return fail(Errc::Crypto, "the peer's public value is ours")
            .notify(isakmp::number(NotifyType::InvalidKeyInformation));
    (x.initiator() ? n.gxr : n.gxi) = to_bytes(value);
    return ok();
}

// --- identities ---

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
    // With NAT-T the port says nothing, and is 0 (RFC 3947 4). Where the identity comes first, that is
    // known of what we offer.
    const bool natt = x.natt().dialect != nullptr ||
                      (x.initiator() && x.exchange() != ExchangeType::IdentityProtection &&
                       !natt_dialects(x.ctx(), x.config(), x.section(), x.local()).empty());
    return isakmp::Identity::address(spec.address.value_or(x.local().addr), kProtocolUdp,
                                     natt ? std::uint16_t{0} : kIkePort);
}

Status check_peer_id(const Phase1& x, const isakmp::Identity& id) {
    const Bytes data = id.data();
    conf::PeerId peer;
    peer.type = static_cast<std::uint8_t>(id.type());
    peer.data = data;
    if (conf::matches_any(x.section().peers_identifiers, peer)) return ok();
    return fail(Errc::InvalidId, "the peer's identity " + id.text() +
                                     " is not in peers_identifier of \"" + x.section().name + "\"")
        .notify(isakmp::number(NotifyType::InvalidIdInformation));
}

/// Sections that only the identity could tell apart are chosen here.
Status settle_peer_id(Phase1& x, const isakmp::Identity& id) {
    Status fits = ok();
    if (!x.initiator()) {
        const Bytes data = id.data();
        conf::RemoteQuery query;
        query.peer = x.remote().addr;
        query.mode = static_cast<conf::ExchangeMode>(isakmp::number(x.exchange()));
        query.agreed = to_conf(x.params());
        query.peer_id.emplace();
        query.peer_id->type = static_cast<std::uint8_t>(id.type());
        query.peer_id->data = data;
        const conf::RemoteChoice found = x.settings().index.choose(query);
        if (found.refused != nullptr)
            fits = fail(Errc::Unsupported, found.problem)
                       .notify(isakmp::number(NotifyType::NoProposalChosen));
        else if (found.remote != nullptr)
            x.set_section(found.remote);
        else if (!found.tied.empty())
            fits = fail(Errc::Conflict, found.problem)
                       .notify(isakmp::number(NotifyType::InvalidIdInformation));
    }
    if (fits) fits = check_peer_id(x, id);
    if (!fits && fits.error().code() == Errc::InvalidId && !x.section().verify_identifier) {
        LOGW(x.peer_text(), fits.error().text() + "; accepted, since verify_identifier is off");
        return ok();
    }
    if (!fits)
        x.send_notify(static_cast<NotifyType>(fits.error().notify_type()),
                      isakmp::ProtocolId::Isakmp, {});
    return fits;
}

// --- secrets ---

Task<Status> open_at_keeper(Phase1& x) {
    Phase1Open open;
    open.generation = x.settings().generation;
    open.section = x.section().name;
    open.initiator = x.initiator();
    open.exchange_type = isakmp::number(x.exchange());
    open.local = x.local();
    open.peer = x.remote();
    open.nonce_size =
        std::clamp<std::uint16_t>(x.section().nonce_size, isakmp::kMinNonce, isakmp::kMaxNonce);
    Result<Phase1Open::Reply> opened = co_await x.operate(open);
    if (!opened) co_return tl::unexpected<Error>(opened.error());
    x.set_use(KeeperUse(x.ctx(), opened->use));
    (x.initiator() ? x.negotiation().ni : x.negotiation().nr) = std::move(opened->nonce);
    co_return ok();
}

Task<Status> make_key_pair(Phase1& x, const conf::GroupInfo& group) {
    DhGenerate request;
    request.group = group.number;
    Result<DhGenerate::Reply> pair = co_await x.operate(request);
    if (!pair) co_return tl::unexpected<Error>(pair.error());
    x.negotiation().dh = DhKey(x.ctx(), pair->handle);
    if (pair->public_value.size() != group.public_size)
        co_return fail(Errc::Plugin, "a public value of the wrong size");
    (x.initiator() ? x.negotiation().gxi : x.negotiation().gxr) = std::move(pair->public_value);
    co_return ok();
}

Task<Status> make_skeyid(Phase1& x) {
    Negotiation& n = x.negotiation();
    Result<AuthSession> session = AuthSession::begin(
        *x.params().auth, x.initiator(), isakmp::number(x.exchange()), x.local(), x.remote());
    if (!session) co_return tl::unexpected<Error>(session.error());
    n.auth = std::move(*session);
    const std::uint32_t recipe = n.auth.skeyid_recipe();
    if (recipe == RACOON_SKEYID_PSK) {
        Status made = co_await psk_skeyid(x);
        co_return made;
    }
    if (recipe != RACOON_SKEYID_SIGNATURE)
        co_return fail(Errc::Plugin, x.params().auth->name + ": unknown SKEYID recipe");
    // The proofs of base mode come before g^xy is there.
    if (x.exchange() == ExchangeType::Base) co_return ok();
    Status shared = co_await shared_secret(x);
    if (!shared) co_return shared;
    Result<Secret> made = skeyid_signature(*x.params().hash, n.ni, n.nr, n.gxy.view());
    if (!made) co_return tl::unexpected<Error>(made.error());
    n.skeyid = std::move(*made);
    co_return ok();
}

Task<Status> make_keys(Phase1& x) {
    Negotiation& n = x.negotiation();
    Status shared = co_await shared_secret(x);
    if (!shared) co_return shared;
    if (n.skeyid.empty()) {
        Result<Secret> made = skeyid_signature(*x.params().hash, n.ni, n.nr, n.gxy.view());
        if (!made) co_return tl::unexpected<Error>(made.error());
        n.skeyid = std::move(*made);
    }
    Status derived = derive_keys(x);
    n.dh.reset();
    n.gxy = Secret();
    co_return derived;
}

// --- proofs ---

Result<Secret> proof_hash(const Phase1& x, Proves who, ByteView id_b) {
    const Negotiation& n = x.negotiation();
    const conf::HashInfo& hash = *x.params().hash;
    Phase1HashInput in;
    in.gxi = n.gxi;
    in.gxr = n.gxr;
    in.cookies = x.cookies();
    in.sai_b = n.sai_b;
    in.id_b = id_b;
    const bool of_initiator = x.initiator() == (who == Proves::We);
    if (x.exchange() != ExchangeType::Base)
        return of_initiator ? hash_i(hash, n.skeyid.view(), in) : hash_r(hash, n.skeyid.view(), in);
    if (n.auth.skeyid_recipe() != RACOON_SKEYID_SIGNATURE)
        return of_initiator ? base_hash_i(hash, n.skeyid.view(), in)
                            : hash_r(hash, n.skeyid.view(), in);
    RACOON_TRY(const Bytes key, digest(hash, {n.ni, n.nr}));
    return of_initiator ? base_hash_i(hash, key, in) : base_hash_r_signature(hash, key, in);
}

Task<Result<AuthProof>> own_proof(Phase1& x) {
    Negotiation& n = x.negotiation();
    Result<Secret> hash = proof_hash(x, Proves::We, n.id_body);
    if (!hash) co_return tl::unexpected<Error>(hash.error());
    Result<AuthProof> proof = co_await make_proof(x, n.auth, *hash);
    co_return proof;
}

void note_undecryptable(Phase1& x, const Error& why, std::string_view what) {
    Negotiation& n = x.negotiation();
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

void note_wrong_proof(Phase1& x, const Error& why, std::string_view what, const Received& in) {
    Negotiation& n = x.negotiation();
    // Where the identity comes first, an answer would tell strangers which identities have a key.
    const bool would_tell = !x.initiator() && x.exchange() != ExchangeType::IdentityProtection &&
                            n.auth.skeyid_recipe() == RACOON_SKEYID_PSK;
    if (!would_tell) x.complain(NotifyType::AuthenticationFailed, in.message.bytes().size());
    if (x.ctx().noise.allow(x.ctx().now)) {
        const bool psk = n.auth.skeyid_recipe() == RACOON_SKEYID_PSK && n.peer_id && !n.decoy;
        LOGE(x.peer_text(),
             fmt::format("{} of {}: {}{}", what, x.text(), why.text(),
                         psk ? "; likely a wrong pre-shared key, compare the keys for " +
                                   n.peer_id->value_text()
                             : std::string()));
    }
    n.guessed_psk = true;
}

Task<Result<AuthenticatedPeer>> prove_peer(Phase1& x, const isakmp::Message& m,
                                           const isakmp::IdView& id) {
    Negotiation& n = x.negotiation();
    Result<Secret> expected = proof_hash(x, Proves::Peer, id.body);
    if (!expected) co_return tl::unexpected<Error>(expected.error());
    Result<std::uint32_t> verdict = co_await judge_proof(x, n.auth, *expected, m, id);
    if (!verdict) co_return tl::unexpected<Error>(verdict.error());
    if (*verdict != RACOON_AUTH_FULL || n.decoy) {
        Error why(n.decoy ? Errc::AuthFailed : Errc::Denied,
                  x.params().auth->name + ": the peer proved too little");
        co_return tl::unexpected<Error>(std::move(why));
    }
    co_return AuthenticatedPeer(id.identity);
}

}  // namespace racoon::exchange
