// Every identity that quick mode may name traffic with (RFC 2407 4.6.2.1, reference 5.8), and which sainfo it
// finds.
#include <gtest/gtest.h>

#include "exchange/policy_match.hpp"
#include "isakmp/identity.hpp"
#include "isakmp/message.hpp"
#include "simulation/world.hpp"
#include "support/log_capture.hpp"

namespace racoon::sim {
namespace {

using exchange::ids_of_quick_mode;
using isakmp::Identity;
using isakmp::IdView;
using test::LogCapture;

const IpAddr kLocal = ip("192.0.2.1"), kPeer = ip("192.0.2.2");

Result<exchange::QuickModeIds> judge(const Identity& ci, const Identity& cr, bool initiated) {
    const Bytes a = ci.body(), b = cr.body();
    IdView one{ci, a}, two{cr, b};
    return ids_of_quick_mode(one, two, initiated, kLocal, kPeer);
}
Identity with(Identity::Value value, std::uint8_t protocol = 0, std::uint16_t port = 0) {
    Identity out;
    out.value = std::move(value);
    out.protocol = protocol;
    out.port = port;
    return out;
}

TEST(QuickModeIds, AddressesNetsAndRangesThatAreNetsAreSelectors) {
    const Identity net4 = Identity::subnet(net("10.1.0.0", 16), 6, 80);
    const Identity host4 = Identity::address(ip("10.2.0.9"), 6, 1024);
    auto ids = judge(net4, host4, true);
    ASSERT_TRUE(ids);
    EXPECT_EQ(ids->selector.local, (Selector{net("10.1.0.0", 16), 80}));
    EXPECT_EQ(ids->selector.remote, (Selector{Prefix::host(ip("10.2.0.9")), 1024}));
    EXPECT_EQ(ids->selector.protocol, 6);
    EXPECT_FALSE(ids->local || ids->remote);
    ids = judge(net4, host4, false);
    ASSERT_TRUE(ids);
    EXPECT_EQ(ids->selector.remote.net, net("10.1.0.0", 16)) << "seen from the responder";

    ids = judge(with(isakmp::IdRange{ip("10.4.0.0"), ip("10.4.0.255")}),
                with(isakmp::IdRange{ip("10.5.0.7"), ip("10.5.0.7")}), true);
    ASSERT_TRUE(ids);
    EXPECT_EQ(ids->selector.local.net, net("10.4.0.0", 24));
    EXPECT_EQ(ids->selector.remote.net, Prefix::host(ip("10.5.0.7")));

    ids = judge(Identity::subnet(net("2001:db8:1::", 48)), Identity::address(ip("2001:db8::9")),
                true);
    ASSERT_TRUE(ids);
    EXPECT_EQ(ids->selector.local.net, net("2001:db8:1::", 48));
}

TEST(QuickModeIds, TextsAndOtherRangesStandForTheHostAndKeepPortAndProtocol) {
    for (const Identity& id :
         {with(isakmp::IdFqdn{"a.example"}, 17, 53), with(isakmp::IdUserFqdn{"a@example"}, 17, 53),
          with(isakmp::IdKeyId{Bytes{1, 2}}, 17, 53), with(isakmp::IdDn{Bytes{0x30, 0}}, 17, 53),
          with(isakmp::IdRange{ip("192.0.2.0"), ip("192.0.2.9")}, 17, 53)}) {
        const auto ids = judge(id, Identity::address(kLocal, 17, 0), false);
        ASSERT_TRUE(ids) << id.text();
        EXPECT_EQ(ids->selector.remote, (Selector{Prefix::host(kPeer), 53}));
        ASSERT_TRUE(ids->remote);
        EXPECT_EQ(ids->remote->type, static_cast<std::uint8_t>(id.type()));
        EXPECT_EQ(ids->remote->data, id.data());
        EXPECT_FALSE(ids->local);
    }
}

TEST(QuickModeIds, ARangeBehindAGatewayStandsForTheNetAroundIt) {
    const Identity range = with(isakmp::IdRange{ip("10.4.0.10"), ip("10.4.0.50")}, 6, 443);
    const auto ids = judge(range, Identity::subnet(net("10.5.0.0", 24), 6), false);
    ASSERT_TRUE(ids);
    EXPECT_EQ(ids->selector.remote, (Selector{net("10.4.0.0", 26), 443}));
    EXPECT_TRUE(ids->widened);
    ASSERT_TRUE(ids->remote) << "a sainfo names the range itself";
    EXPECT_EQ(ids->remote->data, range.data());
    const auto six = judge(with(isakmp::IdRange{ip("2001:db8::1"), ip("2001:db8::7:0")}),
                           Identity::subnet(net("2001:db8:5::", 48)), false);
    ASSERT_TRUE(six);
    EXPECT_EQ(six->selector.remote.net, net("2001:db8::", 109));
}

TEST(QuickModeIds, ARangeIsServedBySectionsThatNameItOrThePolicysNets) {
    const ConfigOptions o;
    auto config = std::make_shared<conf::Config>(*sim::make_config(kLocal, kPeer, o));
    conf::SaInfo& info = config->sainfos[0];
    conf::Policy& policy = config->policies[0];
    policy.selector.local.net = net("10.5.0.0", 24);
    policy.selector.remote.net = net("10.4.0.0", 24);
    info.local.selector = policy.selector.local;
    info.remote.selector = policy.selector.remote;
    const conf::SectionIndex index(*config);
    const Identity range = with(isakmp::IdRange{ip("10.4.0.10"), ip("10.4.0.50")});
    const Bytes data = range.data();
    conf::SaInfoQuery query;
    query.selector = policy.selector;
    query.selector.remote.net = net("10.4.0.0", 26);
    query.remote_id = conf::PeerId{static_cast<std::uint8_t>(range.type()), data};
    EXPECT_NE(exchange::sainfo_for(index, query, policy, false), nullptr);
    const Bytes text = to_bytes(as_bytes("a.example"));
    query.remote_id = conf::PeerId{2, text};
    EXPECT_EQ(exchange::sainfo_for(index, query, policy, false), nullptr)
        << "a name that no section has";
}

TEST(QuickModeIds, WhatNamesOthersOrContradictsItselfIsRefused) {
    const Identity host = Identity::address(kLocal);
    for (const auto& [ci, cr] :
         {std::pair(with(isakmp::IdRange{ip("2001:db8::1"), ip("2001:db8::7")}), host),
          std::pair(Identity::address(kPeer, 6), Identity::address(kLocal, 17)),
          std::pair(Identity::address(ip("2001:db8::1")), host)}) {
        const auto ids = judge(ci, cr, false);
        ASSERT_FALSE(ids) << ci.text();
        EXPECT_EQ(ids.error().notify_type(), 18) << "INVALID-ID-INFORMATION";
    }
    const auto none = ids_of_quick_mode({}, {}, false, kLocal, kPeer);
    ASSERT_TRUE(none);
    EXPECT_EQ(none->selector.remote.net, Prefix::host(kPeer));
}

/// The payloads of the first quick mode message that host a sends, in its own keys' order: with IDs there are
/// two more.
std::size_t size_of_message_1(const ConfigOptions& o) {
    World w(1, o);
    std::size_t size = 0;
    w.tap = [&](const exchange::Datagram& d) {
        if (d.bytes[18] == 32 && size == 0) size = d.bytes.size();
        return true;
    };
    w.acquire(*w.a);
    w.run_for(2s);
    EXPECT_EQ(w.pairs(*w.a), 1u);
    EXPECT_EQ(w.compare(), "");
    return size;
}

TEST(QuickModeIds, AreLeftOutForAllTrafficBetweenTheHostsThemselvesUnlessProxiesAreSupported) {
    ConfigOptions plain;
    plain.tunnel = false;
    ConfigOptions proxied = plain;
    proxied.support_proxy = true;
    // Two ID payloads of 12 bytes each, in blocks of 16.
    EXPECT_GE(size_of_message_1(proxied), size_of_message_1(plain) + 16);
    ConfigOptions tunnel;
    tunnel.rules = {{50, true}};
    EXPECT_GE(size_of_message_1(tunnel), size_of_message_1(plain) + 16);
}

TEST(QuickModeIds, TransportModeTakesProtocolAndPortsFromThePolicy) {
    ConfigOptions o;
    o.tunnel = false;
    World w(2, o);
    for (const bool at_a : {true, false}) {
        auto config = std::make_shared<conf::Config>(
            *(at_a ? make_config(w.addr_a, w.addr_b, o) : make_config(w.addr_b, w.addr_a, o)));
        TrafficSelector& s = config->policies[0].selector;
        s.protocol = 6;
        (at_a ? s.remote : s.local).port = 80;
        (at_a ? *w.a : *w.b).engine->reconfigure(config, 2, w.now);
    }
    w.acquire(*w.a);
    w.run_for(2s);
    ASSERT_EQ(w.pairs(*w.b), 1u);
    for (const auto& [key, sa] : w.b->sas) {
        EXPECT_EQ(sa.selector.protocol, 6);
        EXPECT_EQ(sa.selector.local.port, 80);
        EXPECT_EQ(sa.selector.remote.port, 0);
    }
}

}  // namespace
}  // namespace racoon::sim
