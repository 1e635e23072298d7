// kernel-userspace carries real packets between two hosts, and drops what it must.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "conformance.hpp"
#include "fake_host.hpp"
#include "netns.hpp"

namespace racoon::test {
namespace {

using namespace std::chrono_literals;

struct Family {
    std::string outer[2];
    std::string net[2];
    std::string inner[2];
};
const Family kV4 = {
    {"10.9.0.1", "10.9.0.2"}, {"192.168.1.0/24", "192.168.2.0/24"}, {"192.168.1.1", "192.168.2.1"}};
const Family kV6 = {{"fd09::1", "fd09::2"}, {"fd01::/64", "fd02::/64"}, {"fd01::1", "fd02::1"}};

struct Userspace : ::testing::Test {
    TwoHosts net;
    FakeHost a{FakeHost::Clock::Real};
    FakeHost b{FakeHost::Clock::Real};
    bool usable = false;

    FakeHost& host(int i) { return i == 0 ? a : b; }
    void SetUp() override {
        if (!net.problem().empty() || ::access("/dev/net/tun", R_OK | W_OK) != 0) {
            // In CI everything is installed, so what is missing there is a failure.
            if (std::getenv("CI") != nullptr) FAIL() << net.problem() << " or no /dev/net/tun";
            GTEST_SKIP() << net.problem() << " or no /dev/net/tun";
        }
        for (int i = 0; i < 2; ++i) {
            net.enter(i);
            ASSERT_TRUE(host(i).load("kernel-userspace")) << host(i).error();
            ASSERT_EQ(host(i).table().probe(host(i).impl(), host(i).err()), RACOON_OK)
                << host(i).error();
            ASSERT_TRUE(host(i).open()) << host(i).error();
        }
        usable = true;
    }

