// Quick mode (RFC 2409 5.5): three messages under an established ISAKMP SA, read from top to bottom
// in quick_mode_initiator.cpp and quick_mode_responder.cpp.
//
// SAs are installed so that no packet is lost (the other end never sends with an SA that is not yet
// there): the responder has its inbound SA before message 2 leaves, the initiator before message 3;
// outbound follows when the other end is known to be ready.
#pragma once

#include "base/task.hpp"
#include "exchange/phase2.hpp"

namespace racoon::exchange {

Task<Status> quick_mode_initiator(Phase2& x);
/// Message 1 has been verified and sits in the negotiation.
Task<Status> quick_mode_responder(Phase2& x);

}  // namespace racoon::exchange
