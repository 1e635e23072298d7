// Policies with several rules: one quick mode makes all their SAs (reference 5.13, 5.14).
#include <gtest/gtest.h>

#include <algorithm>

#include "conf/policies.hpp"
#include "exchange/phase2_offer.hpp"
#include "isakmp/proposal.hpp"
#include "simulation/world.hpp"
#include "support/log_capture.hpp"

namespace racoon::sim {
namespace {

using exchange::Phase2Rules;
using test::LogCapture;
using Rules = std::vector<std::pair<std::uint8_t, bool>>;

constexpr std::uint8_t kEsp = 50, kAh = 51, kComp = 108;

std::multiset<std::string> kinds(const SimHost& h, bool inbound) {
    std::multiset<std::string> out;
    for (const auto& [key, sa] : h.sas)
        if (sa.inbound == inbound)
            out.insert(std::to_string(sa.protocol) + (sa.tunnel ? " tunnel " : " transport ") +
                       sa.encryption + sa.integrity + sa.compression);
    return out;
}

struct Form {
    const char* name;
    Rules rules;
    bool tunnel;  // nets, else hosts
    std::multiset<std::string> sas;
};

const Form kForms[] = {
    {"AH alone, transport", {{kAh, false}}, false, {"51 transport hmac_sha256"}},
    {"AH alone, tunnel", {{kAh, true}}, true, {"51 tunnel hmac_sha256"}},
    {"IPComp alone", {{kComp, false}}, false, {"108 transport deflate"}},
    {"ESP in AH, transport",
     {{kEsp, false}, {kAh, false}},
     false,
     {"50 transport aeshmac_sha256", "51 transport hmac_sha256"}},
    {"ESP tunnel in AH transport",
     {{kEsp, true}, {kAh, false}},
     true,
     {"50 tunnel aeshmac_sha256", "51 transport hmac_sha256"}},
    {"IPComp tunnel in ESP transport",
     {{kComp, true}, {kEsp, false}},
     true,
     {"108 tunnel deflate", "50 transport aeshmac_sha256"}},
    {"IPComp in ESP in AH",
     {{kComp, false}, {kEsp, false}, {kAh, false}},
     false,
     {"108 transport deflate", "50 transport aeshmac_sha256", "51 transport hmac_sha256"}},
};

TEST(Bundle, EveryFormComesUpInOneQuickModeFromEitherEndAndGoesWhole) {
    for (const Form& form : kForms)
        for (const bool complex : {true, false})
            for (const bool from_a : {true, false}) {
                SCOPED_TRACE(std::string(form.name) + (complex ? ", complex" : ""));
                LogCapture log;
                ConfigOptions o;
                o.rules = form.rules;
                o.tunnel = form.tunnel;
                o.complex_bundle = complex;
                o.pfs = true;
                World w(1, o);
                w.acquire(from_a ? *w.a : *w.b);
                w.run_for(2s);
                EXPECT_EQ(w.compare(), "");
                for (const SimHost* h : {w.a.get(), w.b.get()}) {
                    EXPECT_EQ(kinds(*h, true), form.sas) << log.all();
                    EXPECT_EQ(kinds(*h, false), form.sas);
                    EXPECT_EQ(h->events_of(0x0201), 1u) << "one negotiation";
                    EXPECT_EQ(h->engine->phase2_status(w.now).size(), form.rules.size());
                    for (const auto& [key, sa] : h->sas)
                        EXPECT_EQ(sa.replay_window, sa.protocol == kComp ? 0u : 64u);
                }
                // Every protocol and direction has a key of its own.
                std::set<Bytes> keys;
                std::size_t keyed = 0;
                for (const auto& [key, sa] : w.a->sas)
                    if (sa.protocol != kComp) {
                        keys.insert(sa.key);
                        ++keyed;
                    }
                EXPECT_EQ(keys.size(), keyed);
                // Whichever of them ends, all end, at both ends.
                w.a->engine->flush_phase2(form.rules.back().first, w.now);
                w.run_for(20s);
                EXPECT_TRUE(w.a->sas.empty());
                EXPECT_TRUE(w.b->sas.empty());
                EXPECT_EQ(w.end_and_find_leaks(), "");
            }
}

TEST(Bundle, IsRenewedWholeAndNoInboundSaIsMissingWhenTheOtherEndSends) {
    ConfigOptions o;
    o.rules = {{kComp, true}, {kEsp, false}, {kAh, false}};
    o.phase2_lifetime = conf::seconds(100);
    World w(2, o);
    std::string wrong;
    w.tap = [&](const exchange::Datagram&) {
        for (const auto& [mine, theirs] :
             {std::pair(w.a.get(), w.b.get()), std::pair(w.b.get(), w.a.get())})
            for (const auto& [key, sa] : mine->sas)
                if (!sa.inbound && !theirs->sas.contains(key) && w.now - sa.installed < 2s)
                    wrong = "a new outbound SA without its inbound one";
        return true;
    };
    w.acquire(*w.a);
    w.run_for(400s);
    EXPECT_EQ(wrong, "");
    EXPECT_GE(w.a->events_of(0x0201), 4u);
    w.run_for(10s);
    EXPECT_EQ(w.compare(), "");
    EXPECT_EQ(w.a->sas.size() % 6, 0u);
    EXPECT_EQ(w.end_and_find_leaks(), "");
}

TEST(Bundle, TheKernelIsGivenTheInnermostSaLast) {
    ConfigOptions o;
    o.rules = {{kComp, true}, {kEsp, false}, {kAh, false}};
    World w(3, o);
    w.acquire(*w.a);
    w.run_for(2s);
    std::map<std::uint64_t, std::uint8_t> order;
    for (const auto& [key, sa] : w.a->sas)
        if (!sa.inbound) order.emplace(sa.order, sa.protocol);
    std::vector<std::uint8_t> got;
    for (const auto& [number, protocol] : order) got.push_back(protocol);
    EXPECT_EQ(got, (std::vector<std::uint8_t>{kAh, kEsp, kComp}));
}

TEST(Bundle, AnSpiThatCannotBeHadOrAnSaThatCannotBeInstalledTakesTheOthersAlong) {
    for (const OpKind kind : {OpKind::SpiGet, OpKind::SaInstall})
        for (const bool at_a : {true, false})
            for (int skip = 0; skip < 2; ++skip) {
                ConfigOptions o;
                o.rules = {{kEsp, true}, {kAh, false}};
                World w(4, o);
                SimHost& h = at_a ? *w.a : *w.b;
                int seen = 0;
                h.answer_instead =
                    [&](const exchange::Operation& op) -> std::optional<Result<Bytes>> {
                    if (op.kind != kind || seen++ != skip) return {};
                    return Result<Bytes>(fail(Errc::Io, "refused"));
                };
                w.acquire(*w.a);
                w.run_for(60s);
                EXPECT_TRUE(w.a->sas.empty());
                EXPECT_TRUE(w.b->sas.empty());
                EXPECT_EQ(w.end_and_find_leaks(), "");
            }
}

TEST(Bundle, EndsThatDisagreeOnTheFormRefuseEachOtherAndSayWhy) {
    struct Case {
        Rules a, b;
        bool complex_a, complex_b;
    };
    const Case cases[] = {
        {{{kEsp, true}, {kAh, false}}, {{kEsp, true}}, true, true},
        {{{kEsp, true}}, {{kEsp, true}, {kAh, false}}, true, true},
        {{{kEsp, true}, {kAh, false}}, {{kEsp, true}, {kAh, false}}, true, false},
        {{{kEsp, true}, {kAh, false}}, {{kEsp, true}, {kAh, true}}, true, true},
        {{{kComp, true}, {kEsp, false}}, {{kEsp, true}}, false, true},
    };
    for (const Case& c : cases) {
        LogCapture log;
        ConfigOptions a, b;
        a.rules = c.a;
        a.complex_bundle = c.complex_a;
        b.rules = c.b;
        b.complex_bundle = c.complex_b;
        World w(5, a, &b);
        w.acquire(*w.a);
        w.run_for(5s);
        EXPECT_TRUE(w.a->sas.empty());
        EXPECT_EQ(log.count("no suitable proposal found"), 1u) << log.all();
        EXPECT_EQ(log.count("refused with NO-PROPOSAL-CHOSEN"), 1u);
        EXPECT_EQ(w.end_and_find_leaks(), "");
    }
}

TEST(Bundle, WithoutComplexBundleTheModesMayDifferAsLongAsOneIsATunnel) {
    ConfigOptions a, b;
    a.complex_bundle = b.complex_bundle = false;
    a.rules = {{kComp, true}, {kEsp, false}};
    b.rules = {{kComp, true}, {kEsp, true}};
    World w(6, a, &b);
    w.acquire(*w.a);
    w.run_for(2s);
    EXPECT_EQ(w.a->sas.size(), 4u);
    EXPECT_EQ(w.b->sas.size(), 4u);
}

TEST(Bundle, WhatTheBackendLacksIsSaidPlainly) {
    for (const auto& [rules, flags, text] :
         {std::tuple(Rules{{kEsp, true}, {kAh, false}}, std::uint64_t{0}, "has no AH"),
          std::tuple(Rules{{kComp, true}, {kEsp, true}}, std::uint64_t{RACOON_CAP_AH},
                     "has no IPComp"),
          std::tuple(Rules{{kComp, false}}, std::uint64_t{RACOON_CAP_IPCOMP},
                     "has no transport mode")}) {
        LogCapture log;
        ConfigOptions o;
        o.rules = rules;
        o.tunnel = rules[0].second;
        World w(7, o);
        exchange::KernelCapabilities caps;
        caps.backend = "small";
        caps.flags = flags;
        caps.max_replay_window = 32;
        w.a->engine->kernel_capabilities(caps);
        w.acquire(*w.a);
        w.run_for(3s);
        EXPECT_EQ(log.count(std::string("the kernel backend small ") + text), 1u) << log.all();
        EXPECT_TRUE(w.a->sas.empty());
        w.acquire(*w.b);
        w.run_for(3s);
        EXPECT_EQ(log.count(std::string("the kernel backend small ") + text), 2u) << log.all();
        EXPECT_EQ(w.end_and_find_leaks(), "");
    }
}

// --- the offer itself ---

class Deaf final : public exchange::Output {
  public:
    void send(const exchange::Datagram&) override {}
    void start(exchange::Operation) override {}
    void cancel(OpToken) override {}
    void event(const exchange::Event&) override {}
    void random(std::span<std::uint8_t> out) override { std::fill(out.begin(), out.end(), 1); }
};

class Offer : public testing::Test {
  protected:
    Offer()
        : config_(make_config(ip("192.0.2.1"), ip("192.0.2.2"), with_pfs())),
          info(config_->sainfos[0]),
          ctx(std::make_shared<exchange::Settings>(config_, 1), output_) {}
    static ConfigOptions with_pfs() {
        ConfigOptions o;
        o.pfs = true;
        return o;
    }
    static std::vector<conf::PolicyTemplate> templates(const Rules& rules) {
        std::vector<conf::PolicyTemplate> out;
        for (const auto& [protocol, tunnel] : rules) {
            conf::PolicyTemplate t;
            t.protocol = protocol;
            t.tunnel = tunnel;
            out.push_back(t);
        }
        return out;
    }
    std::vector<isakmp::Phase2Proposal> offer(const Phase2Rules& rules) {
        auto sas = exchange::wanted_sas(rules.templates);
        for (std::size_t i = 0; i < sas.size(); ++i)
            sas[i].spi_in.value = 0x1000 + static_cast<std::uint32_t>(i);
        auto made = exchange::phase2_offer(ctx, rules, sas);
        EXPECT_TRUE(made);
        return made ? *made : std::vector<isakmp::Phase2Proposal>();
    }
    Result<exchange::Phase2Choice> choose(const Phase2Rules& rules,
                                          const std::vector<isakmp::Phase2Proposal>& offered,
                                          conf::ProposalCheck check = conf::ProposalCheck::Obey) {
        body_ = isakmp::build_phase2_sa(offered);
        const isakmp::Payload payload{isakmp::PayloadType::SecurityAssociation, body_, body_, 28};
        auto sa = isakmp::SaPayload::parse(payload);
        if (!sa) return fail(sa.error());
        sa_ = std::make_unique<isakmp::SaPayload>(std::move(*sa));
        return exchange::choose_phase2(ctx, rules, check, ctx.settings->groups, *sa_);
    }

