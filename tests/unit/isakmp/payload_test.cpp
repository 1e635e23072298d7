#include "isakmp/payload.hpp"

#include <gtest/gtest.h>

#include "isakmp/fragment.hpp"
#include "isakmp/names.hpp"

namespace racoon::isakmp {
namespace {

/// A payload over bytes that live as long as the object.
struct Sample {
    Bytes bytes;
    Payload payload;
    Sample(PayloadType type, Bytes body)
        : bytes(std::move(body)), payload{type, bytes, bytes, 100} {}
    Sample(PayloadType type, std::string_view hex) : Sample(type, from_hex(hex).value()) {}
};

TEST(Nonce, HasEightTo256Bytes) {
    for (const std::size_t size : {0u, 1u, 7u, 8u, 9u, 255u, 256u, 257u, 1000u}) {
        const Sample s(PayloadType::Nonce, Bytes(size, 1));
        EXPECT_EQ(parse_nonce(s.payload).has_value(), size >= 8 && size <= 256) << size;
    }
}

TEST(PayloadErrors, NameThePayloadTheOffsetAndTheNotify) {
    const Sample s(PayloadType::Notification, "00000001");
    const auto n = Notification::parse(s.payload);
    ASSERT_FALSE(n);
    EXPECT_NE(n.error().text().find("parsing the N payload"), std::string::npos)
        << n.error().text();
    EXPECT_EQ(n.error().offset(), 108u) << "100 + generic header + DOI";
    EXPECT_EQ(n.error().notify_type(), number(NotifyType::PayloadMalformed));
}

TEST(Notification, IsReadAsItWasWritten) {
    const Sample s(PayloadType::Notification,
                   "00000001"
                   "01"
                   "10"
                   "8d28"
                   "00112233445566778899aabbccddeeff"
                   "00000007");
    const auto n = Notification::parse(s.payload).value();
    EXPECT_EQ(n.type, NotifyType::RUThere);
    EXPECT_EQ(n.dpd_sequence(), 7u);
    EXPECT_EQ(spi_cookies(n.spi)->text(), "0011223344556677:8899aabbccddeeff");
    EXPECT_FALSE(n.is_error());
    EXPECT_EQ(to_hex(n.body()), to_hex(s.bytes));
}

TEST(Notification, RefusesAnSpiLargerThanTheCookies) {
    EXPECT_FALSE(Notification::parse(Sample(PayloadType::Notification,
                                            "00000001"
                                            "01"
                                            "11"
                                            "8d28" +
                                                std::string(34, '0'))
                                         .payload));
    EXPECT_FALSE(Notification::parse(Sample(PayloadType::Notification,
                                            "00000001"
                                            "01"
                                            "10"
                                            "8d28"
                                            "00")
                                         .payload));
}

TEST(Notification, KnowsErrorsFromStatus) {
    Notification n;
    n.type = NotifyType::NoProposalChosen;
    EXPECT_TRUE(n.is_error());
    n.type = NotifyType::Connected;
    EXPECT_FALSE(n.is_error());
    EXPECT_EQ(name(NotifyType::NoProposalChosen), "NO-PROPOSAL-CHOSEN");
    EXPECT_EQ(name(static_cast<NotifyType>(999)), "999");
}

TEST(Delete, HoldsSpisOfTheProtocolsSize) {
    const Sample esp(PayloadType::Delete, Delete::body_of(ProtocolId::Esp, Spi{0x11223344}));
    const auto d = Delete::parse(esp.payload).value();
    ASSERT_EQ(d.spis.size(), 1u);
    EXPECT_EQ(spi_number(d.spis[0])->value, 0x11223344u);
    EXPECT_EQ(to_hex(d.body()), to_hex(esp.bytes));

    const Sample cpi(PayloadType::Delete, Delete::body_of(ProtocolId::Ipcomp, Spi{0x1234}));
    EXPECT_EQ(spi_number(Delete::parse(cpi.payload).value().spis[0])->value, 0x1234u);

    CookiePair cookies;
    cookies.responder.bytes[7] = 9;
    const Sample isakmp(PayloadType::Delete, Delete::body_of(cookies));
    EXPECT_EQ(spi_cookies(Delete::parse(isakmp.payload).value().spis[0]), cookies);
}

TEST(Delete, RefusesSpiSizesOfOtherProtocols) {
    for (unsigned protocol = 0; protocol < 256; ++protocol) {
        for (unsigned size = 0; size < 256; ++size) {
            Writer out;
            out.u32(1);
            out.u8(static_cast<std::uint8_t>(protocol));
            out.u8(static_cast<std::uint8_t>(size));
            out.u16(1);
            out.zeros(size);
            const Sample s(PayloadType::Delete, to_bytes(out.view()));
            const bool fits = (protocol == 1 && size == 16) ||
                              ((protocol == 2 || protocol == 3) && size == 4) ||
                              (protocol == 4 && (size == 2 || size == 4));
            EXPECT_EQ(Delete::parse(s.payload).has_value(), fits) << protocol << "/" << size;
        }
    }
}

TEST(Delete, RefusesACountThatTheBytesDoNotBear) {
    for (unsigned count = 0; count <= 65535; count += count < 40 ? 1 : 4099) {
        for (const std::size_t held : {0u, 1u, 32u, 33u}) {
            Writer out;
            out.u32(1);
            out.u8(3);
            out.u8(4);
            out.u16(static_cast<std::uint16_t>(count));
            out.zeros(held * 4);
            const Sample s(PayloadType::Delete, to_bytes(out.view()));
            EXPECT_EQ(Delete::parse(s.payload).has_value(), count == held && held <= 32)
                << count << " announced, " << held << " held";
        }
    }
}

TEST(Certificate, IsNotEmptyButARequestMayBe) {
    EXPECT_FALSE(Certificate::parse(Sample(PayloadType::Certificate, "").payload));
    EXPECT_FALSE(Certificate::parse(Sample(PayloadType::Certificate, "04").payload));
    EXPECT_TRUE(Certificate::parse(Sample(PayloadType::CertificateRequest, "04").payload));
    EXPECT_EQ(Certificate::parse(Sample(PayloadType::Certificate, "043000").payload)->encoding,
              CertEncoding::X509Signature);
}

TEST(ConfigAttributes, AreReadAsTheyWereWritten) {
    const Sample s(PayloadType::Attributes,
                   "01001234"
                   "40880000"
                   "c0880000"
                   "40890003616263");
    const auto c = ConfigAttributes::parse(s.payload).value();
    EXPECT_EQ(c.type, ConfigMessage::Request);
    EXPECT_EQ(c.identifier, 0x1234);
    ASSERT_EQ(c.attributes.size(), 3u);
    EXPECT_EQ(as_text(c.attributes[2].value), "abc");
    EXPECT_EQ(to_hex(c.body()), to_hex(s.bytes));
}

TEST(NatOa, IsAnAddress) {
    const NatOa six{IpAddr::parse("2001:db8::1").value()};
    EXPECT_EQ(NatOa::parse(Sample(PayloadType::NatOa, six.body()).payload)->addr, six.addr);
    EXPECT_EQ(NatOa::parse(Sample(PayloadType::NatOa, "01000000c0000201").payload)->addr.text(),
              "192.0.2.1");
    EXPECT_FALSE(NatOa::parse(Sample(PayloadType::NatOa, "05000000c0000201").payload));
    EXPECT_FALSE(NatOa::parse(Sample(PayloadType::NatOa, "0200000061626364").payload));
}

// A fragment payload length of 8 is a header without data; 4 to 7 cut the header.
TEST(Fragment, NeedsItsHeaderAndData) {
    for (const char* hex : {"", "00", "0001", "000101", "00010101"})
        EXPECT_FALSE(Fragment::parse(Sample(PayloadType::Fragment, hex).payload)) << hex;
    EXPECT_FALSE(Fragment::parse(Sample(PayloadType::Fragment, "00010001aa").payload)) << "index 0";
    const Sample good(PayloadType::Fragment, "00010201aabb");
    const auto f = Fragment::parse(good.payload).value();
    EXPECT_EQ(f.id, 1);
    EXPECT_EQ(f.index, 2);
    EXPECT_TRUE(f.last);
    EXPECT_EQ(to_hex(f.data), "aabb");
    EXPECT_EQ(to_hex(f.body()), to_hex(good.bytes));
}

}  // namespace
}  // namespace racoon::isakmp
