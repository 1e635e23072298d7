// Steps that initiator and responder of quick mode share: what is known of the other end, the messages with
// an offer, SPIs and SAs, Diffie-Hellman.
#pragma once

#include <optional>

#include "base/task.hpp"
#include "exchange/phase2.hpp"
#include "exchange/verified.hpp"

namespace racoon::exchange {

const conf::HashInfo& hash_of(const Phase2& x);
HashCheck check_of(const Phase2& x);
/// An error that the peer is told as this notify message.
Failure refusal(Errc code, isakmp::NotifyType type, std::string text);
/// Of our nonce, in bytes.
std::size_t nonce_size(const Phase2& x);

/// HASH, SA, nonce, [KE,] [IDci, IDcr,] [N]: messages 1 and 2.
Result<Bytes> offer_message(Phase2& x, ByteView sa, ByteView nonce,
                            const std::optional<Bytes>& notify);

/// The section for this traffic and peer. Errors: NotFound, and Unsupported where it asks for what is not there.
Result<const conf::SaInfo*> find_sainfo(Phase2& x);

/// What the peer's message says of addresses behind a NAT.
void take_nat_oa(Phase2& x, const isakmp::Message& m);
/// In transport mode behind a NAT the peer calls a host by the address that it knows: its own behind the NAT, or ours
/// before it. Both mean the hosts themselves, whose traffic the kernel sees with the outer addresses.
void name_hosts(Phase2& x, TrafficSelector& theirs);

/// Our inbound SPIs, one for each protocol.
/// The kernel tells SAs towards one address apart by protocol and SPI alone, and peers behind one NAT share the
/// address: an SPI that is in use is refused, whoever chose it first.
Status check_outbound(Phase2& x);
Task<Status> get_spis(Phase2& x);
/// The SAs of one direction, the innermost last: a packet that comes meanwhile finds the template that the
/// kernel looks for first without its SA, and does not ask for the others one by one.
Task<Status> install(Phase2& x, bool inbound);
/// The SAs are there: so shall a policy made for the peer be, for as long as they are.
Task<Status> use_policy(Phase2& x);

Task<Status> make_key_pair(Phase2& x, const conf::GroupInfo& group);
/// g^xy of our key and the peer's public value.
Task<Status> compute_secret(Phase2& x);
/// KE must be there exactly when a group was agreed on (reference 5.8), and fit the group.
Status take_key_exchange(Phase2& x, const std::optional<ByteView>& ke);

/// After a message with the commit bit: the CONNECTED of who set it (RFC 2408 3.1), in a quick mode message or
/// in an informational one with the same message id.
Task<Status> connected(Phase2& x);

}  // namespace racoon::exchange
