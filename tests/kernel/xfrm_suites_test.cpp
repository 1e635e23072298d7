// Every ESP and AH algorithm and the compression that the modules name, on a real kernel: it installs, a ping passes between two
// kernels, and packets pass both ways between the kernel and kernel-userspace's own code with the same key.
// Runs in a User Mode Linux guest, as xfrm_test.cpp does.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <set>

#include "ah.hpp"
#include "ah_header.hpp"
#include "comp.hpp"
#include "conformance.hpp"
#include "esp.hpp"
#include "fake_host.hpp"
#include "netns.hpp"
#include "outer.hpp"
#include "packet.hpp"

namespace racoon::test {
namespace {

using namespace std::chrono_literals;
using kernel_userspace::AhSa;
using kernel_userspace::Bytes;
using kernel_userspace::ByteView;
using kernel_userspace::CompSa;
using kernel_userspace::EspSa;
using kernel_userspace::Opened;
using kernel_userspace::Sealed;

struct Alg {
    const char* xfrm_name = "";
    std::uint32_t key = 0;  // with the salt
    std::uint32_t icv = 0;
};
struct Suite {
    std::string name;
    Alg enc;
    Alg auth;
    bool aead = false;
    bool userspace = true;  // kernel-userspace has it
};

std::vector<Suite> suites() {
    const Alg sha1{"hmac(sha1)", 20, 96}, sha256{"hmac(sha256)", 32, 128};
    std::vector<Suite> all;
    for (const std::uint32_t key : {16u, 24u, 32u}) {
        const std::string bits = std::to_string(key * 8);
        all.push_back({"AES-CBC-" + bits, {"cbc(aes)", key, 0}, sha256});
        all.push_back({"Camellia-" + bits, {"cbc(camellia)", key, 0}, sha256});
        all.push_back({"AES-CTR-" + bits, {"rfc3686(ctr(aes))", key + 4, 0}, sha1});
        for (const std::uint32_t icv : {64u, 96u, 128u}) {
            all.push_back({"AES-GCM-" + std::to_string(icv / 8) + "-" + bits,
                           {"rfc4106(gcm(aes))", key + 4, icv},
                           {},
                           true});
        }
        all.push_back({"AES-GMAC-" + bits, {"rfc4543(gcm(aes))", key + 4, 128}, {}, true});
    }
    all.push_back({"3DES", {"cbc(des3_ede)", 24, 0}, {"hmac(md5)", 16, 96}});
    all.push_back({"AES with XCBC", {"cbc(aes)", 16, 0}, {"xcbc(aes)", 16, 96}});
    all.push_back({"AES with SHA-384", {"cbc(aes)", 16, 0}, {"hmac(sha384)", 48, 192}});
    all.push_back({"NULL with SHA-512", {"ecb(cipher_null)", 0, 0}, {"hmac(sha512)", 64, 256}});
    all.push_back({"AES-CTR with XCBC", {"rfc3686(ctr(aes))", 20, 0}, {"xcbc(aes)", 16, 96}});
    all.push_back({"DES", {"cbc(des)", 8, 0}, sha1, false, false});
    for (const std::uint32_t key : {5u, 16u}) {
        all.push_back(
            {"CAST-" + std::to_string(key * 8), {"cbc(cast5)", key, 0}, sha1, false, false});
    }
    for (const std::uint32_t key : {5u, 16u, 56u}) {
        all.push_back(
            {"Blowfish-" + std::to_string(key * 8), {"cbc(blowfish)", key, 0}, sha1, false, false});
    }
    return all;
}

struct XfrmSuites : ::testing::Test {
    TwoHosts net;
    FakeHost a{FakeHost::Clock::Real};
    FakeHost b{FakeHost::Clock::Real};
    std::string journal;
    std::string reason;  // of the last refusal

