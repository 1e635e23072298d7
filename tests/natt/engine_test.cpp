// Two engines with a NAT between them: client a at 10.1.1.1 behind 192.0.2.1, gateway b at 192.0.2.2.
#include <gtest/gtest.h>

#include "exchange/natt.hpp"
#include "natt/dialects.hpp"
#include "simulation/world.hpp"
#include "support/log_capture.hpp"

namespace racoon {
namespace {

using namespace std::chrono_literals;
using conf::ExchangeMode;
using conf::Offer;
using exchange::SaInstall;
using exchange::SaMove;
using sim::ip;
using sim::SimHost;
using sim::World;

using Names = std::vector<std::string>;

struct Case {
    ExchangeMode mode = ExchangeMode::Main;
    Offer a = Offer::On, b = Offer::On;
    bool nat = true;
    bool forwarded =
        false;  // the NAT lets the ports of a through from outside, each under its own number
    bool tunnel = true;
    Names a_speaks{"rfc3947", "draft-03", "draft-02"}, b_speaks{"rfc3947", "draft-03", "draft-02"};
    conf::Dpd dpd{true, conf::seconds(0), conf::seconds(5), 5};
    std::vector<std::pair<std::uint8_t, bool>> rules = {};
    bool ids = false;      // IDs are sent also where they say nothing new
    bool anybody = false;  // b has a section for everybody, and makes policies
};

conf::ConfigPtr config(const char* local, const char* peer, const Case& s, Offer natt,
                       const Names& speaks) {
    sim::ConfigOptions o;
    o.modes = {s.mode};
    o.dpd = s.dpd;
    o.tunnel = s.tunnel;
    if (!s.rules.empty()) o.rules = s.rules;
    o.support_proxy = s.ids;
    auto c = std::make_shared<conf::Config>(*sim::make_config(ip(local), ip(peer), o));
    c->remotes[0].nat_traversal = natt;
    c->natt = test::dialects().list(speaks);
    c->timer.natt_keepalive = conf::seconds(20);
    return c;
}

/// A World whose wire leads through a masquerading NAT, or not.
class NatWorld {
  public:
    explicit NatWorld(const Case& s)
        : case_(s),
          inside(ip(s.nat ? "10.1.1.1" : "192.0.2.1")),
          w(1, config(s.nat ? "10.1.1.1" : "192.0.2.1", "192.0.2.2", s, s.a, s.a_speaks),
            config("192.0.2.2", "192.0.2.1", s, s.b, s.b_speaks)),
          nat(s.nat),
          forwarded(s.forwarded) {
        if (s.anybody) {
            anybody();
            w.b->engine->reconfigure(config_b, 2, w.now);
        }
        for (const std::uint16_t port : {std::uint16_t{500}, std::uint16_t{4500}})
            if (forwarded) known[Endpoint{front, port}] = Endpoint{inside, port};
        w.tap = [this](const exchange::Datagram& d) {
            pass(d);
            return false;
        };
        listen(*w.a, inside);
        listen(*w.b, gateway);
        for (SimHost* h : {w.a.get(), w.b.get()})
            h->answer_instead = [this, h](const exchange::Operation& op) { return note(*h, op); };
    }

    /// A configuration for clients from anywhere.
    void anybody() {
        auto c = std::make_shared<conf::Config>(*config_of_b());
        c->remotes[0].name = "anonymous";
        c->remotes[0].address.reset();
        c->remotes[0].generate_policy = conf::GeneratePolicy::Require;
        c->policies.clear();
        config_b = c;
        w.b->may_make = true;
    }
    conf::ConfigPtr config_of_b() {
        return config("192.0.2.2", "192.0.2.1", case_, case_.b, case_.b_speaks);
    }
    /// The NAT has another address from now on; the old one is nobody's.
    void move_nat(const char* to) {
        known.clear();
        front = ip(to);
    }
    /// The address that the NAT gives to port 4500, if it has one for each port.
    std::optional<IpAddr> pool;
    /// What a sends comes to b from there, but what b sends there is lost: somebody relays it.
    std::optional<Endpoint> relayed;
    /// b is told by its kernel that an authentic packet came from there.
    void mapping(const Endpoint& from) {
        exchange::KernelEvent e;
        e.type = RACOON_KERNEL_MAPPING;
        e.protocol = 50;
        for (const SaInstall& sa : installed[w.b.get()])
            if (sa.inbound) e.spi = sa.spi;
        e.src = from;
        e.dst = Endpoint{gateway, 4500};
        w.b->engine->kernel_event(e, w.now);
    }

