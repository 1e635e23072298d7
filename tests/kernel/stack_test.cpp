// kernel-xfrm or kernel-pfkey (RACOON_STACK_MODULE) on a kernel that has ESP. The program runs in a User Mode Linux guest (guest.sh), with the
// module linked in and without sanitizers, for whose shadow memory the guest's address space is too small.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>

#include <racoon/kernel_backend.hpp>

#include "stack_fixture.hpp"

// Requests go to the kernel through these, which the linker puts in the place of the real ones: the n-th from
// now on fails.
namespace {
int requests_left = 0;  // until the one that fails; 0: none does
bool fails() {
    return requests_left != 0 && --requests_left == 0;
}
}  // namespace
extern "C" {
ssize_t __real_mnl_socket_sendto(const void* socket, const void* bytes, std::size_t size);
ssize_t __wrap_mnl_socket_sendto(const void* socket, const void* bytes, std::size_t size);
ssize_t __real_send(int fd, const void* bytes, std::size_t size, int flags);
ssize_t __wrap_send(int fd, const void* bytes, std::size_t size, int flags);
}
#ifdef RACOON_WRAPS_MNL
ssize_t __wrap_mnl_socket_sendto(const void* socket, const void* bytes, std::size_t size) {
    errno = fails() ? ENOBUFS : racoon::test::judge ? racoon::test::judge(bytes, size) : 0;
    return errno != 0 ? -1 : __real_mnl_socket_sendto(socket, bytes, size);
}
#else
ssize_t __wrap_send(int fd, const void* bytes, std::size_t size, int flags) {
    if (!fails()) return __real_send(fd, bytes, size, flags);
    errno = ENOBUFS;
    return -1;
}
#endif

namespace racoon::test {

std::function<int(const void*, std::size_t)> judge;

bool fail_request(int n) {
    const bool to_come = requests_left != 0;
    requests_left = n;
    return to_come;
}

namespace {

TEST_F(Stack, TellsWhatTheKernelCan) {
    racoon_kernel_caps caps{};
    caps.struct_size = sizeof(caps);
    ASSERT_EQ(a.table().capabilities(a.impl(), &caps), RACOON_OK);
    for (const std::uint64_t flag :
         {RACOON_CAP_IPV6, RACOON_CAP_AH, RACOON_CAP_TRANSPORT_MODE, RACOON_CAP_FWD_POLICY})
        EXPECT_NE(caps.flags & flag, 0u) << flag;
    for (const std::uint64_t flag :
         {RACOON_CAP_AEAD, RACOON_CAP_ESN, RACOON_CAP_TRUNC_128, RACOON_CAP_MARK, RACOON_CAP_IF_ID})
        EXPECT_EQ((caps.flags & flag) == 0, kPfkey) << flag;
    if (kPfkey)
        EXPECT_EQ(caps.max_replay_window, 32u);
    else
        EXPECT_GE(caps.max_replay_window, 1024u);
    EXPECT_EQ(in_kernel(0), "") << "trying left something behind";
}

TEST_F(Stack, AgreesWithTheModelOverRandomOperationLists) {
    for (std::uint32_t seed = 1; seed <= 50; ++seed) {
        a.close();
        net.enter(0);
        ASSERT_TRUE(a.open()) << a.error();
        ASSERT_EQ(conformance(a, false, seed, 200), "");
    }
    a.close();
    EXPECT_EQ(in_kernel(0), "") << "close left something behind";
}

TEST_F(Stack, PingsThroughTheTunnelWithOnlyEspOnTheWire) {
    for (const Family& f : {kV4, kV6}) {
        policies(f);
        install(f);
        net.captured();
        EXPECT_EQ(ping(f.inner[1], "-c 5 -i 0.2 -W 5"), 0) << in_kernel(0);
        expect_only_esp();
        EXPECT_EQ(packets(1, sa(f, 0, RACOON_DIR_IN)), 5u);
        EXPECT_EQ(packets(0, sa(f, 1, RACOON_DIR_IN)), 5u);
        racoon_kernel_sa_info info{};
        ASSERT_EQ(b.sa_query(id_of(sa(f, 0, RACOON_DIR_IN)), &info), RACOON_OK);
        EXPECT_EQ(info.replay_window, kPfkey ? 32u : 64u);
        EXPECT_GT(info.bytes, 0u);
        EXPECT_GE(info.idle_ns, 0);
    }
}

TEST_F(Stack, PingsInTransportMode) {
    Family f = kV4;
    for (int i = 0; i < 2; ++i) f.net[i] = f.outer[i] + "/32";
    policies(f, RACOON_MODE_TRANSPORT);
    install(f, [](racoon_kernel_sa& s) { s.mode = RACOON_MODE_TRANSPORT; });
    net.captured();
    EXPECT_EQ(ping(f.outer[1], "-c 2 -i 0.2 -W 5"), 0);
    expect_only_esp();
}

TEST_F(Stack, CarriesTheAlgorithmsThatAreNegotiated) {
    struct Named {
        const char* name;
        Change change;
    };
    const Named suites[] = {
        {"AES-256-CBC, HMAC-SHA1-96",
         [](racoon_kernel_sa& s) {
             s.enc = algorithm("", "cbc(aes)", 32, 0, 3);
             s.auth = algorithm("", "hmac(sha1)", 20, 96, 9);
         }},
        {"3DES, HMAC-MD5-96",
         [](racoon_kernel_sa& s) {
             s.enc = algorithm("", "cbc(des3_ede)", 24, 0, 3);
             s.auth = algorithm("", "hmac(md5)", 16, 96, 9);
         }},
        {"AES-128-CBC, HMAC-SHA384-192",
         [](racoon_kernel_sa& s) { s.auth = algorithm("", "hmac(sha384)", 48, 192, 9); }},
        {"NULL, HMAC-SHA512-256",
         [](racoon_kernel_sa& s) {
             s.enc = algorithm("", "ecb(cipher_null)", 0, 0, 3);
             s.auth = algorithm("", "hmac(sha512)", 64, 256, 9);
         }},
        {"AES-128-GCM-16",
         [](racoon_kernel_sa& s) {
             s.enc = algorithm("", "rfc4106(gcm(aes))", 20, 128, 3);
             s.auth = {};
             s.is_aead = 1;
         }},
        {"AES-256-GCM-16 with ESN and a window of 1024",
         [](racoon_kernel_sa& s) {
             s.enc = algorithm("", "rfc4106(gcm(aes))", 36, 128, 3);
             s.auth = {};
             s.is_aead = 1;
             s.flags |= RACOON_SA_ESN;
             if (s.direction == RACOON_DIR_IN) s.replay_window = 1024;
         }},
    };
    policies(kV4);
    for (const Named& suite : suites) {
        SCOPED_TRACE(suite.name);
        if (kPfkey && std::string(suite.name).find("GCM") != std::string::npos) {
            racoon_kernel_sa gcm = sa(kV4, 0, RACOON_DIR_OUT);
            suite.change(gcm);
            EXPECT_EQ(a.sa_add(gcm), RACOON_NOT_SUPPORTED);
            continue;
        }
        install(kV4, suite.change);
        EXPECT_EQ(ping(kV4.inner[1], "-c 2 -i 0.2 -W 5"), 0) << in_kernel(0);
        uninstall(kV4);
    }
}

TEST_F(Stack, AcquiresOnTrafficWithThePolicysOwnNumber) {
    policies(kV4);
    policies(kV6);
    ping(kV4.inner[1], "-c 1 -W 1");
    ping(kV6.inner[1], "-c 1 -W 1");
    ASSERT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_ACQUIRE) == 2; }, 10s));
    EXPECT_EQ(a.events[0].policy_id, 10 + RACOON_DIR_OUT);
    EXPECT_EQ(a.events[1].policy_id, 20 + RACOON_DIR_OUT);
    EXPECT_EQ(a.events[0].dst.family, 4);
    // PF_KEY tells the SA's end, not the packet's.
    EXPECT_TRUE(sdk::same_address(a.events[0].dst, address(kPfkey ? kV4.outer[1] : kV4.inner[1])));
    EXPECT_NE(a.events[0].acquire_token, a.events[1].acquire_token);
}