    FakeHost& host(int i) { return i == 0 ? a : b; }
    void SetUp() override {
        ASSERT_EQ(net.problem(), "");
        char folder[] = "/tmp/racoon-xfrm-XXXXXX";
        ASSERT_NE(::mkdtemp(folder), nullptr);
        journal = folder;
        for (int i = 0; i < 2; ++i) {
            net.enter(i);
            host(i).set("journal", journal);
            ASSERT_TRUE(host(i).load("kernel-xfrm")) << host(i).error();
            ASSERT_TRUE(host(i).open()) << host(i).error();
        }
    }
    void TearDown() override {
        a.close();
        b.close();
        if (!journal.empty()) run("rm -rf " + journal);
    }
    void policies(std::uint32_t protocol) {
        for (int i = 0; i < 2; ++i) {
            for (std::uint32_t direction : {RACOON_DIR_OUT, RACOON_DIR_IN}) {
                racoon_kernel_policy p =
                    esp_policy(10 + direction, direction, selector(kNet[i], kNet[1 - i]), kOuter[i],
                               kOuter[1 - i], 10);
                p.templates[0].protocol = protocol;
                ASSERT_EQ(host(i).policy_add(p), RACOON_OK) << host(i).error();
            }
        }
    }
    static racoon_kernel_sa sa(const Suite& suite, int from, std::uint32_t direction) {
        racoon_kernel_sa s =
            esp_sa(direction, kOuter[from], kOuter[1 - from], from == 0 ? 0x1001u : 0x1002u, 10,
                   static_cast<std::uint8_t>(from + 1));
        s.policy_id = 10 + RACOON_DIR_OUT;
        const auto fill = static_cast<std::uint8_t>(from + 1);
        s.enc = algorithm("", suite.enc.xfrm_name, suite.enc.key, suite.enc.icv, fill);
        // A DES key whose bytes are all the same may be one that ciphers refuse.
        for (std::uint32_t i = 0; i < suite.enc.key; ++i) {
            s.enc.key[i] = static_cast<std::uint8_t>(fill + 17 * i);
        }
        s.auth = algorithm("", suite.auth.xfrm_name, suite.auth.key, suite.auth.icv, fill);
        s.is_aead = suite.aead ? 1 : 0;
        if (direction == RACOON_DIR_IN) s.replay_window = 64;
        return s;
    }
    void install(const Suite& suite, std::uint32_t protocol = RACOON_IPPROTO_ESP) {
        for (int from = 0; from < 2; ++from) {
            racoon_kernel_sa in = sa(suite, from, RACOON_DIR_IN);
            racoon_kernel_sa out = sa(suite, from, RACOON_DIR_OUT);
            in.protocol = out.protocol = protocol;
            if (protocol == RACOON_IPPROTO_COMP) in.replay_window = 0;  // it has no numbers
            ASSERT_EQ(host(1 - from).sa_add(in), RACOON_OK) << host(1 - from).error();
            ASSERT_EQ(host(from).sa_add(out), RACOON_OK) << host(from).error();
        }
    }
    void uninstall(const Suite& suite, std::uint32_t protocol = RACOON_IPPROTO_ESP) {
        for (int from = 0; from < 2; ++from) {
            racoon_kernel_sa in = sa(suite, from, RACOON_DIR_IN);
            in.protocol = protocol;
            EXPECT_EQ(host(from).sa_delete(id_of(in)), RACOON_OK);
            EXPECT_EQ(host(1 - from).sa_delete(id_of(in)), RACOON_OK);
        }
    }
    int ping() {
        const int pid = net.start_in(0, "ping -q -p 7261636f6f6e -c 2 -i 0.2 -W 5 192.168.2.1");
        int status = -1;
        const bool done = a.run_until([&] {
            b.step(0ms);
            return TwoHosts::ended(pid, &status);
        });
        return done ? status : -1;
    }
    std::uint64_t packets(int at, racoon_kernel_sa s) {
        racoon_kernel_sa_info info{};
        EXPECT_EQ(host(at).sa_query(id_of(s), &info), RACOON_OK) << host(at).error();
        return info.packets;
    }
    racoon_status asked(const Suite& suite, bool integrity, std::uint32_t protocol) {
        racoon_kernel_sa s = sa(suite, 0, RACOON_DIR_OUT);
        s.protocol = protocol;
        if (!suite.aead) (integrity ? s.enc : s.auth) = {};
        racoon_error err{};
        err.struct_size = sizeof(err);
        const racoon_status status = a.table().supports(a.impl(), &s, &err);
        reason = err.text;
        return status;
    }

