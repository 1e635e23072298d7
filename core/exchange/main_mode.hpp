// Main mode (RFC 2409 5: "Identity Protection"): six messages, read from top to bottom in
// main_mode.cpp. Each coroutine ends when the SA is established, or with the reason why not.
#pragma once

#include "base/task.hpp"
#include "exchange/phase1.hpp"

namespace racoon::exchange {

Task<Status> main_mode_initiator(Phase1& x);
/// From message 3 on: messages 1 and 2 were served without a Phase1 (flood_guard.hpp).
Task<Status> main_mode_responder(Phase1& x);

/// Our vendor ids in message 2, each in answer to the peer's; `natt`: that of a dialect of NAT traversal, or nothing.
struct VendorAnswers {
    bool dpd = false, fragments = false;
    ByteView natt;
};
/// Message 2, made without state of its own: the chosen transform and our vendor ids.
Result<Bytes> main_mode_message_2(const CookiePair& cookies, ByteView sa_answer,
                                  const VendorAnswers& with);

}  // namespace racoon::exchange
