// Vendor ids that the engine itself knows (RFC 2408 3.16): for its own use, and as names for the log.
// Those of NAT traversal have no more than their names here: they belong to who speaks it.
#pragma once

#include <string_view>

#include "base/bytes.hpp"
#include "isakmp/wire.hpp"

namespace racoon::exchange {

/// RFC 3706 5.1.
ByteView dpd_vendor_id();
bool is_dpd_vendor_id(ByteView vid);

/// Cisco's fragmentation of IKE messages: a hash, and a word that says in which exchanges (4 bytes, network
/// order).
Bytes fragmentation_vendor_id(isakmp::ExchangeType exchange);
/// Whether the peer takes fragments in such an exchange; without the word it says nothing.
bool is_fragmentation_vendor_id(ByteView vid, isakmp::ExchangeType exchange);

/// "DPD", "KAME/racoon", …; "" when nobody here knows it. A vendor id may go on behind the known bytes:
/// some carry a version there.
std::string_view vendor_id_name(ByteView vid);

}  // namespace racoon::exchange