    static void listen(SimHost& h, const IpAddr& addr) {
        h.engine->natt_endpoints({Endpoint{addr, 4500}});
        h.engine->local_endpoints({Endpoint{addr, 500}, Endpoint{addr, 4500}});
    }

    std::optional<Result<Bytes>> note(SimHost& h, const exchange::Operation& op) {
        if (op.kind == exchange::OpKind::SaInstall)
            if (auto r = exchange::decode<SaInstall>(op.request))
                installed[&h].push_back(std::move(*r));
        if (op.kind == exchange::OpKind::SaMove)
            if (auto r = exchange::decode<SaMove>(op.request)) moved[&h].push_back(*r);
        return std::nullopt;
    }

    /// The NAT gives each inside port one of its own, which renew() changes.
    Endpoint outside(const Endpoint& e) {
        if (!nat) return e;
        if (forwarded) return Endpoint{front, e.port};
        return Endpoint{e.port == 4500 && pool ? *pool : front,
                        static_cast<std::uint16_t>(base + e.port % 1000)};
    }
    void renew() {
        known.clear();
        base = static_cast<std::uint16_t>(base + 1000);
    }

    void pass(const exchange::Datagram& d) {
        Endpoint from = d.local, to = d.remote;
        keepalives += d.keepalive ? 1 : 0;
        if (from.addr == inside && nat) {
            const Endpoint mapped = outside(from);
            known[mapped] = from;
            from = mapped;
            if (relayed) from = *relayed;
        }
        if (nat && (to.addr == front || to.addr == pool)) {
            const auto it = known.find(to);
            if (it == known.end()) return;  // no mapping: lost
            to = it->second;
        }
        if (to.addr != gateway && to.addr != inside) return;  // nobody is there
        ports.insert(to.port);
        if (d.keepalive) return;  // the socket swallows it
        w.after(10ms, [this, from, to, bytes = to_bytes(d.bytes)] {
            SimHost& h = to.addr == gateway ? *w.b : *w.a;
            exchange::Datagram in;
            in.local = to;
            in.remote = from;
            in.bytes = bytes;
            if (h.engine) h.engine->datagram(in, w.now);
        });
    }

    exchange::Phase1Status phase1(const SimHost& h) {
        const auto list = h.engine->phase1_status(w.now);
        return list.empty() ? exchange::Phase1Status{} : list.front();
    }
    bool up() { return w.a->sas.size() == 2 && w.b->sas.size() == 2; }

