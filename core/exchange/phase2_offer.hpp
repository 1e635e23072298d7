// The offer of quick mode: building ours from policy and sainfo, choosing from the peer's, checking
// its answer (RFC 2407 4.5, reference 2.11, 5.8 and 5.14). What the kernel backend cannot do is neither
// offered nor accepted. Proposals of one number are a bundle: one for each template of the policy.
#pragma once

#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "conf/config.hpp"
#include "exchange/context.hpp"
#include "exchange/phase2_lifetime.hpp"
#include "exchange/phase2_params.hpp"
#include "isakmp/proposal.hpp"

namespace racoon::exchange {

/// The encapsulation modes on the wire: in UDP where a NAT is between the ends.
struct WireModes {
    isakmp::Encapsulation tunnel = isakmp::Encapsulation::Tunnel;
    isakmp::Encapsulation transport = isakmp::Encapsulation::Transport;
};

/// What a configuration says about one quick mode. Borrowed.
struct Phase2Rules {
    const conf::SaInfo& info;
    const std::vector<conf::PolicyTemplate>& templates;
    bool complex_bundle = true;  // each protocol in the mode of its own template
    WireModes modes{};
};

/// The SAs that a policy asks for, without algorithms and SPIs.
std::vector<SaParams> wanted_sas(const std::vector<conf::PolicyTemplate>& templates);

/// One proposal for each template, the outermost first, all of number 1: every transform that the
/// sainfo allows and the kernel can do, in order of preference. `sas` has our SPIs. NoProposalChosen when
/// nothing is left for one of them, with the reason.
Result<std::vector<isakmp::Phase2Proposal>> phase2_offer(const Context& ctx,
                                                         const Phase2Rules& rules,
                                                         std::span<const SaParams> sas);

/// The rules that the first bundle of an offer, of which one transform of each protocol can be read, asks
/// for; false: there is none. IPComp goes innermost, then ESP, then AH. A tunnel is between the two hosts;
/// where every protocol names one, the innermost is it.
bool templates_of_offer(const isakmp::SaPayload& offer, const IpAddr& local, const IpAddr& peer,
                        const WireModes& modes, conf::Policy& policy);

struct Phase2Choice {
    Phase2Params params;
    /// Into the SaPayload, in its order, for the answer; `sa` is the place in params.sas.
    struct Part {
        const isakmp::Proposal* proposal = nullptr;
        const isakmp::Transform* transform = nullptr;
        std::size_t sa = 0;
    };
    std::vector<Part> parts;
};
/// The first of the peer's bundles, with the first transform of each protocol, that the sainfo accepts
/// under `check`.
Result<Phase2Choice> choose_phase2(const Context& ctx, const Phase2Rules& rules,
                                   conf::ProposalCheck check, const GroupMap& groups,
                                   const isakmp::SaPayload& offer);

/// Whether SAs that are up could have been agreed on under this sainfo; a reload asks.
bool still_acceptable(const conf::SaInfo& info, const Phase2Params& params,
                      conf::ProposalCheck check);

/// The answer to our offer.
Result<Phase2Choice> check_phase2_answer(const Phase2Rules& rules,
                                         std::span<const isakmp::Phase2Proposal> offered,
                                         const isakmp::SaPayload& answer);

}  // namespace racoon::exchange
