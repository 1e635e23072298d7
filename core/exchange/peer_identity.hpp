// Who a peer is once phase 1 is over: the identity that it proved. Its address and port are where it is, and
// clients behind one NAT share the address, so what is done to a peer's SAs asks for both.
//
//     if (pair.remote == sa.remote() && same_peer(pair.peer_id, sa.peer_id())) …
#pragma once

#include <optional>

#include "base/bytes.hpp"
#include "base/net_addr.hpp"
#include "isakmp/identity.hpp"

namespace racoon::exchange {

/// Unset: not known, as of a pair whose engine did not tell.
using PeerIdentity = std::optional<isakmp::Identity>;

/// Whether two are one peer. Port and protocol of an ID payload do not count: with NAT-T they are others than
/// without (RFC 3947 4). Where one is not known, nothing speaks against it.
inline bool same_peer(const PeerIdentity& a, const PeerIdentity& b) {
    return !a || !b || a->same_value(*b);
}

/// An identity as bytes, for indices; empty: not known.
Bytes peer_key(const PeerIdentity& id);

/// The same with where it is from, of which IPv6 has the /64: a host has all of its addresses there. For
/// bounds of what one peer may have: hosts that share an identity (a group's key) do not share these.
Bytes owner_key(const PeerIdentity& id, const IpAddr& addr);

}  // namespace racoon::exchange