TEST_F(Stack, AcquiresAgainAtOnceWhenANegotiationHasFailed) {
    policies(kV4);
    ping(kV4.inner[1], "-c 1 -W 1");
    ASSERT_EQ(a.count(RACOON_KERNEL_ACQUIRE), 1u);
    ping(kV4.inner[1], "-c 1 -W 1");
    ASSERT_EQ(a.count(RACOON_KERNEL_ACQUIRE), 1u) << "the larval SA suppresses acquires";
    const std::uint64_t token = a.last(RACOON_KERNEL_ACQUIRE)->acquire_token;
    EXPECT_EQ(a.table().acquire_done(a.impl(), token, RACOON_TIMEOUT), RACOON_OK);
    EXPECT_EQ(in_kernel(0).find("src 10.9.0.1 dst 10.9.0.2\n\tproto esp spi 0x"), std::string::npos)
        << in_kernel(0);
    ping(kV4.inner[1], "-c 1 -W 1");
    EXPECT_EQ(a.count(RACOON_KERNEL_ACQUIRE), 2u);
    EXPECT_EQ(a.table().acquire_done(a.impl(), token, RACOON_OK), RACOON_NOT_FOUND)
        << "an old token";
}

TEST_F(Stack, GoesFromAcquireToTrafficAsANegotiationDoes) {
    policies(kV4);
    const int pid = net.start_in(0, "ping -q -c 20 -i 0.2 -W 5 192.168.2.1");
    ASSERT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_ACQUIRE) == 1; }));
    // Both ends get an SPI, then complete their inbound SA and add the outbound one.
    std::uint32_t spis[2] = {};
    for (int i = 0; i < 2; ++i) {
        ASSERT_EQ(host(i).spi_get(spi_request(kV4.outer[1 - i], kV4.outer[i], 10), &spis[i]),
                  RACOON_OK);
    }
    for (int i = 0; i < 2; ++i) {
        racoon_kernel_sa in = sa(kV4, 1 - i, RACOON_DIR_IN);
        in.spi = spis[i];
        EXPECT_EQ(host(i).sa_update(in), RACOON_OK) << host(i).error();
        racoon_kernel_sa out = sa(kV4, i, RACOON_DIR_OUT);
        out.spi = spis[1 - i];
        EXPECT_EQ(host(i).sa_add(out), RACOON_OK) << host(i).error();
    }
    EXPECT_EQ(a.table().acquire_done(a.impl(), a.events[0].acquire_token, RACOON_OK), RACOON_OK);
    int status = -1;
    ASSERT_TRUE(a.run_until([&] { return TwoHosts::ended(pid, &status); }));
    EXPECT_EQ(status, 0);
    EXPECT_EQ(a.sa_dump().size(), 2u);
    EXPECT_EQ(a.count(RACOON_KERNEL_ACQUIRE), 1u);
}

