// The parts of the userspace data path, without sockets: ESP against known answers, the replay window,
// packet headers, and what a data path does with what it must not pass.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "conformance.hpp"
#include "data_path.hpp"

namespace racoon::test {
namespace {

using namespace kernel_userspace;

Bytes from_hex(const std::string& hex) {
    Bytes out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        out.push_back(static_cast<std::uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
    }
    return out;
}

racoon_kernel_alg keyed(const char* name, const std::string& key, std::uint32_t icv_bits) {
    racoon_kernel_alg a = algorithm("", name, 0, icv_bits, 0);
    const Bytes bytes = from_hex(key);
    a.key_size = static_cast<std::uint32_t>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), a.key);
    return a;
}

Bytes ping_packet(const std::string& from, const std::string& to, std::uint8_t tos = 0,
                  std::size_t size = 28) {
    Bytes p(size);
    p[0] = 0x45;
    p[1] = tos;
    p[2] = static_cast<std::uint8_t>(size >> 8);
    p[3] = static_cast<std::uint8_t>(size);
    p[8] = 64;
    p[9] = 1;
    const racoon_addr a = address(from);
    const racoon_addr b = address(to);
    std::copy(a.bytes, a.bytes + 4, p.begin() + 12);
    std::copy(b.bytes, b.bytes + 4, p.begin() + 16);
    set_traffic_class(p, tos);  // with the checksum
    return p;
}

// draft-mcgrew-gcm-test-01, first case: AES-128-GCM in ESP, SPI 0000a5f8, number 10. What comes out is a
// DNS question with next header 1, so it is opened below the checks for a tunnel.
TEST(Esp, OpensThePacketOfTheGcmTestDraft) {
    std::string error;
    const auto gcm =
        make_transform(keyed("rfc4106(gcm(aes))", "feffe9928665731c6d6a8f9467308308cafebabe", 128),
                       {}, true, &error);
    ASSERT_TRUE(gcm) << error;
    const Bytes plain = from_hex(
        "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d00100"
        "0001000000000000037369700963796265726369747902646b00000100010001");
    const Bytes sealed = from_hex(
        "0000a5f80000000afacedbaddecaf888"
        "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c"
        "3de81827c10e9a4f51330d0eec416642cfbb85a5b47e48a4ec3b9ba95d918bd1"
        "83b70d3aa8bc6ee4c309e9d85a41ad4a");
    Bytes packet = sealed;
    ASSERT_TRUE(gcm->open(packet, 10, false));
    EXPECT_EQ(Bytes(packet.begin() + 16, packet.end() - 16), plain);
}

TEST(Esp, PadsToItsBlockWithAscendingBytes) {
    racoon_kernel_sa sa = esp_sa(RACOON_DIR_OUT, "10.0.0.1", "10.0.0.2", 7, 1, 1);
    sa.enc = algorithm("", "ecb(cipher_null)", 0, 0, 0);
    std::string error;
    const auto esp = EspSa::make(sa, &error);
    ASSERT_TRUE(esp) << error;
    Bytes out;
    ASSERT_TRUE(esp->seal(Bytes(29, 0xaa), 4, &out));
    // header 8, content 29, padding 1, trailer 2, ICV 16
    ASSERT_EQ(out.size(), 56u);
    EXPECT_EQ(Bytes(out.begin(), out.begin() + 8), from_hex("0000000700000001"));
    EXPECT_EQ(Bytes(out.begin() + 37, out.begin() + 40), from_hex("010104"));
}

