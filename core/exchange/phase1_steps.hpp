// What main, aggressive and base mode have in common: the steps of RFC 2409 section 5 that each of them
// takes in its own order. Those that wait for somebody are tasks; all references outlive them.
//
//     Status opened = co_await open_at_keeper(x);        // our nonce
//     Status pair = co_await make_key_pair(x, group);    // our public value
//     RACOON_TRY_STATUS(take_key_exchange(x, view.key_exchange));
//     Status skeyid = co_await make_skeyid(x);           // the secret that the proofs are made with
//     Status keys = co_await make_keys(x);               // g^xy and all that follows from it
#pragma once

#include "base/task.hpp"
#include "exchange/phase1.hpp"
#include "isakmp/message_views.hpp"

namespace racoon::exchange {

/// Of the bytes that an address has sent, how many times as many it may get before it has shown that it
/// receives them: in aggressive and base mode, which cannot do with less. In main mode: once.
inline constexpr std::size_t kMostAnswer = 3;

// --- messages ---

/// A builder for the next clear or sealed message of this negotiation.
isakmp::MessageBuilder phase1_message(const Phase1& x);
/// Messages in clear come with message id 0 and without the commit bit.
Status check_clear(const isakmp::Message& m);
/// Of an answer that brings the responder's cookie.
Status check_responder_cookie(const isakmp::Message& m);
/// Our vendor ids: as initiator those that we offer, as responder the answers to the peer's.
void add_vendor_ids(const Phase1& x, isakmp::MessageBuilder& b);
/// An answer to an address that is not proved: never many bytes for few, and never by the clock.
Status answer_sparingly(Phase1& x, Bytes answer, std::size_t asked);

/// The peer's public value, when it is one of the negotiated group.
Status take_key_exchange(Phase1& x, ByteView value);
Status check_key_exchange(const conf::GroupInfo& group, ByteView value);

// --- identities ---

/// Ours, as the configuration wants it.
isakmp::Identity our_identity(const Phase1& x);
/// Whether the section names the peer's identity (reference 2.10); else why not.
Status check_peer_id(const Phase1& x, const isakmp::Identity& id);

// --- secrets ---

/// Makes this phase 1 known to the keeper and gets our nonce from it.
Task<Status> open_at_keeper(Phase1& x);
Task<Status> make_key_pair(Phase1& x, const conf::GroupInfo& group);
/// Begins the session with the auth method, and SKEYID, where it can be had before g^xy.
Task<Status> make_skeyid(Phase1& x);
/// g^xy, SKEYID where it needs that, and all keys.
Task<Status> make_keys(Phase1& x);

// --- proofs ---

/// HASH_I or HASH_R over what was negotiated, ours or the peer's. `id_b`: the ID of who proves.
enum class Proves : bool { We, Peer };
Result<Secret> proof_hash(const Phase1& x, Proves who, ByteView id_b);
/// Our HASH or SIG payload. id_body is set.
Task<Result<AuthProof>> own_proof(Phase1& x);
/// Garbage where an encrypted proof should be: between two daemons that agreed on everything else, what
/// differs is nearly always the pre-shared key.
void note_undecryptable(Phase1& x, const Error& why, std::string_view what);
/// The same for a proof that can be read and is wrong, of which the peer is told.
void note_wrong_proof(Phase1& x, const Error& why, std::string_view what, const Received& in);

/// The one place where a peer is proved: `m` holds a HASH or SIG that the method accepts for `id`.
/// AuthFailed: it is wrong, which may be a forgery, and the peer's own is still to come.
Task<Result<AuthenticatedPeer>> prove_peer(Phase1& x, const isakmp::Message& m,
                                           const isakmp::IdView& id);
/// After the proof: that the section is for this identity. Tells the peer when not.
Status settle_peer_id(Phase1& x, const isakmp::Identity& id);

}  // namespace racoon::exchange
