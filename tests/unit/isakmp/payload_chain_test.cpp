#include "isakmp/payload_chain.hpp"

#include <deque>
#include <gtest/gtest.h>

#include "isakmp/names.hpp"
#include "support/exercise_isakmp.hpp"
#include "support/sample_messages.hpp"

namespace racoon::isakmp {
namespace {

/// Bytes that stay for the length of the program, since what is parsed points into them.
ByteView hex(std::string_view digits) {
    static std::deque<Bytes> kept;
    kept.push_back(from_hex(digits).value());
    return kept.back();
}

Result<PayloadChain> walk(ByteView bytes, PayloadType first, Trailing trailing = Trailing::Refuse) {
    return PayloadChain::parse(Reader(bytes, kHeaderSize), first, trailing);
}

/// `count` payloads without a body, all of one type.
Bytes empty_payloads(std::size_t count, PayloadType type) {
    Writer out;
    for (std::size_t i = 0; i < count; ++i) {
        out.u8(i + 1 == count ? 0 : number(type));
        out.u8(0);
        out.u16(4);
    }
    return std::move(out).take();
}

TEST(PayloadChain, WalksPayloadsInOrder) {
    const ByteView bytes =
        hex("0a000006aaaa"
            "00000005bb");
    const auto chain = walk(bytes, PayloadType::KeyExchange).value();
    ASSERT_EQ(chain.size(), 2u);
    EXPECT_EQ(chain[0].type, PayloadType::KeyExchange);
    EXPECT_EQ(to_hex(chain[0].body), "aaaa");
    EXPECT_EQ(chain[0].offset, 28u);
    EXPECT_EQ(chain[1].type, PayloadType::Nonce);
    EXPECT_EQ(to_hex(chain[1].raw), "00000005bb");
    EXPECT_EQ(chain[1].offset, 34u);
    EXPECT_EQ(to_hex(chain.raw_from(1)), "00000005bb");
    EXPECT_TRUE(chain.raw_from(2).empty());
    EXPECT_EQ(chain.find(PayloadType::Nonce), &chain[1]);
    EXPECT_EQ(chain.find(PayloadType::Hash), nullptr);
}

TEST(PayloadChain, IsEmptyWhenTheHeaderNamesNoPayload) {
    EXPECT_TRUE(walk({}, PayloadType::None).value().empty());
    const Bytes rest = {1, 2, 3};
    EXPECT_FALSE(walk(rest, PayloadType::None));
}

TEST(PayloadChain, RefusesALengthThatWouldNotMoveForward) {
    for (const char* digits : {"00000000", "00000001", "00000003"}) {
        const auto chain = walk(hex(digits), PayloadType::VendorId);
        ASSERT_FALSE(chain) << digits;
        EXPECT_EQ(chain.error().code(), Errc::Malformed);
        EXPECT_EQ(chain.error().notify_type(), number(NotifyType::PayloadMalformed));
        EXPECT_EQ(chain.error().offset(), 30u);
    }
}

TEST(PayloadChain, RefusesALengthBeyondTheEnd) {
    for (const char* digits : {"00000005", "0000ffff", "0d000005aa000000", "0d000004"}) {
        const ByteView bytes = hex(digits);
        EXPECT_FALSE(walk(bytes, PayloadType::VendorId)) << digits;
        EXPECT_FALSE(walk(bytes, PayloadType::VendorId, Trailing::Padding)) << digits;
    }
}

TEST(PayloadChain, RefusesAReservedByteThatIsNotZero) {
    const auto chain = walk(hex("00010004"), PayloadType::Hash);
    ASSERT_FALSE(chain);
    EXPECT_EQ(chain.error().offset(), 29u);
}

TEST(PayloadChain, ToleratesPaddingOnlyWhenAsked) {
    const ByteView bytes =
        hex("00000005aa"
            "00000003");
    EXPECT_FALSE(walk(bytes, PayloadType::Hash));
    const auto chain = walk(bytes, PayloadType::Hash, Trailing::Padding).value();
    EXPECT_EQ(to_hex(chain.padding()), "00000003");
    EXPECT_EQ(to_hex(chain.raw()), "00000005aa") << "padding is no part of what is hashed";
}

TEST(PayloadChain, ToleratesZerosThatAlignAClearMessage) {
    for (const char* digits : {"00000005aa", "00000005aa00", "00000005aa000000"})
        EXPECT_TRUE(walk(hex(digits), PayloadType::Hash, Trailing::Alignment)) << digits;
    for (const char* digits : {"00000005aa01", "00000005aa000001", "00000005aa00000000"})
        EXPECT_FALSE(walk(hex(digits), PayloadType::Hash, Trailing::Alignment)) << digits;
}

TEST(PayloadChain, HoldsSixtyFourPayloadsAndNoMore) {
    for (const auto type : {PayloadType::VendorId, static_cast<PayloadType>(200)}) {
        for (const std::size_t count : {63u, 64u}) {
            const Bytes bytes = empty_payloads(count, type);
            EXPECT_EQ(walk(bytes, type).value().size(), count);
        }
        for (const std::size_t count : {65u, 1000u}) {
            const auto chain = walk(empty_payloads(count, type), type);
            ASSERT_FALSE(chain) << count;
            EXPECT_EQ(chain.error().code(), Errc::TooLong);
        }
    }
}

TEST(PayloadChain, KeepsUnknownTypesForTheLog) {
    const auto chain = walk(hex("00000005aa"), static_cast<PayloadType>(33)).value();
    ASSERT_EQ(chain.size(), 1u);
    EXPECT_FALSE(is_known(chain[0].type));
    EXPECT_EQ(name(chain[0].type), "33");
}

// A length of 0 to 8 at the head of every payload type, the body cut or extended by others.
TEST(PayloadChain, EndsForEveryShortLengthOfEveryType) {
    for (unsigned type = 0; type < 256; ++type) {
        for (std::uint16_t length = 0; length <= 8; ++length) {
            Writer out;
            out.u8(static_cast<std::uint8_t>(type));
            out.u8(0);
            out.u16(length);
            out.zeros(20);
            Header h = test::sample_header(ExchangeType::IdentityProtection);
            h.next_payload = static_cast<std::uint8_t>(type);
            h.length = static_cast<std::uint32_t>(kHeaderSize + out.size());
            Writer message;
            write_header(message, h);
            message.bytes(out.view());
            test::exercise_datagram(message.view());
        }
    }
}

}  // namespace
}  // namespace racoon::isakmp
