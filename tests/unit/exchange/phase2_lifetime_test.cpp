// Lifetimes of phase 2 under proposal_check (reference 2.11), and RESPONDER-LIFETIME (5.8).
#include "exchange/phase2_lifetime.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "isakmp/attribute.hpp"
#include "simulation/world.hpp"
#include "support/log_capture.hpp"

namespace racoon::exchange {
namespace {

using conf::ProposalCheck;
using test::LogCapture;
constexpr std::uint64_t kOurs = 3600;
constexpr std::uint64_t kOurKilobytes = 5000;
constexpr std::uint64_t kDefaultOfRacoon = 0x7fffffff;

struct Case {
    ProposalCheck check;
    isakmp::Lifetime offered;
    std::optional<std::uint64_t> seconds;  // unset: refused
    std::uint64_t kilobytes = 0;
    bool notify = false;
};

TEST(Phase2Lifetime, FollowsTheTableOfProposalCheck) {
    using enum ProposalCheck;
    const Case cases[] = {
        {Obey, {60, {}}, 60},
        {Obey, {9000, {}}, 9000},
        {Obey, {{}, {}}, 28800},
        {Obey, {60, 5000}, 60, 5000},
        {Strict, {60, {}}, 60},
        {Strict, {3600, {}}, 3600},
        {Strict, {3601, {}}, {}},
        {Strict, {{}, {}}, {}},  // 28800 is meant
        {Strict, {60, 5000}, 60, 5000},
        {Claim, {60, {}}, 60},
        {Claim, {3600, {}}, 3600},
        {Claim, {9000, {}}, 3600, 0, true},
        {Claim, {60, 5000}, 60, 5000},  // a limit of volume asks for no notify about seconds
        {Exact, {3600, {}}, 3600},
        {Exact, {60, {}}, {}},
        {Exact, {3601, {}}, {}},
        {Exact, {3600, 5000}, {}},
        {Exact, {3600, kDefaultOfRacoon}, 3600},  // which is no limit
        {Obey, {60, kDefaultOfRacoon}, 60},
        {Obey, {0, {}}, {}},
        {Obey, {60, 0}, {}},
    };
    int i = 0;
    for (const Case& c : cases) {
        SCOPED_TRACE(i++);
        Phase2Params p;
        EXPECT_EQ(take_offered_lifetime(p, c.check, {kOurs, 0}, c.offered), c.seconds.has_value());
        if (!c.seconds) continue;
        EXPECT_EQ(p.seconds, *c.seconds);
        EXPECT_EQ(p.kilobytes, c.kilobytes);
        EXPECT_EQ(p.send_lifetime, c.notify);
    }
}

TEST(Phase2Lifetime, FollowsTheTableOfProposalCheckForKilobytes) {
    using enum ProposalCheck;
    using Offered = std::optional<std::uint64_t>;
    struct Volume {
        ProposalCheck check;
        Offered offered;
        std::optional<std::uint64_t> agreed;  // unset: refused
        bool notify = false;
    };
    const Volume cases[] = {
        {Obey, 9000, 9000},
        {Obey, 60, 60},
        {Obey, {}, kOurKilobytes},  // nobody is told, but this end renews in time
        {Strict, 60, 60},
        {Strict, 5001, {}},
        {Strict, kDefaultOfRacoon, {}},
        {Strict, {}, kOurKilobytes},
        {Claim, 60, 60},
        {Claim, 5001, kOurKilobytes, true},
        {Claim, {}, kOurKilobytes, true},
        {Exact, kOurKilobytes, kOurKilobytes},
        {Exact, 60, {}},
        {Exact, {}, {}},
    };
    int i = 0;
    for (const Volume& c : cases) {
        SCOPED_TRACE(i++);
        Phase2Params p;
        ASSERT_EQ(take_offered_lifetime(p, c.check, {kOurs, kOurKilobytes}, {kOurs, c.offered}),
                  c.agreed.has_value());
        if (!c.agreed) continue;
        EXPECT_EQ(p.kilobytes, *c.agreed);
        EXPECT_EQ(p.send_kilobytes, c.notify);
        EXPECT_FALSE(p.send_lifetime);
        EXPECT_TRUE(still_takes_lifetime(p, c.check, {kOurs, kOurKilobytes}));
    }
}

Bytes notify_of(std::initializer_list<std::pair<int, std::uint64_t>> list) {
    Writer out;
    for (const auto& [type, value] : list) {
        isakmp::write_number(out, 1, static_cast<std::uint64_t>(type));
        isakmp::write_number(out, 2, value);
    }
    return std::move(out).take();
}

TEST(Phase2Lifetime, AResponderLifetimeIsTakenAsTheTableSays) {
    using enum ProposalCheck;
    struct Received {
        ProposalCheck check;
        std::initializer_list<std::pair<int, std::uint64_t>> said;  // 1 seconds, 2 kilobytes
        std::uint64_t seconds, kilobytes;
        std::size_t warnings;
    };
    const Received cases[] = {
        {Obey, {{1, 60}}, 60, 0, 0},
        {Obey, {{1, 9000}}, 9000, 0, 0},
        {Obey, {{1, 60}, {2, 100}}, 60, 100, 0},
        {Strict, {{1, 60}, {2, 100}}, 60, 100, 0},
        {Strict, {{1, 9000}}, kOurs, 0, 1},
        {Claim, {{1, 60}}, 60, 0, 0},
        {Claim, {{1, 3601}}, kOurs, 0, 1},
        {Exact, {{1, 60}}, kOurs, 0, 1},
        {Exact, {{1, kOurs}}, kOurs, 0, 0},
        {Exact, {{2, 100}}, kOurs, 0, 1},
        {Obey, {{1, 0}}, kOurs, 0, 1},
        {Obey, {{7, 5}}, kOurs, 0, 0},
    };
    int i = 0;
    for (const Received& c : cases) {
        SCOPED_TRACE(i++);
        LogCapture log;
        Phase2Params p;
        p.seconds = kOurs;
        apply_responder_lifetime(p, c.check, notify_of(c.said), "192.0.2.1");
        EXPECT_EQ(p.seconds, c.seconds);
        EXPECT_EQ(p.kilobytes, c.kilobytes);
        EXPECT_EQ(log.count("RESPONDER-LIFETIME"), c.warnings) << log.all();
    }
}

TEST(Phase2Lifetime, ClaimTellsTheInitiatorWhoTakesItUnlessItsOwnCheckForbids) {
    for (const ProposalCheck check :
         {ProposalCheck::Obey, ProposalCheck::Strict, ProposalCheck::Claim, ProposalCheck::Exact}) {
        sim::ConfigOptions a, b;
        a.check = check;
        a.phase2_lifetime = conf::seconds(3600);
        b.check = ProposalCheck::Claim;
        b.phase2_lifetime = conf::seconds(600);
        sim::World w(1, a, &b);
        w.acquire(*w.a);
        w.run_for(std::chrono::seconds(2));
        const std::uint64_t mine = check == ProposalCheck::Exact ? 3600 : 600;
        EXPECT_EQ(w.pairs(*w.a), 1u);
        for (const auto& [key, sa] : w.a->sas) EXPECT_EQ(sa.hard_seconds, mine);
        for (const auto& [key, sa] : w.b->sas) EXPECT_EQ(sa.hard_seconds, 600u);
    }
}

TEST(Phase2Lifetime, OfBothEndsTheSmallerAmountHolds) {
    for (const auto& [ours, theirs] : {std::pair<std::uint64_t, std::uint64_t>{5000, 0},
                                       {0, 5000},
                                       {5000, 9000},
                                       {9000, 5000}}) {
        sim::ConfigOptions a, b;
        a.check = b.check = ProposalCheck::Claim;
        a.phase2_kilobytes = ours;
        b.phase2_kilobytes = theirs;
        sim::World w(1, a, &b);
        w.acquire(*w.a);
        w.run_for(std::chrono::seconds(2));
        EXPECT_EQ(w.pairs(*w.a), 1u);
        for (const sim::SimHost* host : {w.a.get(), w.b.get()})
            for (const auto& [key, sa] : host->sas) {
                EXPECT_EQ(sa.hard_bytes, 5000u * 1024) << ours << ' ' << theirs;
                EXPECT_LT(sa.soft_bytes, sa.hard_bytes);
            }
    }
}

}  // namespace
}  // namespace racoon::exchange
