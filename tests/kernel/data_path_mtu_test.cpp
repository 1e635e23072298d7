// Packets that are too long for the way to the peer, and what TCP is told about it (RFC 4301 8).
#include "checksum.hpp"
#include "data_path_fixture.hpp"
#include "icmp.hpp"
#include "tcp.hpp"

namespace racoon::test {
namespace {

struct MtuTest : DataPathTest {
    racoon_kernel_sa out_sa = esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 9, 1, 3);
    void SetUp() override {
        set_policy(1, RACOON_DIR_OUT);
        set_policy(2, RACOON_DIR_IN);
        set_sa(out_sa);
        set_sa(esp_sa(RACOON_DIR_IN, "10.9.0.2", "10.9.0.1", 7, 1, 3));
    }
    Bytes packet(std::size_t size, bool may_fragment) {
        Bytes p = ping_packet("192.168.1.1", "192.168.2.1", 0, size);
        p[20] = 8;
        p[6] = may_fragment ? 0 : 0x40;
        renew_header_checksum(p);
        return p;
    }
};

TEST_F(MtuTest, TellsWhoMayNotBeFragmentedAndFragmentsTheOthers) {
    path.from_tun(packet(1380, false), 5);
    ASSERT_EQ(sink.outers.size(), 1u);
    EXPECT_TRUE(sink.outers[0].dont_fragment);
    EXPECT_TRUE(path.path_mtu(address("10.9.0.2"), 1400, 5));
    EXPECT_FALSE(path.path_mtu(address("10.9.0.2"), 1400, 5)) << "no news";
    path.path_mtu(address("10.9.0.66"), 600, 5);  // somebody else's way

    std::string error;
    const auto esp = EspSa::make(out_sa, &error);
    const std::size_t most = esp->most_inside(1400 - 20);
    EXPECT_LE(esp->sealed_size(most) + 20, 1400u);
    EXPECT_GT(esp->sealed_size(most + 1) + 20, 1400u);

    path.from_tun(packet(most, false), 6);
    ASSERT_EQ(sink.wire.size(), 2u);
    EXPECT_LE(sink.wire[1].size() + 20, 1400u);
    path.from_tun(packet(most + 1, false), 6);
    EXPECT_EQ(sink.wire.size(), 2u);
    EXPECT_EQ(path.drops().too_big, 1u);
    ASSERT_EQ(sink.tun.size(), 1u);
    const Bytes& told = sink.tun[0];
    const auto flow = parse_packet(told);
    ASSERT_TRUE(flow);
    EXPECT_EQ(flow->protocol, 1);
    EXPECT_TRUE(sdk::same_address(flow->destination, address("192.168.1.1")));
    EXPECT_EQ(told[20], 3);
    EXPECT_EQ(told[21], 4);
    EXPECT_EQ(std::size_t{told[26]} * 256 + told[27], most);
    EXPECT_EQ(folded(add_to_sum(0, ByteView(told).first(20))), 0xffff);
    EXPECT_EQ(folded(add_to_sum(0, ByteView(told).subspan(20))), 0xffff);
    const Bytes original = packet(most + 1, false);
    EXPECT_TRUE(std::equal(told.begin() + 28, told.end(), original.begin()));

    path.from_tun(packet(1380, true), 6);
    ASSERT_EQ(sink.outers.size(), 3u);
    EXPECT_FALSE(sink.outers[2].dont_fragment) << "the outer packet may be fragmented, too";
    path.from_tun(packet(1380, false), 6 + PathMtus::kLifetimeNs);
    EXPECT_EQ(sink.outers.size(), 4u) << "ways change";
}

TEST_F(MtuTest, ClearsDfWhereItIsAskedTo) {
    Writer settings = begin_frame(Message::Settings, 0);
    write_settings(settings, {1380, false});
    path.command(settings.view(), 0);
    path.path_mtu(address("10.9.0.2"), 1400, 5);
    path.from_tun(packet(1380, false), 5);
    ASSERT_EQ(sink.outers.size(), 1u);
    EXPECT_FALSE(sink.outers[0].dont_fragment);
}

/// What the peer finds in a packet from the wire, behind a marker of zeros.
Bytes as_the_peer_has_it(EspSa& peer, Bytes packet, std::size_t marker) {
    EXPECT_EQ(Bytes(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(marker)),
              Bytes(marker));
    std::span<std::uint8_t> inner;
    std::uint8_t next = 0;
    EXPECT_EQ(peer.open(std::span(packet).subspan(marker), &inner, &next), Opened::Packet);
    return Bytes(inner.begin(), inner.end());
}

// esp_frag: a bound on what goes out in UDP, which is kept by cutting what is inside.
class BoundTest : public MtuTest, public ::testing::WithParamInterface<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Marker, BoundTest, ::testing::Values(0u, RACOON_SA_NON_IKE_MARKER));

