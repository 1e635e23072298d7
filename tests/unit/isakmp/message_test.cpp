#include "isakmp/message.hpp"

#include <gtest/gtest.h>

#include "isakmp/dump.hpp"
#include "isakmp/names.hpp"
#include "support/exercise_isakmp.hpp"
#include "support/sample_messages.hpp"

namespace racoon::isakmp {
namespace {

TEST(Message, KeepsItsViewsWhenItIsMoved) {
    Message first = Message::parse(test::sample_quick_mode_1()).value();
    const std::string before = to_hex(first.after_hash());
    const Message second = std::move(first);
    EXPECT_EQ(to_hex(second.after_hash()), before);
    EXPECT_EQ(second.payloads()[0].body.data(), second.bytes().data() + kHeaderSize + 4);
}

TEST(Message, IsRebuiltByteByByteFromItsPayloads) {
    for (const Bytes& bytes : test::sample_messages()) {
        const Message m = Message::parse(bytes).value();
        MessageBuilder b(m.header());
        for (const Payload& p : m.payloads()) b.add(p.type, p.body);
        EXPECT_EQ(to_hex(b.finish().value()), to_hex(bytes));
    }
}

TEST(Message, SurvivesEveryPrefixOfItself) {
    for (const Bytes& whole : test::sample_messages()) {
        for (std::size_t size = 0; size < whole.size(); ++size) {
            Bytes cut(whole.begin(), whole.begin() + static_cast<long>(size));
            EXPECT_FALSE(Message::parse(cut)) << "the header's length tells";
            if (size < kHeaderSize) continue;
            cut[26] = static_cast<std::uint8_t>(size >> 8);  // a liar mends the length field
            cut[27] = static_cast<std::uint8_t>(size);
            test::exercise_datagram(cut);
        }
    }
}

TEST(Message, SurvivesChangesOfEveryByte) {
    for (const Bytes& whole : test::sample_messages()) {
        Bytes damaged = whole;
        for (std::size_t at = 0; at < whole.size(); ++at) {
            // Inside a long opaque body all bytes are alike.
            const bool inside = at > 8 && whole[at] != 0 &&
                                ByteView(whole).subspan(at - 8, 8)[0] == whole[at] && at % 16 != 0;
            if (inside) continue;
            for (const int value : {whole[at] ^ 0x80, whole[at] ^ 1, whole[at] + 1, whole[at] - 1,
                                    0, 3, 4, 13, 255}) {
                damaged[at] = static_cast<std::uint8_t>(value);
                test::exercise_datagram(damaged);
            }
            damaged[at] = whole[at];
        }
    }
}

TEST(Message, SurvivesEveryValueOfTheBytesThatStructureAnOffer) {
    const Bytes whole = test::sample_messages()[0];
    Bytes damaged = whole;
    for (std::size_t at = 16; at < 60; ++at) {  // from the header's numbers into the attributes
        for (unsigned value = 0; value < 256; ++value) {
            damaged[at] = static_cast<std::uint8_t>(value);
            test::exercise_datagram(damaged);
        }
        damaged[at] = whole[at];
    }
}

TEST(Dump, ShowsPayloadsAndTheirInnerStructure) {
    const std::string text = dump(Message::parse(test::sample_quick_mode_1()).value());
    for (const char* part :
         {"Quick flags=none id=cafe0001", "HASH: 32 bytes", "proposal 1: ESP spi=c0ffee01",
          "transform 1: ESP_AES-CBC(128) HMAC-SHA Tunnel", "ID: ID_IPV4_ADDR_SUBNET 10.1.0.0/16"})
        EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

TEST(Dump, NeverShowsAPassword) {
    MessageBuilder b(test::sample_header(ExchangeType::Transaction, 1));
    b.add(PayloadType::Hash, test::filled(20, 1));
    Writer attributes;
    attributes.u32(0x02000001);
    write_variable(attributes, 16522, as_bytes("hunter2"));
    b.add(PayloadType::Attributes, attributes.view());
    const std::string text = dump(Message::parse(b.finish().value()).value());
    EXPECT_EQ(text.find("hunter2"), std::string::npos) << text;
    EXPECT_EQ(text.find(to_hex(as_bytes("hunter2"))), std::string::npos) << text;
    EXPECT_NE(text.find("attribute 16522: 7 bytes"), std::string::npos) << text;
}

TEST(Dump, ShowsWhatDoesNotParse) {
    const Bytes bytes = [] {
        MessageBuilder b(test::sample_header(ExchangeType::Informational));
        b.add(PayloadType::Delete, from_hex("00").value());
        return b.finish().value();
    }();
    EXPECT_NE(dump(Message::parse(bytes).value()).find("D: malformed: "), std::string::npos);
}

TEST(Names, AreTheRfcsWordsOrTheNumber) {
    EXPECT_EQ(name(PayloadType::KeyExchange), "KE");
    EXPECT_EQ(name(ExchangeType::IdentityProtection), "Identity Protection");
    EXPECT_EQ(name(NotifyType::RUThere), "R-U-THERE");
    EXPECT_EQ(name(IdType::Ipv6Subnet), "ID_IPV6_ADDR_SUBNET");
    EXPECT_EQ(name(static_cast<Encryption>(4711)), "4711");
    EXPECT_EQ(transform_name(ProtocolId::Esp, 20), "ESP_AES-GCM_16");
    EXPECT_EQ(transform_name(ProtocolId::Isakmp, 1), "KEY_IKE");
    EXPECT_EQ(flags_text(0), "none");
    EXPECT_EQ(flags_text(0x0b), "E|C|0x08");
    EXPECT_TRUE(is_known(PayloadType::Fragment));
    EXPECT_FALSE(is_known(PayloadType::None));
    EXPECT_FALSE(is_known(static_cast<PayloadType>(46)));
}

}  // namespace
}  // namespace racoon::isakmp
