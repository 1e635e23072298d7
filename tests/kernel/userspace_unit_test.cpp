// The parts of the userspace data path: ESP against known answers, the replay window, packet headers.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "data_path_fixture.hpp"

namespace racoon::test {
namespace {

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

// RFC 7634 appendix A: an ESP packet with ChaCha20-Poly1305 around a ping, in tunnel mode.
TEST(Esp, MakesAndOpensThePacketOfRfc7634) {
    racoon_kernel_sa sa = esp_sa(RACOON_DIR_OUT, "10.0.0.1", "10.0.0.2", 0x01020304, 1, 1);
    sa.is_aead = 1;
    sa.auth = {};
    sa.enc = keyed("rfc7539esp(chacha20,poly1305)",
                   "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3", 128);
    std::string error;
    const auto esp = EspSa::make(sa, &error);
    ASSERT_TRUE(esp) << error;
    Bytes packet = from_hex(
        "0102030400000005101112131415161724039428b97f417e3c13753a4f05087b"
        "67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f7"
        "2aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da"
        "9165b82829f641e076aaa8266b7fb0f7b11b369907e1ad43");
    std::span<std::uint8_t> inner;
    std::uint8_t next = 0;
    ASSERT_EQ(esp->open(packet, &inner, &next), Opened::Packet);
    EXPECT_EQ(next, 4);
    ASSERT_EQ(inner.size(), 84u);
    EXPECT_EQ(Bytes(inner.begin(), inner.begin() + 32),
              from_hex("45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec10"));
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
                            {"rfc7539esp(chacha20,poly1305)", 36, "", 0, 128},
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
                    std::span<std::uint8_t> inner;
                    std::uint8_t next = 0;
                    // The SPI (first four bytes) is covered too, though the lookup goes first.
                    EXPECT_NE(in->open(bent, &inner, &next), Opened::Packet)
                        << suite.enc << " accepts a packet with a bit changed at " << at;
                }
                std::span<std::uint8_t> inner;
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
                             {"rfc7539esp(chacha20,poly1305)", true, {36}, {128}},
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
            sa.enc = algorithm("", c.name, *c.keys.begin(), icv, 1);
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

TEST(ReplayWindow, OfNoPacketsRefusesNone) {
    ReplayWindow window(0);
    for (const std::uint32_t n : {5u, 5u, 1u, 0u, 0xffffffffu, 1u}) {
        const auto sequence = window.infer(n, false);
        ASSERT_EQ(sequence.has_value(), n != 0);
        if (!sequence) continue;
        EXPECT_TRUE(window.fresh(*sequence)) << n;
        window.accept(*sequence);
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

}  // namespace
}  // namespace racoon::test
