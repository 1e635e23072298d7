// Three recorded sessions whose encryption key is known, decrypted whole: every payload is walked,
// nothing but padding is left over, and the hashes that others read are found.
#include <cstdio>
#include <gtest/gtest.h>

#include "captures/session.hpp"
#include "isakmp/dump.hpp"
#include "isakmp/message_views.hpp"
#include "isakmp/names.hpp"
#include "support/capture.hpp"
#include "support/exercise_isakmp.hpp"
#include "support/test_data.hpp"

namespace racoon::test {
namespace {

using namespace isakmp;

struct Opened {
    std::vector<Message> messages;
    std::optional<Phase1Transform> chosen;
};

std::optional<Opened> open_all(const std::string& file) {
    const auto folder = test_data("vectors/wireshark");
    if (!folder) return {};
    const Capture capture = read_capture(*folder / file);
    EXPECT_FALSE(capture.datagrams.empty()) << file;
    if (capture.datagrams.empty()) return {};
    const auto keys = read_key_table(*folder / "ikev1_decryption_table");
    const Bytes first = capture.datagrams[0].isakmp();
    const auto key = keys.find(to_hex(parse_header(first).value().cookies.initiator.view()));
    EXPECT_NE(key, keys.end()) << file;
    if (key == keys.end()) return {};

    Opened out;
    Session session(key->second);
    for (std::size_t i = 0; i < capture.datagrams.size(); ++i) {
        auto m = session.open(capture.datagrams[i].isakmp());
        EXPECT_TRUE(m) << file << " message " << i + 1 << ": " << (m ? "" : m.error().text());
        if (!m) return {};
        exercise_message(*m);
        if (m->header().encrypted()) {
            EXPECT_LE(m->payloads().padding().size(), kMaxPadding) << file << " message " << i + 1;
        }
        for (const Payload& p : m->payloads())
            EXPECT_TRUE(is_known(p.type)) << file << " message " << i + 1 << ": " << name(p.type);
        out.messages.push_back(std::move(*m));
    }
    std::printf("%s: %zu messages decrypted and parsed\n", file.c_str(), out.messages.size());
    out.chosen = session.chosen();
    return out;
}

std::string types(const Message& m) {
    std::string out;
    for (const Payload& p : m.payloads()) out += (out.empty() ? "" : " ") + name(p.type);
    return out;
}

std::string hash_hex(const Message& m) {
    const Payload* hash = m.payloads().find(PayloadType::Hash);
    return hash ? to_hex(hash->body) : "none";
}

TEST(RecordedSession, OfMainModeWithCertificates) {
    const auto s = open_all("ikev1-certs.pcap");
    if (!s) return;
    ASSERT_EQ(s->messages.size(), 10u);
    EXPECT_EQ(s->chosen->encryption, Encryption::TripleDesCbc);
    EXPECT_EQ(types(s->messages[4]), "ID CERT CR SIG");
    const auto five = MainMode5::parse(s->messages[4]);
    ASSERT_TRUE(five) << five.error().text();
    EXPECT_EQ(five->id.identity.type(), IdType::Ipv4Addr);
    EXPECT_EQ(five->proof.payload->type, PayloadType::Signature);
    EXPECT_TRUE(MainMode5::parse(s->messages[5], MessageKind::MainMode6));
    EXPECT_EQ(types(s->messages[6]), "HASH SA NONCE KE ID ID");
    const auto one = QuickMode1::parse(s->messages[6]);
    ASSERT_TRUE(one) << one.error().text();
    EXPECT_TRUE(one->key_exchange);
    EXPECT_TRUE(QuickMode3::parse(s->messages[9]));
}

TEST(RecordedSession, OfARoadWarriorInMainMode) {
    const auto s = open_all("ikev1-bug-12610.pcapng.gz");
    if (!s) return;
    ASSERT_EQ(s->messages.size(), 16u);
    EXPECT_EQ(s->chosen->encryption, Encryption::AesCbc);
    EXPECT_EQ(s->chosen->key_length, 256);
    EXPECT_EQ(hash_hex(s->messages[8]),
              "b52521f774967402c9f6cee95fd17e5bccec230b5731fc530e1a8ab33a69f440");

    const auto one = MainMode1::parse(s->messages[0]);
    ASSERT_TRUE(one) << one.error().text();
    EXPECT_EQ(one->sa.proposals[0].transforms.size(), 12u);
    EXPECT_EQ(one->extras.vendor_ids.size(), 8u);
    EXPECT_EQ(MainMode3::parse(s->messages[2])->extras.nat_d.size(), 2u);
    EXPECT_TRUE(MainMode5::parse(s->messages[4]));

    const auto info = Informational::parse(s->messages[7]);
    ASSERT_TRUE(info) << info.error().text();
    EXPECT_EQ(info->notifications[0].type, NotifyType::InitialContact);
    for (const std::size_t i : {6u, 8u, 9u, 10u, 11u, 12u})
        EXPECT_TRUE(Transaction::parse(s->messages[i])) << "message " << i + 1;

    const auto quick = QuickMode1::parse(s->messages[13]);
    ASSERT_TRUE(quick) << quick.error().text();
    std::size_t transforms = 0;
    for (const Proposal& p : quick->sa.proposals) transforms += p.transforms.size();
    EXPECT_EQ(transforms, 12u);
    EXPECT_TRUE(QuickMode3::parse(s->messages[15]));
}

TEST(RecordedSession, OfARoadWarriorInAggressiveMode) {
    const auto s = open_all("ikev1-bug-12620.pcapng.gz");
    if (!s) return;
    ASSERT_EQ(s->messages.size(), 10u);
    EXPECT_EQ(hash_hex(s->messages[3]),
              "40043b640f4373250d5ac3a1fb63153cacab954cca6366021f4ab9d436265052");
    EXPECT_TRUE(Aggressive1::parse(s->messages[0]));
    const auto two = Aggressive2::parse(s->messages[1]);
    ASSERT_TRUE(two) << two.error().text();
    EXPECT_EQ(two->proof.payload->type, PayloadType::Hash);
    const auto three = Aggressive3::parse(s->messages[2]);
    ASSERT_TRUE(three) << three.error().text();
    EXPECT_EQ(three->extras.nat_d.size(), 2u);
}

// A wrong key must show as a parse error or a wrong hash, never as a fault.
TEST(RecordedSession, UnderAWrongKeyIsRefused) {
    const auto folder = test_data("vectors/wireshark");
    if (!folder) return;
    const Capture capture = read_capture(*folder / "ikev1-bug-12610.pcapng.gz");
    Session session(Bytes(32, 0x5a));
    std::size_t refused = 0;
    for (const Datagram& d : capture.datagrams) {
        const auto m = session.open(d.isakmp());
        if (m)
            exercise_message(*m);
        else
            ++refused;
    }
    EXPECT_GE(refused, 10u) << "12 of the 16 messages are encrypted";
}

}  // namespace
}  // namespace racoon::test