    void policies(const Family& f) {
        for (int i = 0; i < 2; ++i) {
            const auto s = selector(f.net[i], f.net[1 - i]);
            const std::uint32_t id = f.outer[0] == kV4.outer[0] ? 10 : 20;
            ASSERT_EQ(host(i).policy_add(
                          esp_policy(id, RACOON_DIR_OUT, s, f.outer[i], f.outer[1 - i], 1)),
                      RACOON_OK)
                << host(i).error();
            ASSERT_EQ(host(i).policy_add(
                          esp_policy(id + 1, RACOON_DIR_IN, s, f.outer[i], f.outer[1 - i], 1)),
                      RACOON_OK)
                << host(i).error();
        }
    }
    racoon_kernel_sa sa(const Family& f, int from, std::uint32_t direction) {
        racoon_kernel_sa s =
            esp_sa(direction, f.outer[from], f.outer[1 - from], from == 0 ? 0x1001 : 0x1002, 1,
                   static_cast<std::uint8_t>(from + 1));
        s.policy_id = 10;
        if (direction == RACOON_DIR_IN) s.replay_window = 64;
        return s;
    }
    using Change = std::function<void(racoon_kernel_sa&)>;
    void install(
        const Family& f, const Change& change = [](racoon_kernel_sa&) {}) {
        for (int from = 0; from < 2; ++from) {
            racoon_kernel_sa in = sa(f, from, RACOON_DIR_IN);
            racoon_kernel_sa out = sa(f, from, RACOON_DIR_OUT);
            change(in);
            change(out);
            ASSERT_EQ(host(1 - from).sa_add(in), RACOON_OK) << host(1 - from).log;
            ASSERT_EQ(host(from).sa_add(out), RACOON_OK) << host(from).log;
        }
    }
    // Runs ping on host 0 while both hosts are served; its exit status.
    int ping(const std::string& to, const std::string& options) {
        const int pid = net.start_in(0, "ping -q -p 7261636f6f6e " + options + " " + to);
        int status = -1;
        const bool done = a.run_until([&] {
            b.step(0ms);
            return TwoHosts::ended(pid, &status);
        });
        return done ? status : -1;
    }
    std::uint64_t packets(int at, const racoon_kernel_sa& s) {
        racoon_kernel_sa_info info{};
        EXPECT_EQ(host(at).sa_query(id_of(s), &info), RACOON_OK);
        return info.packets;
    }
    void expect_only_esp() {
        const auto seen = ip_packets(net.captured());
        EXPECT_FALSE(seen.empty());
        for (const auto& packet : seen) {
            EXPECT_TRUE(is_esp(packet)) << "protocol in the clear on the wire";
            EXPECT_FALSE(contains(packet, "racoonracoon")) << "the ping's payload is readable";
        }
    }
};

// 2 MB of a pattern, which the other end knows.
std::string perl_transfer(const std::string& body) {
    return "perl -MIO::Socket::IP -e '$d = join(\"\", map { pack(\"N\", $_ * 2654435761) } 1..500000); " +
           body + "'";
}
std::string transfer_server(const std::string& address) {
    return perl_transfer(
        "$s = IO::Socket::IP->new(LocalHost => \"" + address +
        "\", LocalPort => 7000, Listen => 1, ReuseAddr => 1) or die $!; $c = $s->accept; "
        "while (sysread($c, $x, 65536)) { $g .= $x } exit($g eq $d ? 0 : 1)");
}
std::string transfer_client(const std::string& own, const std::string& peer) {
    return perl_transfer(
        "for (1..100) { $c = IO::Socket::IP->new(LocalHost => \"" + own + "\", PeerHost => \"" +
        peer +
        "\", PeerPort => 7000) and last; select(undef, undef, undef, 0.1) } "
        "$c or die $!; while (length $d) { $n = syswrite($c, $d) or die $!; substr($d, 0, $n, \"\") } "
        "exit(0)");
}

TEST_F(Userspace, PingsThroughTheTunnelWithOnlyEspOnTheWire) {
    for (const Family& f : {kV4, kV6}) {
        policies(f);
        install(f);
        net.captured();
        EXPECT_EQ(ping(f.inner[1], "-c 5 -i 0.05 -W 5"), 0) << a.log << b.log;
        expect_only_esp();
        EXPECT_EQ(packets(1, sa(f, 0, RACOON_DIR_IN)), 5u);
        EXPECT_EQ(packets(0, sa(f, 1, RACOON_DIR_IN)), 5u);
    }
}

TEST_F(Userspace, CarriesEveryAlgorithmThatItOffers) {
    struct Suite {
        const char* name;
        Change change;
    };
    const auto integrity = [](const char* name, std::uint32_t key, std::uint32_t icv) {
        return algorithm("", name, key, icv, 9);
    };
    const Suite suites[] = {
        {"AES-256-CBC, HMAC-SHA1-96",
         [&](racoon_kernel_sa& s) {
             s.enc = algorithm("", "cbc(aes)", 32, 0, 3);
             s.auth = integrity("hmac(sha1)", 20, 96);
         }},
        {"AES-192-CBC, HMAC-SHA384-192",
         [&](racoon_kernel_sa& s) {
             s.enc = algorithm("", "cbc(aes)", 24, 0, 3);
             s.auth = integrity("hmac(sha384)", 48, 192);
         }},
        {"3DES, HMAC-SHA512-256",
         [&](racoon_kernel_sa& s) {
             s.enc = algorithm("", "cbc(des3_ede)", 24, 0, 3);
             s.auth = integrity("hmac(sha512)", 64, 256);
         }},
        {"AES-128-GCM-16",
         [&](racoon_kernel_sa& s) {
             s.enc = algorithm("", "rfc4106(gcm(aes))", 20, 128, 3);
             s.auth = {};
             s.is_aead = 1;
         }},
        {"AES-256-GCM-16 with ESN",
         [&](racoon_kernel_sa& s) {
             s.enc = algorithm("", "rfc4106(gcm(aes))", 36, 128, 3);
             s.auth = {};
             s.is_aead = 1;
             s.flags |= RACOON_SA_ESN;
         }},
        {"ChaCha20-Poly1305",
         [&](racoon_kernel_sa& s) {
             s.enc = algorithm("", "rfc7539esp(chacha20,poly1305)", 36, 128, 3);
             s.auth = {};
             s.is_aead = 1;
         }},
        {"AES-128-CBC, HMAC-MD5-96 with ESN",
         [&](racoon_kernel_sa& s) {
             s.auth = integrity("hmac(md5)", 16, 96);
             s.flags |= RACOON_SA_ESN;
         }},
    };
    policies(kV4);
    for (const Suite& suite : suites) {
        SCOPED_TRACE(suite.name);
        install(kV4, suite.change);
        net.captured();
        EXPECT_EQ(ping(kV4.inner[1], "-c 2 -i 0.05 -W 5 -s 1300"), 0);
        expect_only_esp();
        for (int from = 0; from < 2; ++from) {
            EXPECT_EQ(host(from).sa_delete(id_of(sa(kV4, from, RACOON_DIR_OUT))), RACOON_OK);
            EXPECT_EQ(host(1 - from).sa_delete(id_of(sa(kV4, from, RACOON_DIR_IN))), RACOON_OK);
        }
    }
}

TEST_F(Userspace, TellsWhatItCanDoOfEachProtocol) {
    racoon_kernel_caps caps{};
    caps.struct_size = sizeof(caps);
    ASSERT_EQ(a.table().capabilities(a.impl(), &caps), RACOON_OK);
    for (const std::uint64_t flag : {RACOON_CAP_AH, RACOON_CAP_IPCOMP, RACOON_CAP_TRANSPORT_MODE}) {
        EXPECT_NE(caps.flags & flag, 0u) << flag;
    }
    racoon_error error{};
    error.struct_size = sizeof(error);
    const auto asked = [&](std::uint32_t protocol, const racoon_kernel_alg& enc,
                           const racoon_kernel_alg& auth) {
        racoon_kernel_sa s{};
        s.struct_size = sizeof(s);
        s.protocol = protocol;
        s.mode = RACOON_MODE_TUNNEL;
        s.enc = enc;
        s.auth = auth;
        return a.table().supports(a.impl(), &s, &error);
    };
    const auto sha1 = algorithm("", "hmac(sha1)", 20, 96, 1);
    const auto xcbc = algorithm("", "xcbc(aes)", 16, 96, 1);
    const auto gmac = algorithm("", "rfc4543(gcm(aes))", 20, 128, 1);
    EXPECT_EQ(asked(RACOON_IPPROTO_AH, {}, sha1), RACOON_OK);
    EXPECT_EQ(asked(RACOON_IPPROTO_AH, {}, xcbc), RACOON_OK);
    EXPECT_EQ(asked(RACOON_IPPROTO_AH, {}, gmac), RACOON_OK);
    const auto cbc = algorithm("", "cbc(aes)", 16, 0, 1);
    EXPECT_EQ(asked(RACOON_IPPROTO_ESP, cbc, gmac), RACOON_NOT_SUPPORTED);
    EXPECT_NE(std::string(error.text).find("rfc4543(gcm(aes))"), std::string::npos) << error.text;
    EXPECT_EQ(asked(RACOON_IPPROTO_AH, {}, {}), RACOON_NOT_SUPPORTED);
    EXPECT_EQ(asked(RACOON_IPPROTO_ESP, algorithm("", "cbc(aes)", 16, 0, 1), {}), RACOON_OK);
    EXPECT_EQ(asked(RACOON_IPPROTO_COMP, algorithm("", "deflate", 0, 0, 0), {}), RACOON_OK);
    EXPECT_EQ(asked(RACOON_IPPROTO_COMP, algorithm("", "lzs", 0, 0, 0), {}), RACOON_NOT_SUPPORTED);
    EXPECT_EQ(asked(4, {}, sha1), RACOON_NOT_SUPPORTED);
}

// What does not get smaller would come as a plain tunnel, which nobody here listens for.
TEST_F(Userspace, DoesATunnelOfIpcompOnlyInsideOfEspOrAh) {
    racoon_kernel_policy p = esp_policy(10, RACOON_DIR_OUT, selector(kV4.net[0], kV4.net[1]),
                                        kV4.outer[0], kV4.outer[1], 1);
    p.templates[0].protocol = RACOON_IPPROTO_COMP;
    EXPECT_EQ(a.policy_add(p), RACOON_NOT_SUPPORTED);
    p.templates[1] = {RACOON_IPPROTO_ESP, RACOON_MODE_TRANSPORT, RACOON_LEVEL_REQUIRE, 1, {}, {}};
    p.template_count = 2;
    EXPECT_EQ(a.policy_add(p), RACOON_OK) << a.error();
}

TEST_F(Userspace, RefusesAnAlgorithmThatItDoesNotKnow) {
    racoon_kernel_sa s = sa(kV4, 0, RACOON_DIR_OUT);
    s.enc = algorithm("", "cbc(blowfish)", 16, 0, 1);
    EXPECT_EQ(a.sa_add(s), RACOON_NOT_SUPPORTED);
    EXPECT_TRUE(a.sa_dump().empty());
}

TEST_F(Userspace, DropsReplayedForgedAndTruncatedPackets) {
    policies(kV4);
    install(kV4);
    net.captured();
    ASSERT_EQ(ping(kV4.inner[1], "-c 1 -W 5"), 0);
    std::vector<std::vector<std::uint8_t>> requests;  // from host 0, as frames
    for (const auto& frame : net.captured()) {
        if (frame.size() > 34 && frame[12] == 8 && frame[13] == 0 && frame[29] == 1)
            requests.push_back(frame);
    }
    ASSERT_EQ(requests.size(), 1u);
    const racoon_kernel_sa in = sa(kV4, 0, RACOON_DIR_IN);
    ASSERT_EQ(packets(1, in), 1u);
    net.inject(requests[0]);  // replayed
    auto forged = requests[0];
    forged[14 + 20 + 7] = 200;  // a fresh sequence number, so the ICV is wrong
    net.inject(forged);
    auto flipped = forged;
    flipped[14 + 20 + 7] = 201;
    flipped[60] = static_cast<std::uint8_t>(flipped[60] ^ 1);
    net.inject(flipped);
    for (std::size_t size : {34u, 38u, 42u, 43u, 58u, 70u}) {
        auto cut = forged;
        cut.resize(size);
        cut[16] = 0;
        cut[17] = static_cast<std::uint8_t>(size - 14);
        net.inject(cut);  // its IP checksum is wrong too, where the kernel looks
    }
    // A ping after them is answered in order, so they have been judged by then.
    ASSERT_EQ(ping(kV4.inner[1], "-c 1 -W 5"), 0);
    EXPECT_EQ(packets(1, in), 2u);
}

TEST_F(Userspace, DropsEverythingUnderTheWrongKey) {
    policies(kV4);
    install(kV4);
    racoon_kernel_sa in = sa(kV4, 0, RACOON_DIR_IN);
    ASSERT_EQ(b.sa_delete(id_of(in)), RACOON_OK);
    in.auth.key[0] ^= 1;
    ASSERT_EQ(b.sa_add(in), RACOON_OK);
    EXPECT_NE(ping(kV4.inner[1], "-c 2 -i 0.05 -W 1"), 0);
    EXPECT_EQ(packets(0, sa(kV4, 0, RACOON_DIR_OUT)), 2u);
    EXPECT_EQ(packets(1, in), 0u);
}

TEST_F(Userspace, DropsWhatComesOutOfTheTunnelButNotFromTheSelectorOfTheSa) {
    policies(kV4);
    install(kV4, [](racoon_kernel_sa& s) {
        if (s.direction == RACOON_DIR_IN)
            s.selector = selector("192.168.2.1/32", "192.168.1.77/32");
    });
    EXPECT_NE(ping(kV4.inner[1], "-c 2 -i 0.05 -W 1"), 0);
    EXPECT_EQ(packets(1, sa(kV4, 0, RACOON_DIR_IN)), 0u);
}

TEST_F(Userspace, AcquiresOnTrafficAndLosesNoPacketWhileTheSaIsMade) {
    policies(kV4);
    a.on_event = [&](const racoon_kernel_event& e) {
        if (e.type == RACOON_KERNEL_ACQUIRE && a.count(RACOON_KERNEL_ACQUIRE) == 1) {
            // Not from inside the event: the daemon negotiates first, too.
            EXPECT_EQ(e.policy_id, 10u);
        }
    };
    const int pid = net.start_in(0, "ping -q -c 3 -i 0.05 -W 10 192.168.2.1");
    ASSERT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_ACQUIRE) == 1; }));
    install(kV4);
    a.table().acquire_done(a.impl(), a.last(RACOON_KERNEL_ACQUIRE)->acquire_token, RACOON_OK);
    int status = -1;
    ASSERT_TRUE(a.run_until([&] { return TwoHosts::ended(pid, &status); }));
    EXPECT_EQ(status, 0);
    // ping connects a UDP socket first but sends nothing on it: three requests, none lost.
    EXPECT_EQ(packets(1, sa(kV4, 0, RACOON_DIR_IN)), 3u);
    EXPECT_EQ(a.count(RACOON_KERNEL_ACQUIRE), 1u);
}

