#include "isakmp/proposal.hpp"

#include <string>

#include "base/check.hpp"
#include "isakmp/names.hpp"
#include "isakmp/payload.hpp"

namespace racoon::isakmp {

namespace {

Failure bad_syntax(std::string text, std::size_t offset) {
    return fail(Errc::Malformed, std::move(text))
        .at(offset)
        .notify(number(NotifyType::BadProposalSyntax));
}

/// Proposals and transforms are chained like payloads, but only with their own kind: "next" is that
/// kind's number or 0, and 0 comes exactly at the end (RFC 2408 3.5, 3.6).
struct Item {
    Reader body;
    std::size_t offset;
};

Result<Item> read_item(Reader& in, PayloadType kind) {
    const std::size_t offset = in.offset();
    RACOON_TRY(const std::uint8_t next, in.u8());
    RACOON_TRY(const std::uint8_t reserved, in.u8());
    RACOON_TRY(const std::uint16_t length, in.u16());
    if (reserved != 0) return bad_syntax("the reserved byte is not 0", offset + 1);
    if (length < kGenericHeaderSize)
        return bad_syntax("length " + std::to_string(length) + " is less than the header's 4",
                          offset + 2);
    RACOON_TRY(const Reader body, in.sub(length - kGenericHeaderSize));
    const std::uint8_t expected = in.empty() ? 0 : number(kind);
    if (next != expected)
        return bad_syntax(
            "found next payload " + std::to_string(next) + ", expected " + std::to_string(expected),
            offset);
    return Item{body, offset};
}

Result<Transform> read_transform(Reader& in) {
    RACOON_TRY(Item item, read_item(in, PayloadType::Transform));
    Transform t;
    t.offset = item.offset;
    RACOON_TRY(t.number, item.body.u8());
    RACOON_TRY(t.id, item.body.u8());
    const std::size_t reserved_at = item.body.offset();
    RACOON_TRY(const std::uint16_t reserved, item.body.u16());
    if (reserved != 0)
        return bad_syntax("the reserved bytes of a transform are not 0", reserved_at);
    RACOON_TRY(t.attributes, parse_attributes<kMaxAttributes>(item.body));
    return t;
}

/// Unknown protocols keep any SPI that ISAKMP can carry: such a proposal is merely not chosen.
bool spi_size_fits(ProtocolId protocol, std::size_t size) {
    switch (protocol) {
        case ProtocolId::Ah:
        case ProtocolId::Esp:
            return size == 4;
        case ProtocolId::Ipcomp:
            return size == 2 || size == 4;
        case ProtocolId::Isakmp:
        case ProtocolId::None:
            break;
    }
    return size <= kMaxSpi;
}

Result<Proposal> read_proposal(Reader& in, std::size_t& transforms_in_sa) {
    RACOON_TRY(Item item, read_item(in, PayloadType::Proposal));
    Proposal p;
    p.offset = item.offset;
    RACOON_TRY(p.number, item.body.u8());
    RACOON_TRY(const std::uint8_t protocol, item.body.u8());
    p.protocol = static_cast<ProtocolId>(protocol);
    const std::size_t size_at = item.body.offset();
    RACOON_TRY(const std::uint8_t spi_size, item.body.u8());
    if (!spi_size_fits(p.protocol, spi_size))
        return fail(Errc::Malformed, "an SPI of " + name(p.protocol) + " is not " +
                                         std::to_string(spi_size) + " bytes")
            .at(size_at)
            .notify(number(NotifyType::InvalidSpi));
    const std::size_t count_at = item.body.offset();
    RACOON_TRY(const std::uint8_t announced, item.body.u8());
    RACOON_TRY(p.spi, item.body.bytes(spi_size));
    while (!item.body.empty()) {
        RACOON_TRY(Transform t, read_transform(item.body));
        RACOON_TRY_STATUS(p.transforms.add(std::move(t), "transforms in one proposal"));
        if (++transforms_in_sa > kMaxTransformsInSa)
            return fail(Errc::TooLong, "more than " + std::to_string(kMaxTransformsInSa) +
                                           " transforms in one SA payload");
    }
    if (p.transforms.size() != announced || announced == 0)
        return bad_syntax(std::to_string(announced) + " transforms are announced, " +
                              std::to_string(p.transforms.size()) + " found",
                          count_at);
    return p;
}

Result<SaPayload> read_sa(const Payload& payload) {
    Reader in = payload.reader();
    SaPayload sa;
    sa.body = payload.body;
    RACOON_TRY(sa.doi, in.u32());
    if (sa.doi != kDoiIpsec)
        return fail(Errc::Unsupported,
                    "found DOI " + std::to_string(sa.doi) + ", expected 1 (IPsec)")
            .at(in.offset() - 4)
            .notify(number(NotifyType::DoiNotSupported));
    RACOON_TRY(sa.situation, in.u32());
    if (sa.situation != kSitIdentityOnly)
        return fail(Errc::Unsupported, "found situation " + std::to_string(sa.situation) +
                                           ", expected 1 (identity only)")
            .at(in.offset() - 4)
            .notify(number(NotifyType::SituationNotSupported));
    std::size_t transforms = 0;
    while (!in.empty()) {
        RACOON_TRY(Proposal p, read_proposal(in, transforms));
        if (!sa.proposals.empty() && p.number < sa.proposals.back().number)
            return bad_syntax("proposal " + std::to_string(p.number) + " follows proposal " +
                                  std::to_string(sa.proposals.back().number),
                              p.offset);
        RACOON_TRY_STATUS(sa.proposals.add(std::move(p), "proposals"));
    }
    if (sa.proposals.empty()) return bad_syntax("there is no proposal in it", in.offset());
    return sa;
}

// --- building ----------------------------------------------------------------------------------

/// Writes proposals or transforms: header with the next of its kind, content, length.
template <typename Content>
void write_item(Writer& out, PayloadType kind, bool last, Content&& content) {
    const std::size_t start = out.size();
    out.u8(last ? 0 : number(kind));
    out.u8(0);
    const Writer::Mark length = out.u16_later();
    content();
    out.patch_u16(length, out.size() - start);
}

void write_proposal_head(Writer& out, std::uint8_t number, ProtocolId protocol, ByteView spi,
                         std::size_t transforms) {
    RACOON_CHECK(transforms >= 1 && transforms <= kMaxTransforms);
    out.u8(number);
    out.u8(static_cast<std::uint8_t>(protocol));
    out.u8(static_cast<std::uint8_t>(spi.size()));
    out.u8(static_cast<std::uint8_t>(transforms));
    out.bytes(spi);
}

void write_transform_head(Writer& out, std::uint8_t number, std::uint8_t id) {
    out.u8(number);
    out.u8(id);
    out.u16(0);
}

void write_sa_head(Writer& out) {
    out.u32(kDoiIpsec);
    out.u32(kSitIdentityOnly);
}

std::uint8_t transform_id(const Phase1Transform&) {
    return kTransformKeyIke;
}
std::uint8_t transform_id(const Phase2Transform& t) {
    return t.id;
}

template <typename T>
void write_transforms(Writer& out, std::span<const T> transforms) {
    for (std::size_t i = 0; i < transforms.size(); ++i)
        write_item(out, PayloadType::Transform, i + 1 == transforms.size(), [&] {
            write_transform_head(out, static_cast<std::uint8_t>(i + 1),
                                 transform_id(transforms[i]));
            transforms[i].encode(out);
        });
}

}  // namespace

std::optional<Spi> Proposal::spi_value() const {
    if (protocol == ProtocolId::Isakmp) return {};
    return spi_number(spi);
}

Result<SaPayload> SaPayload::parse(const Payload& payload) {
    auto sa = read_sa(payload);
    if (sa) return sa;
    Error e = std::move(sa).error();
    const std::uint16_t notify =
        e.notify_type() != 0 ? e.notify_type() : number(NotifyType::BadProposalSyntax);
    return fail(std::move(e).with("parsing the SA payload").notify(notify));
}

Bytes build_phase1_sa(std::span<const Phase1Transform> transforms) {
    Writer out;
    write_sa_head(out);
    write_item(out, PayloadType::Proposal, true, [&] {
        write_proposal_head(out, 1, ProtocolId::Isakmp, {}, transforms.size());
        write_transforms(out, transforms);
    });
    return std::move(out).take();
}

Bytes build_phase2_sa(std::span<const Phase2Proposal> proposals) {
    RACOON_CHECK(!proposals.empty() && proposals.size() <= kMaxProposals);
    Writer out;
    write_sa_head(out);
    for (std::size_t i = 0; i < proposals.size(); ++i) {
        const Phase2Proposal& p = proposals[i];
        write_item(out, PayloadType::Proposal, i + 1 == proposals.size(), [&] {
            const Bytes spi = spi_bytes(p.protocol, p.spi);
            write_proposal_head(out, p.number, p.protocol, spi, p.transforms.size());
            write_transforms(out, std::span<const Phase2Transform>(p.transforms));
        });
    }
    return std::move(out).take();
}

Bytes build_sa_answer(std::span<const ChosenProposal> chosen) {
    RACOON_CHECK(!chosen.empty() && chosen.size() <= kMaxProposals);
    Writer out;
    write_sa_head(out);
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        const ChosenProposal& c = chosen[i];
        write_item(out, PayloadType::Proposal, i + 1 == chosen.size(), [&] {
            write_proposal_head(out, c.proposal->number, c.proposal->protocol, c.spi, 1);
            write_item(out, PayloadType::Transform, true, [&] {
                write_transform_head(out, c.transform->number, c.transform->id);
                for (const Attribute& a : c.transform->attributes) write_attribute(out, a);
            });
        });
    }
    return std::move(out).take();
}

}  // namespace racoon::isakmp
