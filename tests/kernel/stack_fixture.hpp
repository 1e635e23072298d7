// Two hosts whose IPsec is the kernel's, each with kernel-xfrm or kernel-pfkey (RACOON_STACK_MODULE), for tests in a
// guest whose kernel has ESP. Requests to the kernel can be made to fail.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <string>

#include "conformance.hpp"
#include "fake_host.hpp"
#include "netns.hpp"

namespace racoon::test {

/// The n-th request from now on fails; 0: none. Whether the one before is still to come.
bool fail_request(int n);
/// With kernel-xfrm: sees each request first, and refuses it with what it returns if that is not 0.
extern std::function<int(const void*, std::size_t)> judge;

using namespace std::chrono_literals;

inline constexpr const char* kModule = RACOON_STACK_MODULE;
inline const bool kPfkey = std::string(kModule) == "kernel-pfkey";

struct Family {
    std::string outer[2];
    std::string net[2];
    std::string inner[2];
};
inline const Family kV4 = {
    {"10.9.0.1", "10.9.0.2"}, {"192.168.1.0/24", "192.168.2.0/24"}, {"192.168.1.1", "192.168.2.1"}};
inline const Family kV6 = {
    {"fd09::1", "fd09::2"}, {"fd01::/64", "fd02::/64"}, {"fd01::1", "fd02::1"}};

struct Stack : ::testing::Test {
    TwoHosts net;
    FakeHost a{FakeHost::Clock::Real};
    FakeHost b{FakeHost::Clock::Real};
    std::string journal;

    FakeHost& host(int i) { return i == 0 ? a : b; }
    void SetUp() override {
        ASSERT_EQ(net.problem(), "");
        if (kPfkey) use_suite(Suite::Sha1);
        char folder[] = "/tmp/racoon-xfrm-XXXXXX";
        ASSERT_NE(::mkdtemp(folder), nullptr);
        journal = folder;
        for (int i = 0; i < 2; ++i) {
            net.enter(i);
            host(i).set("journal", journal);
            ASSERT_TRUE(host(i).load(kModule)) << host(i).error();
            const racoon_status able = host(i).table().probe(host(i).impl(), host(i).err());
            ASSERT_EQ(able, RACOON_OK) << "run this in a guest that has ESP";
            ASSERT_TRUE(host(i).open()) << host(i).error();
        }
    }
    void TearDown() override {
        a.close();
        b.close();
        if (!journal.empty()) run("rm -rf " + journal);
    }

    static racoon_kernel_policy policy(const Family& f, int i, std::uint32_t direction,
                                       std::uint32_t mode = RACOON_MODE_TUNNEL) {
        const std::uint32_t id = f.outer[0] == kV4.outer[0] ? 10 : 20;
        racoon_kernel_policy p =
            esp_policy(id + direction, direction, selector(f.net[i], f.net[1 - i]), f.outer[i],
                       f.outer[1 - i], id);
        p.templates[0].mode = mode;
        if (mode == RACOON_MODE_TRANSPORT) p.templates[0].local = p.templates[0].remote = {};
        return p;
    }
    void policies(const Family& f, std::uint32_t mode = RACOON_MODE_TUNNEL) {
        for (int i = 0; i < 2; ++i)
            for (std::uint32_t direction : {RACOON_DIR_OUT, RACOON_DIR_IN})
                ASSERT_EQ(host(i).policy_add(policy(f, i, direction, mode)), RACOON_OK)
                    << host(i).error();
    }
    racoon_kernel_sa sa(const Family& f, int from, std::uint32_t direction) {
        const std::uint32_t reqid = f.outer[0] == kV4.outer[0] ? 10 : 20;
        racoon_kernel_sa s =
            esp_sa(direction, f.outer[from], f.outer[1 - from], from == 0 ? 0x1001 : 0x1002, reqid,
                   static_cast<std::uint8_t>(from + 1));
        s.policy_id = reqid + RACOON_DIR_OUT;
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
            ASSERT_EQ(host(1 - from).sa_add(in), RACOON_OK) << host(1 - from).error();
            ASSERT_EQ(host(from).sa_add(out), RACOON_OK) << host(from).error();
        }
    }
    void uninstall(const Family& f) {
        for (int from = 0; from < 2; ++from) {
            EXPECT_EQ(host(from).sa_delete(id_of(sa(f, from, RACOON_DIR_OUT))), RACOON_OK);
            EXPECT_EQ(host(1 - from).sa_delete(id_of(sa(f, from, RACOON_DIR_IN))), RACOON_OK);
        }
    }
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
        EXPECT_EQ(host(at).sa_query(id_of(s), &info), RACOON_OK) << host(at).error();
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
    std::string in_kernel(int i) {
        std::string text;
        net.run_in(i, "ip xfrm state; ip xfrm policy", &text);
        return text;
    }
};

}  // namespace racoon::test