    Case case_;
    conf::ConfigPtr config_b;
    IpAddr inside, front = ip("192.0.2.1"), gateway = ip("192.0.2.2");
    std::map<const SimHost*, std::vector<SaInstall>> installed;
    std::map<const SimHost*, std::vector<SaMove>> moved;
    std::set<std::uint16_t> ports;
    unsigned keepalives = 0;
    std::map<Endpoint, Endpoint> known;
    std::uint16_t base = 20000;
    World w;
    bool nat, forwarded;
};

class NattModes : public ::testing::TestWithParam<ExchangeMode> {};
INSTANTIATE_TEST_SUITE_P(Natt, NattModes,
                         ::testing::Values(ExchangeMode::Main, ExchangeMode::Aggressive,
                                           ExchangeMode::Base));

TEST_P(NattModes, ClientBehindANatGoesOverPort4500) {
    Case s;
    s.mode = GetParam();
    NatWorld n(s);
    n.w.acquire(*n.w.a);
    n.w.run_for(10s);
    ASSERT_TRUE(n.up());
    EXPECT_EQ(n.phase1(*n.w.a).local.text(), "10.1.1.1[4500]");
    EXPECT_EQ(n.phase1(*n.w.a).remote.text(), "192.0.2.2[4500]");
    EXPECT_EQ(n.phase1(*n.w.b).remote.text(), "192.0.2.1[20500]");
    for (const auto& [host, list] : n.installed)
        for (const SaInstall& sa : list) {
            EXPECT_EQ(sa.local_port, 4500);
            EXPECT_EQ(sa.peer_port, host == n.w.a.get() ? 4500 : 20500);
        }
}

// Draft 02 has two: who knows one of them alone would not take the other for an answer.
TEST_P(NattModes, TheAnswerIsTheVendorIdThatCame) {
    const conf::NattInfo& both = test::dialects().find("draft-02");
    ASSERT_EQ(both.vendor_ids.size(), 2u);
    for (const std::size_t which : {0u, 1u}) {
        Case s;
        s.mode = GetParam();
        conf::NattInfo one = both;
        one.vendor_ids = {both.vendor_ids[which]};
        NatWorld n(s);
        auto c =
            std::make_shared<conf::Config>(*config("10.1.1.1", "192.0.2.2", s, s.a, {"draft-02"}));
        c->natt = {&one};
        n.w.a->engine->reconfigure(c, 2, n.w.now);
        std::size_t answers[2] = {0, 0};
        n.w.tap = [&](const exchange::Datagram& d) {
            for (std::size_t i = 0; i < 2 && d.local.addr == n.gateway; ++i) {
                const Bytes& vid = both.vendor_ids[i];
                if (std::search(d.bytes.begin(), d.bytes.end(), vid.begin(), vid.end()) !=
                    d.bytes.end())
                    ++answers[i];
            }
            n.pass(d);
            return false;
        };
        n.w.acquire(*n.w.a);
        n.w.run_for(10s);
        EXPECT_TRUE(n.up());
        EXPECT_EQ(answers[which], 1u);
        EXPECT_EQ(answers[1 - which], 0u);
        EXPECT_EQ(n.phase1(*n.w.a).remote.port, 4500) << "the dialect was agreed on";
        n.w.end_and_find_leaks();
    }
}

// Without the module that speaks them.
TEST_P(NattModes, TheFirstDraftsAreNamedInTheLog) {
    for (const char* name : {"draft-00", "draft-01"}) {
        test::LogCapture log;
        Case s;
        s.mode = GetParam();
        s.nat = false;
        s.a_speaks = {name};
        s.b_speaks = {"rfc3947"};
        NatWorld n(s);
        n.w.acquire(*n.w.a);
        n.w.run_for(5s);
        EXPECT_TRUE(n.up());
        EXPECT_EQ(log.count("received Vendor ID: draft-ietf-ipsec-nat-t-ike-" +
                            std::string(name).substr(6)),
                  1u)
            << log.all();
        EXPECT_EQ(log.count("Selected NAT-T version"), 0u);
        n.w.end_and_find_leaks();
    }
}

// With it IKE and ESP stay on port 500, and what ESP has before it is another thing.
TEST_P(NattModes, TheFirstDraftsStayOnTheIkePort) {
    for (const char* name : {"draft-00", "draft-01"}) {
        test::LogCapture log;
        Case s;
        s.mode = GetParam();
        s.a_speaks = {"draft-01", "draft-00"};
        s.b_speaks = {"rfc3947", name};
        NatWorld n(s);
        n.w.acquire(*n.w.a);
        n.w.run_for(10s);
        ASSERT_TRUE(n.up());
        EXPECT_EQ(log.count("Selected NAT-T version: " + std::string(name)), 2u) << log.all();
        EXPECT_EQ(n.phase1(*n.w.a).local.text(), "10.1.1.1[500]");
        EXPECT_EQ(n.phase1(*n.w.a).remote.text(), "192.0.2.2[500]");
        EXPECT_EQ(n.phase1(*n.w.b).remote.text(), "192.0.2.1[20500]");
        for (const auto& [host, list] : n.installed)
            for (const SaInstall& sa : list) {
                EXPECT_TRUE(sa.non_ike_marker);
                EXPECT_EQ(sa.local_port, 500);
                EXPECT_EQ(sa.peer_port, host == n.w.a.get() ? 500 : 20500);
            }
        n.w.run_for(25s);
        EXPECT_GE(n.keepalives, 1u);
        // The NAT takes another port for it.
        n.renew();
        n.w.run_for(21s);
        n.mapping(Endpoint{n.front, 21500});
        n.w.run_for(1s);
        EXPECT_EQ(n.phase1(*n.w.b).remote.text(), "192.0.2.1[21500]");
        EXPECT_EQ(n.ports, (std::set<std::uint16_t>{500}));
        n.w.end_and_find_leaks();
    }
}

TEST_P(NattModes, TheFirstDraftsAreOfferedWhereTheyCanBeSpoken) {
    // A later one is preferred, and goes on to port 4500.
    Case s;
    s.mode = GetParam();
    s.a_speaks = s.b_speaks = {"rfc3947", "draft-01", "draft-00"};
    {
        NatWorld n(s);
        n.w.acquire(*n.w.a);
        n.w.run_for(10s);
        ASSERT_TRUE(n.up());
        EXPECT_EQ(n.phase1(*n.w.a).remote.port, 4500);
        for (const auto& [host, list] : n.installed)
            for (const SaInstall& sa : list) EXPECT_FALSE(sa.non_ike_marker);
        n.w.end_and_find_leaks();
    }
    // With a kernel that has no such marker, none of them is.
    s.a_speaks = s.b_speaks = {"draft-01"};
    s.nat = false;
    NatWorld n(s);
    for (SimHost* h : {n.w.a.get(), n.w.b.get()}) {
        exchange::KernelCapabilities caps;
        caps.flags = ~std::uint64_t{RACOON_CAP_NON_IKE_MARKER};
        caps.max_replay_window = 64;
        h->engine->kernel_capabilities(caps);
    }
    test::LogCapture log;
    n.w.acquire(*n.w.a);
    n.w.run_for(10s);
    EXPECT_TRUE(n.up());
    EXPECT_EQ(log.count("received Vendor ID: draft"), 0u) << log.all();
    n.w.end_and_find_leaks();
}

TEST_P(NattModes, AServerBehindANatFollowsTheChangeOfPorts) {
    Case s;
    s.mode = GetParam();
    s.forwarded = true;
    NatWorld n(s);
    n.w.acquire(*n.w.b);
    n.w.run_for(10s);
    ASSERT_TRUE(n.up());
    EXPECT_EQ(n.phase1(*n.w.b).remote.text(), "192.0.2.1[4500]");
    EXPECT_EQ(n.phase1(*n.w.a).local.text(), "10.1.1.1[4500]");
    EXPECT_EQ(n.phase1(*n.w.a).remote.text(), "192.0.2.2[4500]");
    for (const auto& [host, list] : n.installed)
        for (const SaInstall& sa : list) {
            EXPECT_EQ(sa.local_port, 4500);
            EXPECT_EQ(sa.peer_port, 4500);
        }
}

TEST_P(NattModes, WithoutANatNothingFloats) {
    Case s;
    s.mode = GetParam();
    s.nat = false;
    NatWorld n(s);
    n.w.acquire(*n.w.a);
    n.w.run_for(60s);
    ASSERT_TRUE(n.up());
    EXPECT_EQ(n.ports, std::set<std::uint16_t>{500});
    EXPECT_EQ(n.installed[n.w.a.get()].front().peer_port, 0);
    EXPECT_EQ(n.keepalives, 0u);
}

TEST_P(NattModes, ForceMakesBothBelieveInANat) {
    for (const bool initiator_forces : {true, false}) {
        Case s;
        s.mode = GetParam();
        s.nat = false;
        (initiator_forces ? s.a : s.b) = Offer::Force;
        NatWorld n(s);
        n.w.acquire(*n.w.a);
        n.w.run_for(10s);
        ASSERT_TRUE(n.up()) << initiator_forces;
        EXPECT_EQ(n.phase1(*n.w.b).remote.text(), "192.0.2.1[4500]");
        EXPECT_EQ(n.installed[n.w.b.get()].front().peer_port, 4500);
    }
}

TEST_P(NattModes, OffAtEitherEndMeansWithout) {
    for (const bool initiator_off : {true, false}) {
        Case s;
        s.mode = GetParam();
        s.nat = false;
        (initiator_off ? s.a : s.b) = Offer::Off;
        NatWorld n(s);
        n.w.acquire(*n.w.a);
        n.w.run_for(10s);
        ASSERT_TRUE(n.up());
        EXPECT_EQ(n.ports, std::set<std::uint16_t>{500});
    }
}

TEST_P(NattModes, AVendorsDialectNeedsNothingButItsModule) {
    Case s;
    s.mode = GetParam();
    s.a_speaks = s.b_speaks = {"acme", "rfc3947"};
    NatWorld n(s);
    n.w.acquire(*n.w.a);
    n.w.run_for(10s);
    ASSERT_TRUE(n.up());
    EXPECT_EQ(n.phase1(*n.w.b).remote.text(), "192.0.2.1[20500]");
}

// As strongSwan and the clients of Windows and macOS do: each end names the other by the address that it
// knows, which the NAT has changed (RFC 3947 5.2).
TEST(Natt, InTransportModeIdsOfEitherSideOfTheNatMeanTheHosts) {
    for (const bool client_begins : {true, false}) {
        Case s;
        s.tunnel = false;
        s.ids = true;
        s.forwarded = !client_begins;
        NatWorld n(s);
        SimHost& first = client_begins ? *n.w.a : *n.w.b;
        n.w.acquire(first);
        n.w.run_for(10s);
        ASSERT_TRUE(n.up()) << client_begins;
        for (const auto& [host, list] : n.installed) {
            const bool inside = host == n.w.a.get();
            for (const SaInstall& sa : list) {
                EXPECT_EQ(sa.selector.local.net, Prefix::host(inside ? n.inside : n.gateway));
                EXPECT_EQ(sa.selector.remote.net, Prefix::host(inside ? n.gateway : n.front));
                EXPECT_EQ(sa.peer_original, inside ? n.gateway : n.inside) << "for checksums";
            }
        }
    }
}

TEST(Natt, EveryDialectThatIsSpokenCrossesANat) {
    for (const conf::NattInfo& d : test::dialects().all()) {
        if (!d.spoken) continue;
        Case s;
        s.b_speaks = {d.name};
        s.a_speaks = {"acme",     "rfc3947",  "draft-08", "draft-07", "draft-06", "draft-05",
                      "draft-04", "draft-03", "draft-02", "draft-01", "draft-00"};
        NatWorld n(s);
        n.w.acquire(*n.w.a);
        n.w.run_for(10s);
        EXPECT_TRUE(n.up()) << d.name;
        EXPECT_EQ(n.phase1(*n.w.a).remote.port, d.ike_port ? 500 : 4500) << d.name;
    }
}

TEST(Natt, WithoutASocketItIsNotOffered) {
    Case s;
    s.nat = false;
    NatWorld n(s);
    n.w.a->engine->natt_endpoints({});
    n.w.acquire(*n.w.a);
    n.w.run_for(10s);
    ASSERT_TRUE(n.up());
    EXPECT_EQ(n.ports, std::set<std::uint16_t>{500});
}

TEST(Natt, WhoIsBehindTheNatKeepsTheMappingAlive) {
    NatWorld n(Case{});
    n.w.acquire(*n.w.a);
    n.w.run_for(10s);
    ASSERT_TRUE(n.up());
    n.w.run_for(100s);
    EXPECT_GE(n.keepalives, 4u);
    EXPECT_LE(n.keepalives, 6u);
    const unsigned before = n.keepalives;
    n.w.a->engine->shutdown(n.w.now);
    n.w.run_for(100s);
    EXPECT_EQ(n.keepalives, before);  // nothing is left that needs it
}

TEST(Natt, ANewMappingIsFollowedWhenTheKernelSawAnAuthenticPacket) {
    NatWorld n(Case{});
    n.w.acquire(*n.w.a);
    n.w.run_for(10s);
    ASSERT_TRUE(n.up());
    n.renew();
    const Endpoint now_at = n.outside(Endpoint{n.inside, 4500});
    exchange::KernelEvent e;
    e.type = RACOON_KERNEL_MAPPING;
    e.protocol = 50;
    for (const SaInstall& sa : n.installed[n.w.b.get()])
        if (sa.inbound) e.spi = sa.spi;
    e.src = now_at;
    e.dst = Endpoint{n.gateway, 4500};
    n.w.b->engine->kernel_event(e, n.w.now);
    EXPECT_EQ(n.phase1(*n.w.b).remote, now_at);
    ASSERT_EQ(n.moved[n.w.b.get()].size(), 2u);
    for (const SaMove& m : n.moved[n.w.b.get()]) EXPECT_EQ(m.peer_port, now_at.port);
    // Again: nothing is new.
    n.w.b->engine->kernel_event(e, n.w.now);
    EXPECT_EQ(n.moved[n.w.b.get()].size(), 2u);
}

Case from_anywhere() {
    Case s;
    s.anybody = true;
    s.dpd = {true, conf::seconds(10), conf::seconds(2), 5};
    return s;
}
const char* const kElsewhere = "198.51.100.7";

// Both ends prove it: the peer by what it sends, and by what it gets there.
TEST(Natt, ANewAddressOfTheNatIsFollowedWhenThePeerAnswersThere) {
    for (const bool by_packet : {false, true}) {
        NatWorld n(from_anywhere());
        n.w.acquire(*n.w.a);
        n.w.run_for(5s);
        ASSERT_TRUE(n.up());
        n.move_nat(kElsewhere);
        const Endpoint there = n.outside(Endpoint{n.inside, 4500});
        if (by_packet) {
            n.known[there] = Endpoint{n.inside, 4500};
            n.mapping(there);
        }
        n.w.run_for(by_packet ? 1s : 30s);
        EXPECT_EQ(n.phase1(*n.w.b).remote, there);
        // The SAs were for the old address. Both ends know, and what is wanted comes up again.
        EXPECT_TRUE(n.w.a->sas.empty());
        EXPECT_TRUE(n.w.b->sas.empty());
        n.w.acquire(*n.w.a);
        n.w.run_for(5s);
        ASSERT_TRUE(n.up());
        EXPECT_EQ(n.installed[n.w.b.get()].back().peer, n.front);
        EXPECT_EQ(n.phase1(*n.w.a).local.text(), "10.1.1.1[4500]") << "the same ISAKMP SA";
    }
}

TEST(Natt, ANatWithAnAddressForEachPortIsCrossed) {
    NatWorld n(from_anywhere());
    n.pool = ip(kElsewhere);
    n.w.acquire(*n.w.a);
    n.w.run_for(40s);
    ASSERT_TRUE(n.up());
    EXPECT_EQ(n.phase1(*n.w.b).remote, n.outside(Endpoint{n.inside, 4500}));
    EXPECT_EQ(n.installed[n.w.b.get()].back().peer, *n.pool);
}

TEST(Natt, AQuickModeFromAnotherAddressIsServedWhenThePeerAnswersThere) {
    Case s = from_anywhere();
    s.dpd.delay = conf::seconds(0);
    NatWorld n(s);
    n.w.acquire(*n.w.a);
    n.w.run_for(5s);
    ASSERT_TRUE(n.up());
    n.w.a->engine->flush_phase2(0, n.w.now);
    n.w.run_for(60s);
    n.move_nat(kElsewhere);
    n.w.acquire(*n.w.a);
    n.w.run_for(30s);
    ASSERT_TRUE(n.up());
    EXPECT_EQ(n.installed[n.w.b.get()].back().peer, n.front);
}

TEST(Natt, WhatIsRelayedFromAnotherAddressMovesAndEndsNothing) {
    NatWorld n(from_anywhere());
    n.w.acquire(*n.w.a);
    n.w.run_for(5s);
    ASSERT_TRUE(n.up());
    const Endpoint home = n.phase1(*n.w.b).remote;
    const std::size_t before = n.installed[n.w.b.get()].size();
    n.relayed = Endpoint{ip(kElsewhere), 4500};
    n.mapping(*n.relayed);
    n.w.run_for(20s);
    EXPECT_EQ(n.phase1(*n.w.b).remote, home);
    // Probes, a renewal.
    exchange::KernelEvent e;
    e.type = RACOON_KERNEL_EXPIRE_SOFT;
    e.protocol = 50;
    for (const SaInstall& sa : n.installed[n.w.a.get()])
        if (sa.inbound) e.spi = sa.spi;
    e.dst = Endpoint{n.inside, 4500};
    n.w.a->engine->kernel_event(e, n.w.now);
    n.w.run_for(8s);
    EXPECT_EQ(n.phase1(*n.w.b).remote, home);
    EXPECT_EQ(n.installed[n.w.b.get()].size(), before) << "no quick mode is served";
    EXPECT_EQ(n.w.b->sas.size(), 2u);
    EXPECT_TRUE(n.moved[n.w.b.get()].empty());
    n.relayed.reset();
    n.w.run_for(60s);
    EXPECT_EQ(n.phase1(*n.w.b).remote, home);
    EXPECT_GT(n.installed[n.w.b.get()].size(), before) << "the honest way is served again";
}

// Though it answers there: its policies would be the other's.
TEST(Natt, NobodyMovesToTheAddressOfAnotherSectionOrOfAPolicysPeer) {
    for (const bool by_section : {true, false}) {
        NatWorld n(from_anywhere());
        auto c = std::make_shared<conf::Config>(*n.config_b);
        if (by_section) {
            conf::Remote other = c->remotes[0];
            other.name = "other";
            other.address = Endpoint{ip(kElsewhere), 500};
            c->remotes.push_back(other);
        } else {
            conf::Policy other = n.config_of_b()->policies[0];
            other.templates[0].remote = ip(kElsewhere);
            c->policies.push_back(other);
        }
        n.w.b->engine->reconfigure(c, 3, n.w.now);
        n.w.acquire(*n.w.a);
        n.w.run_for(5s);
        ASSERT_TRUE(n.up());
        const Endpoint home = n.phase1(*n.w.b).remote;
        n.move_nat(kElsewhere);
        n.w.a->engine->flush_phase2(0, n.w.now);
        n.w.acquire(*n.w.a);
        n.w.run_for(15s);
        EXPECT_EQ(n.phase1(*n.w.b).remote, home) << by_section;
        for (const SaInstall& sa : n.installed[n.w.b.get()]) EXPECT_EQ(sa.peer, home.addr);
    }
}

TEST(Natt, OfABundleWithIpcompOnlyEspIsInUdp) {
    Case s;
    s.rules = {{std::uint8_t{108}, true}, {std::uint8_t{50}, false}};
    s.dpd = {true, conf::seconds(10), conf::seconds(2), 5};
    NatWorld n(s);
    n.w.acquire(*n.w.a);
    n.w.run_for(5s);
    for (const SimHost* h : {n.w.a.get(), n.w.b.get()}) {
        ASSERT_EQ(n.installed[h].size(), 4u);
        for (const SaInstall& sa : n.installed[h]) EXPECT_EQ(sa.peer_port != 0, sa.protocol == 50);
    }
    n.renew();
    n.w.run_for(60s);
    ASSERT_EQ(n.moved[n.w.b.get()].size(), 2u);
    for (const SaMove& m : n.moved[n.w.b.get()]) EXPECT_EQ(m.protocol, 50);
}

TEST(Natt, ANewMappingIsFollowedOnAProbeOfThePeer) {
    Case s;
    s.dpd = {true, conf::seconds(10), conf::seconds(2), 5};
    NatWorld n(s);
    n.w.acquire(*n.w.a);
    n.w.run_for(5s);
    ASSERT_TRUE(n.up());
    n.renew();
    n.w.run_for(60s);
    EXPECT_EQ(n.phase1(*n.w.b).remote, n.outside(Endpoint{n.inside, 4500}));
    EXPECT_EQ(n.moved[n.w.b.get()].size(), 2u);
    ASSERT_TRUE(n.up());
}

TEST(Natt, ForgedAndReplayedDatagramsMoveNothing) {
    Case s;
    s.dpd = {true, conf::seconds(10), conf::seconds(2), 5};
    NatWorld n(s);
    std::vector<Bytes> seen;
    auto before = std::move(n.w.tap);
    n.w.tap = [&](const exchange::Datagram& d) {
        if (d.remote.addr == n.gateway && !d.keepalive) seen.push_back(to_bytes(d.bytes));
        return before(d);
    };
    n.w.acquire(*n.w.a);
    n.w.run_for(40s);
    ASSERT_TRUE(n.up());
    const Endpoint there = n.phase1(*n.w.b).remote;
    for (Bytes bytes : seen)
        for (const bool damaged : {false, true}) {
            if (damaged) bytes.back() ^= 1;
            exchange::Datagram d;
            d.local = Endpoint{n.gateway, 4500};
            d.remote = Endpoint{ip("198.51.100.66"), 4500};
            d.bytes = bytes;
            n.w.b->engine->datagram(d, n.w.now);
            EXPECT_EQ(n.phase1(*n.w.b).remote, there);
        }
    EXPECT_TRUE(n.moved[n.w.b.get()].empty());
}

// What the peer sent from port 500 before it knew of the new ports, as its INITIAL-CONTACT right behind
// the last message of base mode.
TEST(Natt, WhatComesToPort500AfterTheChangeOfPortsLeadsNobodyBack) {
    Case s;
    s.dpd = {true, conf::seconds(10), conf::seconds(2), 5};
    NatWorld n(s);
    n.w.acquire(*n.w.a);
    n.w.run_for(5s);
    ASSERT_TRUE(n.up());
    const exchange::Phase1Status before = n.phase1(*n.w.b);
    Bytes probe;
    auto wire = std::move(n.w.tap);
    n.w.tap = [&](const exchange::Datagram& d) {
        if (d.remote.addr != n.gateway || d.keepalive || !probe.empty()) return wire(d);
        probe = to_bytes(d.bytes);
        return false;
    };
    n.w.run_for(11s);
    ASSERT_FALSE(probe.empty());
    exchange::Datagram d;
    d.local = Endpoint{n.gateway, 500};
    d.remote = n.outside(Endpoint{n.inside, 500});
    d.bytes = probe;
    n.w.b->engine->datagram(d, n.w.now);
    EXPECT_EQ(n.phase1(*n.w.b).local, before.local);
    EXPECT_EQ(n.phase1(*n.w.b).remote, before.remote);
    EXPECT_TRUE(n.moved[n.w.b.get()].empty());
}

TEST(Natt, TheSideBehindTheNatDoesNotFollow) {
    NatWorld n(Case{});
    n.w.acquire(*n.w.a);
    n.w.run_for(10s);
    ASSERT_TRUE(n.up());
    exchange::KernelEvent e;
    e.type = RACOON_KERNEL_MAPPING;
    e.protocol = 50;
    for (const SaInstall& sa : n.installed[n.w.a.get()])
        if (sa.inbound) e.spi = sa.spi;
    e.src = Endpoint{n.gateway, 9999};
    e.dst = Endpoint{n.inside, 4500};
    n.w.a->engine->kernel_event(e, n.w.now);
    EXPECT_EQ(n.phase1(*n.w.a).remote.port, 4500);
    EXPECT_TRUE(n.moved[n.w.a.get()].empty());
}

}  // namespace
}  // namespace racoon
