// Aggressive and base mode between two engines, and which section serves which exchange.
#include <gtest/gtest.h>

#include "isakmp/message.hpp"
#include "simulation/world.hpp"
#include "support/log_capture.hpp"

namespace racoon::sim {
namespace {

using conf::ExchangeMode;
using test::LogCapture;

class Modes : public testing::TestWithParam<ExchangeMode> {
  protected:
    ConfigOptions options() const {
        ConfigOptions o;
        o.modes = {GetParam()};
        return o;
    }
    bool aggressive() const { return GetParam() == ExchangeMode::Aggressive; }
};

std::string mode_text(const testing::TestParamInfo<ExchangeMode>& info) {
    return info.param == ExchangeMode::Main         ? "Main"
           : info.param == ExchangeMode::Aggressive ? "Aggressive"
                                                    : "Base";
}

INSTANTIATE_TEST_SUITE_P(Early, Modes,
                         testing::Values(ExchangeMode::Aggressive, ExchangeMode::Base), mode_text);

TEST_P(Modes, BringsATunnelUpFromEitherEndAndLeavesNothingBehind) {
    for (const bool named : {false, true})
        for (const bool signature : {false, true})
            for (const bool from_a : {false, true}) {
                LogCapture log;
                ConfigOptions o = options();
                o.named = named;
                o.signature = signature;
                World w(1, o);
                w.acquire(from_a ? *w.a : *w.b);
                w.run_for(2s);
                EXPECT_EQ(w.compare(), "");
                EXPECT_EQ(w.pairs(*w.a), 1u) << log.all();
                EXPECT_EQ(w.pairs(*w.b), 1u);
                EXPECT_EQ(w.a->events_of(0x0100), 1u);
                EXPECT_EQ(w.b->events_of(0x0100), 1u);
                EXPECT_EQ(log.count(aggressive() ? "begin Aggressive mode." : "begin Base mode."),
                          2u);
                const auto status = w.b->engine->phase1_status(w.now);
                ASSERT_EQ(status.size(), 1u);
                EXPECT_EQ(status[0].exchange, static_cast<int>(GetParam()));
                EXPECT_EQ(status[0].peer_id, named ? "h1.example" : "192.0.2.1");
                EXPECT_EQ(status[0].state, 9);
                EXPECT_EQ(w.end_and_find_leaks(), "");
            }
}

TEST_P(Modes, SendsItsMessagesInTheirOrderAndWithTheirPayloads) {
    using isakmp::PayloadType;
    World w(2, options());
    std::vector<std::vector<PayloadType>> clear;
    std::size_t sealed = 0;
    w.tap = [&](const exchange::Datagram& d) {
        auto m = isakmp::Message::parse(to_bytes(d.bytes));
        if (!m || isakmp::number(m->header().exchange_type()) != static_cast<int>(GetParam()))
            return true;
        if (m->header().encrypted()) {
            ++sealed;
            return true;
        }
        clear.emplace_back();
        for (const auto& p : m->payloads()) clear.back().push_back(p.type);
        return true;
    };
    w.acquire(*w.a);
    w.run_for(400ms);
    const PayloadType sa = PayloadType::SecurityAssociation, ke = PayloadType::KeyExchange,
                      nonce = PayloadType::Nonce, id = PayloadType::Identification,
                      hash = PayloadType::Hash, vid = PayloadType::VendorId;
    if (aggressive()) {
        ASSERT_EQ(clear.size(), 2u);
        EXPECT_EQ(clear[0], (std::vector{sa, ke, nonce, id, vid}));
        EXPECT_EQ(clear[1], (std::vector{sa, ke, nonce, id, hash, vid}));
        EXPECT_EQ(sealed, 1u);
    } else {
        ASSERT_EQ(clear.size(), 4u);
        EXPECT_EQ(clear[0], (std::vector{sa, nonce, id, vid}));
        EXPECT_EQ(clear[1], (std::vector{sa, nonce, id, vid}));
        EXPECT_EQ(clear[2], (std::vector{ke, hash}));
        EXPECT_EQ(clear[3], (std::vector{ke, hash}));
        EXPECT_EQ(sealed, 0u);
    }
}

TEST_P(Modes, AWrongPreSharedKeyIsNamedInTheLogAndEstablishesNothing) {
    LogCapture log;
    World w(3, options());
    w.b->psk = {9, 9, 9};
    w.acquire(*w.a);
    w.run_for(200s);
    EXPECT_GE(log.count("likely a wrong pre-shared key, compare the keys for 192.0.2."), 1u)
        << log.all();
    EXPECT_EQ(w.a->events_of(0x0100) + w.b->events_of(0x0100), 0u);
    EXPECT_FALSE(w.a->acquires.at(7));
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

TEST_P(Modes, ComesUpAtTwentyPercentLossWhicheverMessageIsLost) {
    std::size_t up = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        ConfigOptions o = options();
        o.initial_contact = seed % 2;
        World w(seed, o);
        w.wire.loss = 0.2;
        w.acquire(*w.a);
        w.run_for(60s);
        up += w.a->acquires.contains(7) && w.a->acquires[7];
    }
    EXPECT_EQ(up, 200u);
}

TEST_P(Modes, EachMessageMayBeLostOnce) {
    for (int lost = 0; lost < 4; ++lost) {
        World w(5, options());
        int seen = 0;
        w.tap = [&](const exchange::Datagram& d) {
            auto m = isakmp::Message::parse(to_bytes(d.bytes));
            const bool phase1 =
                m && isakmp::number(m->header().exchange_type()) == static_cast<int>(GetParam());
            return !phase1 || seen++ != lost;
        };
        w.acquire(*w.a);
        w.run_for(20s);
        EXPECT_EQ(w.pairs(*w.a), 1u) << "message " << lost + 1;
        EXPECT_EQ(w.compare(), "");
    }
}

TEST_P(Modes, BothEndsAtOnceConvergeToOnePair) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        World w(seed, options());
        w.wire.jitter = 20ms;
        w.acquire(*w.a);
        w.after(std::chrono::milliseconds(seed % 40), [&] { w.acquire(*w.b); });
        w.run_for(60s);
        ASSERT_EQ(w.compare(), "") << "seed " << seed;
        ASSERT_EQ(w.pairs(*w.a), 1u) << "seed " << seed;
    }
}

