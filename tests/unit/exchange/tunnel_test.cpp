// Two engines in memory: main mode, quick mode, deletes, dead peers, renewal.
#include <gtest/gtest.h>

#include "exchange/phase1_offer.hpp"
#include "simulation/world.hpp"
#include "support/log_capture.hpp"

namespace racoon::sim {
namespace {

using test::LogCapture;

TEST(Tunnel, ComesUpOverAPerfectWireWithEqualSasAtBothEnds) {
    LogCapture log;
    World w(1);
    w.acquire(*w.a);
    w.run_for(2s);
    EXPECT_EQ(w.compare(), "");
    EXPECT_EQ(w.pairs(*w.a), 1u);
    EXPECT_EQ(w.pairs(*w.b), 1u);
    EXPECT_EQ(w.a->events_of(0x0100), 1u);
    EXPECT_EQ(w.b->events_of(0x0100), 1u);
    EXPECT_EQ(w.a->events_of(0x0201), 1u);
    EXPECT_TRUE(w.a->acquires[7]);
    for (const char* line :
         {"initiate new phase 1 negotiation: 192.0.2.1[500]<=>192.0.2.2[500]",
          "respond new phase 1 negotiation: 192.0.2.2[500]<=>192.0.2.1[500]",
          "begin Identity Protection mode.",
          "ISAKMP-SA established 192.0.2.1[500]-192.0.2.2[500] spi:",
          "initiate new phase 2 negotiation: 192.0.2.1[500]<=>192.0.2.2[500]",
          "respond new phase 2 negotiation: 192.0.2.2[500]<=>192.0.2.1[500]",
          "IPsec-SA established: ESP/Tunnel 192.0.2.1[500]->192.0.2.2[500] spi="})
        EXPECT_GE(log.count(line), 1u) << line << "\n" << log.all();
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

TEST(Tunnel, NeedsNoWaitBetweenPhaseOneAndPhaseTwo) {
    World w(2);
    w.wire.delay = 10ms;
    const TimePoint begin = w.now;
    w.acquire(*w.a);
    while (w.pairs(*w.a) == 0 && w.now < begin + 10s) w.run_for(1ms);
    // Nine messages one way each, and the operations of both ends between them.
    EXPECT_LT(w.now - begin, 110ms);
}

TEST(Tunnel, StatusShowsBothPhasesWithTheirAlgorithms) {
    ConfigOptions o;
    o.pfs = true;
    World w(3, o);
    w.acquire(*w.a);
    w.run_for(2s);
    const auto p1 = w.b->engine->phase1_status(w.now);
    ASSERT_EQ(p1.size(), 1u);
    EXPECT_EQ(p1[0].state, 9);
    EXPECT_FALSE(p1[0].initiator);
    EXPECT_EQ(p1[0].cipher + "/" + p1[0].hash + "/" + p1[0].group + "/" + p1[0].auth,
              "aes/sha256/small/pre_shared_key");
    EXPECT_EQ(p1[0].key_bits, 256u);
    EXPECT_EQ(p1[0].peer_id, "192.0.2.1");
    EXPECT_EQ(p1[0].phase2_count, 1u);
    const auto p2 = w.b->engine->phase2_status(w.now);
    ASSERT_EQ(p2.size(), 1u);
    EXPECT_TRUE(p2[0].established);
    EXPECT_EQ(p2[0].encryption + "/" + p2[0].integrity + "/" + p2[0].pfs_group,
              "aes/hmac_sha256/small2");
    EXPECT_EQ(p2[0].spi_in, w.a->engine->phase2_status(w.now)[0].spi_out);
}

TEST(Tunnel, ServesTransportModeAndAeadAndSeveralPoliciesAtOnce) {
    for (const bool tunnel : {true, false})
        for (const bool gcm : {true, false}) {
            ConfigOptions o;
            o.tunnel = tunnel;
            o.gcm = gcm;
            o.policies = 3;
            World w(4, o);
            for (unsigned i = 1; i <= 3; ++i) w.acquire(*w.a, PolicyId{i}, i);
            w.run_for(3s);
            EXPECT_EQ(w.compare(), "");
            EXPECT_EQ(w.pairs(*w.a), 3u);
            for (const auto& [key, sa] : w.a->sas) {
                EXPECT_EQ(sa.encryption, gcm ? "aes_gcm_16" : "aes");
                EXPECT_EQ(sa.key.size(), gcm ? 36u : 16u + 32u)
                    << "key and salt, or key and MAC key";
            }
            EXPECT_EQ(w.end_and_find_leaks(), "");
        }
}

TEST(Tunnel, WhatTheKernelCannotDoIsNotOffered) {
    ConfigOptions o;
    o.gcm = true;
    World w(5, o);
    exchange::KernelCapabilities caps;
    caps.backend = "pfkey";
    caps.max_replay_window = 32;
    for (SimHost* h : {w.a.get(), w.b.get()}) h->engine->kernel_capabilities(caps);
    w.acquire(*w.a);
    w.run_for(2s);
    ASSERT_EQ(w.pairs(*w.a), 1u);
    for (const auto& [key, sa] : w.a->sas) {
        EXPECT_EQ(sa.encryption + "/" + sa.integrity, "aes/hmac_sha1")
            << "no AEAD, no 128 bits of SHA2-256";
        EXPECT_EQ(sa.replay_window, 32u);
    }
}

TEST(Tunnel, TheInboundSaIsThereBeforeThePeerCanSendWithIt) {
    ConfigOptions o;
    o.pfs = true;
    World w(6, o);
    std::string wrong;
    w.tap = [&](const exchange::Datagram&) {
        // Whoever has an outbound SA needs the other end's inbound one.
        for (const auto& [mine, theirs] :
             {std::pair(w.a.get(), w.b.get()), std::pair(w.b.get(), w.a.get())})
            for (const auto& [key, sa] : mine->sas)
                if (!sa.inbound && !theirs->sas.contains(key))
                    wrong = "outbound SA before its inbound";
        return true;
    };
    w.acquire(*w.a);
    w.run_for(2s);
    EXPECT_EQ(wrong, "");
    EXPECT_EQ(w.pairs(*w.a), 1u);
}

TEST(Tunnel, AWrongPreSharedKeyIsNamedInTheLogOfTheResponder) {
    LogCapture log;
    World w(7);
    w.b->psk = {9, 9, 9};
    w.acquire(*w.a);
    w.run_for(200s);
    EXPECT_EQ(log.count("likely a wrong pre-shared key, compare the keys"), 1u) << log.all();
    EXPECT_GE(log.count("phase1 negotiation failed due to time up"), 1u);
    EXPECT_TRUE(w.a->sas.empty());
    EXPECT_EQ(w.a->events_of(0x0100) + w.b->events_of(0x0100), 0u);
    EXPECT_FALSE(w.a->acquires.at(7));
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

TEST(Tunnel, AMissingSainfoIsToldToThePeerWhoGivesUpAtOnce) {
    LogCapture log;
    ConfigOptions with, without;
    without.sainfo = false;
    World w(8, with, &without);
    w.acquire(*w.a);
    w.run_for(3s);
    EXPECT_EQ(log.count("failed to get sainfo"), 1u) << log.all();
    EXPECT_EQ(log.count("the peer answers INVALID-ID-INFORMATION"), 1u);
    ASSERT_TRUE(w.a->acquires.contains(7))
        << "the kernel was told within seconds, not after a time-out";
    EXPECT_FALSE(w.a->acquires[7]);
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

conf::Unsupported asks(const char* what, bool initiating = true) {
    conf::Unsupported u;
    u.where = {"racoon.conf", 12, 5};
    u.message = std::string(what) + ": this release has no support for it";
    u.initiating = initiating;
    return u;
}

TEST(Tunnel, ASectionThatAsksForWhatIsNotThereNeverInitiates) {
    LogCapture log;
    ConfigOptions o;
    o.remote_asks = {asks("xauth_login")};
    World w(8, o, &o);
    w.acquire(*w.a);
    w.run_for(3s);
    EXPECT_EQ(log.count("racoon.conf:12:5: xauth_login: this release has no support"), 1u)
        << log.all();
    EXPECT_EQ(log.count("initiate new phase 1 negotiation"), 0u);
    EXPECT_FALSE(w.a->acquires.at(7));
}

TEST(Tunnel, ASectionThatAsksForWhatIsNotThereAnswersNobody) {
    LogCapture log;
    ConfigOptions with, without;
    with.remote_asks = {asks("generate_policy", false)};
    World w(8, without, &with);
    w.acquire(*w.a);
    w.run_for(3s);
    EXPECT_GE(log.count("racoon.conf:12:5: generate_policy: this release has no support"), 1u)
        << log.all();
    EXPECT_EQ(w.b->events_of(0x0100), 0u);
    World other(8, with, &without);
    other.acquire(*other.a);
    other.run_for(3s);
    EXPECT_EQ(other.pairs(*other.a), 1u) << "what matters to a responder only hinders no initiator";
}

TEST(Tunnel, ASainfoThatAsksForWhatIsNotThereIsRefusedAndThePeerIsTold) {
    LogCapture log;
    ConfigOptions with, without;
    with.sainfo_asks = {asks("group")};
    World w(8, without, &with);
    w.acquire(*w.a);
    w.run_for(3s);
    EXPECT_EQ(log.count("racoon.conf:12:5: group: this release has no support"), 1u) << log.all();
    EXPECT_EQ(log.count("the peer answers NO-PROPOSAL-CHOSEN"), 1u) << log.all();
    EXPECT_FALSE(w.a->acquires.at(7));
}

TEST(Tunnel, AKernelThatFailsLeavesNoHalfOfAPairAnywhere) {
    for (const auto kind : {OpKind::SpiGet, OpKind::SaInstall, OpKind::DhGenerate,
                            OpKind::DhCompute, OpKind::Phase1Open, OpKind::Phase1Skeyid})
        for (const bool at_a : {true, false})
            for (const int which : {1, 2}) {
                ConfigOptions o;
                o.pfs = true;
                World w(9, o);
                SimHost& h = at_a ? *w.a : *w.b;
                h.fail_next[kind] = which;
                w.acquire(*w.a);
                w.run_for(200s);
                EXPECT_EQ(w.compare(), "")
                    << static_cast<int>(kind) << " at " << (at_a ? "a" : "b");
                EXPECT_EQ(w.a->larval.size() + w.b->larval.size(), 0u);
                EXPECT_TRUE(w.a->acquires.contains(7));
                EXPECT_EQ(w.end_and_find_leaks(), "") << static_cast<int>(kind);
            }
}

TEST(Tunnel, ARemovalThatTheKernelRefusesForAMomentIsAskedForAgain) {
    World w(14);
    w.acquire(*w.a);
    w.run_for(2s);
    ASSERT_EQ(w.pairs(*w.a), 1u);
    w.a->fail_next[OpKind::SaDelete] = 2;
    EXPECT_EQ(w.a->engine->flush_phase2(50, w.now), 1u);
    w.run_for(2s);
    EXPECT_TRUE(w.a->sas.empty()) << "an SA stayed behind that nobody would ever remove";
    EXPECT_EQ(w.a->engine->pending_operations(), 0u);
}

TEST(Tunnel, ARemovalThatTheKernelKeepsRefusingIsReported) {
    LogCapture log;
    World w(15);
    w.acquire(*w.a);
    w.run_for(2s);
    w.a->fail_next[OpKind::SaDelete] = 100;
    w.a->engine->flush_phase2(50, w.now);
    w.run_for(2s);
    EXPECT_EQ(log.count("cannot remove the SA"), 2u) << "one line for each SA of the pair";
    EXPECT_EQ(w.a->engine->pending_operations(), 0u) << "it gives up";
}

TEST(Tunnel, ADeleteEndsThePairAtBothEndsAndShutdownEndsEverything) {
    World w(10);
    w.acquire(*w.a);
    w.run_for(2s);
    ASSERT_EQ(w.pairs(*w.b), 1u);
    EXPECT_EQ(w.a->engine->flush_phase2(50, w.now), 1u);
    w.run_for(2s);
    EXPECT_TRUE(w.a->sas.empty());
    EXPECT_TRUE(w.b->sas.empty());
    EXPECT_EQ(w.b->events_of(0x0202), 1u);
    w.acquire(*w.b);
    w.run_for(2s);
    EXPECT_EQ(w.pairs(*w.a), 1u);
    w.a->engine->shutdown(w.now);
    w.run_for(2s);
    EXPECT_TRUE(w.b->sas.empty()) << "the peer heard of it";
    EXPECT_TRUE(w.b->engine->phase1_status(w.now).empty());
}

TEST(Tunnel, DeadPeerDetectionEndsEverythingWithASilentPeer) {
    LogCapture log;
    ConfigOptions o;
    o.dpd.delay = conf::seconds(3);
    o.dpd.retry = conf::seconds(1);
    o.dpd.max_fail = 2;
    World w(11, o);
    w.acquire(*w.a);
    w.run_for(20s);
    ASSERT_EQ(w.pairs(*w.a), 1u) << "a living peer answers";
    const TimePoint cut = w.now;
    w.tap = [](const exchange::Datagram&) { return false; };
    while (!w.a->sas.empty() && w.now < cut + 60s) w.run_for(100ms);
    EXPECT_LE(w.now - cut, 3s + 2 * 1s + 1s);
    EXPECT_EQ(w.a->events_of(0x0105), 1u);
    EXPECT_GE(log.count("seems to be dead"), 1u);
}

TEST(Tunnel, APeerThatComesBackWithInitialContactReplacesItsOldSas) {
    World w(12);
    w.acquire(*w.a);
    w.run_for(2s);
    ASSERT_EQ(w.pairs(*w.b), 1u);
    w.a->engine = std::make_unique<exchange::Engine>(make_config(w.addr_a, w.addr_b, {}), 1, *w.a);
    w.a->engine->local_endpoints({Endpoint{w.addr_a, 500}});
    w.a->sas.clear();
    w.run_for(1s);
    w.acquire(*w.a);
    w.run_for(3s);
    EXPECT_EQ(w.compare(), "");
    EXPECT_EQ(w.pairs(*w.a), 1u);
    EXPECT_EQ(w.b->engine->phase1_status(w.now).size(), 1u);
}

TEST(Tunnel, RequestsOfTheAdministratorHearHowTheyEnd) {
    World w(13);
    std::vector<std::string> heard;
    const auto note = [&](const char* who) {
        return [&heard, who](Status s) {
            heard.push_back(std::string(who) + (s ? " ok" : " failed"));
        };
    };
    w.a->engine->establish_phase1({w.addr_b, 500}, "", w.now, note("phase1"));
    w.a->engine->establish_policy(World::kPolicy, w.now, note("policy"));
    w.a->engine->establish_policy(PolicyId{99}, w.now, note("unknown"));
    w.run_for(2s);
    EXPECT_EQ(heard, (std::vector<std::string>{"unknown failed", "phase1 ok", "policy ok"}));
    w.a->engine->establish_phase1({w.addr_b, 500}, "", w.now, note("again"));
    EXPECT_EQ(heard.back(), "again ok") << "at once when it is up";
    EXPECT_EQ(w.a->engine->delete_phase1({}, w.addr_b, w.now), 1u);
    w.run_for(2s);
    EXPECT_TRUE(w.b->sas.empty());
}

TEST(Tunnel, AReloadKeepsWhatIsUnchangedAndEndsWhatIsGone) {
    ConfigOptions o;
    o.policies = 2;
    World w(14, o);
    w.acquire(*w.a, PolicyId{1}, 1);
    w.acquire(*w.a, PolicyId{2}, 2);
    w.run_for(2s);
    ASSERT_EQ(w.pairs(*w.a), 2u);
    w.a->engine->reconfigure(make_config(w.addr_a, w.addr_b, o), 2, w.now);
    w.run_for(2s);
    EXPECT_EQ(w.pairs(*w.a), 2u);
    EXPECT_EQ(w.a->events_of(0x0101), 0u);
    ConfigOptions fewer = o;
    fewer.policies = 1;
    w.a->engine->reconfigure(make_config(w.addr_a, w.addr_b, fewer), 3, w.now);
    w.run_for(2s);
    EXPECT_EQ(w.pairs(*w.a), 1u);
    EXPECT_EQ(w.compare(), "");
    ConfigOptions changed = fewer;
    changed.phase1_lifetime = conf::seconds(100);
    changed.check = conf::ProposalCheck::Strict;
    w.a->engine->reconfigure(make_config(w.addr_a, w.addr_b, changed), 4, w.now);
    w.run_for(2s);
    EXPECT_EQ(w.a->events_of(0x0101), 1u) << "its section does not take it any more";
}

// --- renewal ---

TEST(Renewal, BothPhasesAreRenewedBeforeTheyEndAndTrafficFindsAnSaAtEachMoment) {
    ConfigOptions o;
    o.phase1_lifetime = conf::seconds(300);
    o.phase2_lifetime = conf::seconds(120);
    World w(20, o);
    w.acquire(*w.a);
    w.run_for(2s);
    ASSERT_EQ(w.pairs(*w.a), 1u);
    std::size_t lost = 0, sent = 0;
    for (const TimePoint end = w.now + 1200s; w.now < end; w.run_for(100ms))
        for (const auto& [from, to] :
             {std::pair(w.a.get(), w.b.get()), std::pair(w.b.get(), w.a.get())}) {
            std::uint32_t spi = 0;
            const SimSa* sa = from->outbound(World::kPolicy, &spi);
            ++sent;
            if (sa == nullptr || !to->sas.contains({sa->dst, spi})) ++lost;
        }
    EXPECT_EQ(lost, 0u) << "of " << sent;
    EXPECT_GE(w.a->events_of(0x0201), 9u);
    EXPECT_GE(w.a->events_of(0x0100), 4u);
    w.run_for(60s);
    EXPECT_EQ(w.compare(), "");
    EXPECT_LE(w.pairs(*w.a), 2u);
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

TEST(Renewal, AByteLifetimeThatEndsInTheKernelIsRenewedToo) {
    World w(21);
    w.acquire(*w.a);
    w.run_for(2s);
    exchange::KernelEvent e;
    e.type = RACOON_KERNEL_EXPIRE_SOFT;
    e.protocol = 50;
    e.src.addr = w.addr_a;
    e.dst.addr = w.addr_b;
    w.a->outbound(World::kPolicy, &e.spi.value);
    w.a->engine->kernel_event(e, w.now);
    w.run_for(2s);
    EXPECT_EQ(w.pairs(*w.a), 2u);
    w.run_for(40s);
    EXPECT_EQ(w.pairs(*w.a), 1u) << "the old one lingers and goes";
    EXPECT_EQ(w.compare(), "");
}

TEST(Renewal, RekeyOffLetsPhaseOneEndWithoutASuccessorAndLeavesTheIpsecSas) {
    ConfigOptions o;
    o.rekey = conf::Rekey::Off;
    o.phase1_lifetime = conf::seconds(60);
    World w(22, o);
    w.acquire(*w.a);
    w.run_for(120s);
    EXPECT_TRUE(w.a->engine->phase1_status(w.now).empty());
    EXPECT_EQ(w.pairs(*w.a), 1u);
    EXPECT_EQ(w.compare(), "");
}

TEST(Renewal, AnAnswerThatIsFasterThanItsSaAsksForNoOther) {
    // The responder's inbound SA receives before its outbound one sends: what is answered meanwhile asks
    // the kernel for an SA that is on its way.
    World w(24);
    w.acquire(*w.a);
    bool asked = false;
    w.b->answer_instead = [&](const exchange::Operation& op) -> std::optional<Result<Bytes>> {
        if (op.kind != exchange::OpKind::SaInstall || asked) return std::nullopt;
        const auto install = exchange::decode<exchange::SaInstall>(op.request);
        if (!install || install->inbound) return std::nullopt;
        asked = true;
        w.acquire(*w.b, World::kPolicy, 8);
        return std::nullopt;
    };
    w.run_for(5s);
    EXPECT_TRUE(asked);
    EXPECT_EQ(w.pairs(*w.a), 1u);
    EXPECT_EQ(w.pairs(*w.b), 1u);
    ASSERT_TRUE(w.b->acquires.contains(8));
    EXPECT_TRUE(w.b->acquires[8]);
    EXPECT_EQ(w.compare(), "");
}

TEST(Renewal, BothEndsStartingAtOnceConvergeToOneUsablePair) {
    std::size_t single = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        World w(seed);
        w.wire.jitter = 20ms;
        w.acquire(*w.a);
        w.after(std::chrono::milliseconds(seed % 40), [&] { w.acquire(*w.b); });
        w.run_for(60s);
        ASSERT_EQ(w.compare(), "") << "seed " << seed;
        ASSERT_GE(w.pairs(*w.a), 1u) << "seed " << seed;
        single += w.pairs(*w.a) == 1;
    }
    EXPECT_EQ(single, 200u);
}

TEST(Renewal, BothEndsRenewingAtOnceConvergeToOneUsablePair) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        World w(seed);
        w.wire.jitter = 20ms;
        w.acquire(*w.a);
        w.run_for(2s);
        for (SimHost* h : {w.a.get(), w.b.get()}) {
            exchange::KernelEvent e;
            e.type = RACOON_KERNEL_EXPIRE_SOFT;
            e.protocol = 50;
            e.src.addr = h == w.a.get() ? w.addr_a : w.addr_b;
            e.dst.addr = h == w.a.get() ? w.addr_b : w.addr_a;
            h->outbound(World::kPolicy, &e.spi.value);
            h->engine->kernel_event(e, w.now);
        }
        w.run_for(100s);
        ASSERT_EQ(w.compare(), "") << "seed " << seed;
        ASSERT_EQ(w.pairs(*w.a), 1u) << "seed " << seed;
    }
}

// --- bad wires ---

TEST(BadWire, ATunnelComesUpWithinAMinuteAtTwentyPercentLoss) {
    std::size_t up = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        World w(seed);
        w.wire.loss = 0.2;
        w.acquire(*w.a);
        w.run_for(60s);
        up += w.a->acquires.contains(7) && w.a->acquires[7];
    }
    EXPECT_EQ(up, 200u);
}

TEST(BadWire, ReorderedAndRepeatedPacketsMakeExactlyOnePair) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        World w(seed);
        w.wire.reorder = 0.25;
        w.wire.duplicate = 0.25;
        w.acquire(*w.a);
        w.run_for(60s);
        ASSERT_EQ(w.pairs(*w.a), 1u) << "seed " << seed;
        ASSERT_EQ(w.compare(), "") << "seed " << seed;
        ASSERT_EQ(w.b->events_of(0x0201), 1u) << "no quick mode twice, seed " << seed;
    }
}