TEST_F(Userspace, AcquiresAgainAfterAFailedNegotiation) {
    policies(kV4);
    EXPECT_NE(ping(kV4.inner[1], "-c 2 -i 0.05 -W 1"), 0);
    ASSERT_EQ(a.count(RACOON_KERNEL_ACQUIRE), 1u);
    a.table().acquire_done(a.impl(), a.last(RACOON_KERNEL_ACQUIRE)->acquire_token, RACOON_TIMEOUT);
    EXPECT_NE(ping(kV4.inner[1], "-c 1 -W 1"), 0);
    EXPECT_EQ(a.count(RACOON_KERNEL_ACQUIRE), 2u);
}

TEST_F(Userspace, ProtectsTrafficBetweenTheTwoHostsThemselvesWithoutALoop) {
    Family f = kV4;
    for (int i = 0; i < 2; ++i) f.net[i] = f.outer[i] + "/32";
    policies(f);
    install(f);
    net.captured();
    EXPECT_EQ(ping(f.outer[1], "-c 3 -i 0.05 -W 5"), 0);
    expect_only_esp();
    EXPECT_EQ(packets(1, sa(f, 0, RACOON_DIR_IN)), 3u);
}

TEST_F(Userspace, CarriesTransportModeBetweenTheTwoHosts) {
    for (const Family& v : {kV4, kV6}) {
        const std::string bits = v.outer[0] == kV4.outer[0] ? "/32" : "/128";
        for (int i = 0; i < 2; ++i) {
            const auto s = selector(v.outer[i] + bits, v.outer[1 - i] + bits);
            for (const std::uint32_t direction : {RACOON_DIR_OUT, RACOON_DIR_IN}) {
                racoon_kernel_policy p = esp_policy((bits == "/32" ? 10 : 20) + direction,
                                                    direction, s, v.outer[i], v.outer[1 - i], 1);
                p.templates[0].mode = RACOON_MODE_TRANSPORT;
                p.templates[0].local = p.templates[0].remote = {};
                ASSERT_EQ(host(i).policy_add(p), RACOON_OK) << host(i).error();
            }
        }
        install(v, [](racoon_kernel_sa& s) { s.mode = RACOON_MODE_TRANSPORT; });
        net.captured();
        EXPECT_EQ(ping(v.outer[1], "-c 2 -i 0.05 -W 5"), 0) << a.log << b.log;
        EXPECT_EQ(ping(v.outer[1], "-c 2 -i 0.05 -W 5 -s 4000"), 0) << "datagrams in pieces";
        EXPECT_EQ(packets(1, sa(v, 0, RACOON_DIR_IN)), 4u) << "each sealed whole";
        for (const auto& packet : ip_packets(net.captured()))
            EXPECT_FALSE(contains(packet, "racoonracoon")) << "in the clear";
    }
}

