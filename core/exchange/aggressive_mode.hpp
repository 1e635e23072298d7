// Aggressive mode (RFC 2409 5.1, 5.4): three messages, identities in clear. The responder has to answer
// the first one with a public value and a proof, so it is served under a quota of its own (admission.hpp);
// what can wait until the peer has echoed our cookie, waits.
#pragma once

#include "base/task.hpp"
#include "exchange/phase1.hpp"

namespace racoon::exchange {

Task<Status> aggressive_mode_initiator(Phase1& x);
/// From message 1 on. The transform is chosen and its answer is in Negotiation.
Task<Status> aggressive_mode_responder(Phase1& x);

}  // namespace racoon::exchange
