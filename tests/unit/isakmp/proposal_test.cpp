#include "isakmp/proposal.hpp"

#include <gtest/gtest.h>

#include "support/sample_messages.hpp"

namespace racoon::isakmp {
namespace {

struct Sample {
    Bytes body;
    Payload payload;
    explicit Sample(Bytes b)
        : body(std::move(b)), payload{PayloadType::SecurityAssociation, body, body, 28} {}
    Result<SaPayload> parse() const { return SaPayload::parse(payload); }
};

Bytes phase1_sa(std::size_t transforms) {
    return build_phase1_sa(std::vector<Phase1Transform>(transforms, test::sample_phase1()));
}

Bytes phase2_sa(std::size_t proposals, std::size_t transforms,
                ProtocolId protocol = ProtocolId::Esp) {
    std::vector<Phase2Proposal> list;
    for (std::size_t i = 0; i < proposals; ++i)
        list.push_back({static_cast<std::uint8_t>(i + 1), protocol,
                        Spi{0x100 + static_cast<std::uint32_t>(i)},
                        std::vector<Phase2Transform>(transforms, test::sample_phase2())});
    return build_phase2_sa(list);
}

Bytes changed(Bytes bytes, std::size_t at, std::uint8_t value) {
    bytes.at(at) = value;
    return bytes;
}

void expect_notify(const Sample& s, NotifyType type) {
    const auto sa = s.parse();
    ASSERT_FALSE(sa);
    EXPECT_EQ(sa.error().notify_type(), number(type)) << sa.error().text();
}

// Offsets in a phase 1 SA body: DOI 0, situation 4, proposal 8 (number 12, protocol 13, SPI size
// 14, count 15), transform 16 (next 16, reserved 17, length 18, number 20, id 21, reserved 22).

TEST(SaPayload, OfPhase1IsReadAsItWasBuilt) {
    const Sample s(phase1_sa(3));
    const auto sa = s.parse().value();
    ASSERT_EQ(sa.proposals.size(), 1u);
    const Proposal& p = sa.proposals[0];
    EXPECT_EQ(p.number, 1);
    EXPECT_EQ(p.protocol, ProtocolId::Isakmp);
    EXPECT_FALSE(p.spi_value());
    ASSERT_EQ(p.transforms.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(p.transforms[i].number, i + 1);
        EXPECT_EQ(Phase1Transform::decode(p.transforms[i]).value(), test::sample_phase1());
    }
    EXPECT_EQ(sa.body.data(), s.body.data()) << "the body is SAi_b as it came";
    EXPECT_EQ(sa.body.size(), s.body.size());
}

TEST(SaPayload, OfQuickModeHoldsSpis) {
    const auto ah = Sample(phase2_sa(2, 1, ProtocolId::Ah));
    EXPECT_EQ(ah.parse()->proposals[1].spi_value()->value, 0x101u);
    const auto ipcomp = Sample(phase2_sa(1, 1, ProtocolId::Ipcomp));
    EXPECT_EQ(ipcomp.parse()->proposals[0].spi.size(), 2u);
    EXPECT_EQ(ipcomp.parse()->proposals[0].spi_value()->value, 0x100u);
}

TEST(SaPayload, HasBoundsOnProposalsAndTransforms) {
    EXPECT_TRUE(Sample(phase1_sa(64)).parse());
    EXPECT_EQ(Sample(phase2_sa(32, 8)).parse()->proposals.size(), 32u) << "256 transforms in all";
    EXPECT_EQ(Sample(phase2_sa(32, 9)).parse().error().code(), Errc::TooLong);
    // One proposal or transform more than we would build ourselves.
    Bytes many = from_hex("0000000100000001").value();
    for (int i = 0; i < 33; ++i)
        append(many, from_hex(i == 32 ? "000000140103040100000001"
                                        "0000000801030000"
                                      : "020000140103040100000001"
                                        "0000000801030000")
                         .value());
    EXPECT_EQ(Sample(many).parse().error().code(), Errc::TooLong);
    Bytes wide = from_hex(
                     "0000000100000001"
                     "00000210"
                     "01010041")
                     .value();
    for (int i = 0; i < 65; ++i)
        append(wide, from_hex(i == 64 ? "0000000801010000" : "0300000801010000").value());
    EXPECT_EQ(Sample(wide).parse().error().code(), Errc::TooLong);
}

TEST(SaPayload, RefusesOtherDomainsAndSituations) {
    const Bytes good = phase1_sa(1);
    expect_notify(Sample(changed(good, 3, 0)), NotifyType::DoiNotSupported);
    expect_notify(Sample(changed(good, 3, 2)), NotifyType::DoiNotSupported);
    for (const int situation : {0, 2, 3, 5, 255})
        expect_notify(Sample(changed(good, 7, static_cast<std::uint8_t>(situation))),
                      NotifyType::SituationNotSupported);
    expect_notify(Sample(changed(good, 4, 0xff)), NotifyType::SituationNotSupported);
}

TEST(SaPayload, RefusesBrokenStructure) {
    const Bytes good = phase1_sa(2);
    ASSERT_TRUE(Sample(good).parse());
    for (const auto& [at, value] : std::vector<std::pair<std::size_t, int>>{
             {8, 2},     // another proposal is announced
             {8, 3},     // a transform in the place of a proposal
             {9, 1},     // reserved
             {10, 255},  // length beyond the end
             {11, 3},    // length below the header
             {15, 1},    // fewer transforms than there are
             {15, 3},    // more
             {15, 0},    // none
             {16, 0},    // the first says that it is the last
             {16, 2},    // a proposal in the place of a transform
             {17, 1},    // reserved
             {19, 3},    // length below the header
             {19, 4},    // no room for number and identifier
             {22, 1},    // reserved
         })
        expect_notify(Sample(changed(good, at, static_cast<std::uint8_t>(value))),
                      NotifyType::BadProposalSyntax);
    for (std::size_t size = 0; size < good.size(); ++size)
        EXPECT_FALSE(Sample(Bytes(good.begin(), good.begin() + static_cast<long>(size))).parse())
            << size;
}

TEST(SaPayload, RefusesSpisOfAnotherSizeAndNumbersThatFall) {
    const Bytes esp = phase2_sa(2, 1);
    for (const int size : {0, 2, 3, 5, 16, 255})
        EXPECT_FALSE(Sample(changed(esp, 14, static_cast<std::uint8_t>(size))).parse()) << size;
    expect_notify(Sample(changed(esp, 14, 8)), NotifyType::InvalidSpi);
    EXPECT_TRUE(Sample(changed(esp, 12, 2)).parse()) << "equal numbers are a bundle";
    expect_notify(Sample(changed(esp, 12, 3)), NotifyType::BadProposalSyntax);
    // ISAKMP proposals may carry a cookie or none.
    Bytes with_spi = from_hex(
                         "0000000100000001"
                         "00000018"
                         "01010801"
                         "0011223344556677"
                         "0000000801010000")
                         .value();
    EXPECT_TRUE(Sample(with_spi).parse());
}

TEST(SaAnswer, EchoesTheChosenTransformAndOurSpi) {
    const Sample offer(phase2_sa(2, 3));
    const auto sa = offer.parse().value();
    const Proposal& p = sa.proposals[1];
    const ChosenProposal chosen{&p, &p.transforms[2], spi_bytes(ProtocolId::Esp, Spi{0xabcdef01})};
    const Sample answer(build_sa_answer({&chosen, 1}));
    const auto back = answer.parse().value();
    ASSERT_EQ(back.proposals.size(), 1u);
    EXPECT_EQ(back.proposals[0].number, 2);
    EXPECT_EQ(back.proposals[0].spi_value()->value, 0xabcdef01u);
    ASSERT_EQ(back.proposals[0].transforms.size(), 1u);
    EXPECT_EQ(back.proposals[0].transforms[0].number, 3);
    EXPECT_EQ(Phase2Transform::decode(back.proposals[0].transforms[0]).value(),
              test::sample_phase2());
}

// An offer that claims a huge group prime is refused, and no answer grows with what it claims.
TEST(SaPayload, BoundsWhatAnAttributeMayClaim) {
    for (unsigned claimed = 0; claimed <= 65535; claimed += claimed < 64 ? 1 : 257) {
        Writer out;
        out.bytes(from_hex("0000000100000001"
                           "00000000"
                           "01010001"
                           "00000000"
                           "01010000")
                      .value());
        out.u16(6);
        out.u16(static_cast<std::uint16_t>(claimed));
        out.zeros(32);
        Bytes body = to_bytes(out.view());
        body[11] = static_cast<std::uint8_t>(body.size() - 8);
        body[19] = static_cast<std::uint8_t>(body.size() - 16);
        const auto sa = Sample(body).parse();
        if (sa) {
            EXPECT_FALSE(Phase1Transform::decode(sa->proposals[0].transforms[0])) << claimed;
        } else {
            EXPECT_NE(sa.error().notify_type(), 0) << claimed;
        }
    }
}

}  // namespace
}  // namespace racoon::isakmp
