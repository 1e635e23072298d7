// NAT traversal (RFC 3947) in phase 1: which dialect both ends speak, whether a NAT is between them and
// on whose side, and the move to the NAT-T port. Numbers and forms are the dialect's, which a module
// provides.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "exchange/phase1.hpp"
#include "exchange/phase2_offer.hpp"
#include "isakmp/message_builder.hpp"

namespace racoon::exchange {

inline constexpr std::uint16_t kNattPort = 4500;

/// The dialects, the preferred first, that a phase 1 which begins at `local` can agree on: none without a section
/// that wants them, a kernel that can encapsulate, and a socket of ours for ESP.
std::vector<const conf::NattInfo*> natt_dialects(const Context& ctx, const conf::Config& config,
                                                 const conf::Remote& section,
                                                 const Endpoint& local);
/// The best of them that one of these vendor IDs announces.
Natt choose_natt(const Context& ctx, const conf::Config& config, const conf::Remote& section,
                 const Endpoint& local, std::span<const ByteView> vendor_ids);

/// A line for each vendor ID that is known here, by whomever, and at level debug a few of the others. `may`: asked before
/// each line.
void log_vendor_ids(const conf::Config& config, const std::string& peer,
                    std::span<const ByteView> vendor_ids, const std::function<bool()>& may);

/// As initiator all that we offer, as responder the one agreed on: of several of one dialect the peer's.
void add_natt_vendor_ids(const Phase1& x, isakmp::MessageBuilder& b);
/// NAT-D of the peer's address, then of ours (RFC 3947 3.2). Nothing without a dialect.
Status add_nat_d(const Phase1& x, isakmp::MessageBuilder& b);
/// What the peer's NAT-D payloads say. Without any there is no NAT-T with this peer.
void take_nat_d(Phase1& x, const isakmp::Message& m);

/// The encapsulation modes of quick mode on the wire.
WireModes wire_modes(const Natt& natt);
/// NAT-OA payloads of transport mode, the initiator's address first; nothing where none is wanted.
Status add_nat_oa(const Phase1& x, bool initiator, isakmp::MessageBuilder& b);
/// The address of one end as the sender of `m` sees it, in its NAT-OA payloads (RFC 3947 5.2): its own is the one
/// that it has behind a NAT. None: it sent none.
IpAddr original_address(const Phase1& x, bool of_initiator, const isakmp::Message& m);

}  // namespace racoon::exchange