TEST(Esp, RoundTripsEverySizeUnderEveryAlgorithm) {
    struct Suite {
        const char* enc;
        std::uint32_t enc_key;
        const char* auth;
        std::uint32_t auth_key;
        std::uint32_t icv;
    };
    const Suite suites[] = {{"cbc(aes)", 16, "hmac(sha1)", 20, 96},
                            {"cbc(aes)", 24, "hmac(sha256)", 32, 128},
                            {"cbc(aes)", 32, "hmac(sha384)", 48, 192},
                            {"cbc(des3_ede)", 24, "hmac(md5)", 16, 96},
                            {"ecb(cipher_null)", 0, "hmac(sha512)", 64, 256},
                            {"rfc4106(gcm(aes))", 20, "", 0, 128},
                            {"rfc4106(gcm(aes))", 28, "", 0, 128},
                            {"rfc4106(gcm(aes))", 36, "", 0, 128},
                            {"rfc4106(gcm(aes))", 20, "", 0, 96},
                            {"rfc4106(gcm(aes))", 36, "", 0, 64},
                            {"rfc4543(gcm(aes))", 20, "", 0, 128},
                            {"rfc4543(gcm(aes))", 36, "", 0, 128},
                            {"cbc(camellia)", 16, "hmac(sha256)", 32, 128},
                            {"cbc(camellia)", 24, "xcbc(aes)", 16, 96},
                            {"cbc(camellia)", 32, "hmac(sha1)", 20, 96},
                            {"rfc3686(ctr(aes))", 20, "hmac(sha256)", 32, 128},
                            {"rfc3686(ctr(aes))", 28, "hmac(sha1)", 20, 96},
                            {"rfc3686(ctr(aes))", 36, "xcbc(aes)", 16, 96},
                            {"ecb(cipher_null)", 0, "xcbc(aes)", 16, 96}};
    for (const Suite& suite : suites) {
        for (const std::uint32_t flags : {0u, RACOON_SA_ESN}) {
            racoon_kernel_sa sa = esp_sa(RACOON_DIR_IN, "10.0.0.1", "10.0.0.2", 7, 1, 1);
            sa.flags = flags;
            sa.is_aead = suite.auth_key == 0 ? 1 : 0;
            sa.enc = algorithm("", suite.enc, suite.enc_key, suite.icv, 5);
            sa.auth = algorithm("", suite.auth, suite.auth_key, suite.icv, 9);
            std::string error;
            const auto out = EspSa::make(sa, &error);
            const auto in = EspSa::make(sa, &error);
            ASSERT_TRUE(out && in) << error;
            for (std::size_t size = 20; size < 70; ++size) {
                const Bytes plain(size, static_cast<std::uint8_t>(size));
                Bytes packet;
                ASSERT_TRUE(out->seal(plain, 41, &packet));
                for (std::size_t at = 0; at < packet.size(); at += 5) {
                    Bytes bent = packet;
                    bent[at] = static_cast<std::uint8_t>(bent[at] ^ 0x10);
                    ByteView inner;
                    std::uint8_t next = 0;
                    // The SPI (first four bytes) is covered too, though the lookup goes first.
                    EXPECT_NE(in->open(bent, &inner, &next), Opened::Packet)
                        << suite.enc << " accepts a packet with a bit changed at " << at;
                }
                ByteView inner;
                std::uint8_t next = 0;
                ASSERT_EQ(in->open(packet, &inner, &next), Opened::Packet)
                    << suite.enc << " " << size;
                EXPECT_TRUE(std::equal(inner.begin(), inner.end(), plain.begin(), plain.end()));
                EXPECT_EQ(next, 41);
            }
        }
    }
}

TEST(Esp, RefusesWhatProtectsNothing) {
    racoon_kernel_sa sa = esp_sa(RACOON_DIR_OUT, "10.0.0.1", "10.0.0.2", 7, 1, 1);
    std::string error;
    sa.enc = algorithm("", "ecb(cipher_null)", 0, 0, 0);
    sa.auth = {};
    EXPECT_FALSE(EspSa::make(sa, &error));
    EXPECT_NE(error.find("neither"), std::string::npos) << error;
    sa.enc = algorithm("", "rfc3686(ctr(aes))", 20, 0, 0);
    EXPECT_FALSE(EspSa::make(sa, &error)) << "a counter mode without integrity";
    EXPECT_NE(error.find("without integrity"), std::string::npos) << error;
    sa = esp_sa(RACOON_DIR_OUT, "10.0.0.1", "10.0.0.2", 7, 1, 1);
    sa.auth.icv_bits = 8;
    EXPECT_FALSE(EspSa::make(sa, &error)) << "an ICV of one byte";
}

