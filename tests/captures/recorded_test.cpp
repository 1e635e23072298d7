// Captures without keys, and packets that brought other daemons down: parsed without a fault,
// whole, cut and damaged.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

#include "captures/session.hpp"
#include "isakmp/message_views.hpp"
#include "isakmp/names.hpp"
#include "support/capture.hpp"
#include "support/exercise_isakmp.hpp"
#include "support/test_data.hpp"

namespace racoon::test {
namespace {

using namespace isakmp;

std::vector<std::filesystem::path> files_of(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        out.push_back(entry.path());
    std::sort(out.begin(), out.end());
    return out;
}

TEST(RecordedCaptures, AreParsedWithoutFault) {
    const auto folder = test_data("vectors/pcap");
    if (!folder) return;
    std::size_t files = 0, frames = 0, messages = 0, datagrams = 0;
    for (const auto& file : files_of(*folder)) {
        const Capture capture = read_capture(file);
        EXPECT_FALSE(capture.frames.empty()) << file;
        ++files;
        frames += capture.frames.size();
        for (const Datagram& d : capture.datagrams) {
            const Bytes bytes = d.isakmp();
            exercise_datagram(bytes);
            ++datagrams;
            messages += Message::parse(bytes).has_value() ? 1 : 0;
        }
        // Some of these were made by fuzzers and are hardly UDP: every tail of a frame is a
        // datagram that somebody could send, with whatever length it claims.
        for (const Bytes& frame : capture.frames) {
            for (std::size_t at = 0; at < std::min<std::size_t>(frame.size(), 64); ++at) {
                Bytes tail(frame.begin() + static_cast<long>(at), frame.end());
                exercise_datagram(tail);
                if (tail.size() < kHeaderSize) continue;
                tail[24] = tail[25] = 0;
                tail[26] = static_cast<std::uint8_t>(tail.size() >> 8);
                tail[27] = static_cast<std::uint8_t>(tail.size());
                exercise_datagram(tail);
            }
        }
    }
    std::printf("%zu captures, %zu frames, %zu UDP datagrams, %zu whole IKEv1 messages\n", files,
                frames, datagrams, messages);
    EXPECT_EQ(files, 19u);
    EXPECT_GE(messages, 40u) << "most captures hold real exchanges";
}

TEST(RecordedCaptures, OfRealExchangesFillTheirViews) {
    const auto folder = test_data("vectors/pcap");
    if (!folder) return;
    const Capture main = read_capture(*folder / "zeek-ipsec-ikev1-isakmp-main-mode.pcap");
    ASSERT_GE(main.datagrams.size(), 6u);
    const auto at = [](const Capture& c, std::size_t i) {
        return Message::parse(c.datagrams[i].isakmp()).value();
    };
    const Message one = at(main, 0), two = at(main, 1), three = at(main, 2), four = at(main, 3);
    EXPECT_TRUE(MainMode1::parse(one));
    EXPECT_TRUE(MainMode1::parse(two, MessageKind::MainMode2));
    EXPECT_TRUE(MainMode3::parse(three));
    EXPECT_TRUE(MainMode3::parse(four, MessageKind::MainMode4));
    const Capture aggressive =
        read_capture(*folder / "zeek-ipsec-ikev1-isakmp-aggressive-mode.pcap");
    const Message a1 = at(aggressive, 0), a2 = at(aggressive, 1);
    EXPECT_TRUE(Aggressive1::parse(a1));
    EXPECT_TRUE(Aggressive2::parse(a2));
}

TEST(RecordedCaptures, WithLyingLengthsAreRefused) {
    const auto folder = test_data("vectors/pcap");
    if (!folder) return;
    for (const char* file :
         {"zeek-ipsec-ikev1-payload-bad-length.pcap", "zeek-ipsec-ikev1-zero-length.pcap",
          "tcpdump-isakmp-pointer-loop.pcap"})
        for (const Datagram& d : read_capture(*folder / file).datagrams)
            EXPECT_FALSE(Message::parse(d.isakmp())) << file;
}

/// Whether a first message, seen by a responder without state, would start an exchange or have an
/// effect: what the receive path accepts without a key.
bool would_act(const Message& m) {
    if (m.header().encrypted() || !m.header().cookies.responder.is_zero()) return false;
    return MainMode1::parse(m).has_value() || Aggressive1::parse(m).has_value() ||
           Base1::parse(m).has_value();
}

TEST(HostilePackets, OfPublishedHolesHaveNoEffect) {
    const auto file = test_data("vectors/packets/malformed_ikev1.tsv");
    if (!file) return;
    std::ifstream in(*file);
    std::string line;
    std::getline(in, line);
    std::size_t packets = 0;
    while (std::getline(in, line)) {
        std::istringstream columns(line);
        std::string id, field, hex;
        std::getline(columns, id, '\t');
        while (std::getline(columns, field, '\t')) hex = field;
        const Bytes bytes = from_hex(hex).value();
        exercise_datagram(bytes);
        const auto m = Message::parse(bytes);
        std::printf("%-26s %s\n", id.c_str(), m ? "parses" : m.error().text().c_str());
        EXPECT_FALSE(m && would_act(*m)) << id;
        ++packets;
    }
    EXPECT_EQ(packets, 7u);
}

Bytes racoon_first_message(const std::filesystem::path& file) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);)
        if (!line.empty() && line[0] != '#') return from_hex(line).value();
    return {};
}

