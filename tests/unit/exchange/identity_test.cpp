// Two peers at one address, as clients behind one NAT are: what one of them does, or what is done for it,
// leaves the other alone. Each is known by what it proved in phase 1, not by where it is.
#include <gtest/gtest.h>

#include "simulation/scripted_peer.hpp"
#include "support/log_capture.hpp"

namespace racoon::sim {
namespace {

using test::LogCapture;

constexpr std::uint32_t kSpiA = 0xa0001;

Bytes spi_bytes_of(std::uint32_t spi) {
    Writer w;
    w.u32(spi);
    return std::move(w).take();
}

ConfigOptions either_mode() {
    ConfigOptions o;
    o.modes = {conf::ExchangeMode::Main, conf::ExchangeMode::Aggressive};
    return o;
}

/// Host b with ISAKMP SAs of "a.example" and "b.example", both at 192.0.2.1.
struct Neighbours {
    explicit Neighbours(std::uint16_t port_b = 2500, const ConfigOptions& o = either_mode())
        : w(1, o), a(w, ip("192.0.2.1"), 1500), b(w, ip("192.0.2.1"), port_b) {
        a.id_body = id("a.example");
        b.id_body = id("b.example");
        // Where they share the port as well, only the cookies tell them apart.
        b.cookies.initiator.bytes[0] ^= 0xff;
    }
    static Bytes id(const char* name) {
        isakmp::Identity out;
        out.value = isakmp::IdFqdn{name};
        return out.body();
    }
    /// a with a pair of SAs, then b.
    bool up() {
        if (!a.establish_aggressive() || a.quick_mode(kSpiA) == 0) return false;
        w.run_for(1s);
        b.heard.clear();
        return b.establish_aggressive() && w.b->engine->load().phase1 == 2;
    }
    bool has_outbound(std::uint32_t spi) const { return w.b->sas.contains({ip("192.0.2.1"), spi}); }
    std::size_t quick_modes(const ScriptedPeer& p) const {
        std::size_t n = 0;
        for (const Bytes& m : p.heard)
            n += isakmp::parse_header(m)->exchange_type() == ExchangeType::QuickMode;
        return n;
    }
    World w;
    ScriptedPeer a, b;
};

TEST(Identity, ADeleteEndsNoneOfTheNeighboursSas) {
    Neighbours n;
    ASSERT_TRUE(n.up());
    const Bytes body = isakmp::Delete::body_of(isakmp::ProtocolId::Esp, Spi{kSpiA});
    n.b.say(n.b.informational(PayloadType::Delete, body));
    EXPECT_TRUE(n.has_outbound(kSpiA));
    n.a.say(n.a.informational(PayloadType::Delete, body));
    EXPECT_FALSE(n.has_outbound(kSpiA)) << "it is a's to delete";
}

TEST(Identity, InvalidSpiEndsNoneOfTheNeighboursSas) {
    Neighbours n;
    ASSERT_TRUE(n.up());
    isakmp::Notification said;
    const Bytes spi = spi_bytes_of(kSpiA);
    said.protocol = isakmp::ProtocolId::Esp;
    said.type = NotifyType::InvalidSpi;
    said.spi = spi;
    n.b.say(n.b.informational(PayloadType::Notification, said.body()));
    EXPECT_TRUE(n.has_outbound(kSpiA));
    n.a.say(n.a.informational(PayloadType::Notification, said.body()));
    EXPECT_FALSE(n.has_outbound(kSpiA));
}

TEST(Identity, TheLastDeleteOfOneIsNotTheEndOfTheOther) {
    Neighbours n;
    ASSERT_TRUE(n.up());
    n.a.say(n.a.informational(PayloadType::Delete, isakmp::Delete::body_of(n.b.cookies)));
    EXPECT_EQ(n.w.b->engine->load().phase1, 2u) << "of another's ISAKMP SA";
    n.b.say(n.b.informational(PayloadType::Delete, isakmp::Delete::body_of(n.b.cookies)));
    EXPECT_EQ(n.w.b->engine->load().phase1, 1u);
    EXPECT_TRUE(n.has_outbound(kSpiA));
    n.a.say(n.a.informational(PayloadType::Delete, isakmp::Delete::body_of(n.a.cookies)));
    EXPECT_FALSE(n.has_outbound(kSpiA)) << "that of its own is";
}

// The same address and port: as when one moved its SA there.
TEST(Identity, InitialContactSpeaksForNobodyElse) {
    Neighbours n(1500);
    ASSERT_TRUE(n.up());
    const auto contact = [](ScriptedPeer& p) {
        return p.informational(PayloadType::Notification,
                               p.notify(NotifyType::InitialContact, isakmp::spi_bytes(p.cookies)));
    };
    n.b.say(contact(n.b));
    EXPECT_TRUE(n.has_outbound(kSpiA));
    EXPECT_EQ(n.w.b->engine->load().phase1, 2u);

    // The peer itself, restarted.
    n.w.run_for(1s);
    ScriptedPeer again(n.w, ip("192.0.2.1"), 1500);
    again.id_body = n.a.id_body;
    again.cookies.initiator.bytes[0] ^= 0x55;
    ASSERT_TRUE(again.establish_aggressive());
    again.say(contact(again));
    EXPECT_FALSE(n.has_outbound(kSpiA));
    EXPECT_EQ(n.w.b->engine->load().phase1, 2u) << "its old one is gone, b's is not";
}

TEST(Identity, ADeadPeerTakesNobodyAlong) {
    ConfigOptions o = either_mode();
    o.dpd = {true, conf::seconds(10), conf::seconds(1), 2};
    for (const bool speaks : {true, false}) {
        Neighbours n(1500, o);
        const Bytes dpd = *from_hex("afcad71368a1f1c96b8696fc77570100");
        ASSERT_TRUE(n.a.establish_aggressive());
        ASSERT_NE(n.a.quick_mode(kSpiA), 0u);
        // b speaks DPD, and then no more.
        auto first = n.b.aggressive_1_payloads();
        first.push_back({PayloadType::VendorId, dpd});
        n.b.heard.clear();
        n.b.say(n.b.clear(ExchangeType::Aggressive, first));
        ASSERT_TRUE(n.b.take_aggressive_2());
        n.b.say(n.b.aggressive_3(n.b.aggressive_3_payloads()));
        ASSERT_EQ(n.w.b->engine->load().phase1, 2u);
        n.w.run_for(8s);
        if (speaks) {
            ASSERT_NE(n.a.quick_mode(kSpiA + 1, 0x888), 0u);
        }
        n.w.run_for(30s);
        EXPECT_EQ(n.w.b->engine->load().phase1, 1u);
        EXPECT_EQ(n.w.b->events_of(0x0105), 1u) << "that a lives proves nothing";
        EXPECT_TRUE(n.has_outbound(kSpiA));
    }
}

TEST(Identity, SasAreRenewedWithWhomTheyAre) {
    Neighbours n;
    ASSERT_TRUE(n.up()) << "b's ISAKMP SA is the newer one";
    n.a.heard.clear();
    n.b.heard.clear();
    n.w.run_for(3300s);  // past the soft lifetime
    EXPECT_GE(n.quick_modes(n.a), 1u);
    EXPECT_EQ(n.quick_modes(n.b), 0u);
}

TEST(Identity, WithoutItsIsakmpSaNoRenewalGoesToANeighbour) {
    Neighbours n;
    ASSERT_TRUE(n.up());
    n.w.run_for(2600s);
    // No delete: it would take the pair along.
    n.a.say(n.a.informational(PayloadType::Notification,
                              n.a.notify(NotifyType::AuthenticationFailed, {})));
    ASSERT_EQ(n.w.b->engine->load().phase1, 1u);
    n.b.heard.clear();
    n.w.run_for(700s);
    EXPECT_EQ(n.quick_modes(n.b), 0u);
}

TEST(Identity, APolicyWhosePeerIsNamedIsNegotiatedWithNobodyElse) {
    for (const bool both : {true, false}) {
        ConfigOptions o = either_mode();
        o.named = true;  // "h1.example" at 192.0.2.1, verified
        auto config =
            std::make_shared<conf::Config>(*make_config(ip("192.0.2.2"), ip("192.0.2.1"), o));
        conf::Remote anybody = config->remotes[0];
        anybody.name = "anonymous";
        anybody.address.reset();
        anybody.peers_identifiers.clear();
        anybody.verify_identifier = false;
        config->remotes.push_back(anybody);
        Neighbours n;
        n.w.b->engine->reconfigure(config, 2, n.w.now);
        n.a.id_body = Neighbours::id("h1.example");
        if (both) {
            ASSERT_TRUE(n.a.establish_aggressive());
        }
        n.w.run_for(1s);
        ASSERT_TRUE(n.b.establish_aggressive()) << "under the section for everybody";
        n.a.heard.clear();
        n.b.heard.clear();
        n.w.acquire(*n.w.b);
        n.w.run_for(1s);
        EXPECT_EQ(n.quick_modes(n.b), 0u);
        EXPECT_EQ(n.quick_modes(n.a) != 0, both);
        EXPECT_EQ(n.b.quick_mode(kSpiA + 9), 0u) << "nor when it asks";
        if (both) {
            EXPECT_NE(n.a.quick_mode(kSpiA), 0u);
        }
    }
}

TEST(Identity, AnSpiInUseIsRefusedAndTheNeighboursSaStays) {
    Neighbours n;
    ASSERT_TRUE(n.up());
    const auto before = n.w.b->sas;
    EXPECT_EQ(n.b.quick_mode(kSpiA), 0u);
    EXPECT_EQ(n.w.b->sas.size(), before.size());
    EXPECT_EQ(n.w.b->sas.at({ip("192.0.2.1"), kSpiA}).key, before.at({ip("192.0.2.1"), kSpiA}).key);
    EXPECT_TRUE(n.w.b->larval.empty());
    EXPECT_NE(n.b.quick_mode(kSpiA + 1, 0x778), 0u) << "another one is fine";
    EXPECT_TRUE(n.has_outbound(kSpiA));
}

// Also when the keeper is the one that finds it.
TEST(Identity, WhatTheKeeperRefusesIsNotDeletedAfterwards) {
    Neighbours n;
    ASSERT_TRUE(n.up());
    n.w.b->answer_instead = [&](const exchange::Operation& op) -> std::optional<Result<Bytes>> {
        if (op.kind == OpKind::SaInstall)
            if (auto r = exchange::decode<exchange::SaInstall>(op.request); r && !r->inbound) {
                // As if somebody else's SA came up meanwhile.
                n.w.b->sas[{r->peer, r->spi.value}] = {};
                return fail(Errc::Denied, "a second time");
            }
        return {};
    };
    n.b.quick_mode(kSpiA + 1);
    EXPECT_TRUE(n.has_outbound(kSpiA + 1));
}

TEST(Identity, OfTwoThatAskForTheSameTrafficAtOnceTheFirstGetsIt) {
    Neighbours n;
    auto config = std::make_shared<conf::Config>(
        *make_config(ip("192.0.2.2"), ip("192.0.2.1"), either_mode()));
    config->policies.clear();
    config->remotes[0].generate_policy = conf::GeneratePolicy::Require;
    n.w.b->engine->reconfigure(config, 2, n.w.now);
    n.w.b->may_make = true;
    ASSERT_TRUE(n.a.establish_aggressive());
    ASSERT_TRUE(n.b.establish_aggressive());
    n.a.heard.clear();
    n.b.heard.clear();
    const auto ask = [](ScriptedPeer& p, std::uint32_t spi) {
        p.send(p.protected_message(ExchangeType::QuickMode, 9, p.quick_mode_1_payloads(spi)));
    };
    ask(n.a, kSpiA);
    ask(n.b, kSpiA + 1);
    n.w.run_for(100ms);
    EXPECT_EQ(n.quick_modes(n.a), 1u);
    EXPECT_EQ(n.quick_modes(n.b), 0u);
    EXPECT_EQ(n.w.b->made.size(), 1u);
    // When the first gives up, the other one may.
    n.w.run_for(300s);
    EXPECT_TRUE(n.w.b->made.empty());
    EXPECT_NE(n.b.quick_mode(kSpiA + 2, 0x999), 0u);
    EXPECT_EQ(n.a.quick_mode(kSpiA + 3, 0x999), 0u) << "it is b's now";
}

TEST(Identity, OnePeerHasSoManyIsakmpSasAndNoMore) {
    Neighbours n;
    ASSERT_TRUE(n.b.establish_aggressive());
    for (unsigned i = 0; i < 100; ++i) {
        ScriptedPeer again(n.w, ip("192.0.2.1"), 1500);
        again.id_body = n.a.id_body;
        again.cookies.initiator.bytes[0] = static_cast<std::uint8_t>(i);
        again.cookies.initiator.bytes[1] = 0xee;
        ASSERT_TRUE(again.establish_aggressive()) << i;
        n.w.tap = nullptr;
        n.w.run_for(1s);
    }
    EXPECT_EQ(n.w.b->engine->load().phase1, 65u) << "b's is another's";
}

TEST(Identity, OnePeerHasSoManyPairsAndNoMore) {
    Neighbours n;
    ASSERT_TRUE(n.a.establish_aggressive());
    ASSERT_TRUE(n.b.establish_aggressive());
    LogCapture log;
    for (std::uint32_t i = 0; i < 1024; ++i) ASSERT_NE(n.a.quick_mode(kSpiA + i, 0x1000 + i), 0u);
    for (std::uint32_t i = 0; i < 50; ++i) {
        n.a.heard.clear();
        n.a.say(n.a.protected_message(ExchangeType::QuickMode, 0x9000 + i,
                                      n.a.quick_mode_1_payloads(kSpiA + 2000 + i)));
        const auto told = n.a.open_next();
        ASSERT_TRUE(told);
        ASSERT_EQ(told->payloads.size(), 2u);
        EXPECT_EQ(told->payloads[1].type, PayloadType::Notification);
    }
    EXPECT_LE(log.count("more pairs of IPsec SAs than any needs"), 16u);
    EXPECT_GE(log.count("more pairs of IPsec SAs than any needs"), 1u);
    EXPECT_EQ(n.w.b->sas.size(), 2048u);
    EXPECT_NE(n.b.quick_mode(0xb0000, 0x1), 0u) << "others are not concerned";
}

TEST(Identity, PairsThatAreOnTheirWayAreCounted) {
    Neighbours n;
    ASSERT_TRUE(n.a.establish_aggressive());
    for (std::uint32_t i = 0; i < 1000; ++i) ASSERT_NE(n.a.quick_mode(kSpiA + i, 0x1000 + i), 0u);
    for (std::uint32_t i = 0; i < 100; ++i)
        n.a.say(n.a.protected_message(ExchangeType::QuickMode, 0x9000 + i,
                                      n.a.quick_mode_1_payloads(kSpiA + 2000 + i)));
    // Those that were answered have a larval SA, or an inbound one already.
    EXPECT_EQ(n.w.b->larval.size() + n.w.b->sas.size(), 2000u + 24u);
}

/// Host b, which has a pair with host a and no ISAKMP SA any more; a calls itself something else from now on and
/// leaves it to b to begin.
struct Renamed {
    explicit Renamed(bool made) : w(1, options(), nullptr) {
        auto wide = std::make_shared<conf::Config>(
            *make_config(ip("192.0.2.2"), ip("192.0.2.1"), options()));
        wide->remotes[0].peers_identifiers.clear();
        wide->remotes[0].verify_identifier = false;
        if (made) {
            wide->policies.clear();
            wide->remotes[0].generate_policy = conf::GeneratePolicy::Require;
            w.b->may_make = true;
        }
        w.b->engine->reconfigure(wide, 2, w.now);
        w.acquire(*w.a);
        w.run_for(700s);
        auto other = std::make_shared<conf::Config>(
            *make_config(ip("192.0.2.1"), ip("192.0.2.2"), options()));
        other->remotes[0].my_identifier.value = "another.example";
        other->remotes[0].passive = true;
        w.a->engine->reconfigure(other, 2, w.now);
    }
    static ConfigOptions options() {
        ConfigOptions o;
        o.named = true;
        o.rekey = conf::Rekey::Off;  // of phase 1
        o.phase1_lifetime = conf::seconds(600);
        return o;
    }
    World w;
};

// Peers may begin as one and answer as another, as with an address that is theirs and one that is the NAT's.
TEST(Identity, APeerThatAnswersUnderAnotherNameKeepsItsConfiguredPolicy) {
    Renamed r(false);
    ASSERT_EQ(r.w.pairs(*r.w.b), 1u);
    ASSERT_EQ(r.w.b->engine->load().phase1, 0u);
    std::uint32_t before = 0, after = 0;
    ASSERT_NE(r.w.b->outbound(World::kPolicy, &before), nullptr);
    r.w.run_for(2800s);
    ASSERT_NE(r.w.b->outbound(World::kPolicy, &after), nullptr);
    EXPECT_NE(before, after) << "renewed before it ended";
}

// What was made for one is for nobody else: that is found out once and at once.
TEST(Identity, WhoAnswersUnderAnotherNameGetsNothingThatWasMadeForSomebody) {
    Renamed r(true);
    ASSERT_EQ(r.w.pairs(*r.w.b), 1u);
    ASSERT_EQ(r.w.b->engine->load().phase1, 0u);
    LogCapture log;
    r.w.run_for(2800s);
    EXPECT_EQ(log.count("who answers there is not the peer of the policy"), 1u);
    EXPECT_EQ(log.count("ISAKMP-SA established"), 2u) << "one, said by both ends";
    EXPECT_EQ(r.w.pairs(*r.w.b), 1u) << "it is the peer's for the rest of its time";
}

}  // namespace
}  // namespace racoon::sim
