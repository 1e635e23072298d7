// AH, IPComp and bundles between two data paths: what one sends is what the other receives. The level `use`,
// too.
#include "checksum.hpp"
#include "data_path_fixture.hpp"

namespace racoon::test {
namespace {

struct Rule {
    std::uint32_t protocol;
    std::uint32_t mode;
    std::uint32_t level = RACOON_LEVEL_REQUIRE;
};
constexpr Rule kEspTransport{RACOON_IPPROTO_ESP, RACOON_MODE_TRANSPORT};
constexpr Rule kEspTunnel{RACOON_IPPROTO_ESP, RACOON_MODE_TUNNEL};
constexpr Rule kAhTransport{RACOON_IPPROTO_AH, RACOON_MODE_TRANSPORT};
constexpr Rule kAhTunnel{RACOON_IPPROTO_AH, RACOON_MODE_TUNNEL};
constexpr Rule kCompTransport{RACOON_IPPROTO_COMP, RACOON_MODE_TRANSPORT};
constexpr Rule kCompTunnel{RACOON_IPPROTO_COMP, RACOON_MODE_TUNNEL};
using Rules = std::vector<Rule>;

Rule use(Rule rule) {
    rule.level = RACOON_LEVEL_USE;
    return rule;
}

// Of ESP alone the kernel writes the header.
Bytes payload(const Bytes& packet) {
    const auto flow = parse_packet(packet);
    return flow ? Bytes(packet.begin() + static_cast<std::ptrdiff_t>(flow->header), packet.end())
                : Bytes{};
}

struct Host {
    Recorder sink;
    DataPath path{sink};
};

struct Pair {
    Host hosts[2];
    bool v6 = false;
    bool nets = false;