// RFC 4301 5.1.2.1: the outer header has the traffic class, congestion bits included.
TEST_F(Userspace, CopiesTheTrafficClassToTheOuterHeader) {
    for (const Family& f : {kV4, kV6}) {
        policies(f);
        install(f);
        net.captured();
        EXPECT_EQ(ping(f.inner[1], "-c 1 -W 5 -Q 0xb9"), 0);
        for (const auto& packet : ip_packets(net.captured())) {
            const int seen =
                packet[0] >> 4 == 4 ? packet[1] : (packet[0] & 15) << 4 | packet[1] >> 4;
            // The kernel answers with the DSCP alone.
            EXPECT_TRUE(seen == 0xb9 || seen == 0xb8) << seen;
        }
    }
}

// The way to the peer has become narrower than the device thinks.
TEST_F(Userspace, FindsTheMtuOfTheWayAndTellsTheSender) {
    policies(kV4);
    install(kV4);
    ASSERT_EQ(net.run_in(0, "ip route add 10.9.0.2/32 dev eth0 mtu 1200"), 0);
    EXPECT_NE(ping(kV4.inner[1], "-c 3 -i 0.2 -W 1 -M do -s 1250"), 0);
    std::string route;
    net.run_in(0, "ip route get 192.168.2.1 from 192.168.1.1", &route);
    EXPECT_NE(route.find("mtu 1"), std::string::npos) << route;
    EXPECT_EQ(ping(kV4.inner[1], "-c 2 -i 0.05 -W 5 -M do -s 1000"), 0) << "what fits";
    EXPECT_EQ(ping(kV4.inner[1], "-c 2 -i 0.05 -W 5 -M dont -s 3000"), 0) << "in fragments";
}