// Every algorithm at the edges of its key and ICV lengths: one step beyond is refused, and nothing else
// changes that.
TEST(Esp, RefusesKeysAndIcvsOfAnyOtherLength) {
    struct Shape {
        const char* name;
        bool aead;
        std::set<std::uint32_t> keys, icvs;
    };
    const Shape ciphers[] = {{"cbc(aes)", false, {16, 24, 32}, {}},
                             {"cbc(camellia)", false, {16, 24, 32}, {}},
                             {"cbc(des3_ede)", false, {24}, {}},
                             {"rfc3686(ctr(aes))", false, {20, 28, 36}, {}},
                             {"ecb(cipher_null)", false, {0}, {}},
                             {"rfc4106(gcm(aes))", true, {20, 28, 36}, {64, 96, 128}},
                             {"rfc4543(gcm(aes))", true, {20, 28, 36}, {128}}};
    std::string error;
    for (const Shape& c : ciphers) {
        for (std::uint32_t key = 0; key <= 128; ++key) {
            racoon_kernel_sa sa = esp_sa(RACOON_DIR_OUT, "10.0.0.1", "10.0.0.2", 7, 1, 1);
            sa.enc = algorithm("", c.name, key, c.aead ? 128 : 0, 1);
            sa.is_aead = c.aead ? 1 : 0;
            EXPECT_EQ(EspSa::make(sa, &error) != nullptr, c.keys.count(key) == 1)
                << c.name << " with a key of " << key << " bytes";
        }
        for (std::uint32_t icv = 0; c.aead && icv <= 520; ++icv) {
            racoon_kernel_sa sa = esp_sa(RACOON_DIR_OUT, "10.0.0.1", "10.0.0.2", 7, 1, 1);
            sa.enc = algorithm("", c.name, 20, icv, 1);
            sa.is_aead = 1;
            EXPECT_EQ(EspSa::make(sa, &error) != nullptr, c.icvs.count(icv) == 1)
                << c.name << " with an ICV of " << icv << " bits";
        }
    }
    for (std::uint32_t key = 0; key <= 64; ++key) {
        racoon_kernel_sa sa = esp_sa(RACOON_DIR_OUT, "10.0.0.1", "10.0.0.2", 7, 1, 1);
        sa.auth = algorithm("", "xcbc(aes)", key, 96, 1);
        EXPECT_EQ(EspSa::make(sa, &error) != nullptr, key == 16) << key;
    }
    for (const char* name : {"cbc(des)", "cbc(blowfish)", "cbc(cast5)", "cbc(twofish)", ""}) {
        racoon_kernel_sa sa = esp_sa(RACOON_DIR_OUT, "10.0.0.1", "10.0.0.2", 7, 1, 1);
        sa.enc = algorithm("", name, 16, 0, 1);
        EXPECT_FALSE(EspSa::make(sa, &error)) << name;
    }
}

TEST(Esp, NeverUsesACounterTwice) {
    racoon_kernel_sa sa = esp_sa(RACOON_DIR_OUT, "10.0.0.1", "10.0.0.2", 7, 1, 1);
    sa.enc = algorithm("", "rfc3686(ctr(aes))", 20, 0, 5);
    std::string error;
    const auto esp = EspSa::make(sa, &error);
    ASSERT_TRUE(esp) << error;
    std::set<Bytes> ivs;
    for (int i = 0; i < 300; ++i) {
        Bytes packet;
        ASSERT_TRUE(esp->seal(Bytes(20), 4, &packet));
        EXPECT_TRUE(ivs.insert(Bytes(packet.begin() + 8, packet.begin() + 16)).second);
    }
}