    static constexpr const char* kOuter[2] = {"10.9.0.1", "10.9.0.2"};
    static constexpr const char* kNet[2] = {"192.168.1.0/24", "192.168.2.0/24"};
};

/// An ICMP echo request from 192.168.1.1 to 192.168.2.1, with checksums and that many zeros at its end.
Bytes echo_request(std::size_t zeros = 0) {
    Bytes p = {0x45, 0,   0, 32, 0, 1, 0, 0, 64, 1, 0, 0, 192, 168, 1,   1,
               192,  168, 2, 1,  8, 0, 0, 0, 0,  7, 0, 1, 'r', 'a', 'c', 'o'};
    p.resize(p.size() + zeros);
    p[2] = static_cast<std::uint8_t>(p.size() >> 8);
    p[3] = static_cast<std::uint8_t>(p.size());
    const auto checksum = [&](std::size_t begin, std::size_t end, std::size_t at) {
        std::uint32_t sum = 0;
        for (std::size_t i = begin; i < end; i += 2) sum += p[i] * 256u + p[i + 1];
        while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
        p[at] = static_cast<std::uint8_t>(~sum >> 8);
        p[at + 1] = static_cast<std::uint8_t>(~sum);
    };
    checksum(0, 20, 10);
    checksum(20, p.size(), 22);
    return p;
}

TEST_F(XfrmSuites, EverySuitePassesBetweenTwoKernelsAndBetweenKernelAndUserspace) {
    policies(RACOON_IPPROTO_ESP);
    for (const Suite& suite : suites()) {
        SCOPED_TRACE(suite.name);
        EXPECT_EQ(asked(suite, false, RACOON_IPPROTO_ESP), RACOON_OK) << reason;
        if (!suite.aead) {
            EXPECT_EQ(asked(suite, true, RACOON_IPPROTO_ESP), RACOON_OK) << reason;
        }
        install(suite);
        if (HasFatalFailure()) return;
        std::string error;
        // Userspace to kernel, before the kernel has sent anything with this SA: b answers the echo.
        std::unique_ptr<EspSa> sender;
        if (suite.userspace) {
            sender = EspSa::make(sa(suite, 0, RACOON_DIR_OUT), &error);
            ASSERT_TRUE(sender) << error;
            Bytes packet;
            ASSERT_TRUE(sender->seal(echo_request(), 4, &packet));
            net.enter(0);
            const int raw = ::socket(AF_INET, SOCK_RAW, RACOON_IPPROTO_ESP);
            ASSERT_GE(raw, 0);
            sockaddr_in to{};
            to.sin_family = AF_INET;
            const racoon_addr peer = address(kOuter[1]);
            std::memcpy(&to.sin_addr, peer.bytes, 4);
            net.captured();
            EXPECT_EQ(::sendto(raw, packet.data(), packet.size(), 0,
                               reinterpret_cast<const sockaddr*>(&to), sizeof(to)),
                      static_cast<ssize_t>(packet.size()));
            ::close(raw);
            EXPECT_TRUE(
                a.run_until([&] { return packets(1, sa(suite, 0, RACOON_DIR_IN)) == 1; }, 5s))
                << "the kernel does not take what userspace sealed";
            EXPECT_TRUE(
                a.run_until([&] { return packets(1, sa(suite, 1, RACOON_DIR_OUT)) == 1; }, 5s))
                << "no answer to the echo";
            uninstall(suite);
            install(suite);
        }
        net.captured();
        EXPECT_EQ(ping(), 0);
        EXPECT_EQ(packets(1, sa(suite, 0, RACOON_DIR_IN)), 2u);
        // Kernel to userspace: the same packets, read off the cable.
        const auto seen = ip_packets(net.captured());
        EXPECT_EQ(seen.size(), 4u);
        std::size_t opened = 0;
        std::unique_ptr<EspSa> receivers[2];
        for (int from = 0; suite.userspace && from < 2; ++from) {
            receivers[from] = EspSa::make(sa(suite, from, RACOON_DIR_IN), &error);
            ASSERT_TRUE(receivers[from]) << error;
        }
        for (const auto& packet : seen) {
            EXPECT_TRUE(is_esp(packet));
            const bool clear = suite.enc.key == 0 || suite.name.rfind("AES-GMAC", 0) == 0;
            EXPECT_EQ(contains(packet, "racoonracoon"), clear);
            if (!suite.userspace) continue;
            Bytes esp(packet.begin() + 20, packet.end());
            std::span<std::uint8_t> inner;
            std::uint8_t next = 0;
            const int from = packet[15] == 1 ? 0 : 1;  // the last byte of the source
            EXPECT_EQ(receivers[from]->open(esp, &inner, &next), Opened::Packet);
            EXPECT_EQ(next, 4);
            EXPECT_TRUE(contains(Bytes(inner.begin(), inner.end()), "racoonracoon"));
            ++opened;
        }
        EXPECT_EQ(opened, suite.userspace ? 4u : 0u);
        uninstall(suite);
    }
}

// The echo request in a tunnel of AH from host 0 to host 1, sealed by userspace.
Bytes echo_in_ah(AhSa& ah) {
    kernel_userspace::Outer outer;
    outer.src = address("10.9.0.1");
    outer.dst = address("10.9.0.2");
    outer.id = 0x4711;
    Bytes packet = make_packet(outer, kernel_userspace::kProtoAh, Bytes(ah.size()));
    const Bytes inner = echo_request();
    packet.insert(packet.end(), inner.begin(), inner.end());
    kernel_userspace::set_next(packet, 20, kernel_userspace::kProtoAh);
    return ah.seal(packet, 20, 4) == Sealed::Done ? packet : Bytes{};
}

// An IP packet just as it is; whether it was taken.
bool send_raw(const Bytes& packet, const racoon_addr& peer) {
    const int raw = ::socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    std::memcpy(&to.sin_addr, peer.bytes, 4);
    const ssize_t sent = ::sendto(raw, packet.data(), packet.size(), 0,
                                  reinterpret_cast<const sockaddr*>(&to), sizeof(to));
    ::close(raw);
    return sent == static_cast<ssize_t>(packet.size());
}

TEST_F(XfrmSuites, EveryMacOfAhPassesAndGmacIsToldApart) {
    policies(RACOON_IPPROTO_AH);
    const Alg macs[] = {{"hmac(md5)", 16, 96},     {"hmac(sha1)", 20, 96},
                        {"hmac(sha256)", 32, 128}, {"hmac(sha384)", 48, 192},
                        {"hmac(sha512)", 64, 256}, {"xcbc(aes)", 16, 96}};
    for (const Alg& mac : macs) {
        SCOPED_TRACE(mac.xfrm_name);
        const Suite suite{mac.xfrm_name, {}, mac};
        EXPECT_EQ(asked(suite, true, RACOON_IPPROTO_AH), RACOON_OK) << reason;
        install(suite, RACOON_IPPROTO_AH);
        if (HasFatalFailure()) return;
        const auto of = [&](int from, std::uint32_t direction) {
            racoon_kernel_sa s = sa(suite, from, direction);
            s.protocol = RACOON_IPPROTO_AH;
            return s;
        };
        // Userspace to kernel.
        std::string error;
        const auto sender = AhSa::make(of(0, RACOON_DIR_OUT), &error);
        ASSERT_TRUE(sender) << error;
        net.enter(0);
        EXPECT_TRUE(send_raw(echo_in_ah(*sender), address(kOuter[1])));
        EXPECT_TRUE(a.run_until([&] { return packets(1, of(0, RACOON_DIR_IN)) == 1; }, 5s))
            << "the kernel does not take what userspace sealed";
        EXPECT_TRUE(a.run_until([&] { return packets(1, of(1, RACOON_DIR_OUT)) == 1; }, 5s))
            << "no answer to the echo";
        uninstall(suite, RACOON_IPPROTO_AH);
        install(suite, RACOON_IPPROTO_AH);
        net.captured();
        EXPECT_EQ(ping(), 0);
        // Kernel to userspace: the same packets, read off the cable.
        std::unique_ptr<AhSa> receivers[2];
        for (int from = 0; from < 2; ++from) {
            receivers[from] = AhSa::make(of(from, RACOON_DIR_IN), &error);
            ASSERT_TRUE(receivers[from]) << error;
        }
        std::size_t opened = 0;
        for (const auto& packet : ip_packets(net.captured())) {
            ASSERT_EQ(packet[9], RACOON_IPPROTO_AH);
            AhSa::Header header;
            const int from = packet[15] == 1 ? 0 : 1;  // the last byte of the source
            EXPECT_EQ(receivers[from]->open(packet, 20, &header), Opened::Packet);
            EXPECT_EQ(header.next, 4);
            EXPECT_EQ(header.size, receivers[from]->size());
            ++opened;
        }
        EXPECT_EQ(opened, 4u);
        uninstall(suite, RACOON_IPPROTO_AH);
    }
    const Suite gmac{"GMAC", {}, {"rfc4543(gcm(aes))", 20, 128}};
    EXPECT_EQ(asked(gmac, true, RACOON_IPPROTO_AH), RACOON_NOT_SUPPORTED) << reason;
    EXPECT_NE(reason.find("rfc4543(gcm(aes))"), std::string::npos) << reason;
}

TEST_F(XfrmSuites, IpcompPassesBetweenKernelAndUserspace) {
    policies(RACOON_IPPROTO_COMP);
    const Suite deflate{"deflate", {"deflate", 0, 0}, {}};
    install(deflate, RACOON_IPPROTO_COMP);
    if (HasFatalFailure()) return;
    const auto of = [&](int from, std::uint32_t direction) {
        racoon_kernel_sa s = sa(deflate, from, direction);
        s.protocol = RACOON_IPPROTO_COMP;
        return s;
    };
    // Userspace to kernel.
    std::string error;
    const auto sender = CompSa::make(of(0, RACOON_DIR_OUT), &error);
    ASSERT_TRUE(sender) << error;
    Bytes compressed;
    ASSERT_TRUE(sender->compress(echo_request(1000), 4, &compressed));
    kernel_userspace::Outer outer;
    outer.src = address(kOuter[0]);
    outer.dst = address(kOuter[1]);
    net.enter(0);
    EXPECT_TRUE(send_raw(make_packet(outer, kernel_userspace::kProtoComp, compressed), outer.dst));
    EXPECT_TRUE(a.run_until([&] { return packets(1, of(0, RACOON_DIR_IN)) == 1; }, 5s))
        << "the kernel does not take what userspace compressed";
    EXPECT_TRUE(a.run_until([&] { return packets(1, of(1, RACOON_DIR_OUT)) == 1; }, 5s))
        << "no answer to the echo";
    // Kernel to userspace.
    net.captured();
    const int pid = net.start_in(0, "ping -q -p 7261636f6f6e -c 2 -i 0.2 -W 5 -s 1000 192.168.2.1");
    int status = -1;
    ASSERT_TRUE(a.run_until([&] { return TwoHosts::ended(pid, &status); }));
    EXPECT_EQ(status, 0);
    std::size_t expanded = 0;
    for (const auto& packet : ip_packets(net.captured())) {
        ASSERT_EQ(packet[9], RACOON_IPPROTO_COMP);
        EXPECT_LT(packet.size(), 300u);
        Bytes inner;
        std::uint8_t next = 0;
        ASSERT_TRUE(sender->expand(ByteView(packet).subspan(20), 0xffff, &next, &inner));
        EXPECT_EQ(next, 4);
        EXPECT_TRUE(contains(inner, "racoonracoon"));
        ++expanded;
    }
    EXPECT_EQ(expanded, 4u);
}

TEST_F(XfrmSuites, AskingLeavesNothingBehind) {
    const Suite unknown{"unknown", {"cbc(nothing)", 16, 0}, {"hmac(sha1)", 20, 96}};
    EXPECT_EQ(asked(unknown, false, RACOON_IPPROTO_ESP), RACOON_NOT_SUPPORTED);
    const Suite odd{"odd key", {"cbc(aes)", 17, 0}, {"hmac(sha1)", 20, 96}};
    EXPECT_EQ(asked(odd, false, RACOON_IPPROTO_ESP), RACOON_NOT_SUPPORTED);
    for (const Suite& suite : suites()) asked(suite, false, RACOON_IPPROTO_ESP);
    std::string text;
    net.run_in(0, "ip xfrm state", &text);
    EXPECT_EQ(text, "");
}

}  // namespace
}  // namespace racoon::test
