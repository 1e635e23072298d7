// What the userspace data path does with packets and commands, without sockets: tunnels, waiting packets,
// lifetimes, NAT, and what it must not pass.
#include "data_path_fixture.hpp"

namespace racoon::test {
namespace {

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

TEST_F(DataPathTest, APolicyTakesThePlaceOfAnotherInOneMessage) {
    set_policy(1, RACOON_DIR_OUT);
    path.from_tun(ping_packet("192.168.1.1", "192.168.2.1", 0, 28), 5);
    EXPECT_EQ(path.held(), 1u);
    Writer out = begin_frame(Message::PolicyUpdate, 1);
    out.u32(1);
    write_policy(out, esp_policy(2, RACOON_DIR_OUT, selector("192.168.1.0/24", "192.168.2.0/24"),
                                 "10.9.0.1", "10.9.0.2", 8));
    path.command(out.view(), 0);
    EXPECT_EQ(path.held(), 0u) << "what waited for the SA of the old one";
    path.from_tun(ping_packet("192.168.1.1", "192.168.2.1", 0, 28), 5);
    ASSERT_EQ(sink.events.size(), 2u);
    EXPECT_EQ(sink.events[1].policy_id, 2u);
    path.command(out.view(), 0);
    EXPECT_EQ(sink.replies, (std::vector<racoon_status>{RACOON_OK, RACOON_OK, RACOON_NOT_FOUND}));
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
    for (int i = 0; i < 100; ++i) arrive(static_cast<std::uint16_t>(40000 + i));
    EXPECT_EQ(sink.events.size(), 4u) << "no more in one second";
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
