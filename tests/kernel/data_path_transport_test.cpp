// Transport mode in the userspace data path: headers made anew on either side, NAT, and datagrams that come
// in pieces.
#include "checksum.hpp"
#include "data_path_fixture.hpp"

namespace racoon::test {
namespace {

void put_u16(Bytes& p, std::size_t at, std::size_t value) {
    p[at] = static_cast<std::uint8_t>(value >> 8);
    p[at + 1] = static_cast<std::uint8_t>(value);
}

// UDP from `from` to `to`, with checksums.
Bytes udp_packet(const std::string& from, const std::string& to, std::size_t payload,
                 std::uint16_t port = 53) {
    Outer ends;
    ends.src = address(from);
    ends.dst = address(to);
    ends.traffic_class = 0x22;
    ends.hop_limit = 33;
    Bytes udp(8 + payload, 0x5a);
    put_u16(udp, 0, 1024);
    put_u16(udp, 2, port);
    put_u16(udp, 4, udp.size());
    Bytes packet = make_packet(ends, 17, udp);
    renew_checksum(packet, *parse_packet(packet));
    return packet;
}

bool checksum_holds(const Bytes& packet) {
    const auto flow = parse_packet(packet);
    Bytes again = packet;
    renew_checksum(again, *flow);
    return again == packet;
}

struct TransportTest : DataPathTest {
    std::string own = "10.9.0.1";
    std::string peer = "10.9.0.2";
    void use_v6() {
        own = "fd09::1";
        peer = "fd09::2";
    }
    racoon_kernel_sa sa(std::uint32_t direction, std::uint32_t spi, std::uint8_t key) {
        const bool out = direction == RACOON_DIR_OUT;
        racoon_kernel_sa s = esp_sa(direction, out ? own : peer, out ? peer : own, spi, 1, key);
        s.mode = RACOON_MODE_TRANSPORT;
        return s;
    }
    void policies(std::uint16_t port = 0) {
        const std::string bits = own.find(':') != std::string::npos ? "/128" : "/32";
        for (const std::uint32_t direction : {RACOON_DIR_OUT, RACOON_DIR_IN}) {
            racoon_kernel_policy p =
                esp_policy(direction, direction,
                           selector(own + bits, peer + bits, port != 0 ? 17 : 0), own, peer, 1);
            p.selector.remote.port = port;
            p.templates[0].mode = RACOON_MODE_TRANSPORT;
            p.templates[0].local = p.templates[0].remote = {};
            Writer out = begin_frame(Message::PolicySet, 1);
            write_policy(out, p);
            path.command(out.view(), 0);
        }
    }
    Outer from_peer_host() {
        Outer outer;
        outer.src = address(peer);
        outer.dst = address(own);
        outer.traffic_class = 0x22;
        outer.hop_limit = 33;
        return outer;
    }
    // What the peer would send: the payload of `packet` in ESP.
    Bytes from_peer_esp(const Bytes& packet) {
        racoon_kernel_sa s = esp_sa(RACOON_DIR_OUT, peer, own, 7, 1, 3);
        s.mode = RACOON_MODE_TRANSPORT;
        std::string error;
        const std::size_t header = packet[0] >> 4 == 4 ? 20 : 40;
        Bytes out;
        EXPECT_TRUE(EspSa::make(s, &error)->seal(ByteView(packet).subspan(header), 17, &out));
        return out;
    }
};

// A policy for nets has SAs for each two hosts of theirs.
TEST_F(TransportTest, WhoDoesNotAnswerHoldsBackNoPacketsForOthers) {
    racoon_kernel_policy p = esp_policy(1, RACOON_DIR_OUT, selector("10.9.0.0/24", "10.9.0.0/24"),
                                        "10.9.0.1", "10.9.0.2", 1);
    p.templates[0].mode = RACOON_MODE_TRANSPORT;
    p.templates[0].local = p.templates[0].remote = {};
    Writer out = begin_frame(Message::PolicySet, 1);
    write_policy(out, p);
    path.command(out.view(), 0);
    for (int i = 0; i < 20; ++i) path.from_tun(ping_packet("10.9.0.1", "10.9.0.3"), 5);
    path.from_tun(ping_packet("10.9.0.1", "10.9.0.2"), 5);
    ASSERT_EQ(sink.events.size(), 2u);
    EXPECT_TRUE(sdk::same_address(sink.events[0].dst, address("10.9.0.3")));
    EXPECT_TRUE(sdk::same_address(sink.events[1].dst, address("10.9.0.2")));
    EXPECT_EQ(path.held(), kHeldPerPolicy + 1);
    set_sa(sa(RACOON_DIR_OUT, 9, 3));
    EXPECT_EQ(sink.wire.size(), 1u);
    EXPECT_EQ(path.held(), kHeldPerPolicy) << "those for the other still wait";
    path.from_tun(ping_packet("10.9.0.1", "10.9.0.3"), 6);
    EXPECT_EQ(sink.events.size(), 2u) << "the other is being asked for";
    Writer done = begin_frame(Message::AcquireDone, 0);
    done.u64(sink.events[0].acquire_token);
    done.u8(0);
    path.command(done.view(), 7);
    EXPECT_EQ(path.held(), 0u);
    path.from_tun(ping_packet("10.9.0.1", "10.9.0.3"), 8);
    EXPECT_EQ(sink.events.size(), 3u);
    path.from_tun(ping_packet("10.9.0.1", "10.9.0.2"), 8);
    EXPECT_EQ(sink.wire.size(), 2u) << "both live side by side";
}

TEST_F(TransportTest, KeepsThePayloadAndWhatTheHeaderSays) {
    for (const bool v6 : {false, true}) {
        if (v6) use_v6();
        policies();
        set_sa(sa(RACOON_DIR_OUT, 9, 3));
        set_sa(sa(RACOON_DIR_IN, 7, 3));
        const Bytes sent = udp_packet(own, peer, 100);
        path.from_tun(sent, 5);
        ASSERT_FALSE(sink.wire.empty());
        EXPECT_EQ(sink.outers.back().traffic_class, 0x22);
        EXPECT_EQ(sink.outers.back().hop_limit, 33);
        std::string error;
        racoon_kernel_sa reader = sa(RACOON_DIR_OUT, 9, 3);
        std::span<std::uint8_t> inner;
        std::uint8_t next = 0;
        ASSERT_EQ(EspSa::make(reader, &error)->open(sink.wire.back(), &inner, &next),
                  Opened::Packet);
        EXPECT_EQ(next, 17);
        EXPECT_TRUE(
            std::equal(inner.begin(), inner.end(), sent.begin() + (v6 ? 40 : 20), sent.end()));

        const Bytes answer = udp_packet(peer, own, 60);
        Bytes esp = from_peer_esp(answer);
        path.from_wire(from_peer_host(), esp, 5);
        ASSERT_FALSE(sink.tun.empty());
        EXPECT_EQ(sink.tun.back(), answer) << "header, TTL, traffic class and checksums";
    }
    EXPECT_EQ(sink.tun.size(), 2u);
}

TEST_F(TransportTest, IsNoTunnelAndATunnelIsNotIt) {
    policies();
    racoon_kernel_sa tunnel = sa(RACOON_DIR_OUT, 9, 3);
    tunnel.mode = RACOON_MODE_TUNNEL;
    set_sa(tunnel);
    path.from_tun(udp_packet(own, peer, 100), 5);
    EXPECT_TRUE(sink.wire.empty()) << "the policy wants transport mode";
    tunnel = sa(RACOON_DIR_IN, 7, 3);
    tunnel.mode = RACOON_MODE_TUNNEL;
    set_sa(tunnel);
    Bytes esp = sealed_by_peer(udp_packet(peer, own, 60));
    path.from_wire(from_peer_host(), esp, 5);
    EXPECT_TRUE(sink.tun.empty());
    EXPECT_EQ(path.drops().not_selected, 1u);
}

TEST_F(TransportTest, DropsOptionsThatCannotGoWithTheNewHeader) {
    policies();
    set_sa(sa(RACOON_DIR_OUT, 9, 3));
    Bytes p = udp_packet(own, peer, 100);
    p.insert(p.begin() + 20, {0x94, 4, 0, 0});  // router alert
    p[0] = 0x46;
    put_u16(p, 2, p.size());
    path.from_tun(p, 5);
    EXPECT_TRUE(sink.wire.empty());
    EXPECT_EQ(path.drops().has_options, 1u);
}

// RFC 3948 3.1.2: behind a NAT the addresses are others than those that the peer's checksum covers.
TEST_F(TransportTest, MendsTheChecksumBehindANat) {
    policies();
    racoon_kernel_sa in = sa(RACOON_DIR_IN, 7, 3);
    in.flags = RACOON_SA_UDP_ENCAP;
    in.dst.port = 4500;
    in.src.port = 31000;
    set_sa(in);
    Bytes esp = from_peer_esp(udp_packet("192.168.77.5", "203.0.113.9", 61));
    Outer outer = from_peer_host();
    outer.src.port = 31000;
    outer.dst.port = 4500;
    path.from_wire(outer, esp, 5);
    ASSERT_EQ(sink.tun.size(), 1u);
    EXPECT_TRUE(checksum_holds(sink.tun[0]));
    EXPECT_EQ(sink.tun[0].size(), 89u);
}

Bytes fragment_v4(const Bytes& whole, std::size_t from, std::size_t size, std::uint16_t id) {
    const std::size_t body = whole.size() - 20;
    Bytes p(whole.begin(), whole.begin() + 20);
    p.insert(p.end(), whole.begin() + 20 + static_cast<std::ptrdiff_t>(from),
             whole.begin() + 20 + static_cast<std::ptrdiff_t>(from + size));
    put_u16(p, 2, p.size());
    put_u16(p, 4, id);
    put_u16(p, 6, (from + size < body ? 0x2000u : 0u) | from / 8);
    renew_header_checksum(p);
    return p;
}

TEST_F(TransportTest, SealsDatagramsThatTheKernelFragmentedWhole) {
    policies(53);
    set_sa(sa(RACOON_DIR_OUT, 9, 3));
    const Bytes whole = udp_packet(own, peer, 3000);
    for (const std::size_t from : {0u, 1352u, 2704u}) {
        EXPECT_TRUE(sink.wire.empty());
        path.from_tun(fragment_v4(whole, from, std::min<std::size_t>(1352, 3008 - from), 77), 5);
    }
    ASSERT_EQ(sink.wire.size(), 1u);
    std::string error;
    std::span<std::uint8_t> inner;
    std::uint8_t next = 0;
    ASSERT_EQ(EspSa::make(sa(RACOON_DIR_OUT, 9, 3), &error)->open(sink.wire[0], &inner, &next),
              Opened::Packet);
    EXPECT_TRUE(std::equal(inner.begin(), inner.end(), whole.begin() + 20, whole.end()));

    use_v6();
    policies();
    set_sa(sa(RACOON_DIR_OUT, 9, 3));
    const Bytes six = udp_packet(own, peer, 3000);
    for (const std::size_t from : {0u, 1352u, 2704u}) {
        const std::size_t size = std::min<std::size_t>(1352, 3008 - from);
        Bytes p(six.begin(), six.begin() + 40);
        p.insert(p.end(), {17, 0, 0, 0, 0, 0, 0, 9});
        put_u16(p, 42, from | (from + size < 3008 ? 1u : 0u));
        p.insert(p.end(), six.begin() + 40 + static_cast<std::ptrdiff_t>(from),
                 six.begin() + 40 + static_cast<std::ptrdiff_t>(from + size));
        p[6] = 44;
        put_u16(p, 4, p.size() - 40);
        path.from_tun(p, 5);
    }
    ASSERT_EQ(sink.wire.size(), 2u);
    ASSERT_EQ(EspSa::make(sa(RACOON_DIR_OUT, 9, 3), &error)->open(sink.wire[1], &inner, &next),
              Opened::Packet);
    EXPECT_TRUE(std::equal(inner.begin(), inner.end(), six.begin() + 40, six.end()));
}

TEST(Reassembly, IsBoundedAndGivesUpOnGapsOverlapsAndTime) {
    Reassembly parts;
    const Bytes whole = udp_packet("10.9.0.1", "10.9.0.2", 3000);
    const auto add = [&](std::size_t from, std::size_t size, std::uint16_t id, std::int64_t now) {
        const Bytes p = fragment_v4(whole, from, size, id);
        return parts.add(p, *parse_packet(p), now);
    };
    for (std::uint16_t id = 1; id < 100; ++id) add(0, 1352, id, 0);
    EXPECT_EQ(parts.waiting(), Reassembly::kMost);
    EXPECT_TRUE(add(1352, 1656, 1, 0).empty()) << "the oldest has made room";
    EXPECT_TRUE(add(1360, 1648, 99, 0).empty()) << "a gap";
    EXPECT_TRUE(add(1352, 1656, 99, 0).empty()) << "and then it has been given up";
    EXPECT_TRUE(add(1344, 1664, 98, 0).empty()) << "an overlap";
    EXPECT_FALSE(add(1352, 1656, 97, 0).empty());
    EXPECT_TRUE(add(1352, 1656, 96, Reassembly::kLifetimeNs).empty()) << "too late";
    EXPECT_EQ(parts.waiting(), 0u);
}

}  // namespace
}  // namespace racoon::test