// Large segments from the kernel, cut and put together again; what arrives is what was sent.
TEST_F(Userspace, CarriesABulkOfTcpWithoutAnError) {
    for (const Family& f : {kV4, kV6}) {
        policies(f);
        install(f);
        const int server = net.start_in(1, transfer_server(f.inner[1]));
        const int client = net.start_in(0, transfer_client(f.inner[0], f.inner[1]));
        int server_status = -1;
        int client_status = -1;
        bool server_ended = false;
        bool client_ended = false;
        ASSERT_TRUE(a.run_until([&] {
            b.step(0ms);
            server_ended = server_ended || TwoHosts::ended(server, &server_status);
            client_ended = client_ended || TwoHosts::ended(client, &client_status);
            return server_ended && client_ended;
        })) << a.log
            << b.log;
        EXPECT_EQ(server_status, 0);
        EXPECT_EQ(client_status, 0);
        EXPECT_GT(packets(1, sa(f, 0, RACOON_DIR_IN)), 2'000'000u / 1400);
    }
}

TEST_F(Userspace, LeavesTrafficOutsideTheSelectorAlone) {
    policies(kV4);
    install(kV4);
    net.captured();
    EXPECT_EQ(ping("10.9.0.2", "-c 1 -W 5"), 0);
    for (const auto& packet : ip_packets(net.captured())) EXPECT_FALSE(is_esp(packet));
    EXPECT_EQ(packets(0, sa(kV4, 0, RACOON_DIR_OUT)), 0u);
}