TEST_F(Stack, AddsTheSaAnewWhenItsLarvalHasGone) {
    std::uint32_t spi = 0;
    ASSERT_EQ(a.spi_get(spi_request("10.9.0.2", "10.9.0.1", 10), &spi), RACOON_OK);
    char number[16];
    std::snprintf(number, sizeof(number), "0x%08x", spi);
    // As if it had died of age, before the event has been read.
    ASSERT_EQ(
        net.run_in(0, std::string("ip xfrm state delete src 10.9.0.2 dst 10.9.0.1 proto esp spi ") +
                          number),
        0);
    racoon_kernel_sa in = sa(kV4, 1, RACOON_DIR_IN);
    in.spi = spi;
    EXPECT_EQ(a.sa_update(in), RACOON_OK) << a.error();
    racoon_kernel_sa_info info{};
    EXPECT_EQ(a.sa_query(id_of(in), &info), RACOON_OK);
}

TEST_F(Stack, ReportsSoftAndHardExpiry) {
    racoon_kernel_sa s = sa(kV4, 0, RACOON_DIR_OUT);
    s.soft_ns = 1'000'000'000;
    s.hard_ns = 2'000'000'000;
    ASSERT_EQ(a.sa_add(s), RACOON_OK) << a.error();
    ASSERT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_EXPIRE_HARD) == 1; }));
    ASSERT_EQ(a.events.size(), 2u);
    EXPECT_EQ(a.events[0].type, RACOON_KERNEL_EXPIRE_SOFT);
    EXPECT_EQ(a.events[0].spi, 0x1001u);
    EXPECT_EQ(a.events[0].policy_id, 10 + RACOON_DIR_OUT);
    EXPECT_TRUE(a.sa_dump().empty());
}

TEST_F(Stack, ReportsExpiryByBytes) {
    policies(kV4);
    install(kV4, [](racoon_kernel_sa& s) {
        if (s.direction != RACOON_DIR_OUT || s.spi != 0x1001) return;
        s.soft_bytes = 150;
        s.hard_bytes = 300;  // noticed with the packet after the one that reaches it
    });
    ping(kV4.inner[1], "-c 5 -i 0.2 -W 1");
    EXPECT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_EXPIRE_HARD) == 1; }, 20s));
    EXPECT_EQ(a.count(RACOON_KERNEL_EXPIRE_SOFT), 1u);
}

TEST_F(Stack, LeavesForeignSasAndPoliciesAlone) {
    const std::string key =
        " enc 'cbc(aes)' 0x00112233445566778899aabbccddeeff auth 'hmac(sha1)' "
        "0x000102030405060708090a0b0c0d0e0f10111213";
    ASSERT_EQ(
        net.run_in(
            0,
            "ip xfrm state add src 10.9.0.1 dst 10.9.0.2 proto esp spi 0x7777 mode tunnel" + key),
        0);
    ASSERT_EQ(
        net.run_in(
            0,
            "ip xfrm policy add src 172.16.0.0/24 dst 172.17.0.0/24 dir out tmpl src 10.9.0.1 "
            "dst 10.9.0.2 proto esp reqid 99 mode tunnel"),
        0);
    const std::string before = in_kernel(0);
    policies(kV4);
    install(kV4);
    EXPECT_EQ(a.sa_dump().size(), 2u);
    EXPECT_EQ(a.policy_dump().size(), 2u);
    racoon_kernel_sa_id foreign = id_of(sa(kV4, 0, RACOON_DIR_OUT));
    foreign.spi = 0x7777;
    EXPECT_EQ(a.sa_delete(foreign), RACOON_NOT_FOUND);
    // Traffic for the other daemon's policy is its business.
    net.run_in(
        0,
        "ip addr add 172.16.0.1/24 dev lo; ip route add 172.17.0.0/24 via 10.9.0.2 src 172.16.0.1");
    ping("172.17.0.1", "-c 1 -W 1");
    EXPECT_EQ(a.count(RACOON_KERNEL_ACQUIRE), 0u);
    // What it cannot have is told, not taken.
    racoon_kernel_policy clash = esp_policy(
        77, RACOON_DIR_OUT, selector("172.16.0.0/24", "172.17.0.0/24"), "10.9.0.1", "10.9.0.2", 5);
    EXPECT_EQ(a.policy_add(clash), RACOON_STATE);
    a.close();
    net.run_in(0, "true");
    const std::string after = in_kernel(0);
    EXPECT_NE(after.find("0x00007777"), std::string::npos) << after;
    EXPECT_NE(after.find("172.16.0.0/24"), std::string::npos) << after;
    EXPECT_EQ(after.find("192.168."), std::string::npos) << after;
    EXPECT_EQ(after.find("0x00001001"), std::string::npos) << after;
    EXPECT_NE(before.find("0x00007777"), std::string::npos);
}