TEST(RacoonsFirstMessage, IsRebuiltByteByByte) {
    const auto file = test_data("vectors/packets/racoon-0.6.6-mm1.txt");
    if (!file) return;
    const Bytes bytes = racoon_first_message(*file);
    ASSERT_EQ(bytes.size(), 180u);
    const Message m = Message::parse(bytes).value();
    const auto one = MainMode1::parse(m);
    ASSERT_TRUE(one) << one.error().text();
    const auto offer = Phase1Transform::decode(one->sa.proposals[0].transforms[0]).value();
    EXPECT_EQ(offer.encryption, Encryption::TripleDesCbc);
    EXPECT_EQ(offer.hash, HashAlgorithm::Sha1);
    EXPECT_EQ(offer.auth_method, AuthMethod::PreSharedKey);
    EXPECT_EQ(offer.group, DhGroup::Modp1024);
    EXPECT_EQ(offer.life.seconds, 28800u);

    // From values, not from the received bytes.
    MessageBuilder b(m.header());
    b.add(PayloadType::SecurityAssociation, build_phase1_sa({&offer, 1}));
    for (const ByteView vid : one->extras.vendor_ids) b.add(PayloadType::VendorId, vid);
    EXPECT_EQ(to_hex(b.finish().value()), to_hex(bytes));
}

/// The values a byte is changed to: all, or its neighbours and the numbers that lengths go wrong
/// with.
std::vector<std::uint8_t> damages(std::uint8_t byte, bool all) {
    std::vector<std::uint8_t> out;
    if (all)
        for (int v = 0; v < 256; ++v) out.push_back(static_cast<std::uint8_t>(v));
    else
        for (const int v : {byte ^ 0x80, byte ^ 1, byte + 1, byte - 1, 0, 3, 4, 255})
            out.push_back(static_cast<std::uint8_t>(v));
    return out;
}

/// Every prefix, and changes of every byte: of the first `thorough` bytes to every value.
void damage(ByteView whole, std::size_t thorough, std::size_t& cases) {
    for (std::size_t size = kHeaderSize; size < whole.size(); ++size) {
        Bytes cut = to_bytes(whole.first(size));
        exercise_datagram(cut);
        cut[26] = static_cast<std::uint8_t>(size >> 8);
        cut[27] = static_cast<std::uint8_t>(size);
        exercise_datagram(cut);
        cases += 2;
    }
    Bytes damaged = to_bytes(whole);
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (const std::uint8_t value : damages(whole[at], at < thorough)) {
            damaged[at] = value;
            exercise_datagram(damaged);
            ++cases;
        }
        damaged[at] = whole[at];
    }
}

TEST(RecordedMessages, SurviveEveryPrefixAndChange) {
    const auto folder = test_data("vectors");
    if (!folder) return;
    std::size_t cases = 0;
    damage(racoon_first_message(*folder / "packets/racoon-0.6.6-mm1.txt"), 84, cases);
    for (const char* file :
         {"zeek-ipsec-ikev1-isakmp-main-mode.pcap", "zeek-ipsec-ikev1-isakmp-aggressive-mode.pcap"})
        for (const Datagram& d : read_capture(*folder / "pcap" / file).datagrams) {
            const Bytes bytes = d.isakmp();
            const auto m = Message::parse(bytes);
            if (m && !m->header().encrypted()) damage(bytes, 0, cases);
        }
    std::printf("%zu prefixes and damaged messages\n", cases);
    EXPECT_GT(cases, 30000u);
}

// The same for what only the holder of a key could send: decrypted messages of the road warrior.
TEST(RecordedMessages, SurviveEveryPrefixAndChangeAfterDecryption) {
    const auto folder = test_data("vectors/wireshark");
    if (!folder) return;
    const auto keys = read_key_table(*folder / "ikev1_decryption_table");
    std::size_t cases = 0;
    for (const char* file : {"ikev1-bug-12610.pcapng.gz", "ikev1-bug-12620.pcapng.gz"}) {
        const Capture capture = read_capture(*folder / file);
        const Bytes first = capture.datagrams.at(0).isakmp();
        Session session(keys.at(to_hex(parse_header(first).value().cookies.initiator.view())));
        for (const Datagram& d : capture.datagrams) {
            const Message m = session.open(d.isakmp()).value();
            if (!m.header().encrypted()) continue;
            Header header = m.header();
            header.length = static_cast<std::uint32_t>(m.bytes().size());
            Writer out;
            write_header(out, header);
            out.bytes(m.body());
            damage(out.view(), 0, cases);
        }
    }
    std::printf("%zu prefixes and damaged messages\n", cases);
    EXPECT_GT(cases, 20000u);
}

}  // namespace
}  // namespace racoon::test