TEST_F(Userspace, ReportsExpiryByBytes) {
    policies(kV4);
    install(kV4, [](racoon_kernel_sa& s) {
        if (s.direction != RACOON_DIR_OUT || s.spi != 0x1001) return;
        s.soft_bytes = 150;
        s.hard_bytes = 250;
    });
    ping(kV4.inner[1], "-c 3 -i 0.05 -W 1");
    ASSERT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_EXPIRE_HARD) == 1; }));
    EXPECT_EQ(a.count(RACOON_KERNEL_EXPIRE_SOFT), 1u);
    EXPECT_EQ(a.last(RACOON_KERNEL_EXPIRE_HARD)->spi, 0x1001u);
    EXPECT_EQ(a.sa_dump().size(), 1u) << "only the inbound SA is left";
}

TEST_F(Userspace, ReportsExpiryByTime) {
    racoon_kernel_sa s = sa(kV4, 0, RACOON_DIR_OUT);
    s.soft_ns = 50'000'000;
    s.hard_ns = 120'000'000;
    ASSERT_EQ(a.sa_add(s), RACOON_OK);
    ASSERT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_EXPIRE_HARD) == 1; }));
    ASSERT_EQ(a.events.size(), 2u);
    EXPECT_EQ(a.events[0].type, RACOON_KERNEL_EXPIRE_SOFT);
    EXPECT_TRUE(a.sa_dump().empty());
}

std::string status_line(int pid, const std::string& key) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/status");
    std::string line;
    while (std::getline(in, line)) {
        if (line.rfind(key + ":", 0) == 0) return line.substr(key.size() + 1);
    }
    return "";
}

TEST_F(Userspace, RunsItsPacketsInAProcessWithoutPrivileges) {
    ASSERT_TRUE(a.run_until(
        [&] { return a.log.find("data process without capabilities") != std::string::npos; }));
    ASSERT_EQ(a.helper_pids().size(), 1u);
    const int pid = a.helper_pids()[0];
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
        EXPECT_EQ(status_line(pid, set), "\t0000000000000000") << set;
    }
    EXPECT_EQ(status_line(pid, "NoNewPrivs"), "\t1");
    EXPECT_EQ(status_line(pid, "Name"), "\tracoon: data");
    std::istringstream uids(status_line(pid, "Uid"));
    int uid = -1;
    uids >> uid;
    const bool only_root_is_mapped = a.log.find("keeps uid 0") != std::string::npos;
    EXPECT_TRUE(uid != 0 || only_root_is_mapped) << uid;
}

TEST_F(Userspace, SaysWhenTheDataProcessDiesAndStartsAnother) {
    policies(kV4);
    install(kV4);
    ::kill(a.helper_pids().at(0), SIGKILL);
    ASSERT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_FAILED) == 1; }));
    EXPECT_EQ(a.count(RACOON_KERNEL_SA_DELETED), 2u);
    EXPECT_TRUE(a.sa_dump().empty());
    ASSERT_TRUE(a.run_until([&] { return a.helper_pids().size() == 1; }));
    // It knows the policies again: traffic acquires.
    EXPECT_NE(ping(kV4.inner[1], "-c 1 -W 1"), 0);
    EXPECT_EQ(a.count(RACOON_KERNEL_ACQUIRE), 1u);
}

