// Base mode (draft-ietf-ipsec-ike-base-mode; reference 5.3): four messages in clear, and no
// Diffie-Hellman at the responder before the initiator has proved itself.
#pragma once

#include "base/task.hpp"
#include "exchange/phase1.hpp"

namespace racoon::exchange {

Task<Status> base_mode_initiator(Phase1& x);
/// From message 1 on. The transform is chosen and its answer is in Negotiation.
Task<Status> base_mode_responder(Phase1& x);

}  // namespace racoon::exchange
