#include "isakmp/header.hpp"

#include <gtest/gtest.h>

#include "isakmp/message.hpp"
#include "support/sample_messages.hpp"

namespace racoon::isakmp {
namespace {

Bytes empty_message() {
    Header h = test::sample_header(ExchangeType::Informational, 0xdeadbeef);
    h.flags = kFlagEncryption;
    h.length = kHeaderSize;
    Writer out;
    write_header(out, h);
    return std::move(out).take();
}

Bytes with_length(std::uint32_t length, std::size_t size) {
    Bytes out = empty_message();
    for (std::size_t i = 0; i < 4; ++i)
        out[24 + i] = static_cast<std::uint8_t>(length >> (24 - 8 * i));
    out.resize(size);
    return out;
}

TEST(Header, IsReadAsItWasWritten) {
    const Bytes bytes = empty_message();
    const Header h = parse_header(bytes).value();
    EXPECT_EQ(h.cookies.text(), "0102030405060708:090a0b0c0d0e0f10");
    EXPECT_EQ(h.message_id.value, 0xdeadbeefu);
    EXPECT_EQ(h.major, 1);
    EXPECT_EQ(h.minor, 0);
    EXPECT_TRUE(h.encrypted());
    EXPECT_FALSE(h.commit());
    EXPECT_EQ(h.exchange_type(), ExchangeType::Informational);
}

TEST(Header, RefusesEveryDatagramShorterThanItself) {
    for (std::size_t size = 0; size < kHeaderSize; ++size) {
        const auto h = parse_header(with_length(static_cast<std::uint32_t>(size), size));
        ASSERT_FALSE(h) << size;
        EXPECT_EQ(h.error().code(), Errc::Truncated) << size;
    }
}

TEST(Header, RefusesALengthThatIsNotTheDatagrams) {
    constexpr std::size_t n = 60;
    for (const std::uint32_t length : {0u, 27u, 28u, 59u, 61u, 0x80000000u, 0xffffffffu}) {
        const auto h = parse_header(with_length(length, n));
        ASSERT_FALSE(h) << length;
        EXPECT_EQ(h.error().notify_type(), number(NotifyType::UnequalPayloadLengths)) << length;
        EXPECT_EQ(h.error().offset(), 24u);
    }
    EXPECT_TRUE(parse_header(with_length(n, n)));
    EXPECT_TRUE(parse_header(with_length(65535, 65535)));
    EXPECT_FALSE(parse_header(with_length(65536, 65536)));
}

TEST(Header, OfAnotherVersionIsReadButIsNotIkev1) {
    Bytes bytes = empty_message();
    bytes[17] = 0x20;
    const auto h = parse_header(bytes);
    ASSERT_TRUE(h) << "reading a header must not depend on the version";
    EXPECT_EQ(h->major, 2);
    const auto checked = check_ikev1(*h);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().notify_type(), number(NotifyType::InvalidMajorVersion));
}

TEST(Header, RefusesUnknownFlagsAndAZeroInitiatorCookie) {
    Header h = parse_header(empty_message()).value();
    ASSERT_TRUE(check_ikev1(h));
    h.flags = 0x08;  // the initiator flag of IKEv2
    EXPECT_EQ(check_ikev1(h).error().notify_type(), number(NotifyType::InvalidFlags));
    h.flags = 0;
    h.cookies.initiator = {};
    EXPECT_EQ(check_ikev1(h).error().notify_type(), number(NotifyType::InvalidCookie));
}

TEST(Header, OfRandomBytesNeverFaults) {
    std::uint64_t state = 20260101;
    std::size_t accepted = 0;
    for (int round = 0; round < (1 << 17); ++round) {
        Bytes bytes(kHeaderSize);
        for (auto& b : bytes) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            b = static_cast<std::uint8_t>(state >> 56);
        }
        if (round % 2 == 0) bytes[24] = bytes[25] = bytes[26] = 0, bytes[27] = kHeaderSize;
        accepted += Message::parse(bytes).has_value() ? 1 : 0;
    }
    EXPECT_GT(accepted, 0u) << "half of the headers had a right length";
}

}  // namespace
}  // namespace racoon::isakmp