TEST_F(Userspace, SendsNothingInTheClearWhenItsDeviceIsDownOrGone) {
    // The kernel takes the routes into a device away with it; a killed daemon's device goes, too.
    for (const Family& f : {kV4, kV6}) policies(f);
    ASSERT_EQ(net.run_in(0, "ip route add default via 10.9.0.2"), 0);
    ASSERT_EQ(net.run_in(0, "ip -6 route add default via fd09::2"), 0);
    for (const char* end : {"ip link set racoon0 down", "ip link delete racoon0"}) {
        ASSERT_EQ(net.run_in(0, end), 0);
        net.captured();
        for (const Family& f : {kV4, kV6}) {
            const std::string from = " -I " + f.inner[0] + " ";
            EXPECT_NE(ping(f.inner[1], "-c 1 -W 1" + from), 0) << end;
            EXPECT_NE(ping(f.inner[1], "-c 1 -W 1"), 0) << end;
        }
        for (const auto& packet : ip_packets(net.captured()))
            EXPECT_FALSE(contains(packet, "racoonracoon")) << "in the clear after: " << end;
    }
}

// An administrator sets it down and up; another program thinks that all rules and routes are its own.
TEST_F(Userspace, PutsBackWhatSomebodyElseTakesAway) {
    for (const Family& f : {kV4, kV6}) {
        policies(f);
        install(f);
    }
    const auto look = [&] {
        std::string all;
        net.run_in(0, "ip rule; ip -6 rule; ip route show table 7261; ip -6 route show table 7261",
                   &all);
        return all;
    };
    const std::string before = look();
    EXPECT_NE(before.find("default dev racoon0"), std::string::npos) << before;
    for (const char* change :
         {"ip link set racoon0 down", "ip route flush table 7261", "ip -6 route flush table 7261",
          "ip rule flush protocol 114", "ip -6 rule flush protocol 114", "ip rule del goto 32766",
          "ip addr del 192.168.1.1/24 dev lo"}) {
        SCOPED_TRACE(change);
        ASSERT_EQ(net.run_in(0, change), 0);
        if (std::string(change).find("racoon0") != std::string::npos) {
            ASSERT_TRUE(a.run_until(
                [&] { return a.log.find("racoon0 has been set down") != std::string::npos; }, 5s))
                << a.log;
            ASSERT_EQ(net.run_in(0, "ip link set racoon0 up"), 0);
        }
        if (std::string(change).find("addr del") != std::string::npos) {
            // The source of a route of ours goes, and comes back.
            EXPECT_TRUE(
                a.run_until([&] { return look().find("192.168.1.1") == std::string::npos; }, 5s));
            ASSERT_EQ(net.run_in(0, "ip addr add 192.168.1.1/24 dev lo"), 0);
        }
        EXPECT_TRUE(a.run_until([&] { return look() == before; }, 5s)) << look() << a.log;
        for (const Family& f : {kV4, kV6})
            EXPECT_EQ(ping(f.inner[1], "-c 2 -i 0.05 -W 5 -I " + f.inner[0]), 0) << a.log;
    }
    EXPECT_NE(a.log.find("had been taken away, and are there again"), std::string::npos) << a.log;
    // What it does itself is no news: a policy that goes stays away.
    ASSERT_EQ(a.policy_delete(10), RACOON_OK);
    const std::string gone = look();
    EXPECT_EQ(gone.find("192.168.2.0/24"), std::string::npos) << gone;
    const std::string log = a.log;
    a.run_until([] { return false; }, 1500ms);
    EXPECT_EQ(look(), gone);
    EXPECT_EQ(a.log, log);
}

TEST_F(Userspace, MakesItsDeviceAnewWhenSomebodyDeletedIt) {
    net.enter(0);
    policies(kV4);
    std::string before;
    std::string after;
    const char* look = "ip rule; ip -6 rule; ip route show table 7261; ip -6 route show table 7261";
    net.run_in(0, look, &before);
    ASSERT_EQ(net.run_in(0, "ip link delete racoon0"), 0);
    ASSERT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_FAILED) == 1; }, 5s)) << a.log;
    ASSERT_TRUE(a.run_until([&] { return a.helper_pids().size() == 1; }, 5s)) << a.log;
    net.run_in(0, look, &after);
    EXPECT_EQ(before, after);
    install(kV4);
    EXPECT_EQ(ping(kV4.inner[1], "-c 2 -i 0.1 -W 5"), 0) << a.log << b.log;
}