TEST_P(Modes, AnIdentityThatIsNotOursToTalkToIsRefusedByBothRoles) {
    // a says "h1.example"; b is configured for somebody else.
    for (const bool at_initiator : {false, true}) {
        LogCapture log;
        ConfigOptions good = options();
        good.named = true;
        World w(6, good);
        SimHost& strict = at_initiator ? *w.a : *w.b;
        auto config =
            std::make_shared<conf::Config>(at_initiator ? *make_config(w.addr_a, w.addr_b, good)
                                                        : *make_config(w.addr_b, w.addr_a, good));
        config->remotes[0].peers_identifiers[0].value = "somebody.else";
        strict.engine->reconfigure(config, 2, w.now);
        w.acquire(*w.a);
        w.run_for(100s);
        EXPECT_TRUE(w.a->sas.empty());
        EXPECT_EQ(strict.events_of(0x0100), 0u);
        EXPECT_GE(log.count("is not in peers_identifier") + log.count("proved too little") +
                      log.count("failed"),
                  1u)
            << log.all();
        EXPECT_EQ(w.end_and_find_leaks(), "");
    }
}

TEST_P(Modes, WithVerifyIdentifierOffAnotherIdentityIsAcceptedWithAWarning) {
    LogCapture log;
    ConfigOptions o = options();
    o.named = true;
    World w(7, o);
    auto config = std::make_shared<conf::Config>(*make_config(w.addr_b, w.addr_a, o));
    config->remotes[0].peers_identifiers[0].value = "somebody.else";
    config->remotes[0].verify_identifier = false;
    w.b->engine->reconfigure(config, 2, w.now);
    w.acquire(*w.a);
    w.run_for(5s);
    EXPECT_EQ(w.pairs(*w.b), 1u);
    EXPECT_EQ(log.count("accepted, since verify_identifier is off"), 1u) << log.all();
}

TEST_P(Modes, EveryNonceSizeFromEightToTwoHundredFiftySixWorks) {
    for (const std::uint16_t size : std::initializer_list<std::uint16_t>{8, 9, 64, 255, 256}) {
        ConfigOptions o = options();
        World w(8, o);
        for (const bool at_a : {true, false}) {
            auto config = std::make_shared<conf::Config>(
                *(at_a ? make_config(w.addr_a, w.addr_b, o) : make_config(w.addr_b, w.addr_a, o)));
            config->remotes[0].nonce_size = size;
            (at_a ? *w.a : *w.b).engine->reconfigure(config, 2, w.now);
        }
        w.acquire(*w.a);
        w.run_for(3s);
        EXPECT_EQ(w.pairs(*w.a), 1u) << size;
    }
}

