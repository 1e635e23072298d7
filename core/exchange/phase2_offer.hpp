// The offer of quick mode: building ours from policy and sainfo, choosing from the peer's, checking
// its answer (RFC 2407 4.5, reference 2.11 and 5.8). What the kernel backend cannot do is neither
// offered nor accepted.
#pragma once

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "conf/config.hpp"
#include "exchange/context.hpp"
#include "isakmp/proposal.hpp"

namespace racoon::exchange {

/// What a quick mode agreed on.
struct Phase2Params {
    std::uint8_t protocol = 50;  // IP protocol
    bool tunnel = true;
    const conf::TransformInfo* encryption = nullptr;  // null: AH
    std::uint16_t key_bits = 0;
    const conf::TransformInfo* integrity = nullptr;  // null: aead, or none
    const conf::GroupInfo* pfs = nullptr;
    bool esn = false;
    std::uint64_t seconds = 0;    // 0: none
    std::uint64_t kilobytes = 0;  // 0: none
    bool send_lifetime = false;   // RESPONDER-LIFETIME is owed to the peer (claim)

    /// Bytes of KEYMAT for the encryption (with an aead's salt) and for the integrity algorithm.
    std::size_t encryption_key_bytes() const;
    std::size_t integrity_key_bytes() const;
};

isakmp::ProtocolId wire_protocol(std::uint8_t ip_protocol);
std::uint8_t ip_protocol(isakmp::ProtocolId p);

/// Every transform that the sainfo allows and the kernel can do, in order of preference.
/// NoProposalChosen when nothing is left, with the reason.
Result<isakmp::Phase2Proposal> phase2_offer(const Context& ctx, const conf::SaInfo& info,
                                            const conf::PolicyTemplate& tmpl, Spi spi);

struct Phase2Choice {
    Phase2Params params;
    Spi peer_spi;
    /// Into the SaPayload, for the answer.
    const isakmp::Proposal* proposal = nullptr;
    const isakmp::Transform* transform = nullptr;
};
/// The first of the peer's transforms that the sainfo accepts under `check`.
Result<Phase2Choice> choose_phase2(const Context& ctx, const conf::SaInfo& info,
                                   const conf::PolicyTemplate& tmpl, conf::ProposalCheck check,
                                   const GroupMap& groups, const isakmp::SaPayload& offer);

/// Whether SAs that are up could have been agreed on under this sainfo; a reload asks.
bool still_acceptable(const conf::SaInfo& info, const Phase2Params& params,
                      conf::ProposalCheck check);

/// The answer to our offer.
Result<Phase2Choice> check_phase2_answer(const conf::SaInfo& info, const conf::PolicyTemplate& tmpl,
                                         const isakmp::Phase2Proposal& offered,
                                         const isakmp::SaPayload& answer);

/// RESPONDER-LIFETIME (RFC 2407 4.6.3.1): the data of the notify, and what a received one means.
Bytes responder_lifetime(const Phase2Params& params);
void apply_responder_lifetime(Phase2Params& params, conf::ProposalCheck check, ByteView data,
                              const std::string& peer);

}  // namespace racoon::exchange