// A set of all numbers seen is what the ring of bits must agree with.
TEST(ReplayWindow, AgreesWithASetOfAllNumbers) {
    for (const std::uint32_t size : {1u, 64u, 100u, 1024u, 100000u}) {
        ReplayWindow window(size);
        EXPECT_GE(window.size(), 64u);
        EXPECT_LE(window.size(), 4096u);
        std::set<std::uint64_t> seen;
        std::uint64_t top = 0;
        std::uint64_t state = 12345 + size;
        for (int i = 0; i < 20000; ++i) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            const std::uint64_t reach = 2 * window.size();
            const std::uint64_t jump = (state >> 33) % (i % 1000 == 0 ? 50 * reach : reach);
            const std::uint64_t base = top > window.size() ? top - window.size() : 1;
            const std::uint64_t n = std::max<std::uint64_t>(1, base + jump);
            const bool expected = n > top || (top - n < window.size() && seen.count(n) == 0);
            ASSERT_EQ(window.fresh(n), expected) << "number " << n << ", top " << top;
            if (!expected) continue;
            window.accept(n);
            seen.insert(n);
            top = std::max(top, n);
        }
    }
}

TEST(ReplayWindow, InfersTheUpperHalfAcrossTheWrap) {
    ReplayWindow window(64);
    EXPECT_EQ(window.infer(5, true), 5u);
    EXPECT_EQ(window.infer(0xffffffff, true), std::nullopt) << "before the first number";
    EXPECT_EQ(window.infer(0, false), std::nullopt) << "zero is never sent";
    window.accept(0xfffffff0u);
    EXPECT_EQ(window.infer(3, true), 0x100000003u);
    EXPECT_EQ(window.infer(0xfffffff1u, true), 0xfffffff1u);
    window.accept(0x100000003u);
    EXPECT_EQ(window.infer(0xfffffff5u, true), 0xfffffff5u) << "late, from before the wrap";
    EXPECT_EQ(window.infer(0x200, true), 0x100000200u);
}

TEST(Packet, IsRefusedWhereItsLengthsLie) {
    const Bytes good = ping_packet("192.168.1.1", "192.168.2.1");
    ASSERT_TRUE(parse_packet(good));
    for (std::size_t size = 0; size < good.size(); ++size) {
        EXPECT_FALSE(parse_packet(ByteView(good).first(size))) << size;
    }
    Bytes bad = good;
    bad[0] = 0x44;
    EXPECT_FALSE(parse_packet(bad)) << "a header of 16 bytes";
    bad[0] = 0x4f;
    EXPECT_FALSE(parse_packet(bad)) << "a header beyond the packet";
    bad[0] = 0x55;
    EXPECT_FALSE(parse_packet(bad)) << "version 5";
}

TEST(Packet, OfAFragmentHasNoPortsAndMatchesNoPolicyThatNamesSome) {
    Bytes p = ping_packet("192.168.1.1", "192.168.2.1", 0, 40);
    p[9] = 17;
    p[7] = 1;  // fragment offset 8
    const auto flow = parse_packet(p);
    ASSERT_TRUE(flow);
    racoon_selector s = selector("192.168.1.0/24", "192.168.2.0/24", 17);
    EXPECT_TRUE(covers(s, flow->source, flow->destination, *flow));
    s.remote.port = 53;
    EXPECT_FALSE(covers(s, flow->source, flow->destination, *flow));
}

TEST(Packet, CarriesCongestionOutOfTheTunnelOrIsDropped) {
    EXPECT_EQ(ecn_after_tunnel(3, 1), 3);
    EXPECT_EQ(ecn_after_tunnel(3, 0xb8 | 2), 0xb8 | 3);
    EXPECT_EQ(ecn_after_tunnel(3, 0), std::nullopt);
    EXPECT_EQ(ecn_after_tunnel(0, 0xb8 | 2), 0xb8 | 2);
    EXPECT_EQ(ecn_after_tunnel(1, 2), 1);
}