/// Whether an ISAKMP SA that nothing needs is there after three of its lifetimes.
bool outlives_itself(conf::Rekey rekey) {
    ConfigOptions o, other;
    o.phase1_lifetime = other.phase1_lifetime = conf::seconds(100);
    o.rekey = rekey;
    other.rekey = conf::Rekey::Off;
    World w(1, o, &other);
    w.a->engine->establish_phase1(Endpoint{w.addr_b, 500}, "", w.now, [](const Status&) {});
    w.run_for(300s);
    return !w.a->engine->phase1_status(w.now).empty();
}

TEST(Rekey, ForceRenewsAnIsakmpSaThatNothingNeeds) {
    EXPECT_TRUE(outlives_itself(conf::Rekey::Force));
    EXPECT_FALSE(outlives_itself(conf::Rekey::On));
    EXPECT_FALSE(outlives_itself(conf::Rekey::Off));
}

/// How many ISAKMP SAs there have been, and whether the tunnel is up, when both ends have talked for 10 minutes.
std::pair<std::size_t, bool> sas_of_ten_minutes(std::uint64_t ours, std::uint64_t theirs,
                                                conf::ProposalCheck check) {
    ConfigOptions o, other;
    o.phase1_kilobytes = ours;
    other.phase1_kilobytes = theirs;
    other.check = check;
    o.dpd.delay = other.dpd.delay = conf::seconds(5);
    World w(1, o, &other);
    w.acquire(*w.a);
    std::set<std::string> seen;
    for (int i = 0; i < 600; ++i) {
        w.run_for(1s);
        for (const exchange::Phase1Status& s : w.a->engine->phase1_status(w.now))
            seen.insert(s.cookies.text());
    }
    return {seen.size(), w.compare().empty() && w.pairs(*w.a) == 1 &&
                             !w.a->engine->phase1_status(w.now).empty()};
}

