#include "isakmp/message_builder.hpp"

#include <gtest/gtest.h>

#include "isakmp/message.hpp"
#include "support/sample_messages.hpp"

namespace racoon::isakmp {
namespace {

TEST(MessageBuilder, ChainsPayloadsAndFillsInTheLength) {
    MessageBuilder b(test::sample_header(ExchangeType::Informational));
    b.add(PayloadType::Hash, from_hex("aabb").value());
    b.add(PayloadType::Notification, from_hex("cc").value());
    EXPECT_EQ(to_hex(b.finish().value()),
              "0102030405060708"
              "090a0b0c0d0e0f10"
              "08100500"
              "00000000"
              "00000027"
              "0b000006aabb"
              "00000005cc");
}

TEST(MessageBuilder, WithoutPayloadsIsAHeader) {
    const Bytes bytes =
        MessageBuilder(test::sample_header(ExchangeType::Informational)).finish().value();
    EXPECT_EQ(bytes.size(), kHeaderSize);
    EXPECT_TRUE(Message::parse(bytes).value().payloads().empty());
}

TEST(MessageBuilder, FillsTheHashInAfterwards) {
    MessageBuilder b(test::sample_header(ExchangeType::QuickMode, 5));
    b.reserve_hash(4);
    b.add(PayloadType::Nonce, test::filled(8, 0x4e));
    EXPECT_EQ(to_hex(b.after_hash()), "0000000c4e4e4e4e4e4e4e4e");
    b.set_hash(from_hex("01020304").value());
    const Message m = Message::parse(b.finish().value()).value();
    EXPECT_EQ(to_hex(m.payloads()[0].body), "01020304");
    EXPECT_EQ(to_hex(m.after_hash()), to_hex(b.after_hash())) << "both ends hash the same bytes";
}

TEST(MessageBuilder, OfAnEncryptedMessageRoundTripsWithItsPadding) {
    for (const bool exclusive : {true, false}) {
        MessageBuilder b(test::sample_header(ExchangeType::QuickMode, 5));
        b.reserve_hash(20);
        b.add(PayloadType::Nonce, test::filled(16, 0x4e));
        Padding padding;
        padding.randomize = false;
        padding.exclusive_tail = exclusive;
        const Bytes clear = b.padded(16, padding, {}).value();
        EXPECT_EQ(clear.size() % 16, 0u);
        const Bytes datagram = b.finish_encrypted(clear);
        const Message sealed = Message::parse(datagram).value();
        EXPECT_TRUE(sealed.header().encrypted());
        EXPECT_TRUE(sealed.payloads().empty()) << "ciphertext is not walked";
        const Message open = Message::decrypted(sealed.header(), sealed.body()).value();
        EXPECT_EQ(open.payloads().size(), 2u);
        EXPECT_EQ(to_hex(open.after_hash()), to_hex(b.after_hash())) << "padding is not hashed";
        EXPECT_TRUE(check_padding(open.payloads().padding(), exclusive));
    }
}

TEST(Padding, FillsTheBlockAndAddsOneWhenItIsFull) {
    const Padding p;
    for (const std::size_t block : {8u, 16u})
        for (std::size_t size = 0; size <= 64; ++size) {
            const std::size_t n = padding_size(size, block, p);
            EXPECT_GE(n, 1u);
            EXPECT_LE(n, block);
            EXPECT_EQ((size + n) % block, 0u);
        }
    EXPECT_EQ(padding_size(32, 16, p), 16u);
}

TEST(Padding, OfManyExtraBlocksStillFitsItsLengthByte) {
    Padding p;
    for (p.extra_blocks = 0; p.extra_blocks <= 40; ++p.extra_blocks)
        for (std::size_t size = 0; size <= 16; ++size) {
            const std::size_t n = padding_size(size, 16, p);
            EXPECT_LE(n, kMaxPadding);
            EXPECT_EQ((size + n) % 16, 0u);
            if (p.extra_blocks <= 14) {
                EXPECT_EQ(n / 16, p.extra_blocks + (size % 16 == 0 ? 1u : 0u));
            }
        }
}

TEST(Padding, EndsInItsSize) {
    Bytes exclusive(13, 0xff), inclusive(13, 0xff);
    Padding p;
    p.randomize = false;
    pad(exclusive, 16, p, {});
    p.exclusive_tail = false;
    pad(inclusive, 16, p, {});
    EXPECT_EQ(to_hex(ByteView(exclusive).subspan(13)), "000002");
    EXPECT_EQ(to_hex(ByteView(inclusive).subspan(13)), "000003");
    Bytes random(13, 0xff);
    p.randomize = true;
    pad(random, 16, p, from_hex("a1a2a3a4").value());
    EXPECT_EQ(to_hex(ByteView(random).subspan(13)), "a1a203");
}

TEST(Padding, StrictCheckRefusesMoreThanThereIs) {
    EXPECT_TRUE(check_padding(from_hex("000002").value(), true));
    EXPECT_FALSE(check_padding(from_hex("000003").value(), true));
    EXPECT_TRUE(check_padding(from_hex("000003").value(), false));
    EXPECT_FALSE(check_padding(from_hex("000000").value(), false)) << "zeros claim nothing";
    EXPECT_TRUE(check_padding({}, true));
}

TEST(MessageBuilder, RefusesWhatUdpCannotCarry) {
    MessageBuilder big(test::sample_header(ExchangeType::Informational));
    big.add(PayloadType::VendorId, Bytes(kMaxMessage, 0));
    EXPECT_EQ(big.finish().error().code(), Errc::TooLong);
    MessageBuilder many(test::sample_header(ExchangeType::Informational));
    for (int i = 0; i < 3; ++i) many.add(PayloadType::VendorId, Bytes(30000, 0));
    EXPECT_EQ(many.finish().error().code(), Errc::TooLong);
    EXPECT_FALSE(many.padded(16, Padding{}, Bytes(16)));
}

}  // namespace
}  // namespace racoon::isakmp