TEST_P(BoundTest, FragmentsBeforeItEncapsulatesWhereAnSaHasABound) {
    constexpr std::size_t kBound = 700;
    const std::size_t marker = GetParam() == 0 ? 0 : kNonIkeMarker;
    constexpr std::size_t kOuter = 20 + 8;  // IP and UDP
    racoon_kernel_sa bounded = esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 19, 1, 3);
    bounded.flags = RACOON_SA_UDP_ENCAP | GetParam();
    bounded.src.port = bounded.dst.port = 4500;
    bounded.esp_frag = kBound;
    set_sa(bounded);
    std::string error;
    auto peer = EspSa::make(bounded, &error);
    ASSERT_TRUE(peer) << error;

    // A packet that may be cut arrives in pieces, which together are it.
    const Bytes whole = packet(1380, true);
    path.from_tun(whole, 5);
    ASSERT_EQ(sink.wire.size(), 3u);
    Bytes data;
    for (std::size_t i = 0; i < sink.wire.size(); ++i) {
        EXPECT_LE(sink.wire[i].size() + kOuter, kBound);
        EXPECT_FALSE(sink.outers[i].dont_fragment);
        EXPECT_EQ(sink.outers[i].dst.port, 4500);
        const Bytes piece = as_the_peer_has_it(*peer, sink.wire[i], marker);
        const auto flow = parse_packet(piece);
        ASSERT_TRUE(flow);
        EXPECT_TRUE(flow->fragment);
        EXPECT_EQ((std::size_t{piece[6]} << 8 | piece[7]) & 0x1fffu, data.size() / 8);
        EXPECT_EQ((piece[6] & 0x20) != 0, i + 1 < sink.wire.size()) << "more of them follow";
        EXPECT_EQ(folded(add_to_sum(0, ByteView(piece).first(20))), 0xffff);
        data.insert(data.end(), piece.begin() + 20, piece.end());
    }
    EXPECT_EQ(data, Bytes(whole.begin() + 20, whole.end()));

    // What fits goes as it is.
    const std::size_t most = peer->most_inside(kBound - kOuter - marker);
    sink.wire.clear();
    path.from_tun(packet(most, true), 6);
    ASSERT_EQ(sink.wire.size(), 1u);
    EXPECT_EQ(as_the_peer_has_it(*peer, sink.wire[0], marker), packet(most, true));
    // Who forbids fragments is told, and TCP's segments are made to fit.
    path.from_tun(packet(most + 1, false), 6);
    EXPECT_EQ(sink.wire.size(), 1u);
    ASSERT_EQ(sink.tun.size(), 1u);
    EXPECT_EQ(std::size_t{sink.tun[0][26]} * 256 + sink.tun[0][27],
              std::max<std::size_t>(most, 552));
    // A narrower way counts, a wider one does not.
    path.path_mtu(address("10.9.0.2"), 560, 6);
    sink.wire.clear();
    path.from_tun(packet(1380, true), 6);
    for (const Bytes& esp : sink.wire) EXPECT_LE(esp.size() + kOuter, 560u);
    // Without UDP there is no bound.
    sink.wire.clear();
    bounded.flags = 0;
    bounded.src.port = bounded.dst.port = 0;
    bounded.spi = 20;
    set_sa(bounded);
    path.from_tun(packet(1380, true), 7 + PathMtus::kLifetimeNs);
    EXPECT_EQ(sink.wire.size(), 1u);
}

// An MTU below what every link has is an attacker's; what fits into the least of all is sent, in fragments.
TEST_F(MtuTest, SendsSmallPacketsWhateverIsSaid) {
    path.path_mtu(address("10.9.0.2"), 68, 5);
    path.from_tun(packet(552, false), 5);
    ASSERT_EQ(sink.outers.size(), 1u);
    EXPECT_FALSE(sink.outers[0].dont_fragment);
    path.from_tun(packet(553, false), 5);
    EXPECT_EQ(sink.outers.size(), 1u);
    ASSERT_EQ(sink.tun.size(), 1u);
    EXPECT_EQ(std::size_t{sink.tun[0][26]} * 256 + sink.tun[0][27], 552u);
}