TEST_F(Stack, TellsWhenOthersDeleteWhatItInstalled) {
    policies(kV4);
    install(kV4);
    net.run_in(0, "ip xfrm state delete src 10.9.0.1 dst 10.9.0.2 proto esp spi 0x1001");
    ASSERT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_SA_DELETED) == 1; }, 10s));
    EXPECT_EQ(a.last(RACOON_KERNEL_SA_DELETED)->spi, 0x1001u);
    net.run_in(0, "ip xfrm policy delete src 192.168.1.0/24 dst 192.168.2.0/24 dir out");
    ASSERT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_POLICY_CHANGED) == 1; }, 10s));
    EXPECT_EQ(a.last(RACOON_KERNEL_POLICY_CHANGED)->policy_id, 10 + RACOON_DIR_OUT);
    EXPECT_EQ(a.policy_dump().size(), 1u);
    EXPECT_EQ(a.policy_add(policy(kV4, 0, RACOON_DIR_OUT)), RACOON_OK) << "it can be put back";
    EXPECT_EQ(a.policy_dump().size(), 2u);
    net.run_in(0, "ip xfrm state flush");
    ASSERT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_SA_DELETED) == 2; }, 10s));
    EXPECT_TRUE(a.sa_dump().empty());
    // Its own deletions are no news.
    ASSERT_EQ(b.sa_delete(id_of(sa(kV4, 0, RACOON_DIR_IN))), RACOON_OK);
    b.step(50ms);
    EXPECT_EQ(b.count(RACOON_KERNEL_SA_DELETED), 0u);
}

TEST_F(Stack, TellsWhenOthersPutAnotherPolicyInThePlaceOfItsOwn) {
    policies(kV4);
    const std::string place = " src 192.168.1.0/24 dst 192.168.2.0/24 dir out";
    net.run_in(0, "ip xfrm policy update" + place + " action allow");
    ASSERT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_POLICY_CHANGED) == 1; }, 10s));
    EXPECT_EQ(a.last(RACOON_KERNEL_POLICY_CHANGED)->policy_id, 10 + RACOON_DIR_OUT);
    EXPECT_EQ(a.policy_add(policy(kV4, 0, RACOON_DIR_OUT)), RACOON_STATE)
        << "it is not ours to replace";
    net.run_in(0, "ip xfrm policy delete" + place);
    EXPECT_EQ(a.policy_add(policy(kV4, 0, RACOON_DIR_OUT)), RACOON_OK) << a.error();
    // All at once, with the companion for forwarded packets.
    net.run_in(0, "ip xfrm policy flush");
    ASSERT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_POLICY_CHANGED) == 3; }, 10s));
    EXPECT_TRUE(a.policy_dump().empty());
    for (const std::uint32_t direction : {RACOON_DIR_OUT, RACOON_DIR_IN})
        EXPECT_EQ(a.policy_add(policy(kV4, 0, direction)), RACOON_OK) << a.error();
    const std::string there = in_kernel(0);
    for (const char* direction : {"dir out", "dir in", "dir fwd"})
        EXPECT_NE(there.find(direction), std::string::npos) << there;
}

TEST_F(Stack, RemovesExactlyWhatARunThatCrashedHasLeft) {
    policies(kV4);
    install(kV4);
    std::uint32_t spi = 0;
    ASSERT_EQ(a.spi_get(spi_request("10.9.0.2", "10.9.0.1", 10), &spi), RACOON_OK);
    const std::string key =
        " enc 'cbc(aes)' 0x00112233445566778899aabbccddeeff auth 'hmac(sha1)' "
        "0x000102030405060708090a0b0c0d0e0f10111213";
    ASSERT_EQ(
        net.run_in(
            0,
            "ip xfrm state add src 10.9.0.1 dst 10.9.0.2 proto esp spi 0x7777 mode tunnel" + key),
        0);
    // An SA of ours that went and whose SPI is now somebody else's.
    net.run_in(
        0,
        "ip xfrm state delete src 10.9.0.1 dst 10.9.0.2 proto esp spi 0x1001; "
        "ip xfrm state add src 10.9.0.1 dst 10.9.0.2 proto esp spi 0x1001 mode tunnel reqid 4242" +
            key);
    // The lock on the journal ends with the process; here a copy stands for what a killed one leaves.
    std::string copied;
    net.run_in(0,
               "mkdir -p " + journal + "/after && cp " + journal + "/xfrm-*.journal " + journal +
                   "/after/",
               &copied);
    ASSERT_EQ(copied, "");
    a.crash();
    FakeHost again(FakeHost::Clock::Real);
    again.set("journal", journal + "/after");
    net.enter(0);
    ASSERT_TRUE(again.load(kModule));
    ASSERT_TRUE(again.open()) << again.error();
    const std::string left = in_kernel(0);
    EXPECT_NE(left.find("0x00007777"), std::string::npos) << left;
    EXPECT_NE(left.find("reqid 4242"), std::string::npos) << left;
    EXPECT_EQ(left.find("0x00001002"), std::string::npos) << left;
    EXPECT_EQ(left.find("192.168."), std::string::npos) << left;
    EXPECT_NE(again.log.find("an earlier run had left"), std::string::npos);
    again.close();
}

TEST_F(Stack, TakesOverTheSasThatItIsToKeepAsTheyAre) {
    policies(kV4);
    install(kV4);
    EXPECT_EQ(ping(kV4.inner[1], "-c 3 -i 0.2 -W 5"), 0);
    net.run_in(0, "mkdir -p " + journal + "/after && cp " + journal + "/xfrm-*.journal " + journal +
                      "/after/");
    a.crash();
    FakeHost again(FakeHost::Clock::Real);
    again.set("journal", journal + "/after");
    net.enter(0);
    ASSERT_TRUE(again.load(kModule));
    // The inbound one, and one that is not there; the outbound one is not asked for.
    racoon_kernel_sa keep[] = {sa(kV4, 1, RACOON_DIR_IN), sa(kV4, 1, RACOON_DIR_IN)};
    keep[1].spi = 0x4321;
    ASSERT_EQ(again.table().keep(again.impl(), keep, 2, sizeof keep[0], again.err()), RACOON_OK);
    ASSERT_TRUE(again.open()) << again.error();
    const auto left = again.sa_dump();
    ASSERT_EQ(left.size(), 1u);
    EXPECT_EQ(left[0].spi, keep[0].spi);
    EXPECT_EQ(left[0].packets, 3u) << "the very same: a new one would have counted nothing";
    EXPECT_EQ(in_kernel(0).find("0x00001001"), std::string::npos) << in_kernel(0);
    racoon_kernel_sa_info info{};
    EXPECT_EQ(again.sa_query(id_of(keep[1]), &info), RACOON_NOT_FOUND);
    again.close();
    EXPECT_EQ(in_kernel(0), "") << "what was taken over goes like everything else";
}

