// Lifetimes of IPsec SAs (RFC 2407 4.5, 4.6.3.1) under proposal_check, as the reference has it in 2.11.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.hpp"
#include "conf/config.hpp"
#include "exchange/phase2_params.hpp"
#include "isakmp/transform.hpp"

namespace racoon::exchange {

/// The lifetime that a sainfo asks for.
struct OwnLifetime {
    std::uint64_t seconds = 0;
    std::uint64_t kilobytes = 0;  // of 1024 bytes; 0: no limit
    /// "3600 seconds", "3600 seconds or 2048 kilobytes"
    std::string text() const;
};
OwnLifetime own_lifetime(const conf::SaInfo& info);

/// Takes the offered lifetime into `params`; false: proposal_check refuses it. What several protocols
/// of a bundle offer is judged for each, and the shortest holds. An absent one means 28800 s, and no limit of
/// kilobytes, for which the peer is not refused: ours then ends the SAs at this end.
bool take_offered_lifetime(Phase2Params& params, conf::ProposalCheck check, const OwnLifetime& ours,
                           const isakmp::Lifetime& offered);
/// Whether SAs that live so long would still be taken.
bool still_takes_lifetime(const Phase2Params& params, conf::ProposalCheck check,
                          const OwnLifetime& ours);
/// The same of an answer to our own offer, which may only shorten it.
void take_answered_lifetime(Phase2Params& params, const isakmp::Lifetime& answered);

/// The data of a RESPONDER-LIFETIME, and what a received one means: obey takes it, strict and claim take
/// a shorter one, exact only an equal one.
Bytes responder_lifetime(const Phase2Params& params);
void apply_responder_lifetime(Phase2Params& params, conf::ProposalCheck check, ByteView data,
                              const std::string& peer);

}  // namespace racoon::exchange