TEST_P(Modes, APassiveSectionAnswersAndDoesNotBegin) {
    ConfigOptions o = options(), passive = options();
    passive.passive = true;
    World w(9, o, &passive);
    w.acquire(*w.b);
    w.run_for(5s);
    EXPECT_EQ(w.b->packets_out, 0u);
    EXPECT_FALSE(w.b->acquires.at(7));
    w.acquire(*w.a);
    w.run_for(5s);
    EXPECT_EQ(w.pairs(*w.b), 1u);
}

TEST_P(Modes, InitialContactIsSentOnlyWhereItIsConfigured) {
    for (const bool wanted : {true, false}) {
        ConfigOptions o = options();
        o.initial_contact = wanted;
        World w(10, o);
        std::size_t informational = 0;
        w.tap = [&](const exchange::Datagram& d) {
            informational += d.bytes[18] == 5;
            return true;
        };
        w.acquire(*w.a);
        w.run_for(1s);
        ASSERT_EQ(w.pairs(*w.a), 1u);
        EXPECT_EQ(informational > 0, wanted);
    }
}

TEST_P(Modes, ARestartedPeerReplacesItsOldSas) {
    World w(11, options());
    w.acquire(*w.a);
    w.run_for(2s);
    ASSERT_EQ(w.pairs(*w.b), 1u);
    w.a->engine =
        std::make_unique<exchange::Engine>(make_config(w.addr_a, w.addr_b, options()), 1, *w.a);
    w.a->engine->local_endpoints({Endpoint{w.addr_a, 500}});
    w.a->sas.clear();
    w.run_for(1s);
    w.acquire(*w.a);
    w.run_for(3s);
    EXPECT_EQ(w.compare(), "");
    EXPECT_EQ(w.pairs(*w.a), 1u);
    EXPECT_EQ(w.b->engine->phase1_status(w.now).size(), 1u);
}

TEST_P(Modes, NeedNoWaitBeforePhaseTwo) {
    World w(13, options());
    for (SimHost* h : {w.a.get(), w.b.get()}) h->op_delay = 5ms;  // as Diffie-Hellman may take
    const TimePoint begin = w.now;
    w.acquire(*w.a);
    while (w.pairs(*w.a) == 0 && w.now < begin + 10s) w.run_for(1ms);
    EXPECT_LT(w.now - begin, 200ms) << "a message that is repeated would cost half a second";
}

TEST_P(Modes, FailuresOfKeeperAndWorkersLeaveNothingBehind) {
    for (const auto kind :
         {OpKind::DhGenerate, OpKind::DhCompute, OpKind::Phase1Open, OpKind::Phase1Skeyid})
        for (const bool at_a : {true, false}) {
            World w(12, options());
            (at_a ? *w.a : *w.b).fail_next[kind] = 1;
            w.acquire(*w.a);
            w.run_for(200s);
            EXPECT_EQ(w.compare(), "") << static_cast<int>(kind);
            EXPECT_TRUE(w.a->acquires.contains(7));
            EXPECT_EQ(w.end_and_find_leaks(), "") << static_cast<int>(kind);
        }
}

// --- exchange_mode with several modes ---

TEST(ExchangeMode, TheFirstIsUsedToBeginAndEachIsAccepted) {
    const ExchangeMode all[] = {ExchangeMode::Main, ExchangeMode::Aggressive, ExchangeMode::Base};
    for (const ExchangeMode first : all) {
        ConfigOptions ours, theirs;
        ours.modes = {first};
        for (const ExchangeMode m : all)
            if (m != first) ours.modes.push_back(m);
        theirs.modes = {all[0], all[1], all[2]};
        World w(20, ours, &theirs);
        w.acquire(*w.a);
        w.run_for(2s);
        const auto status = w.b->engine->phase1_status(w.now);
        ASSERT_EQ(status.size(), 1u);
        EXPECT_EQ(status[0].exchange, static_cast<int>(first));
    }
}