TEST_F(Stack, BeginsBehindASequenceNumberOrSaysThatItCannot) {
    racoon_kernel_sa out = sa(kV4, 0, RACOON_DIR_OUT);
    out.sequence = 0x40000000;
    if (kPfkey) {
        EXPECT_EQ(a.sa_add(out), RACOON_NOT_SUPPORTED);
        return;
    }
    policies(kV4);
    install(kV4, [](racoon_kernel_sa& s) {
        if (s.direction == RACOON_DIR_OUT) s.sequence = 0x40000000;
    });
    net.captured();
    EXPECT_EQ(ping(kV4.inner[1], "-c 1 -W 5"), 0) << in_kernel(0);
    bool seen = false;
    for (const auto& packet : ip_packets(net.captured()))
        seen = seen || (is_esp(packet) && packet[24] == 0x40 && packet[27] == 1);
    EXPECT_TRUE(seen) << "the first packet has the number after it";
}

TEST_F(Stack, FindsWhatItWasNotToldWhenEventsWereLost) {
    if (kPfkey) return;  // Linux drops there what has no room, and tells nobody
    constexpr std::uint32_t kMany = 5000;
    const auto target = [](std::uint32_t i) {
        return "172.20." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1);
    };
    policies(kV4);
    install(kV4);
    ASSERT_EQ(net.run_in(0, "ip route add 172.20.0.0/16 via 10.9.0.2"), 0);
    for (std::uint32_t i = 0; i < kMany; ++i) {
        const racoon_kernel_policy p =
            esp_policy(1000 + i, RACOON_DIR_OUT, selector("10.9.0.1/32", target(i) + "/32"),
                       "10.9.0.1", "10.9.0.2", 1000 + i);
        ASSERT_EQ(a.policy_add(p), RACOON_OK) << a.error();
    }
    // Nobody reads meanwhile, so that what has no room is lost. Somebody else has room: the kernel thinks then
    // that it was heard, and asks no more.
    net.enter(0);
    const int other = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
    const int room = 64 << 20;
    ASSERT_EQ(::setsockopt(other, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room), 0);
    sockaddr_nl acquires{};
    acquires.nl_family = AF_NETLINK;
    acquires.nl_groups = 1u << (XFRMNLGRP_ACQUIRE - 1);
    ASSERT_EQ(::bind(other, reinterpret_cast<const sockaddr*>(&acquires), sizeof acquires), 0);
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    for (std::uint32_t i = 0; i < kMany; ++i) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(9);
        const racoon_addr addr = address(target(i));
        std::memcpy(&to.sin_addr, addr.bytes, 4);
        ::sendto(fd, "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    }
    ::close(fd);
    ::close(other);
    net.run_in(0, "ip xfrm state delete src 10.9.0.1 dst 10.9.0.2 proto esp spi 0x1001");
    net.run_in(0, "ip xfrm policy delete src 192.168.1.0/24 dst 192.168.2.0/24 dir out");
    ASSERT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_OVERRUN) != 0; }, 30s))
        << a.count(RACOON_KERNEL_ACQUIRE) << " acquires, and nothing was lost";
    std::set<std::uint32_t> asked;
    for (const racoon_kernel_event& e : a.events)
        if (e.type == RACOON_KERNEL_ACQUIRE) {
            EXPECT_TRUE(asked.insert(e.policy_id).second);
        }
    EXPECT_EQ(asked.size(), kMany) << "each policy's traffic has been told, once";
    EXPECT_NE(a.log.find("acquires had been lost"), std::string::npos) << a.log;
    EXPECT_EQ(a.count(RACOON_KERNEL_POLICY_CHANGED), 1u);
    EXPECT_EQ(a.sa_dump().size(), 1u) << "what it says is there is what the kernel has";
    // And each of them can be given back: the kernel asks again.
    for (const racoon_kernel_event& e : std::vector<racoon_kernel_event>(a.events))
        if (e.type == RACOON_KERNEL_ACQUIRE) {
            EXPECT_EQ(a.table().acquire_done(a.impl(), e.acquire_token, RACOON_TIMEOUT), RACOON_OK);
        }
    const std::string kernel = in_kernel(0);
    EXPECT_EQ(kernel.find("spi 0x00000000"), std::string::npos) << "no larval SA is left";
}

