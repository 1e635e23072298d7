// The offer of phase 1: building ours, choosing from the peer's, checking its answer (RFC 2408 4.2,
// reference 2.11). The peer's order decides: its first transform that any section accepts is taken.
#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "conf/select.hpp"
#include "isakmp/proposal.hpp"

namespace racoon::exchange {

/// What a phase 1 agreed on. Pointers are into the catalog.
struct Phase1Params {
    const conf::CipherInfo* cipher = nullptr;
    std::uint16_t key_bits = 0;  // of the cipher, also where it is fixed
    const conf::HashInfo* hash = nullptr;
    const conf::AuthMethodInfo* auth = nullptr;
    const conf::GroupInfo* group = nullptr;
    conf::seconds lifetime{28800};
    std::uint64_t kilobytes = 0;  // of 1024 bytes; 0: no limit
};

/// The body of our SA payload: the section's proposals in file order. `lifetime` etc. as configured.
Bytes phase1_offer(const conf::Remote& section);

/// Whose offer it is, and what came with it.
struct Phase1Offer {
    IpAddr peer;
    conf::ExchangeMode mode = conf::ExchangeMode::Main;
    const isakmp::SaPayload* sa = nullptr;
    std::optional<conf::PeerId> peer_id = {};  // base and aggressive mode
    std::size_t public_size =
        0;  // of the KE payload beside it (aggressive mode), which fixes the group
};
struct Phase1Choice {
    const conf::Remote* section = nullptr;
    Phase1Params params;
    Bytes answer;  // body of the SA payload for message 2
};
/// NoProposalChosen (notify NO-PROPOSAL-CHOSEN) with the reason; Conflict for tied sections; NotFound
/// when no section is for this peer and exchange. Sections that only an identity can tell apart share
/// the first of them until it comes. One that no section names does not change the answer: who proves
/// it fails there, and nobody learns which identities are known.
Result<Phase1Choice> choose_phase1(const conf::SectionIndex& index, const Phase1Offer& offer);

/// The responder's answer to our offer: exactly one transform, one of ours.
Result<Phase1Params> check_phase1_answer(const conf::Remote& section,
                                         const isakmp::SaPayload& answer);

/// As conf judges it.
conf::Phase1Transform to_conf(const isakmp::Phase1Transform& t);
conf::Phase1Transform to_conf(const Phase1Params& agreed);

}  // namespace racoon::exchange