TEST(ExchangeMode, OneThatIsNotListedIsNotAnsweredAtAll) {
    const ExchangeMode all[] = {ExchangeMode::Main, ExchangeMode::Aggressive, ExchangeMode::Base};
    for (const ExchangeMode asked : all)
        for (const ExchangeMode listed : all) {
            if (asked == listed) continue;
            ConfigOptions ours, theirs;
            ours.modes = {asked};
            theirs.modes = {listed};
            World w(21, ours, &theirs);
            w.acquire(*w.a);
            w.run_for(60s);
            EXPECT_EQ(w.b->packets_out, 0u);
            EXPECT_TRUE(w.b->op_count.empty()) << "no work for it either";
        }
}

// --- several sections for one peer (reference 2.7) ---

/// Host b with further sections like its first one, as changed.
template <typename Change>
void add_sections(World& w, const ConfigOptions& o, Change change) {
    auto config = std::make_shared<conf::Config>(*make_config(w.addr_b, w.addr_a, o));
    change(*config);
    w.b->engine->reconfigure(config, 2, w.now);
}

ConfigOptions named(std::vector<ExchangeMode> modes) {
    ConfigOptions o;
    o.modes = std::move(modes);
    o.named = true;
    return o;
}

std::string section_in_use(World& w) {
    w.acquire(*w.a);
    w.run_for(3s);
    const auto status = w.b->engine->phase1_status(w.now);
    return status.size() == 1 && status[0].state == 9 ? status[0].section : "";
}

TEST(Narrowing, TheExchangeTypeTellsSectionsApart) {
    for (const ExchangeMode mode :
         {ExchangeMode::Main, ExchangeMode::Aggressive, ExchangeMode::Base}) {
        World w(30, named({mode}));
        add_sections(w, named({ExchangeMode::Main}), [](conf::Config& c) {
            for (const ExchangeMode m : {ExchangeMode::Aggressive, ExchangeMode::Base}) {
                c.remotes.push_back(c.remotes[0]);
                c.remotes.back().modes = {m};
                c.remotes.back().name = m == ExchangeMode::Base ? "base" : "aggressive";
            }
        });
        EXPECT_EQ(section_in_use(w), mode == ExchangeMode::Main         ? "192.0.2.1[500]"
                                     : mode == ExchangeMode::Aggressive ? "aggressive"
                                                                        : "base");
    }
}

TEST(Narrowing, TheTransformTellsSectionsApart) {
    for (const ExchangeMode mode :
         {ExchangeMode::Main, ExchangeMode::Aggressive, ExchangeMode::Base}) {
        World w(31, named({mode}));
        add_sections(w, named({mode}), [](conf::Config& c) {
            c.remotes.push_back(c.remotes[0]);
            c.remotes[0].proposals[0].lifetime = conf::seconds(60);  // the offer is longer
            c.remotes[0].proposal_check = conf::ProposalCheck::Strict;
            c.remotes[1].name = "second";
        });
        EXPECT_EQ(section_in_use(w), "second");
    }
}

TEST(Narrowing, TheIdentityTellsSectionsApartEvenWhereItComesLast) {
    for (const ExchangeMode mode :
         {ExchangeMode::Main, ExchangeMode::Aggressive, ExchangeMode::Base}) {
        World w(32, named({mode}));
        add_sections(w, named({mode}), [](conf::Config& c) {
            c.remotes.push_back(c.remotes[0]);
            c.remotes[0].peers_identifiers[0].value = "somebody.else";
            c.remotes[1].name = "second";
        });
        EXPECT_EQ(section_in_use(w), "second");
    }
}

TEST(Narrowing, EqualSectionsAreATieWhichTheLogNames) {
    for (const ExchangeMode mode :
         {ExchangeMode::Main, ExchangeMode::Aggressive, ExchangeMode::Base}) {
        LogCapture log;
        World w(33, named({mode}));
        add_sections(w, named({mode}), [](conf::Config& c) {
            c.remotes.push_back(c.remotes[0]);
            c.remotes[1].name = "second";
        });
        EXPECT_EQ(section_in_use(w), "");
        EXPECT_GE(log.count("equally"), 1u) << log.all();
        EXPECT_EQ(w.b->events_of(0x0100), 0u);
    }
}

// --- proposal_check (reference 2.11) ---

struct CheckCase {
    conf::ProposalCheck check;
    int peer_lifetime;  // against 1000 s of ours
    int peer_key;       // against 256 bits of ours, the cipher taking 128 to 256
    int ours_key;
    bool accepted;
    int lifetime;
};