TEST_F(Stack, EachRequestThatFailsIsToldAndLeavesNothing) {
    // What a negotiation and a daemon's life ask for, with the n-th request to the kernel failing.
    std::size_t refused = 0;
    a.close();
    for (int n = 1; n < 200; ++n) {
        SCOPED_TRACE(n);
        net.enter(0);
        ASSERT_TRUE(a.open()) << a.error();
        fail_request(n);
        std::uint32_t spi = 0;
        std::vector<std::string> told;
        const auto must_tell = [&](racoon_status status, const char* what) {
            if (status == RACOON_OK) return;
            told.push_back(std::string(what) + ": " + a.error());
            if (status == RACOON_NOT_FOUND || status == RACOON_STATE) return;
            EXPECT_NE(a.error().find("No buffer space"), std::string::npos) << told.back();
            EXPECT_EQ(a.os_errno(), ENOBUFS) << told.back();
        };
        const auto s = selector(kV4.net[0], kV4.net[1]);
        for (const std::uint32_t direction : {RACOON_DIR_OUT, RACOON_DIR_IN})
            must_tell(a.policy_add(
                          esp_policy(10 + direction, direction, s, kV4.outer[0], kV4.outer[1], 10)),
                      "policy_add");
        must_tell(a.spi_get(spi_request(kV4.outer[1], kV4.outer[0], 10), &spi), "spi_get");
        racoon_kernel_sa in = sa(kV4, 1, RACOON_DIR_IN);
        if (spi != 0) in.spi = spi;
        must_tell(a.sa_update(in), "sa_update");
        must_tell(a.sa_add(sa(kV4, 0, RACOON_DIR_OUT)), "sa_add");
        racoon_kernel_sa_info info{};
        must_tell(a.sa_query(id_of(in), &info), "sa_query");
        racoon_kernel_sa in_udp = sa(kV4, 1, RACOON_DIR_IN);
        in_udp.spi = 0x2001;
        in_udp.flags = RACOON_SA_UDP_ENCAP;
        in_udp.src.port = in_udp.dst.port = 4500;
        const racoon_status added = a.sa_add(in_udp);
        must_tell(added, "sa_add");
        if (added == RACOON_OK)
            must_tell(a.sa_move(id_of(in_udp), address(kV4.outer[1], 4501)), "sa_move");
        racoon_kernel_policy later =
            esp_policy(20, RACOON_DIR_OUT, s, kV4.outer[0], kV4.outer[1], 10);
        later.priority = 7;
        must_tell(a.policy_update(10 + RACOON_DIR_OUT, later), "policy_update");
        must_tell(a.sa_delete(id_of(in)), "sa_delete");
        const racoon_status gone = a.policy_delete(20);
        if (gone != RACOON_NOT_FOUND) must_tell(gone, "policy_delete");
        const bool hit = !fail_request(0);
        if (!told.empty()) ++refused;
        a.close();
        ASSERT_EQ(in_kernel(0), "") << "after " << (told.empty() ? "" : told.front());
        if (!hit) {
            EXPECT_GT(n, 8) << "every request has had its turn";
            EXPECT_GT(refused, 5u);
            return;
        }
    }
    FAIL() << "there is no end of requests";
}

TEST_F(Stack, RefusesToRunTwiceInOneNamespace) {
    FakeHost second(FakeHost::Clock::Real);
    second.set("journal", journal);
    net.enter(0);
    ASSERT_TRUE(second.load(kModule));
    EXPECT_FALSE(second.open());
    EXPECT_NE(second.error().find("another racoon"), std::string::npos) << second.error();
    // And the first one's journal is still there.
    policies(kV4);
    std::string text;
    net.run_in(0, "cat " + journal + "/xfrm-*.journal", &text);
    EXPECT_NE(text.find("+policy out"), std::string::npos) << text;
}

TEST_F(Stack, PutsAForwardingPolicyBesideAnInboundOne) {
    policies(kV4);
    EXPECT_NE(in_kernel(0).find("dir fwd"), std::string::npos);
    // An explicit one takes its place, and gives it back.
    const auto s = selector(kV4.net[0], kV4.net[1]);
    racoon_kernel_policy fwd = esp_policy(50, RACOON_DIR_FWD, s, kV4.outer[0], kV4.outer[1], 10);
    fwd.priority = 100;
    ASSERT_EQ(a.policy_add(fwd), RACOON_OK) << a.error();
    EXPECT_NE(in_kernel(0).find("dir fwd priority 2147483548"), std::string::npos) << in_kernel(0);
    ASSERT_EQ(a.policy_delete(50), RACOON_OK);
    EXPECT_NE(in_kernel(0).find("dir fwd priority 2147483648"), std::string::npos) << in_kernel(0);
    ASSERT_EQ(a.policy_delete(10 + RACOON_DIR_IN), RACOON_OK);
    EXPECT_EQ(in_kernel(0).find("dir fwd"), std::string::npos) << in_kernel(0);
}

