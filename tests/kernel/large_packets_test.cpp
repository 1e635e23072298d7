// Large packets of the TUN device: TCP cut into segments, segments put together, checksums left to us.
#include <functional>

#include "checksum.hpp"
#include "data_path_fixture.hpp"
#include "tcp.hpp"
#include "tun.hpp"

namespace racoon::test {
namespace {

struct Ends {
    std::string from = "192.168.1.1";
    std::string to = "192.168.2.1";
    std::uint16_t port = 5201;
};

Bytes tcp_packet(const Ends& ends, std::uint32_t sequence, std::size_t payload, std::uint8_t flags,
                 std::uint8_t fill = 0) {
    Outer outer;
    outer.src = address(ends.from);
    outer.dst = address(ends.to);
    Writer w;
    w.u16(40000);
    w.u16(ends.port);
    w.u32(sequence);
    w.u32(77);
    w.u8(8 << 4);
    w.u8(flags);
    w.u16(500);
    w.u32(0);
    w.bytes(from_hex("0101080a0000000100000002"));  // time stamps
    for (std::size_t i = 0; i < payload; ++i) {
        w.u8(static_cast<std::uint8_t>(fill + (sequence + i) * 31));
    }
    Bytes p = make_packet(outer, kProtoTcp, w.take());
    renew_checksum(p, *parse_packet(p));
    return p;
}

bool checksum_holds(const Bytes& packet) {
    Bytes again = packet;
    renew_checksum(again, *parse_packet(packet));
    if (packet[0] >> 4 == 4) renew_header_checksum(again);
    return again == packet;
}

struct Written final : Coalescer::Sink {
    std::vector<VnetHeader> headers;
    std::vector<Bytes> packets;
    void write(const VnetHeader& header, ByteView packet) override {
        headers.push_back(header);
        packets.emplace_back(packet.begin(), packet.end());
    }
};

std::vector<Bytes> cut(const Bytes& large, std::size_t size) {
    std::vector<Bytes> out;
    auto segments = TcpSegments::cut(large, *parse_packet(large), size);
    ByteView head;
    ByteView payload;
    while (segments && segments->next(&head, &payload)) {
        Bytes one(head.begin(), head.end());
        one.insert(one.end(), payload.begin(), payload.end());
        out.push_back(one);
    }
    return out;
}

const Ends kV4{};
const Ends kV6{"fd01::1", "fd02::1", 5201};

TEST(TcpSegments, AreWholePacketsThatFollowOneAnother) {
    for (const Ends& ends : {kV4, kV6}) {
        const std::uint8_t flags = tcp_flag::kAck | tcp_flag::kPush | tcp_flag::kReduced;
        const Bytes large = tcp_packet(ends, 0xfffffff0u, 10'000, flags);
        const auto parts = cut(large, 1328);
        ASSERT_EQ(parts.size(), 8u);
        const std::size_t head = *tcp_payload_at(large, *parse_packet(large));
        const std::size_t tcp = head - 32;
        Bytes payload;
        for (std::size_t i = 0; i < parts.size(); ++i) {
            EXPECT_TRUE(checksum_holds(parts[i])) << i;
            const std::uint8_t own = parts[i][tcp + 13];
            EXPECT_EQ((own & tcp_flag::kPush) != 0, i == 7) << i;
            EXPECT_EQ((own & tcp_flag::kReduced) != 0, i == 0) << i;
            payload.insert(payload.end(), parts[i].begin() + static_cast<std::ptrdiff_t>(head),
                           parts[i].end());
        }
        EXPECT_TRUE(std::equal(payload.begin(), payload.end(),
                               large.begin() + static_cast<std::ptrdiff_t>(head), large.end()));
        // the one that crosses the end of the numbers
        EXPECT_EQ(Bytes(parts[1].begin() + static_cast<std::ptrdiff_t>(tcp + 4),
                        parts[1].begin() + static_cast<std::ptrdiff_t>(tcp + 8)),
                  from_hex("00000520"));
    }
    EXPECT_TRUE(cut(tcp_packet(kV4, 1, 100, tcp_flag::kAck), 0).empty());
    EXPECT_TRUE(cut(tcp_packet(kV4, 1, 0, tcp_flag::kAck), 1000).empty());
    EXPECT_TRUE(cut(ping_packet("192.168.1.1", "192.168.2.1"), 1000).empty());
}

// What is put together can be cut into exactly what came in.
TEST(Coalescer, JoinsWhatItCanCutAgain) {
    for (const Ends& ends : {kV4, kV6}) {
        const auto parts = cut(tcp_packet(ends, 1000, 20'000, tcp_flag::kAck), 1328);
        Written out;
        Coalescer coalescer(out);
        for (const Bytes& p : parts) coalescer.add(p, *parse_packet(p));
        coalescer.flush();
        ASSERT_EQ(out.packets.size(), 1u);
        EXPECT_EQ(out.headers[0].gso_size, 1328);
        EXPECT_EQ(out.headers[0].gso_type, ends.from == kV4.from ? vnet::kTcp4 : vnet::kTcp6);
        EXPECT_EQ(out.headers[0].flags, vnet::kNeedsChecksum);
        EXPECT_EQ(cut(out.packets[0], 1328), parts);
    }
}

TEST(Coalescer, NeverExceedsAPacketNorReorders) {
    Written out;
    Coalescer coalescer(out);
    std::uint32_t sequence = 1;
    std::size_t total = 0;
    for (int i = 0; i < 200; ++i) {
        const Bytes p = tcp_packet(kV4, sequence, 1328, tcp_flag::kAck);
        coalescer.add(p, *parse_packet(p));
        sequence += 1328;
        total += 1328;
    }
    coalescer.flush();
    std::size_t seen = 0;
    std::uint32_t next = 1;
    for (const Bytes& p : out.packets) {
        EXPECT_LE(p.size(), 0xffffu);
        EXPECT_EQ(Reader(ByteView(p).subspan(24)).u32(), next);
        next += static_cast<std::uint32_t>(p.size() - 52);
        seen += p.size() - 52;
    }
    EXPECT_EQ(seen, total);
    EXPECT_LE(out.packets.size(), 6u);
}

TEST(Coalescer, KeepsApartWhatDoesNotBelongTogether) {
    struct Case {
        const char* what;
        std::function<Bytes()> second;
    };
    const auto changed = [](std::size_t at, std::uint8_t value) {
        return [at, value] {
            Bytes p = tcp_packet(kV4, 1100, 100, tcp_flag::kAck);
            p[at] = value;
            renew_header_checksum(p);
            renew_checksum(p, *parse_packet(p));
            return p;
        };
    };
    const Case cases[] = {
        {"a gap", [] { return tcp_packet(kV4, 1200, 100, tcp_flag::kAck); }},
        {"the same again", [] { return tcp_packet(kV4, 1000, 100, tcp_flag::kAck); }},
        {"a longer one", [] { return tcp_packet(kV4, 1100, 101, tcp_flag::kAck); }},
        {"an end", [] { return tcp_packet(kV4, 1100, 100, tcp_flag::kAck | tcp_flag::kFin); }},
        {"an acknowledgement alone", [] { return tcp_packet(kV4, 1100, 0, tcp_flag::kAck); }},
        {"another connection",
         [] {
             Ends other;
             other.port = 5202;
             return tcp_packet(other, 1100, 100, tcp_flag::kAck);
         }},
        {"another traffic class", changed(1, 3)},
        {"another TTL", changed(8, 63)},
        {"another acknowledgement", changed(31, 78)},
        {"another window", changed(35, 1)},
        {"another time stamp", changed(47, 9)},
        {"a wrong checksum",
         [] {
             Bytes p = tcp_packet(kV4, 1100, 100, tcp_flag::kAck);
             p.back() ^= 1;
             return p;
         }},
    };
    for (const Case& c : cases) {
        Written out;
        Coalescer coalescer(out);
        const Bytes first = tcp_packet(kV4, 1000, 100, tcp_flag::kAck);
        const Bytes second = c.second();
        coalescer.add(first, *parse_packet(first));
        coalescer.add(second, *parse_packet(second));
        coalescer.flush();
        ASSERT_EQ(out.packets.size(), 2u) << c.what;
        const bool other = std::string(c.what) == "another connection";
        EXPECT_TRUE(other || (out.packets[0] == first && out.packets[1] == second)) << c.what;
        for (const VnetHeader& h : out.headers) EXPECT_EQ(h.gso_type, 0) << c.what;
    }
    // With the wrong checksum the kernel must look at it.
    Written out;
    Coalescer coalescer(out);
    const Bytes bad = cases[11].second();
    coalescer.add(bad, *parse_packet(bad));
    coalescer.flush();
    ASSERT_EQ(out.headers.size(), 1u);
    EXPECT_EQ(out.headers[0].flags, 0);
}

TEST(Coalescer, ServesMoreConnectionsThanItHasPlacesFor) {
    Written out;
    Coalescer coalescer(out);
    std::size_t sent = 0;
    for (std::uint32_t round = 0; round < 5; ++round) {
        for (std::uint16_t port = 1; port <= 20; ++port) {
            Ends ends;
            ends.port = port;
            const Bytes p = tcp_packet(ends, 1 + round * 500, 500, tcp_flag::kAck);
            coalescer.add(p, *parse_packet(p));
            sent += 500;
        }
    }
    coalescer.flush();
    std::size_t seen = 0;
    for (const Bytes& p : out.packets) seen += p.size() - 52;
    EXPECT_EQ(seen, sent);
}

TEST_F(DataPathTest, SealsEachSegmentOfALargePacket) {
    set_policy(1, RACOON_DIR_OUT);
    set_sa(esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 9, 1, 3));
    const Bytes large = tcp_packet(kV4, 1, 20'000, tcp_flag::kAck);
    path.from_tun_large(large, 1328, 5);
    const auto parts = cut(large, 1328);
    ASSERT_EQ(sink.wire.size(), parts.size());
    std::string error;
    const auto peer = EspSa::make(esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 9, 1, 3), &error);
    for (std::size_t i = 0; i < parts.size(); ++i) {
        std::span<std::uint8_t> inner;
        std::uint8_t next = 0;
        ASSERT_EQ(peer->open(sink.wire[i], &inner, &next), Opened::Packet);
        EXPECT_EQ(Bytes(inner.begin(), inner.end()), parts[i]);
    }
    path.path_mtu(address("10.9.0.2"), 1000, 5);
    path.from_tun_large(large, 1328, 5);
    EXPECT_EQ(sink.wire.size(), parts.size());
    EXPECT_EQ(sink.tun.size(), 1u) << "told once for all of them";
}

TEST_F(DataPathTest, HoldsSegmentsLikeAnyPacketAndEndsThemWithTheSa) {
    set_policy(1, RACOON_DIR_OUT);
    const Bytes large = tcp_packet(kV4, 1, 20'000, tcp_flag::kAck);
    path.from_tun_large(large, 1328, 5);
    EXPECT_EQ(path.held(), kHeldPerPolicy);
    EXPECT_EQ(sink.events.size(), 1u);
    racoon_kernel_sa sa = esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 9, 1, 3);
    sa.hard_bytes = 14'000;
    set_sa(sa);
    EXPECT_EQ(sink.wire.size(), kHeldPerPolicy);
    path.from_tun_large(large, 1328, 5);
    EXPECT_EQ(sink.wire.size(), kHeldPerPolicy + 3) << "bytes are counted segment by segment";
    EXPECT_EQ(sink.events.back().type, RACOON_KERNEL_EXPIRE_HARD);
}

TEST_F(DataPathTest, CompletesTheChecksumThatTheKernelLeftOpen) {
    set_policy(1, RACOON_DIR_OUT);
    set_sa(esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 9, 1, 3));
    const Bytes good = tcp_packet(kV4, 1, 333, tcp_flag::kAck);
    Bytes open = good;
    const auto flow = parse_packet(good);
    const std::uint16_t pseudo = folded(
        pseudo_header_sum(flow->source, flow->destination, kProtoTcp, flow->size - flow->header));
    open[36] = static_cast<std::uint8_t>(pseudo >> 8);
    open[37] = static_cast<std::uint8_t>(pseudo);
    VnetHeader header;
    header.flags = vnet::kNeedsChecksum;
    header.checksum_start = 20;
    header.checksum_offset = 16;
    Tun::take(header, open, path, 5);
    ASSERT_EQ(sink.wire.size(), 1u);
    std::string error;
    const auto peer = EspSa::make(esp_sa(RACOON_DIR_OUT, "10.9.0.1", "10.9.0.2", 9, 1, 3), &error);
    std::span<std::uint8_t> inner;
    std::uint8_t next = 0;
    ASSERT_EQ(peer->open(sink.wire[0], &inner, &next), Opened::Packet);
    EXPECT_EQ(Bytes(inner.begin(), inner.end()), good);
    for (const int start : {370, 373, 374, 65535}) {
        header.checksum_start = static_cast<std::uint16_t>(start);
        Bytes again = open;
        Tun::take(header, again, path, 5);
    }
    EXPECT_EQ(sink.wire.size(), 1u) << "a place beyond the packet";
}

}  // namespace
}  // namespace racoon::test
