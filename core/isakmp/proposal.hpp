// The SA payload (RFC 2408 3.4 to 3.6, RFC 2407 4.6.1): proposals, and the transforms of each.
//
//     RACOON_TRY(SaPayload sa, SaPayload::parse(payload));
//     for (const Proposal& p : sa.proposals)
//         for (const Transform& t : p.transforms) …
//
//     builder.add(PayloadType::SecurityAssociation, build_phase1_sa(transforms));
//
// Views point into the message; the body is kept as it came, since HASH_I and HASH_R cover it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/capped_vector.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "isakmp/attribute.hpp"
#include "isakmp/payload_chain.hpp"
#include "isakmp/transform.hpp"
#include "isakmp/wire.hpp"

namespace racoon::isakmp {

struct Transform {
    std::uint8_t number = 0;
    std::uint8_t id = 0;  // KEY_IKE, or a transform of the proposal's protocol
    CappedVector<Attribute, kMaxAttributes> attributes;
    std::size_t offset = 0;
};

struct Proposal {
    std::uint8_t number = 0;  // equal numbers belong together: all or none (RFC 2408 4.2)
    ProtocolId protocol = ProtocolId::None;
    ByteView spi;  // ISAKMP 0 to 16 bytes, AH and ESP 4, IPCOMP 2 or 4
    CappedVector<Transform, kMaxTransforms> transforms;
    std::size_t offset = 0;

    /// SPI or CPI; nothing for ISAKMP.
    std::optional<Spi> spi_value() const;
};

struct SaPayload {
    std::uint32_t doi = 0;
    std::uint32_t situation = 0;
    CappedVector<Proposal, kMaxProposals> proposals;
    ByteView body;  // SAi_b of RFC 2409 5: the payload without its generic header

    /// Fails with the notify for the peer: DOI-NOT-SUPPORTED, SITUATION-NOT-SUPPORTED (all but
    /// identity only), INVALID-SPI, BAD-PROPOSAL-SYNTAX. Proposal numbers may not fall; the number
    /// of transforms must be the one announced. Attributes are split, not judged.
    static Result<SaPayload> parse(const Payload& p);
};

/// One proposal for the ISAKMP SA, number 1 without SPI, with the transforms as 1 … n.
/// `transforms`: 1 to 64.
Bytes build_phase1_sa(std::span<const Phase1Transform> transforms);

/// A proposal of quick mode.
struct Phase2Proposal {
    std::uint8_t number = 1;
    ProtocolId protocol = ProtocolId::Esp;
    Spi spi;                                  // ours; a CPI for IPCOMP (sent as 2 bytes)
    std::vector<Phase2Transform> transforms;  // numbered 1 … n
};
/// `proposals`: 1 to 32, each with 1 to 64 transforms.
Bytes build_phase2_sa(std::span<const Phase2Proposal> proposals);

/// A responder's choice: one transform of a proposal, sent back as it came (RFC 2408 4.2) with our
/// SPI. Choose only transforms that decode() accepts: it bounds what is echoed.
struct ChosenProposal {
    const Proposal* proposal = nullptr;
    const Transform* transform = nullptr;
    Bytes spi;
};
Bytes build_sa_answer(std::span<const ChosenProposal> chosen);

}  // namespace racoon::isakmp