TEST_F(Stack, APolicyTakesThePlaceOfAnotherWithoutAnInstantInBetween) {
    policies(kV4);
    // The kernel tells of every policy that is deleted; of one that is replaced, it does not.
    const int monitor = net.start_in(0, "ip xfrm monitor policy > " + journal + "/seen");
    std::string seen;
    const auto watching = [&](const char* what) {
        return a.run_until(
            [&] {
                net.run_in(0, "cat " + journal + "/seen", &seen);
                return seen.find(what) != std::string::npos;
            },
            5s);
    };
    racoon_kernel_policy probe = esp_policy(90, RACOON_DIR_OUT, selector("10.3.0.0/16", kV4.net[1]),
                                            kV4.outer[0], kV4.outer[1], 9);
    ASSERT_TRUE(a.run_until(
        [&] {  // until the monitor is there
            a.policy_add(probe);
            a.policy_delete(90);
            net.run_in(0, "cat " + journal + "/seen", &seen);
            return seen.find("10.3.0.0/16") != std::string::npos;
        },
        10s));
    const std::size_t before = seen.size();
    for (std::uint32_t direction : {RACOON_DIR_OUT, RACOON_DIR_IN}) {
        racoon_kernel_policy p =
            esp_policy(70 + direction, direction, selector(kV4.net[0], kV4.net[1]), kV4.outer[0],
                       kV4.outer[1], 77);
        p.priority = 100;
        ASSERT_EQ(a.policy_update(10 + direction, p), RACOON_OK) << a.error();
    }
    probe.selector = selector("10.4.0.0/16", kV4.net[1]);
    ASSERT_EQ(a.policy_add(probe), RACOON_OK);
    ASSERT_TRUE(watching("10.4.0.0/16"));
    ::kill(monitor, SIGTERM);
    EXPECT_EQ(seen.substr(before).find("Deleted"), std::string::npos) << seen.substr(before);
    const std::string now = in_kernel(0);
    for (const char* direction : {"dir out", "dir in", "dir fwd"})
        EXPECT_NE(now.find(std::string(direction) + " priority 2147483548"), std::string::npos)
            << now;
    EXPECT_EQ(now.find("priority 2147483648"), now.find("dir out priority 2147483648") + 8) << now;
    EXPECT_EQ(a.policy_delete(10 + RACOON_DIR_OUT), RACOON_NOT_FOUND);
    for (std::uint32_t id : {90u, 70u + RACOON_DIR_OUT, 70u + RACOON_DIR_IN})
        EXPECT_EQ(a.policy_delete(id), RACOON_OK) << id;
    EXPECT_EQ(in_kernel(0).find("dir "), std::string::npos) << in_kernel(0);
}

TEST_F(Stack, LetsIkeSocketsPassAPolicyThatCoversThem) {
    Family f = kV4;
    for (int i = 0; i < 2; ++i) f.net[i] = f.outer[i] + "/32";
    policies(f);
    net.enter(0);
    const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
    ASSERT_EQ(a.table().bind_socket(a.impl(), fd, 4, a.err()), RACOON_OK) << a.err()->text;
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(500);
    to.sin_addr.s_addr = htonl(0x0a090002);
    net.captured();
    ASSERT_GT(::sendto(fd, "ike", 3, 0, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
    // The neighbour's address has to be found first.
    bool seen = false;
    for (int i = 0; i < 100 && !seen; ++i) {
        a.step(50ms);
        for (const auto& packet : ip_packets(net.captured()))
            seen = seen || contains(packet, "ike");
    }
    EXPECT_EQ(a.count(RACOON_KERNEL_ACQUIRE), 0u);
    EXPECT_TRUE(seen);
    ::close(fd);
    const int six = ::socket(AF_INET6, SOCK_DGRAM, 0);
    EXPECT_EQ(a.table().bind_socket(a.impl(), six, 6, a.err()), RACOON_OK);
    ::close(six);
}

// Linux cuts HMAC-SHA2-256 to 96 bits through PF_KEY, whatever RFC 4868 says: better no SA than one that
// the peer cannot read.
TEST_F(Stack, DoesNotTakeWhatItWouldTruncateWrongly) {
    if (!kPfkey) return;
    racoon_kernel_sa s = sa(kV4, 0, RACOON_DIR_OUT);
    s.auth = algorithm("hmac_sha256", "hmac(sha256)", 32, 128, 1);
    EXPECT_EQ(a.sa_add(s), RACOON_NOT_SUPPORTED);
    EXPECT_NE(a.error().find("to 96 bits"), std::string::npos) << a.error();
    s.auth.icv_bits = 96;
    EXPECT_EQ(a.sa_add(s), RACOON_OK) << a.error();
    EXPECT_NE(in_kernel(0).find("hmac(sha256)"), std::string::npos);
}

/// The receive buffers of this process's PF_KEY sockets.
std::multiset<int> pfkey_buffers() {
    std::multiset<int> out;
    for (int fd = 0; fd < 256; ++fd) {
        int value = 0;
        socklen_t size = sizeof value;
        if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &size) != 0 || value != PF_KEY)
            continue;
        if (::getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, &size) == 0) out.insert(value);
    }
    return out;
}

TEST_F(Stack, AsksForTheEventBufferThatItIsToldOfIfItIsLarger) {
    if (!kPfkey) return;
    b.close();
    const std::uint32_t asked[] = {0, 64 << 10, 12 << 20};
    for (const std::uint32_t bytes : asked) {
        a.close();
        // Of what a test before this one left as a crash would.
        std::multiset<int> buffers = pfkey_buffers();
        a.event_buffer = bytes;
        net.enter(0);
        ASSERT_TRUE(a.open()) << a.error();
        // The kernel doubles what it is asked for.
        const int expected = 2 * std::max(2 << 20, static_cast<int>(bytes));
        buffers.insert({expected, expected});
        EXPECT_EQ(pfkey_buffers(), buffers) << bytes;
    }
    racoon_kernel_caps caps{};
    caps.struct_size = sizeof(caps);
    ASSERT_EQ(a.table().capabilities(a.impl(), &caps), RACOON_OK);
    EXPECT_NE(caps.flags & RACOON_CAP_EVENT_BUFFER, 0u);
}

// The daemon's request ids begin above those that PF_KEY takes from outside.
TEST_F(Stack, TiesSasToPoliciesByLargeRequestIds) {
    for (int i = 0; i < 2; ++i)
        for (std::uint32_t direction : {RACOON_DIR_OUT, RACOON_DIR_IN})
            ASSERT_EQ(host(i).policy_add(esp_policy(10 + direction, direction,
                                                    selector(kV4.net[i], kV4.net[1 - i]),
                                                    kV4.outer[i], kV4.outer[1 - i], 0x10007)),
                      RACOON_OK)
                << host(i).error();
    install(kV4, [](racoon_kernel_sa& s) { s.reqid = 0x10007; });
    EXPECT_EQ(ping(kV4.inner[1], "-c 2 -i 0.2 -W 5"), 0) << in_kernel(0);
    racoon_kernel_sa_info info{};
    ASSERT_EQ(a.sa_query(id_of(sa(kV4, 0, RACOON_DIR_OUT)), &info), RACOON_OK);
    EXPECT_EQ(info.reqid, 0x10007u);
}