TEST(ProposalCheck, HoldsForLifetimeAndKeyLengthInEveryMode) {
    using conf::ProposalCheck;
    const CheckCase cases[] = {
        {ProposalCheck::Obey, 5000, 256, 128, true, 5000},
        {ProposalCheck::Obey, 10, 128, 256, true, 10},
        {ProposalCheck::Strict, 1000, 128, 128, true, 1000},
        {ProposalCheck::Strict, 999, 256, 128, true, 999},
        {ProposalCheck::Strict, 1001, 128, 128, false, 0},
        {ProposalCheck::Strict, 1000, 128, 256, false, 0},
        {ProposalCheck::Claim, 999, 192, 128, true, 999},
        {ProposalCheck::Claim, 1001, 128, 128, false, 0},
        {ProposalCheck::Claim, 1000, 128, 192, false, 0},
        {ProposalCheck::Exact, 1000, 192, 192, true, 1000},
        {ProposalCheck::Exact, 999, 192, 192, false, 0},
        {ProposalCheck::Exact, 1000, 256, 192, false, 0},
    };
    for (const ExchangeMode mode :
         {ExchangeMode::Main, ExchangeMode::Aggressive, ExchangeMode::Base})
        for (const CheckCase& c : cases) {
            ConfigOptions theirs, ours;
            theirs.modes = ours.modes = {mode};
            theirs.phase1_lifetime = conf::seconds(c.peer_lifetime);
            World w(40, theirs);
            auto initiator =
                std::make_shared<conf::Config>(*make_config(w.addr_a, w.addr_b, theirs));
            initiator->remotes[0].proposals[0].key_bits = static_cast<std::uint16_t>(c.peer_key);
            w.a->engine->reconfigure(initiator, 2, w.now);
            auto responder = std::make_shared<conf::Config>(*make_config(w.addr_b, w.addr_a, ours));
            responder->remotes[0].proposals[0].key_bits = static_cast<std::uint16_t>(c.ours_key);
            responder->remotes[0].proposals[0].lifetime = conf::seconds(1000);
            responder->remotes[0].proposal_check = c.check;
            w.b->engine->reconfigure(responder, 2, w.now);
            w.acquire(*w.a);
            w.run_for(2s);
            const auto status = w.b->engine->phase1_status(w.now);
            ASSERT_EQ(!status.empty() && status[0].state == 9, c.accepted)
                << static_cast<int>(c.check) << ' ' << c.peer_lifetime << ' ' << c.peer_key;
            if (!c.accepted) continue;
            EXPECT_EQ(status[0].lifetime_seconds, c.lifetime);
            EXPECT_EQ(status[0].key_bits, static_cast<unsigned>(c.peer_key));
        }
}

TEST(Proposals, OfSeveralThePeersOrderDecides) {
    // a offers 256, 192, 128; b takes 128 and 192: 192 comes first in the offer.
    for (const ExchangeMode mode :
         {ExchangeMode::Main, ExchangeMode::Aggressive, ExchangeMode::Base}) {
        ConfigOptions o;
        o.modes = {mode};
        World w(41, o);
        const auto with_keys = [&](const IpAddr& local, const IpAddr& peer,
                                   std::initializer_list<std::uint16_t> keys) {
            auto c = std::make_shared<conf::Config>(*make_config(local, peer, o));
            auto& list = c->remotes[0].proposals;
            const conf::Phase1Proposal one = list[0];
            list.clear();
            for (const std::uint16_t k : keys) {
                list.push_back(one);
                list.back().key_bits = k;
            }
            c->remotes[0].proposal_check = conf::ProposalCheck::Exact;
            return c;
        };
        w.a->engine->reconfigure(with_keys(w.addr_a, w.addr_b, {256, 192, 128}), 2, w.now);
        w.b->engine->reconfigure(with_keys(w.addr_b, w.addr_a, {128, 192}), 2, w.now);
        w.acquire(*w.a);
        w.run_for(2s);
        const auto status = w.a->engine->phase1_status(w.now);
        ASSERT_EQ(status.size(), 1u);
        EXPECT_EQ(status[0].state, 9);
        EXPECT_EQ(status[0].key_bits, 192u);
    }
}

}  // namespace
}  // namespace racoon::sim