    std::string end(int i) { return (v6 ? "fd09::" : "10.9.0.") + std::to_string(i + 1); }
    std::string inner(int i) {
        if (!nets) return end(i);
        return v6 ? "fd0" + std::to_string(i + 1) + "::1"
                  : "192.168." + std::to_string(i + 1) + ".1";
    }
    void policies(const Rules& rules) {
        const std::string bits = v6 ? "/128" : "/32";
        for (int i = 0; i < 2; ++i) {
            for (const std::uint32_t direction : {RACOON_DIR_OUT, RACOON_DIR_IN}) {
                racoon_kernel_policy p =
                    esp_policy(direction, direction, selector(inner(i) + bits, inner(1 - i) + bits),
                               end(i), end(1 - i), 1);
                p.template_count = static_cast<std::uint32_t>(rules.size());
                for (std::size_t r = 0; r < rules.size(); ++r) {
                    racoon_kernel_template& t = p.templates[r];
                    t = p.templates[0];
                    t.protocol = rules[r].protocol;
                    t.mode = rules[r].mode;
                    t.level = rules[r].level;
                    const bool tunnel = t.mode == RACOON_MODE_TUNNEL;
                    t.local = tunnel ? address(end(i)) : racoon_addr{};
                    t.remote = tunnel ? address(end(1 - i)) : racoon_addr{};
                }
                Writer out = begin_frame(Message::PolicySet, 1);
                write_policy(out, p);
                hosts[i].path.command(out.view(), 0);
            }
        }
    }
    racoon_kernel_sa sa(const Rule& rule, int from, std::uint32_t direction,
                        std::uint32_t flags = 0) {
        racoon_kernel_sa s =
            esp_sa(direction, end(from), end(1 - from), 0x1000u + static_cast<std::uint32_t>(from),
                   1, static_cast<std::uint8_t>(static_cast<unsigned>(from) + 1 + rule.protocol));
        s.protocol = rule.protocol;
        s.mode = rule.mode;
        s.flags = flags;
        if (rule.protocol == RACOON_IPPROTO_AH) s.enc = {};
        if (rule.protocol == RACOON_IPPROTO_COMP) {
            s.enc = algorithm("deflate", "deflate", 0, 0, 0);
            s.auth = {};
        }
        s.replay_window = 64;
        return s;
    }
    void set_sa(int host, const racoon_kernel_sa& s) {
        Writer out = begin_frame(Message::SaSet, 1);
        write_sa(out, s);
        hosts[host].path.command(out.view(), 0);
        ASSERT_EQ(hosts[host].sink.replies.back(), RACOON_OK);
    }
    void install(const Rules& rules, std::uint32_t flags = 0) {
        for (const Rule& rule : rules) {
            for (int from = 0; from < 2; ++from) {
                set_sa(1 - from, sa(rule, from, RACOON_DIR_IN, flags));
                set_sa(from, sa(rule, from, RACOON_DIR_OUT, flags));
            }
        }
    }
    Bytes udp(int from, std::size_t size = 100, bool noise = false) {
        Outer ends;
        ends.src = address(inner(from));
        ends.dst = address(inner(1 - from));
        ends.traffic_class = 0x28;
        ends.hop_limit = 33;
        ends.id = 99;
        Bytes body(8 + size, 0x5a);
        for (std::size_t i = 8; noise && i < body.size(); ++i) {
            body[i] = static_cast<std::uint8_t>(i * i * 31 + i / 7 * 113 + i % 11 * 57);
        }
        body[0] = body[2] = 4;
        body[4] = static_cast<std::uint8_t>(body.size() >> 8);
        body[5] = static_cast<std::uint8_t>(body.size());
        Bytes packet = make_packet(ends, 17, body);
        renew_checksum(packet, *parse_packet(packet));
        return packet;
    }
    // As the wire and the peer's kernel do it.
    void carry(int to, const Outer& outer, Bytes packet, std::int64_t now = 5) {
        if (!outer.whole) {
            Outer theirs = outer;
            if (theirs.hop_limit == 0) theirs.hop_limit = 64;
            return hosts[to].path.from_wire(theirs, packet, now);
        }
        const auto flow = parse_packet(packet);
        ASSERT_TRUE(flow && flow->size == packet.size());
        if (flow->protocol == kProtoAh || flow->protocol == kProtoComp) {
            return hosts[to].path.from_wire_packet(packet, now);
        }
        ASSERT_EQ(flow->protocol, kProtoEsp);
        Outer theirs;
        theirs.src = flow->source;
        theirs.dst = flow->destination;
        theirs.traffic_class = flow->traffic_class;
        theirs.hop_limit = flow->hop_limit;
        theirs.id = static_cast<std::uint16_t>(flow->fragment_id);
        theirs.dont_fragment = !flow->may_fragment;
        const std::span<std::uint8_t> esp = std::span(packet).subspan(flow->header);
        hosts[to].path.from_wire(theirs, esp, now);
    }
    // Sends and receives one packet; what came out.
    Bytes passed(int from, const Bytes& packet) {
        Recorder& sender = hosts[from].sink;
        Recorder& receiver = hosts[1 - from].sink;
        const std::size_t sent = sender.wire.size();
        const std::size_t received = receiver.tun.size();
        hosts[from].path.from_tun(packet, 5);
        if (sender.wire.size() != sent + 1) return {};
        carry(1 - from, sender.outers.back(), sender.wire.back());
        return receiver.tun.size() == received + 1 ? receiver.tun.back() : Bytes{};
    }
};

struct BundleTest : ::testing::Test, Pair {};

TEST_F(BundleTest, EveryFormCarriesPacketsBothWays) {
    const Rules forms[] = {
        {kAhTransport},
        {kAhTunnel},
        {kEspTransport, kAhTransport},
        {kEspTunnel, kAhTransport},
        {kAhTransport, kEspTransport},
        {kAhTransport, kEspTunnel},
        {kAhTunnel, kEspTransport},
        {kEspTransport, kAhTunnel},
        {kEspTransport, kAhTransport, kEspTunnel},
        {kCompTransport},
        {kCompTransport, kEspTransport},
        {kCompTransport, kEspTunnel},
        {kCompTunnel, kEspTransport},
        {kCompTunnel, kEspTransport, kAhTransport},
        {kCompTransport, kEspTransport, kAhTransport},
    };
    for (const Rules& rules : forms) {
        for (const bool six : {false, true}) {
            for (const std::uint32_t flags : {0u, RACOON_SA_ESN}) {
                Pair one;
                one.v6 = six;
                one.nets = rules[0].mode == RACOON_MODE_TUNNEL;
                one.policies(rules);
                // Two SAs of one protocol need another SPI for the second.
                for (std::size_t r = 0; r < rules.size(); ++r) {
                    for (int from = 0; from < 2; ++from) {
                        racoon_kernel_sa in = one.sa(rules[r], from, RACOON_DIR_IN, flags);
                        racoon_kernel_sa out = one.sa(rules[r], from, RACOON_DIR_OUT, flags);
                        in.spi = out.spi = out.spi + static_cast<std::uint32_t>(r) * 16;
                        one.set_sa(1 - from, in);
                        one.set_sa(from, out);
                    }
                }
                for (int i = 0; i < 6; ++i) {
                    const Bytes packet = one.udp(i % 2, 100 + 31 * static_cast<std::size_t>(i));
                    EXPECT_EQ(one.passed(i % 2, packet), packet)
                        << rules.size() << " rules, the first " << rules[0].protocol << "/"
                        << rules[0].mode << ", IPv" << (six ? 6 : 4) << ", flags " << flags;
                    const Bytes& wire = one.hosts[i % 2].sink.wire.back();
                    const bool whole = one.hosts[i % 2].sink.outers.back().whole;
                    ASSERT_TRUE(whole);
                    EXPECT_EQ(parse_packet(wire)->protocol, rules.back().protocol);
                }
            }
        }
    }
}

// RFC 3173 2.2: what does not get smaller comes without IPComp, in a tunnel as a plain one.
TEST_F(BundleTest, CompressesWhatGetsSmallerAndDeliversTheRestAsWell) {
    for (const Rules& rules :
         {Rules{kCompTransport, kEspTransport}, Rules{kCompTunnel, kEspTransport},
          Rules{kCompTransport, kAhTransport}}) {
        for (const bool six : {false, true}) {
            Pair one;
            one.v6 = six;
            one.nets = rules[0].mode == RACOON_MODE_TUNNEL;
            one.policies(rules);
            one.install(rules);
            const Bytes words = one.udp(0, 1000);
            const Bytes noise = one.udp(0, 60, true);
            EXPECT_EQ(one.passed(0, words), words);
            EXPECT_LT(one.hosts[0].sink.wire.back().size(), 300u);
            EXPECT_EQ(one.passed(0, noise), noise);
            EXPECT_GT(one.hosts[0].sink.wire.back().size(), noise.size());
        }
    }
}

// Behind a NAT only ESP goes in UDP, and the checksum is below IPComp.
TEST_F(BundleTest, CompressedPacketsPassANat) {
    const Rules rules{kCompTransport, kEspTransport};
    policies(rules);
    for (const Rule& rule : rules) {
        const std::uint32_t flags = rule.protocol == RACOON_IPPROTO_ESP ? RACOON_SA_UDP_ENCAP : 0;
        racoon_kernel_sa in = sa(rule, 0, RACOON_DIR_IN, flags);
        racoon_kernel_sa out = sa(rule, 0, RACOON_DIR_OUT, flags);
        if (flags != 0) in.src.port = in.dst.port = out.src.port = out.dst.port = 4500;
        set_sa(1, in);
        set_sa(0, out);
    }
    Bytes packet = udp(0, 1000);
    packet[26] = static_cast<std::uint8_t>(packet[26] ^ 0x55);  // as made for another address
    hosts[0].path.from_tun(packet, 5);
    ASSERT_EQ(hosts[0].sink.wire.size(), 1u);
    const Outer outer = hosts[0].sink.outers[0];
    EXPECT_FALSE(outer.whole);
    EXPECT_EQ(outer.dst.port, 4500);
    EXPECT_LT(hosts[0].sink.wire[0].size(), 200u);
    carry(1, outer, hosts[0].sink.wire[0]);
    ASSERT_EQ(hosts[1].sink.tun.size(), 1u);
    EXPECT_EQ(payload(hosts[1].sink.tun[0]), payload(udp(0, 1000))) << "the checksum is mended";
}

TEST_F(BundleTest, AhCoversTheHeaderAndKeepsItsOptions) {
    policies({kAhTransport});
    install({kAhTransport});
    Bytes packet = udp(0);
    packet.insert(packet.begin() + 20, {0x94, 4, 0, 0});  // router alert
    packet[0] = 0x46;
    packet[3] = static_cast<std::uint8_t>(packet[3] + 4);
    set_traffic_class(packet, 0x28);  // with the checksum
    EXPECT_EQ(passed(0, packet), packet);
    // What a host on the way may change; then the source, and an option.
    Bytes wire = hosts[0].sink.wire.back();
    hosts[0].path.from_tun(packet, 5);
    wire = hosts[0].sink.wire.back();
    wire[8] = 7;
    set_traffic_class(wire, 0x04);
    carry(1, hosts[0].sink.outers.back(), wire);
    EXPECT_EQ(hosts[1].sink.tun.size(), 2u);
    hosts[0].path.from_tun(packet, 5);
    wire = hosts[0].sink.wire.back();
    wire[23] = 1;
    carry(1, hosts[0].sink.outers.back(), wire);
    EXPECT_EQ(hosts[1].sink.tun.size(), 2u);
    EXPECT_EQ(hosts[1].path.drops().forged, 1u);
    Bytes route = packet;
    route[20] = 0x83;
    hosts[0].path.from_tun(route, 5);
    EXPECT_EQ(hosts[0].path.drops().has_options, 1u);
}

// The policy asks for both SAs in this order: one of them alone is not enough, and nor is another order.
TEST_F(BundleTest, AcceptsNothingButTheWholeBundle) {
    policies({kEspTransport, kAhTransport});
    install({kEspTransport, kAhTransport});
    // The peer has only one rule, or both the other way round.
    for (const Rules& theirs :
         {Rules{kEspTransport}, Rules{kAhTransport}, Rules{kAhTransport, kEspTransport}}) {
        Pair sender;
        sender.policies(theirs);
        sender.install(theirs);
        sender.hosts[0].path.from_tun(sender.udp(0), 5);
        ASSERT_EQ(sender.hosts[0].sink.wire.size(), 1u);
        Pair receiver;
        receiver.policies({kEspTransport, kAhTransport});
        receiver.install({kEspTransport, kAhTransport});
        receiver.carry(1, sender.hosts[0].sink.outers[0], sender.hosts[0].sink.wire[0]);
        EXPECT_TRUE(receiver.hosts[1].sink.tun.empty()) << theirs.size();
        EXPECT_EQ(receiver.hosts[1].path.drops().not_selected, 1u) << theirs.size();
    }
}

TEST_F(BundleTest, WaitsForTheLastSaWithOneAcquire) {
    const Rules rules{kEspTransport, kAhTransport};
    policies(rules);
    const Bytes packet = udp(0);
    hosts[0].path.from_tun(packet, 5);
    ASSERT_EQ(hosts[0].sink.events.size(), 1u);
    EXPECT_EQ(hosts[0].sink.events[0].type, RACOON_KERNEL_ACQUIRE);
    EXPECT_EQ(hosts[0].path.held(), 1u);
    set_sa(0, sa(kAhTransport, 0, RACOON_DIR_OUT));
    EXPECT_TRUE(hosts[0].sink.wire.empty());
    EXPECT_EQ(hosts[0].path.held(), 1u);
    hosts[0].path.from_tun(packet, 6);
    EXPECT_EQ(hosts[0].sink.events.size(), 1u) << "it is being negotiated";
    set_sa(0, sa(kEspTransport, 0, RACOON_DIR_OUT));
    EXPECT_EQ(hosts[0].sink.wire.size(), 2u);
    EXPECT_EQ(hosts[0].path.held(), 0u);
}

TEST_F(BundleTest, TheSameSpiOfEspAndOfAhAreTwoSas) {
    policies({kEspTransport, kAhTransport});
    install({kEspTransport, kAhTransport});
    Writer out = begin_frame(Message::SaDelete, 1);
    write_name(out, {address(end(1)), RACOON_IPPROTO_AH, 0x1000});
    hosts[0].path.command(out.view(), 5);
    EXPECT_EQ(hosts[0].sink.replies.back(), RACOON_OK);
    hosts[0].path.from_tun(udp(0), 5);
    EXPECT_EQ(hosts[0].path.held(), 1u) << "ESP alone is not enough";
}

TEST_F(BundleTest, TellsTheSenderWhatFitsThroughEverySa) {
    policies({kEspTransport, kAhTransport});
    install({kEspTransport, kAhTransport});
    hosts[0].path.path_mtu(address(end(1)), 1300, 5);
    Bytes packet = udp(0, 1250);
    packet[6] = 0x40;
    set_traffic_class(packet, 0x28);
    hosts[0].path.from_tun(packet, 5);
    EXPECT_TRUE(hosts[0].sink.wire.empty());
    ASSERT_EQ(hosts[0].sink.tun.size(), 1u) << "too big";
    const Bytes& answer = hosts[0].sink.tun[0];
    const std::size_t told = answer[26] * 256u + answer[27];
    EXPECT_LT(told, 1300u - 28 - 24);
    Bytes fits = udp(0, told - 28);
    ASSERT_EQ(fits.size(), told);
    fits[6] = 0x40;
    set_traffic_class(fits, 0x28);
    hosts[0].path.from_tun(fits, 5);
    ASSERT_EQ(hosts[0].sink.wire.size(), 1u);
    EXPECT_LE(hosts[0].sink.wire[0].size(), 1300u);
    EXPECT_EQ(hosts[0].sink.wire[0][6], 0x40) << "DF";
    // What may be fragmented goes in pieces that the peer's kernel puts together.
    hosts[0].path.from_tun(udp(0, 2000), 5);
    ASSERT_EQ(hosts[0].sink.wire.size(), 3u);
    Reassembly parts;
    Bytes whole;
    for (std::size_t i = 1; i < 3; ++i) {
        EXPECT_LE(hosts[0].sink.wire[i].size(), 1300u);
        whole = parts.add(hosts[0].sink.wire[i], *parse_packet(hosts[0].sink.wire[i]), 5);
    }
    carry(1, hosts[0].sink.outers.back(), whole);
    EXPECT_EQ(hosts[1].sink.tun.size(), 1u);
}

TEST_F(BundleTest, LevelUseGoesInTheClearUntilThereIsAnSa) {
    for (const bool six : {false, true}) {
        Pair one;
        one.v6 = six;
        one.policies({use(kEspTransport)});
        const Bytes packet = one.udp(0);
        one.hosts[0].path.from_tun(packet, 5);
        one.hosts[0].path.from_tun(packet, 6);
        const Recorder& sink = one.hosts[0].sink;
        ASSERT_EQ(sink.wire.size(), 2u);
        EXPECT_EQ(sink.wire[0], packet);
        EXPECT_TRUE(sink.outers[0].whole);
        EXPECT_EQ(sink.events.size(), 1u) << "an SA is asked for all the same, once";
        EXPECT_EQ(one.hosts[0].path.held(), 0u);
        one.install({use(kEspTransport)});
        EXPECT_EQ(payload(one.passed(0, packet)), payload(packet));
        EXPECT_NE(sink.wire[2], packet);
    }
}

TEST_F(BundleTest, LevelUseOfOneRuleLeavesTheOtherRequired) {
    const Rules rules{kEspTransport, use(kAhTransport)};
    policies(rules);
    hosts[0].path.from_tun(udp(0), 5);
    EXPECT_TRUE(hosts[0].sink.wire.empty()) << "ESP is required";
    install({kEspTransport});
    EXPECT_EQ(hosts[0].sink.wire.size(), 1u) << "what was held";
    EXPECT_EQ(payload(passed(0, udp(0))), payload(udp(0))) << "without AH";
    install({use(kAhTransport)});
    EXPECT_EQ(passed(0, udp(0)), udp(0)) << "with it";
    EXPECT_EQ(parse_packet(hosts[0].sink.wire.back())->protocol, kProtoAh);
}

TEST_F(BundleTest, NothingOfTheBundleIsAcceptedTwice) {
    policies({kEspTransport, kAhTransport});
    install({kEspTransport, kAhTransport});
    ASSERT_FALSE(passed(0, udp(0)).empty());
    carry(1, hosts[0].sink.outers.back(), hosts[0].sink.wire.back());
    EXPECT_EQ(hosts[1].sink.tun.size(), 1u);
    EXPECT_EQ(hosts[1].path.drops().replayed, 1u);
}

}  // namespace
}  // namespace racoon::test