TEST(TooBig, IsNotSaidAboutErrorsFragmentsAndGroups) {
    Bytes p = ping_packet("192.168.1.1", "192.168.2.1", 0, 100);
    p[20] = 8;
    EXPECT_FALSE(too_big(p, *parse_packet(p), 576).empty()) << "a ping";
    p[20] = 3;
    EXPECT_TRUE(too_big(p, *parse_packet(p), 576).empty()) << "an error";
    p[20] = 8;
    p[7] = 3;
    EXPECT_TRUE(too_big(p, *parse_packet(p), 576).empty()) << "a later fragment";
    p[7] = 0;
    p[16] = 224;
    EXPECT_TRUE(too_big(p, *parse_packet(p), 576).empty()) << "to a group";
    Outer six;
    six.src = address("fd01::1");
    six.dst = address("fd02::1");
    Bytes v6 = make_packet(six, 17, Bytes(1400));
    const Bytes told = too_big(v6, *parse_packet(v6), 1300);
    EXPECT_EQ(told.size(), 1280u);
    const auto flow = parse_packet(told);
    ASSERT_TRUE(flow);
    EXPECT_EQ(told[40], 2);
    Bytes again = told;
    renew_checksum(again, *flow);
    EXPECT_EQ(again, told);
    EXPECT_TRUE(too_big(told, *flow, 1280).empty()) << "an error about an error";
}

// A SYN with an MSS option behind `nops` fillers.
Bytes syn(const char* from, const char* to, std::uint16_t size, std::size_t nops) {
    Outer ends;
    ends.src = address(from);
    ends.dst = address(to);
    Bytes tcp(20 + 8);
    tcp[12] = 7 << 4;
    tcp[13] = tcp_flag::kSyn;
    std::fill_n(tcp.begin() + 20, nops, std::uint8_t{1});
    const std::uint8_t option[] = {2, 4, static_cast<std::uint8_t>(size >> 8),
                                   static_cast<std::uint8_t>(size)};
    std::copy(std::begin(option), std::end(option),
              tcp.begin() + 20 + static_cast<std::ptrdiff_t>(nops));
    Bytes p = make_packet(ends, kProtoTcp, tcp);
    renew_checksum(p, *parse_packet(p));
    return p;
}

TEST(SegmentSize, IsLoweredNeverRaisedAndTheChecksumFollows) {
    for (const bool v6 : {false, true}) {
        const char* from = v6 ? "fd01::1" : "192.168.1.1";
        const char* to = v6 ? "fd02::1" : "192.168.2.1";
        const std::uint16_t fits = v6 ? 1380 - 60 : 1380 - 40;
        for (std::size_t nops = 0; nops < 4; ++nops) {
            Bytes p = syn(from, to, 1460, nops);
            EXPECT_TRUE(clamp_segment_size(p, *parse_packet(p), 1380));
            EXPECT_EQ(p, syn(from, to, fits, nops)) << nops << " fillers, checksum included";
            EXPECT_FALSE(clamp_segment_size(p, *parse_packet(p), 1380));
            Bytes small = syn(from, to, 536, nops);
            EXPECT_FALSE(clamp_segment_size(small, *parse_packet(small), 1380));
        }
    }
    Bytes bad = syn("192.168.1.1", "192.168.2.1", 1460, 0);
    bad[41] = 0;  // an option without a length
    EXPECT_FALSE(clamp_segment_size(bad, *parse_packet(bad), 1380));
    bad[41] = 40;  // one beyond the header
    EXPECT_FALSE(clamp_segment_size(bad, *parse_packet(bad), 1380));
}

TEST_F(MtuTest, KeepsSegmentsSaneInBothDirections) {
    path.from_tun(syn("192.168.1.1", "192.168.2.1", 8960, 0), 5);
    path.path_mtu(address("10.9.0.2"), 1400, 5);
    path.from_tun(syn("192.168.1.1", "192.168.2.1", 8960, 0), 5);
    ASSERT_EQ(sink.wire.size(), 2u);
    racoon_kernel_sa reader = out_sa;
    std::string error;
    const auto peer = EspSa::make(reader, &error);
    const std::size_t expected[] = {1380 - 40, peer->most_inside(1380) - 40};
    for (std::size_t i = 0; i < 2; ++i) {
        std::span<std::uint8_t> inner;
        std::uint8_t next = 0;
        ASSERT_EQ(peer->open(sink.wire[i], &inner, &next), Opened::Packet);
        EXPECT_EQ(Bytes(inner.begin(), inner.end()),
                  syn("192.168.1.1", "192.168.2.1", static_cast<std::uint16_t>(expected[i]), 0));
    }
    Bytes in = sealed_by_peer(syn("192.168.2.1", "192.168.1.1", 1460, 1));
    path.from_wire(from_peer(), in, 5);
    ASSERT_EQ(sink.tun.size(), 1u);
    EXPECT_EQ(sink.tun[0],
              syn("192.168.2.1", "192.168.1.1", static_cast<std::uint16_t>(expected[1]), 1));
}

}  // namespace
}  // namespace racoon::test
