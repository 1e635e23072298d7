// ESP in UDP on the kernel's own stack, and a NAT that gives the peer another port while SAs are up.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include <racoon/kernel_backend.hpp>

#include "stack_fixture.hpp"

namespace racoon::test {
namespace {

struct NattStack : Stack {
    std::vector<int> sockets;
    void TearDown() override {
        for (const int fd : sockets) ::close(fd);
        Stack::TearDown();
    }
    /// With `marker` as the drafts before RFC 3948 have it, on an IKE port.
    void listen(int at, const Family& f, std::uint16_t port, bool marker = false) {
        net.enter(at);
        const bool six = f.outer[0] == kV6.outer[0];
        const int fd = ::socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockets.push_back(fd);
        const int only = 1;
        if (six) {
            ASSERT_EQ(::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only), 0);
        }
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        const auto* name =
            six ? reinterpret_cast<sockaddr*>(&v6) : reinterpret_cast<sockaddr*>(&v4);
        ASSERT_EQ(::bind(fd, name, six ? sizeof v6 : sizeof v4), 0);
        const auto bind =
            marker ? host(at).table().bind_ike_socket : host(at).table().bind_natt_socket;
        ASSERT_EQ(bind(host(at).impl(), fd, six ? 6 : 4, host(at).err()), RACOON_OK)
            << host(at).err()->text;
    }
    /// Each end's SAs, with the port that it has for itself and for its peer.
    void install_in_udp(const Family& f, std::uint16_t own_a, std::uint16_t peer_a,
                        std::uint16_t own_b, std::uint16_t peer_b, std::uint32_t marker = 0) {
        const std::uint16_t own[] = {own_a, own_b};
        const std::uint16_t peer[] = {peer_a, peer_b};
        for (int from = 0; from < 2; ++from) {
            racoon_kernel_sa in = sa(f, from, RACOON_DIR_IN);
            racoon_kernel_sa out = sa(f, from, RACOON_DIR_OUT);
            in.flags = out.flags = RACOON_SA_UDP_ENCAP | marker;
            in.hard_ns = out.hard_ns = 3'600'000'000'000;
            in.src.port = peer[1 - from];
            in.dst.port = own[1 - from];
            out.src.port = own[from];
            out.dst.port = peer[from];
            ASSERT_EQ(host(1 - from).sa_add(in), RACOON_OK) << host(1 - from).error();
            ASSERT_EQ(host(from).sa_add(out), RACOON_OK) << host(from).error();
        }
    }
    racoon_status move(int at, const racoon_kernel_sa& s, const racoon_addr& peer) {
        return host(at).sa_move(id_of(s), peer);
    }
};

TEST_F(NattStack, CarriesEspInUdp) {
    racoon_kernel_caps caps{};
    caps.struct_size = sizeof(caps);
    ASSERT_EQ(a.table().capabilities(a.impl(), &caps), RACOON_OK);
    EXPECT_NE(caps.flags & RACOON_CAP_UDP_ENCAP, 0u);
    for (const Family& f : {kV4, kV6}) {
        policies(f);
        for (const int at : {0, 1}) listen(at, f, 4500);
        install_in_udp(f, 4500, 4500, 4500, 4500);
        net.captured();
        EXPECT_EQ(ping(f.inner[1], "-c 3 -i 0.2 -W 5"), 0) << in_kernel(0);
        const auto seen = ip_packets(net.captured());
        EXPECT_GE(seen.size(), 6u);
        for (const auto& packet : seen) {
            const bool six = packet[0] >> 4 == 6;
            EXPECT_EQ(packet[six ? 6 : 9], IPPROTO_UDP);
            EXPECT_EQ(packet[six ? 42 : 22] << 8 | packet[six ? 43 : 23], 4500);
            EXPECT_FALSE(contains(packet, "racoonracoon")) << "the ping's payload is readable";
        }
    }
}

TEST_F(NattStack, CarriesEspOnTheIkePort) {
    racoon_kernel_caps caps{};
    caps.struct_size = sizeof(caps);
    ASSERT_EQ(a.table().capabilities(a.impl(), &caps), RACOON_OK);
    ASSERT_NE(caps.flags & RACOON_CAP_NON_IKE_MARKER, 0u) << "Linux 6.1 has it";
    for (const Family& f : {kV4, kV6}) {
        policies(f);
        for (const int at : {0, 1}) listen(at, f, 500, true);
        install_in_udp(f, 500, 500, 500, 500, RACOON_SA_NON_IKE_MARKER);
        net.captured();
        EXPECT_EQ(ping(f.inner[1], "-c 3 -i 0.2 -W 5"), 0) << in_kernel(0);
        const auto seen = ip_packets(net.captured());
        EXPECT_GE(seen.size(), 6u);
        for (const auto& packet : seen) {
            const std::size_t udp = packet[0] >> 4 == 6 ? 40 : 20;
            ASSERT_GT(packet.size(), udp + 16);
            EXPECT_EQ(packet[udp + 2] << 8 | packet[udp + 3], 500);
            EXPECT_TRUE(std::all_of(packet.begin() + static_cast<std::ptrdiff_t>(udp) + 8,
                                    packet.begin() + static_cast<std::ptrdiff_t>(udp) + 16,
                                    [](std::uint8_t byte) { return byte == 0; }));
            EXPECT_FALSE(contains(packet, "racoonracoon")) << "the ping's payload is readable";
        }
    }
}

TEST_F(NattStack, FollowsAPeerWhoseNatGivesItAnotherPort) {
    policies(kV4);
    // What a sends comes from a port that b knows nothing of yet.
    listen(0, kV4, 4501);
    listen(1, kV4, 4500);
    install_in_udp(kV4, 4501, 4500, 4500, 4499);
    EXPECT_NE(ping(kV4.inner[1], "-c 2 -i 0.2 -W 1"), 0) << "the answers go to the old port";
    b.step(50ms);
    ASSERT_GE(b.count(RACOON_KERNEL_MAPPING), 1u);
    const racoon_kernel_event event = *b.last(RACOON_KERNEL_MAPPING);
    const racoon_kernel_sa in = sa(kV4, 0, RACOON_DIR_IN);
    const racoon_kernel_sa out = sa(kV4, 1, RACOON_DIR_OUT);
    EXPECT_EQ(event.spi, in.spi);
    EXPECT_EQ(event.policy_id, in.policy_id);
    EXPECT_EQ(event.src.port, 4501);
    EXPECT_TRUE(sdk::same_address(event.src, in.src));
    EXPECT_TRUE(sdk::same_address(event.dst, in.dst));

    const racoon_addr peer = address(kV4.outer[0], 4501);
    EXPECT_EQ(move(1, in, peer), RACOON_OK) << b.error();
    EXPECT_EQ(move(1, out, peer), RACOON_OK) << b.error();
    const std::size_t told = b.count(RACOON_KERNEL_MAPPING);
    EXPECT_EQ(ping(kV4.inner[1], "-c 3 -i 0.2 -W 5"), 0) << in_kernel(1);
    EXPECT_EQ(b.count(RACOON_KERNEL_MAPPING), told) << "there is no news";
    // They are the same SAs, and end when they would have ended.
    EXPECT_EQ(packets(1, in), 5u);
    racoon_kernel_sa_info info{};
    ASSERT_EQ(b.sa_query(id_of(in), &info), RACOON_OK);
    EXPECT_EQ(info.state, 1u);
    std::string text;
    net.run_in(1, "ip -s xfrm state", &text);
    std::size_t limits = 0;
    for (auto at = text.find("hard 3600(sec)"); at != std::string::npos;
         at = text.find("hard 3600(sec)", at + 1))
        ++limits;
    EXPECT_EQ(limits, 2u) << text;
}

TEST_F(NattStack, MovesNothingElse) {
    const racoon_kernel_sa bare = sa(kV4, 0, RACOON_DIR_OUT);
    EXPECT_EQ(move(0, bare, address(kV4.outer[1], 4501)), RACOON_NOT_FOUND);
    ASSERT_EQ(a.sa_add(bare), RACOON_OK);
    EXPECT_EQ(move(0, bare, address(kV4.outer[1], 4501)), RACOON_INVALID_ARGUMENT);
    racoon_kernel_sa in = sa(kV4, 1, RACOON_DIR_IN);
    in.flags = RACOON_SA_UDP_ENCAP;
    in.src.port = in.dst.port = 4500;
    in.enc =
        algorithm("", "ecb(cipher_null)", 0, 0, 3);  // a key that is empty is none to the kernel
    ASSERT_EQ(a.sa_add(in), RACOON_OK) << a.error();
    EXPECT_EQ(move(0, in, address("10.9.0.3", 4501)), RACOON_INVALID_ARGUMENT);
    EXPECT_EQ(move(0, in, address(kV4.outer[1], 0)), RACOON_INVALID_ARGUMENT);
    EXPECT_EQ(move(0, in, address(kV4.outer[1], 4501)), RACOON_OK) << a.error();
    EXPECT_NE(in_kernel(0).find("sport 4501 dport 4500"), std::string::npos) << in_kernel(0);
}

}  // namespace
}  // namespace racoon::test