struct Recorder final : Output {
    std::vector<Bytes> tun;
    std::vector<Bytes> wire;
    std::vector<std::uint8_t> classes;
    std::vector<Outer> outers;
    std::vector<racoon_kernel_event> events;
    std::vector<racoon_status> replies;
    void to_tun(ByteView p) override { tun.emplace_back(p.begin(), p.end()); }
    void to_wire(const Outer& outer, ByteView p) override {
        wire.emplace_back(p.begin(), p.end());
        classes.push_back(outer.traffic_class);
        outers.push_back(outer);
    }
    void to_keeper(ByteView bytes) override {
        const auto frame = parse_frame(bytes);
        if (frame->type == Message::Event) events.push_back(*read_event(frame->body));
        if (frame->type == Message::Reply) {
            replies.push_back(static_cast<racoon_status>(Reader(frame->body).u32()));
        }
    }
};

struct DataPathTest : ::testing::Test {
    Recorder sink;
    DataPath path{sink};
    void set_sa(const racoon_kernel_sa& sa) {
        Writer out = begin_frame(Message::SaSet, 1);
        write_sa(out, sa);
        path.command(out.view(), 0);
    }
    void set_policy(std::uint32_t id, std::uint32_t direction) {
        Writer out = begin_frame(Message::PolicySet, 1);
        write_policy(out, esp_policy(id, direction, selector("192.168.1.0/24", "192.168.2.0/24"),
                                     "10.9.0.1", "10.9.0.2", 1));
        path.command(out.view(), 0);
    }
    Outer from_peer(std::uint8_t traffic_class = 0) {
        Outer outer;
        outer.src = address("10.9.0.2");
        outer.dst = address("10.9.0.1");
        outer.traffic_class = traffic_class;
        return outer;
    }
    Bytes sealed_by_peer(const Bytes& inner, std::uint8_t next = 4) {
        std::string error;
        Bytes out;
        static_cast<void>(
            EspSa::make(esp_sa(RACOON_DIR_OUT, "10.9.0.2", "10.9.0.1", 7, 1, 3), &error)
                ->seal(inner, next, &out));
        return out;
    }
};

TEST_F(DataPathTest, HoldsAFewPacketsUntilTheSaArrivesAndSendsThemInOrder) {
    set_policy(1, RACOON_DIR_OUT);
    for (std::size_t i = 0; i < 20; ++i)
        path.from_tun(ping_packet("192.168.1.1", "192.168.2.1", 0, 28 + i), 5);
    EXPECT_EQ(path.held(), kHeldPerPolicy);
    ASSERT_EQ(sink.events.size(), 1u);
    EXPECT_EQ(sink.events[0].type, RACOON_KERNEL_ACQUIRE);
    set_sa(esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 9, 1, 3));
    ASSERT_EQ(sink.wire.size(), kHeldPerPolicy);
    EXPECT_LE(sink.wire.front().size(), sink.wire.back().size());
    EXPECT_EQ(path.held(), 0u);
}

TEST_F(DataPathTest, CopiesTheTrafficClassOutwards) {
    set_policy(1, RACOON_DIR_OUT);
    set_sa(esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 9, 1, 3));
    path.from_tun(ping_packet("192.168.1.1", "192.168.2.1", 0xb8 | 1), 5);
    ASSERT_EQ(sink.classes.size(), 1u);
    EXPECT_EQ(sink.classes[0], 0xb8 | 1);
}