    /// Whether an initiator takes this answer to its offer.
    bool takes(const Phase2Rules& rules, const std::vector<isakmp::Phase2Proposal>& offered,
               const std::vector<isakmp::Phase2Proposal>& answered) {
        body_ = isakmp::build_phase2_sa(answered);
        const isakmp::Payload payload{isakmp::PayloadType::SecurityAssociation, body_, body_, 28};
        auto sa = isakmp::SaPayload::parse(payload);
        EXPECT_TRUE(sa);
        return sa && exchange::check_phase2_answer(rules, offered, *sa);
    }

    conf::ConfigPtr config_;
    conf::SaInfo info;
    Deaf output_;
    exchange::Context ctx;
    Bytes body_;

  private:
    std::unique_ptr<isakmp::SaPayload> sa_;
};

TEST_F(Offer, HasOneProposalForEachRuleOfNumberOneInReverseOrder) {
    const auto list = templates({{kComp, true}, {kEsp, false}, {kAh, false}});
    for (const bool complex : {true, false}) {
        const auto made = offer(Phase2Rules{info, list, complex});
        ASSERT_EQ(made.size(), 3u);
        EXPECT_EQ(made[0].protocol, isakmp::ProtocolId::Ah);
        EXPECT_EQ(made[1].protocol, isakmp::ProtocolId::Esp);
        EXPECT_EQ(made[2].protocol, isakmp::ProtocolId::Ipcomp);
        for (std::size_t i = 0; i < 3; ++i) {
            EXPECT_EQ(made[i].number, 1);
            EXPECT_EQ(made[i].spi.value, 0x1002 - i);
            for (const auto& t : made[i].transforms)
                EXPECT_EQ(t.mode, !complex || i == 2 ? isakmp::Encapsulation::Tunnel
                                                     : isakmp::Encapsulation::Transport);
        }
    }
}

TEST_F(Offer, ExtendedSequenceNumbersAreOfferedFirstWhereTheyAreWantedAndTheBackendHasThem) {
    const auto list = templates({{kComp, true}, {kEsp, false}, {kAh, false}});
    for (const bool wanted : {false, true})
        for (const bool can : {false, true}) {
            info.esn = wanted;
            ctx.caps_known = true;
            ctx.caps.flags =
                ~std::uint64_t{0} & ~(can ? std::uint64_t{0} : std::uint64_t{RACOON_CAP_ESN});
            for (const auto& p : offer(Phase2Rules{info, list})) {
                const bool compression = p.protocol == isakmp::ProtocolId::Ipcomp;
                EXPECT_EQ(p.transforms[0].esn, wanted && can && !compression);
                EXPECT_FALSE(p.transforms.back().esn) << "a peer without them is not left out";
            }
            // A peer's wish needs the backend alone.
            const auto esp = templates({{kEsp, true}});
            info.esn = true;
            ctx.caps.flags = ~std::uint64_t{0};
            auto theirs = offer(Phase2Rules{info, esp});
            if (!can) ctx.caps.flags &= ~std::uint64_t{RACOON_CAP_ESN};
            const auto choice = choose(Phase2Rules{info, esp}, theirs);
            ASSERT_TRUE(choice);
            EXPECT_EQ(choice->params.sas[0].esn, can);
        }
}

TEST_F(Offer, AnAnswerThatRepeatsAPartOfItselfUnderTheNextNumberIsTaken) {
    const auto list = templates({{kComp, false}, {kEsp, false}});
    const Phase2Rules rules{info, list, true};
    const auto offered = offer(rules);
    ASSERT_EQ(offered.size(), 2u);
    auto answered = offered;
    for (auto& p : answered) p.transforms.resize(1);
    answered.push_back(answered[0]);  // ESP alone, once more
    answered[2].number = 2;
    EXPECT_TRUE(takes(rules, offered, answered));
    answered[2].spi.value += 1;  // that would be another SA
    EXPECT_FALSE(takes(rules, offered, answered));
    answered[2].spi = answered[0].spi;
    answered[2].protocol = isakmp::ProtocolId::Ah;
    EXPECT_FALSE(takes(rules, offered, answered));
}

// As strongSwan sends it.
TEST_F(Offer, IpcompWithoutAGroupHasThatOfTheBundle) {
    const auto list = templates({{kComp, true}, {kEsp, false}});
    const Phase2Rules rules{info, list, true};
    const auto offered = offer(rules);
    for (const isakmp::ProtocolId silent : {isakmp::ProtocolId::Ipcomp, isakmp::ProtocolId::Esp}) {
        auto said = offered;
        for (auto& p : said)
            for (auto& t : p.transforms)
                if (p.protocol == silent) t.group = {};
        const bool good = silent == isakmp::ProtocolId::Ipcomp;
        for (const auto how : {conf::ProposalCheck::Obey, conf::ProposalCheck::Exact}) {
            const auto choice = choose(rules, said, how);
            ASSERT_EQ(bool(choice), good);
            if (!good) continue;
            EXPECT_EQ(choice->params.pfs, info.pfs_group);
        }
        for (auto& p : said) p.transforms.resize(1);
        EXPECT_EQ(takes(rules, offered, said), good);
    }
}

TEST_F(Offer, IpcompWithoutAModeHasThatOfTheBundle) {
    const auto list = templates({{kComp, false}, {kEsp, false}});
    Phase2Rules rules{info, list, true};
    rules.modes.transport = isakmp::Encapsulation::UdpTransport;
    for (const isakmp::ProtocolId silent : {isakmp::ProtocolId::Ipcomp, isakmp::ProtocolId::Esp}) {
        auto offered = offer(rules);
        for (auto& p : offered)
            for (auto& t : p.transforms)
                if (p.protocol == silent) t.mode = isakmp::Encapsulation::None;
        EXPECT_EQ(bool(choose(rules, offered)), silent == isakmp::ProtocolId::Ipcomp);
    }
}

TEST_F(Offer, OfSeveralProposalsTheFirstThatFitsWholeIsTaken) {
    const auto list = templates({{kEsp, true}, {kAh, false}});
    const Phase2Rules rules{info, list};
    const auto good = offer(rules);
    std::vector<isakmp::Phase2Proposal> all;
    // 1: ESP alone; 2: AH with an unknown algorithm, and ESP; 3: as wanted, in the other order; 4: likewise.
    all.push_back(good[1]);
    for (std::uint8_t number = 2; number <= 4; ++number)
        for (const std::size_t i : {std::size_t{1}, std::size_t{0}}) {
            all.push_back(good[i]);
            all.back().number = number;
            all.back().spi.value += number * 0x100u;
            if (number == 2 && i == 0) {
                all.back().transforms.resize(1);
                all.back().transforms[0].id = 99;
            }
        }
    const auto choice = choose(rules, all);
    ASSERT_TRUE(choice) << choice.error().text();
    ASSERT_EQ(choice->parts.size(), 2u);
    EXPECT_EQ(choice->parts[0].proposal->number, 3);
    EXPECT_EQ(choice->parts[1].proposal->number, 3);
    EXPECT_EQ(choice->parts[0].sa, 0u) << "in the order of the offer";
    EXPECT_EQ(choice->params.sas[0].protocol, kEsp);
    EXPECT_EQ(choice->params.sas[0].spi_out.value, 0x1300u);
    EXPECT_EQ(choice->params.sas[1].protocol, kAh);
    EXPECT_EQ(choice->params.sas[1].spi_out.value, 0x1301u);
}

TEST_F(Offer, OneGroupServesTheWholeBundleAndTheShortestLifetimeHolds) {
    const auto list = templates({{kEsp, true}, {kAh, false}});
    const Phase2Rules rules{info, list};
    auto offered = offer(rules);
    for (auto& t : offered[0].transforms) t.life.seconds = 100;
    for (auto& t : offered[1].transforms) t.life.kilobytes = 5000;
    auto choice = choose(rules, offered);
    ASSERT_TRUE(choice);
    EXPECT_EQ(choice->params.seconds, 100u);
    EXPECT_EQ(choice->params.kilobytes, 5000u);
    EXPECT_EQ(choice->params.pfs->number, 15);
    for (auto& t : offered[0].transforms) t.group = isakmp::DhGroup::None;
    EXPECT_FALSE(choose(rules, offered)) << "half of it without a group";
}

TEST_F(Offer, ReservedSpisAndCpisBeyondSixteenBitsAreNotTaken) {
    const auto list = templates({{kComp, true}, {kEsp, false}});
    const Phase2Rules rules{info, list};
    for (const auto& [i, spi] : {std::pair<std::size_t, std::uint32_t>{0, 255}, {1, 2}, {1, 255}}) {
        auto offered = offer(rules);
        offered[i].spi.value = spi;
        EXPECT_FALSE(choose(rules, offered)) << spi;
    }
}

TEST(Negotiable, AreRulesOfDifferentProtocolsBetweenTheSameHosts) {
    ConfigOptions o;
    o.rules = {{kComp, true}, {kEsp, false}, {kAh, false}};
    conf::Policy p = make_config(ip("192.0.2.1"), ip("192.0.2.2"), o)->policies[0];
    EXPECT_EQ(conf::why_not_negotiable(p), "");
    EXPECT_EQ(conf::peer_of(p), ip("192.0.2.2"));
    EXPECT_EQ(conf::local_of(p), ip("192.0.2.1"));
    auto nested = p;
    nested.templates[1].tunnel = true;
    nested.templates[1].local = ip("192.0.2.1");
    nested.templates[1].remote = ip("192.0.2.9");
    EXPECT_NE(conf::why_not_negotiable(nested), "");
    auto twice = p;
    twice.templates[2].protocol = kEsp;
    EXPECT_NE(conf::why_not_negotiable(twice), "");
    auto inside = p;
    std::swap(inside.templates[0], inside.templates[2]);
    EXPECT_NE(conf::why_not_negotiable(inside), "") << "AH inside the tunnel, between the nets";
    inside.selector.local.net = Prefix::host(ip("192.0.2.1"));
    inside.selector.remote.net = Prefix::host(ip("192.0.2.2"));
    EXPECT_EQ(conf::why_not_negotiable(inside), "");
    // An acquire for what cannot be negotiated is given back at once.
    auto config = std::make_shared<conf::Config>(*make_config(ip("192.0.2.1"), ip("192.0.2.2"), o));
    config->policies[0] = twice;
    World w(1, config, make_config(ip("192.0.2.2"), ip("192.0.2.1"), o));
    w.acquire(*w.a);
    EXPECT_FALSE(w.a->acquires.at(7));
}

}  // namespace
}  // namespace racoon::sim