TEST(Rekey, AnIsakmpSaIsRenewedWhenItHasProtectedItsKilobytes) {
    const auto [forever, up] = sas_of_ten_minutes(0, 0, conf::ProposalCheck::Claim);
    EXPECT_EQ(forever, 1u);
    EXPECT_TRUE(up);
    // Whoever asks for it: what the peer offers, what it answers with a limit of its own, and both.
    for (const auto& [ours, theirs] :
         {std::pair<std::uint64_t, std::uint64_t>{4, 0}, {0, 4}, {4, 4}, {4, 9}}) {
        const auto [seen, still_up] = sas_of_ten_minutes(ours, theirs, conf::ProposalCheck::Claim);
        EXPECT_GT(seen, 2u) << ours << ' ' << theirs;
        EXPECT_LT(seen, 20u) << ours << ' ' << theirs;
        EXPECT_TRUE(still_up) << ours << ' ' << theirs;
    }
}

TEST(Rekey, AnAmountThatIsNoNumberOfBytesEndsNothing) {
    isakmp::Phase1Transform offered;
    EXPECT_EQ(exchange::to_conf(offered).kilobytes, 0u);
    // Times 1024 it would be 0 bytes, and the SA at its end when it is first looked at.
    offered.life.kilobytes = std::uint64_t{1} << 54;
    EXPECT_EQ(exchange::to_conf(offered).kilobytes, 0xffffffffu);
    offered.life.kilobytes = 0;
    EXPECT_EQ(exchange::to_conf(offered).kilobytes, 1u);
}

TEST(Padding, StrictCheckRefusesALengthThatCannotBe) {
    for (const bool strict : {true, false})
        for (const bool same : {true, false}) {
            LogCapture log;
            World w(1);
            // Host a counts the byte of the length, which host b does not unless they are the same.
            for (const bool at_a : {true, false}) {
                auto config =
                    std::make_shared<conf::Config>(*(at_a ? make_config(w.addr_a, w.addr_b, {})
                                                          : make_config(w.addr_b, w.addr_a, {})));
                config->padding.exclusive_tail = !at_a && !same;
                config->padding.strict_check = !at_a && strict;
                (at_a ? *w.a : *w.b).engine->reconfigure(config, 2, w.now);
            }
            w.acquire(*w.a);
            w.run_for(10s);
            EXPECT_EQ(w.pairs(*w.a), strict && !same ? 0u : 1u) << log.all();
            EXPECT_EQ(log.count("padding strict_check") != 0, strict && !same) << log.all();
        }
}

}  // namespace
}  // namespace racoon::sim