TEST_F(DataPathTest, DeliversWithTheCongestionMarkOfTheWay) {
    set_policy(2, RACOON_DIR_IN);
    set_sa(esp_sa(RACOON_DIR_IN, "10.9.0.2", "10.9.0.1", 7, 1, 3));
    Bytes packet = sealed_by_peer(ping_packet("192.168.2.1", "192.168.1.1", 1));
    path.from_wire(from_peer(3), packet, 5);
    ASSERT_EQ(sink.tun.size(), 1u);
    EXPECT_EQ(sink.tun[0], ping_packet("192.168.2.1", "192.168.1.1", 3)) << "checksum included";
}

TEST_F(DataPathTest, DropsADecapsulatedPacketThatNoInboundPolicyAskedFor) {
    set_sa(esp_sa(RACOON_DIR_IN, "10.9.0.2", "10.9.0.1", 7, 1, 3));
    const Bytes good = ping_packet("192.168.2.1", "192.168.1.1");
    Bytes packet = sealed_by_peer(good);
    path.from_wire(from_peer(), packet, 5);
    EXPECT_EQ(path.drops().not_selected, 1u) << "there is no inbound policy";
    EXPECT_TRUE(sink.tun.empty());
}

TEST_F(DataPathTest, DropsAnAuthenticPacketOfAnotherNetOtherFamilyOrWrongLength) {
    set_policy(2, RACOON_DIR_IN);
    struct Case {
        const char* what;
        Bytes inner;
        std::uint8_t next;
    };
    Bytes shorter = ping_packet("192.168.2.1", "192.168.1.1");
    shorter.resize(24);
    const Case cases[] = {
        {"a source outside the policy", ping_packet("172.16.0.1", "192.168.1.1"), 4},
        {"a destination outside it", ping_packet("192.168.2.1", "8.8.8.8"), 4},
        {"IPv4 that is called IPv6", ping_packet("192.168.2.1", "192.168.1.1"), 41},
        {"a total length beyond the content", shorter, 4},
        {"something that is no IP", Bytes(40, 0xff), 4},
        {"TCP in a tunnel SA", ping_packet("192.168.2.1", "192.168.1.1"), 6},
        {"a dummy packet", Bytes(40, 0), 59}};
    std::uint32_t spi = 7;
    for (const Case& c : cases) {
        Writer away = begin_frame(Message::SaDelete, 1);
        write_name(away, {address("10.9.0.1"), RACOON_IPPROTO_ESP, spi});
        path.command(away.view(), 0);
        set_sa(esp_sa(RACOON_DIR_IN, "10.9.0.2", "10.9.0.1", spi, 1, 3));
        Bytes packet = sealed_by_peer(c.inner, c.next);
        path.from_wire(from_peer(), packet, 5);
        EXPECT_TRUE(sink.tun.empty()) << c.what;
    }
}

TEST_F(DataPathTest, DropsAPacketFromAnotherOuterSource) {
    set_policy(2, RACOON_DIR_IN);
    set_sa(esp_sa(RACOON_DIR_IN, "10.9.0.2", "10.9.0.1", 7, 1, 3));
    Bytes packet = sealed_by_peer(ping_packet("192.168.2.1", "192.168.1.1"));
    Outer other = from_peer();
    other.src = address("10.9.0.66");
    path.from_wire(other, packet, 5);
    EXPECT_TRUE(sink.tun.empty());
}

