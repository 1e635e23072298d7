// Transport policies for nets (`spdadd 192.0.2.0/24 192.0.2.0/24 any -P out ipsec esp/transport//require`): whom the
// packet is for is whom SAs are negotiated with, and each two hosts have their own. Host b has two addresses here.
#include <gtest/gtest.h>

#include <algorithm>

#include "exchange/policy_match.hpp"
#include "simulation/world.hpp"
#include "support/log_capture.hpp"

namespace racoon::sim {
namespace {

using test::LogCapture;

const IpAddr kA = ip("192.0.2.1"), kB = ip("192.0.2.2"), kC = ip("192.0.2.3");

conf::ConfigPtr of_nets(const IpAddr& own, const IpAddr& peer, std::uint8_t protocol = 0,
                        conf::PeerGone gone = conf::PeerGone::Clear) {
    ConfigOptions o;
    o.tunnel = false;
    o.dpd = {true, conf::seconds(5), conf::seconds(1), 3};
    auto out = std::make_shared<conf::Config>(*make_config(own, peer, o));
    out->policies[0].selector.local.net = out->policies[0].selector.remote.net =
        net("192.0.2.0", 24);
    out->policies[0].selector.protocol = protocol;
    out->remotes[0].address.reset();
    out->remotes[0].name = "anonymous";
    out->remotes[0].dpd_action = gone;
    return out;
}

struct Nets {
    explicit Nets(std::uint8_t protocol = 0, conf::PeerGone gone = conf::PeerGone::Clear)
        : w(1, of_nets(kA, kB, protocol, gone), of_nets(kB, kA, protocol)) {}
    void packet_to(const IpAddr& dst, std::uint64_t token, const IpAddr& from = kA) {
        exchange::KernelEvent e;
        e.type = RACOON_KERNEL_ACQUIRE;
        e.acquire_token = token;
        e.policy = World::kPolicy;
        e.src.addr = from;
        e.dst.addr = dst;
        w.a->engine->kernel_event(e, w.now);
    }
    void kill(const IpAddr& host) {
        w.tap = [host](const exchange::Datagram& d) {
            return d.remote.addr != host && d.local.addr != host;
        };
    }
    std::size_t outbound_to(const IpAddr& host) const {
        return static_cast<std::size_t>(std::count_if(
            w.a->sas.begin(), w.a->sas.end(),
            [&](const auto& entry) { return !entry.second.inbound && entry.second.dst == host; }));
    }
    World w;
};

TEST(OpenPeer, AHostThatDoesNotAnswerKeepsNobodyElseWaiting) {
    LogCapture log;
    Nets n;
    n.kill(kC);
    n.packet_to(kC, 1);
    n.w.run_for(1s);
    n.packet_to(kB, 2);
    n.w.run_for(2s);
    EXPECT_TRUE(n.w.a->acquires.contains(2) && n.w.a->acquires.at(2)) << log.all();
    EXPECT_FALSE(n.w.a->acquires.contains(1));
    EXPECT_EQ(n.outbound_to(kB), 1u);
    n.w.run_for(200s);
    EXPECT_FALSE(n.w.a->acquires.at(1)) << "and it fails alone";
    EXPECT_EQ(n.w.compare(), "");
    EXPECT_EQ(n.w.end_and_find_leaks(), "");
}

TEST(OpenPeer, NothingIsNegotiatedForPacketsThatAreOnlyForwarded) {
    LogCapture log;
    Nets n;
    n.packet_to(kB, 1, ip("192.0.2.77"));
    n.w.run_for(2s);
    ASSERT_TRUE(n.w.a->acquires.contains(1)) << "the kernel waits for an answer";
    EXPECT_FALSE(n.w.a->acquires.at(1));
    EXPECT_EQ(n.w.a->packets_out, 0u);
    EXPECT_NE(log.all().find("192.0.2.77, which is no address of ours"), std::string::npos)
        << log.all();
    n.packet_to(kB, 2);
    n.w.run_for(2s);
    EXPECT_EQ(n.outbound_to(kB), 1u);
}

TEST(OpenPeer, SasOfTwoHostsLiveSideBySideForTheirOwnTrafficAlone) {
    for (const std::uint8_t protocol : {std::uint8_t{0}, std::uint8_t{6}}) {
        LogCapture log;
        Nets n(protocol);
        n.packet_to(kB, 1);
        n.w.run_for(1s);
        ASSERT_TRUE(n.w.a->acquires.contains(1) && n.w.a->acquires.at(1)) << log.all();
        n.packet_to(kC, 2);  // while the pair with the other host is fresh
        n.w.run_for(1s);
        ASSERT_TRUE(n.w.a->acquires.contains(2)) << log.all();
        for (const IpAddr& host : {kB, kC}) EXPECT_EQ(n.outbound_to(host), 1u) << host.text();
        n.w.run_for(60s);
        ASSERT_EQ(n.w.a->sas.size(), 4u) << "none of them replaces another";
        for (const SimHost* host : {n.w.a.get(), n.w.b.get()})
            for (const auto& [key, sa] : host->sas) {
                const bool at_a = host == n.w.a.get();
                const IpAddr& own = sa.inbound ? sa.dst : sa.src;
                const IpAddr& other = sa.inbound ? sa.src : sa.dst;
                EXPECT_EQ(sa.selector.local.net, Prefix::host(own));
                EXPECT_EQ(sa.selector.remote.net, Prefix::host(other));
                EXPECT_EQ(sa.selector.protocol, protocol);
                EXPECT_EQ(at_a ? own : other, kA);
            }
        // One of them wants no more than one, whoever asks again.
        n.packet_to(kB, 3);
        n.w.run_for(1s);
        EXPECT_EQ(n.w.compare(), "");
        EXPECT_EQ(n.w.end_and_find_leaks(), "");
    }
}

TEST(OpenPeer, AFreshPairAnswersForItsOwnHostsOnly) {
    Nets n;
    n.packet_to(kB, 1);
    n.w.run_for(1s);
    n.packet_to(kB, 2);
    EXPECT_TRUE(n.w.a->acquires.contains(2)) << "it was faster than the answer";
    n.kill(kC);
    n.packet_to(kC, 3);
    n.w.run_for(10ms);
    EXPECT_FALSE(n.w.a->acquires.contains(3));
}

TEST(OpenPeer, TheAdministratorsSelectorNamesTheHost) {
    LogCapture log;
    Nets n;
    const auto establish = [&](const IpAddr& host) {
        TrafficSelector ts;
        ts.local.net = Prefix::host(kA);
        ts.remote.net = Prefix::host(host);
        Status up = fail(Errc::Internal, "not called");
        n.w.a->engine->establish_phase2(ts, n.w.now, [&](const Status& s) { up = s; });
        n.w.run_for(2s);
        return up;
    };
    EXPECT_TRUE(establish(kB)) << log.all();
    EXPECT_EQ(n.outbound_to(kB), 1u);
    EXPECT_TRUE(establish(kC)) << log.all();
    EXPECT_EQ(n.outbound_to(kC), 1u);
    EXPECT_TRUE(establish(kC)) << "it is up";
    EXPECT_EQ(n.outbound_to(kC), 1u);
    Status nobody = ok();
    n.w.a->engine->establish_policy(World::kPolicy, n.w.now, [&](const Status& s) { nobody = s; });
    n.w.run_for(1s);
    EXPECT_FALSE(nobody) << "a policy alone does not say with whom";
}

TEST(OpenPeer, ADeadHostsSasComeBackWithThatHost) {
    LogCapture log;
    Nets n(0, conf::PeerGone::Restart);
    n.packet_to(kC, 1);
    n.w.run_for(1s);
    ASSERT_EQ(n.outbound_to(kC), 1u) << log.all();
    n.kill(kC);
    n.w.run_for(60s);
    EXPECT_TRUE(n.w.a->sas.empty());
    n.w.tap = nullptr;
    n.w.run_for(180s);
    EXPECT_EQ(n.outbound_to(kC), 1u) << log.all();
    EXPECT_EQ(n.w.end_and_find_leaks(), "");
}

TEST(OpenPeer, AGroupOfHostsIsNobodyToNegotiateWith) {
    Nets n;
    n.packet_to(ip("224.0.0.5"), 1);
    n.w.run_for(1s);
    EXPECT_FALSE(n.w.a->acquires.at(1));
    EXPECT_EQ(n.w.a->packets_out, 0u);
}

TEST(OpenPeer, TheSainfoOfThePolicyServesItsHosts) {
    LogCapture log;
    const auto with_info = [](const IpAddr& own, const IpAddr& peer) {
        auto out = std::make_shared<conf::Config>(*of_nets(own, peer));
        conf::SaInfo& info = out->sainfos[0];
        info.local.selector = out->policies[0].selector.local;
        info.remote.selector = out->policies[0].selector.remote;
        return conf::ConfigPtr(out);
    };
    World w(1, with_info(kA, kB), with_info(kB, kA));
    exchange::KernelEvent e;
    e.type = RACOON_KERNEL_ACQUIRE;
    e.acquire_token = 1;
    e.policy = World::kPolicy;
    e.src.addr = kA;
    e.dst.addr = kB;
    w.a->engine->kernel_event(e, w.now);
    w.run_for(2s);
    EXPECT_EQ(w.pairs(*w.a), 1u) << log.all();
    EXPECT_EQ(w.compare(), "");
}

}  // namespace
}  // namespace racoon::sim