TEST_F(Userspace, LeavesNothingBehindAndTouchesNoForeignRule) {
    std::string before;
    std::string after;
    net.run_in(0, "ip rule add from 1.2.3.4 lookup 77 pref 12345", nullptr);
    a.close();
    net.run_in(0, "ip rule; ip -6 rule; ip route show table all; ip link", &before);
    EXPECT_EQ(before.find("racoon0"), std::string::npos) << before;
    net.enter(0);
    ASSERT_TRUE(a.open()) << a.error();
    policies(kV6);
    for (int i = 0; i < 2; ++i) b.policy_delete(20u + static_cast<std::uint32_t>(i));
    a.close();
    net.run_in(0, "ip rule; ip -6 rule; ip route show table all; ip link", &after);
    EXPECT_EQ(before, after);
    EXPECT_NE(after.find("1.2.3.4"), std::string::npos);
}

TEST_F(Userspace, RemovesTheRulesOfARunThatCrashed) {
    policies(kV4);
    std::string rules;
    a.crash();
    net.run_in(0, "ip rule", &rules);
    ASSERT_NE(rules.find("192.168.2.0/24"), std::string::npos) << rules;
    FakeHost again(FakeHost::Clock::Real);
    again.set("device", "racoon1");
    net.enter(0);
    ASSERT_TRUE(again.load("kernel-userspace"));
    ASSERT_TRUE(again.open()) << again.error();
    net.run_in(0, "ip rule", &rules);
    EXPECT_EQ(rules.find("192.168.2.0/24"), std::string::npos) << rules;
}

// Also of policies that do not lead into the device, and of a run with other settings; but not of one that lives.
TEST_F(Userspace, RemovesTheRulesOfARunThatCrashedWithOtherSettings) {
    policies(kV4);
    for (const std::uint32_t action : {RACOON_POLICY_NONE, RACOON_POLICY_DISCARD}) {
        const std::string net_of_action =
            action == RACOON_POLICY_NONE ? "172.16.0.0/24" : "172.16.1.0/24";
        racoon_kernel_policy p =
            esp_policy(30 + action, RACOON_DIR_OUT, selector("192.168.1.0/24", net_of_action),
                       kV4.outer[0], kV4.outer[1], 1);
        p.action = action;
        p.template_count = 0;
        ASSERT_EQ(a.policy_add(p), RACOON_OK) << a.error();
    }
    std::string rules;
    net.enter(0);
    FakeHost other(FakeHost::Clock::Real);
    for (const auto& [key, value] :
         {std::pair("device", "racoon1"), {"table", "300"}, {"mark", "77"}})
        other.set(key, value);
    ASSERT_TRUE(other.load("kernel-userspace"));
    ASSERT_TRUE(other.open()) << other.error();
    net.run_in(0, "ip rule", &rules);
    EXPECT_NE(rules.find("to 192.168.2.0/24"), std::string::npos) << rules;
    EXPECT_NE(rules.find("to 172.16.1.0/24"), std::string::npos) << rules;
    other.close();
    a.crash();
    ASSERT_EQ(net.run_in(0, "ip link delete racoon0"), 0) << "as the end of its processes does";
    net.enter(0);
    ASSERT_TRUE(other.open()) << other.error();
    net.run_in(0, "ip rule; ip -6 rule; ip route show table 7261; ip -6 route show table 7261",
               &rules);
    EXPECT_EQ(rules.find("7261"), std::string::npos) << rules;
    EXPECT_EQ(rules.find("172.16."), std::string::npos) << rules;
    EXPECT_EQ(rules.find("unreachable"), std::string::npos) << rules;
    EXPECT_NE(rules.find("fwmark 0x4d"), std::string::npos) << rules;
    other.close();
}

TEST_F(Userspace, AgreesWithTheModelOverRandomOperationLists) {
    b.close();
    a.close();
    for (std::uint32_t seed = 1; seed <= 20; ++seed) {
        net.enter(0);
        ASSERT_TRUE(a.open()) << a.error();
        ASSERT_EQ(conformance(a, false, seed, 200), "");
        a.close();
    }
}

}  // namespace
}  // namespace racoon::test