// RFC 3948: between which ports, whose packets count, and what makes an SA move.
TEST_F(DataPathTest, KeepsTheTwoWaysOfEspApartAndMovesOnCommandAlone) {
    set_policy(1, RACOON_DIR_OUT);
    set_policy(2, RACOON_DIR_IN);
    racoon_kernel_sa out = esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 9, 1, 3);
    racoon_kernel_sa in = esp_sa(RACOON_DIR_IN, "10.9.0.2", "10.9.0.1", 7, 1, 3);
    out.flags = in.flags = RACOON_SA_UDP_ENCAP;
    out.src.port = in.dst.port = 4500;
    out.dst.port = in.src.port = 20500;
    set_sa(out);
    set_sa(in);
    const Bytes inner = ping_packet("192.168.2.1", "192.168.1.1");
    path.from_tun(ping_packet("192.168.1.1", "192.168.2.1"), 5);
    ASSERT_EQ(sink.outers.size(), 1u);
    EXPECT_EQ(sink.outers[0].src.port, 4500);
    EXPECT_EQ(sink.outers[0].dst.port, 20500);

    std::string error;
    const auto peer = EspSa::make(esp_sa(RACOON_DIR_OUT, "10.9.0.2", "10.9.0.1", 7, 1, 3), &error);
    const auto arrive = [&](std::uint16_t port, bool forged = false) {
        Bytes packet;
        EXPECT_TRUE(peer->seal(inner, 4, &packet));
        if (forged) packet.back() ^= 1;
        Outer outer = from_peer();
        outer.src.port = port;
        outer.dst.port = port != 0 ? 4500 : 0;
        path.from_wire(outer, packet, 5);
    };
    arrive(0);
    EXPECT_TRUE(sink.tun.empty()) << "ESP without UDP";
    arrive(20500);
    EXPECT_EQ(sink.tun.size(), 1u);
    arrive(31000, true);
    EXPECT_TRUE(sink.events.empty()) << "a forged packet moves nothing";
    arrive(31000);
    arrive(31000);
    EXPECT_EQ(sink.tun.size(), 3u);
    ASSERT_EQ(sink.events.size(), 1u) << "told once";
    EXPECT_EQ(sink.events[0].type, RACOON_KERNEL_MAPPING);
    EXPECT_EQ(sink.events[0].src.port, 31000);
    EXPECT_EQ(sink.events[0].spi, 7u);
    path.from_tun(ping_packet("192.168.1.1", "192.168.2.1"), 5);
    EXPECT_EQ(sink.outers.back().dst.port, 20500) << "nobody has said so yet";

    racoon_addr there = address("10.9.0.2");
    there.port = 31000;
    const auto move = [&](const char* dst, std::uint32_t spi, const racoon_addr& to) {
        Writer command = begin_frame(Message::SaMove, 1);
        write_move(command, {address(dst), RACOON_IPPROTO_ESP, spi}, to);
        path.command(command.view(), 5);
    };
    racoon_addr elsewhere = address("10.9.0.66");
    elsewhere.port = 31000;
    move("10.9.0.2", 9, elsewhere);
    path.from_tun(ping_packet("192.168.1.1", "192.168.2.1"), 5);
    EXPECT_EQ(sink.outers.back().dst.port, 20500) << "another address is another peer";
    move("10.9.0.2", 9, there);
    move("10.9.0.1", 7, there);
    path.from_tun(ping_packet("192.168.1.1", "192.168.2.1"), 5);
    EXPECT_EQ(sink.outers.back().dst.port, 31000);
    arrive(31000);
    EXPECT_EQ(sink.events.size(), 1u);
    arrive(20500);
    EXPECT_EQ(sink.events.size(), 2u) << "and back again";
}

TEST_F(DataPathTest, EndsAnSaByTimeSoftlyFirst) {
    racoon_kernel_sa sa = esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 9, 1, 3);
    sa.soft_ns = 80;
    sa.hard_ns = 100;
    set_sa(sa);
    EXPECT_EQ(path.next_deadline(), 80);
    path.advance(79);
    EXPECT_TRUE(sink.events.empty());
    path.advance(80);
    ASSERT_EQ(sink.events.size(), 1u);
    EXPECT_EQ(sink.events[0].type, RACOON_KERNEL_EXPIRE_SOFT);
    path.advance(1000);
    ASSERT_EQ(sink.events.size(), 2u);
    EXPECT_EQ(sink.events[1].type, RACOON_KERNEL_EXPIRE_HARD);
    EXPECT_EQ(path.next_deadline(), kNever);
}

}  // namespace
}  // namespace racoon::test