TEST_F(Stack, RaisesTheLifeOfLarvalSasAndPutsItBack) {
    std::string text;
    net.run_in(0, "cat /proc/sys/net/core/xfrm_acq_expires", &text);
    EXPECT_EQ(text, "165\n");
    a.close();
    net.run_in(0, "cat /proc/sys/net/core/xfrm_acq_expires", &text);
    EXPECT_EQ(text, "30\n");
}

// The kernel asks once, and then waits for an answer: with the setting above, for almost three minutes.
TEST_F(Stack, AsksAnewForWhatARunThatCrashedWasAskedFor) {
    policies(kV4);
    EXPECT_NE(ping(kV4.inner[1], "-c 1 -W 1"), 0);
    ASSERT_TRUE(a.run_until([&] { return a.count(RACOON_KERNEL_ACQUIRE) == 1; }, 5s));
    net.run_in(0, "mkdir -p " + journal + "/after && cp " + journal + "/xfrm-*.journal " + journal +
                      "/after/");
    a.crash();
    FakeHost again(FakeHost::Clock::Real);
    again.set("journal", journal + "/after");
    net.enter(0);
    ASSERT_TRUE(again.load(kModule));
    ASSERT_TRUE(again.open()) << again.error();
    const auto s = selector(kV4.net[0], kV4.net[1]);
    for (const std::uint32_t direction : {RACOON_DIR_OUT, RACOON_DIR_IN})
        ASSERT_EQ(again.policy_add(
                      esp_policy(10 + direction, direction, s, kV4.outer[0], kV4.outer[1], 10)),
                  RACOON_OK)
            << again.error();
    EXPECT_NE(ping(kV4.inner[1], "-c 1 -W 1"), 0);
    EXPECT_TRUE(again.run_until([&] { return again.count(RACOON_KERNEL_ACQUIRE) == 1; }, 5s))
        << in_kernel(0);
    again.close();
}

// It may be another daemon's to answer, which works with a larval SA of its own.
TEST_F(Stack, TellsWhatPoliciesOfOthersHadAskedForAndEndsItWhenItIsTold) {
    ASSERT_EQ(net.run_in(0,
                         "ip xfrm policy add src 192.168.1.0/24 dst 192.168.2.0/24 dir out tmpl "
                         "src 10.9.0.1 dst 10.9.0.2 proto esp mode tunnel"),
              0);
    EXPECT_NE(ping(kV4.inner[1], "-c 1 -W 1"), 0);
    EXPECT_EQ(a.count(RACOON_KERNEL_ACQUIRE), 0u) << "nobody watches policies of others";
    a.close();
    const std::string larval = "proto esp spi 0x00000000";
    ASSERT_NE(in_kernel(0).find(larval), std::string::npos) << in_kernel(0);
    net.enter(0);
    ASSERT_TRUE(a.open()) << a.error();
    racoon_kernel_foreign listener{};
    listener.struct_size = sizeof listener;
    listener.policy = [](void*, const racoon_kernel_policy*) noexcept {};
    listener.gone = [](void*, std::uint32_t) noexcept {};
    ASSERT_EQ(a.table().watch_policies(a.impl(), &listener, a.err()), RACOON_OK) << a.error();
    ASSERT_EQ(a.count(RACOON_KERNEL_ACQUIRE), 1u);
    const racoon_kernel_event asked = *a.last(RACOON_KERNEL_ACQUIRE);
    EXPECT_EQ(asked.policy_id, RACOON_FOREIGN_POLICY_FIRST);
    EXPECT_TRUE(sdk::same_address(asked.dst, address("10.9.0.2")));
    EXPECT_NE(in_kernel(0).find(larval), std::string::npos) << "it is not ended unasked";
    EXPECT_EQ(a.table().acquire_done(a.impl(), asked.acquire_token, RACOON_TIMEOUT), RACOON_OK);
    EXPECT_EQ(in_kernel(0).find(larval), std::string::npos) << in_kernel(0);
}

TEST_F(Stack, PutsBackTheLifeOfLarvalSasThatARunBeforeItHadRaised) {
    net.run_in(0, "mkdir -p " + journal + "/after && cp " + journal + "/xfrm-*.journal " + journal +
                      "/after/");
    a.crash();
    FakeHost again(FakeHost::Clock::Real);
    again.set("journal", journal + "/after");
    net.enter(0);
    ASSERT_TRUE(again.load(kModule));
    ASSERT_TRUE(again.open()) << again.error();
    std::string text;
    net.run_in(0, "cat /proc/sys/net/core/xfrm_acq_expires", &text);
    EXPECT_EQ(text, "165\n");
    again.close();
    net.run_in(0, "cat /proc/sys/net/core/xfrm_acq_expires", &text);
    EXPECT_EQ(text, "30\n");
    net.run_in(0, "ls " + journal + "/after | wc -l", &text);
    EXPECT_EQ(text, "1\n")
        << "the other host's, of which there is a copy; an empty one leaves no file";
}

}  // namespace
}  // namespace racoon::test
