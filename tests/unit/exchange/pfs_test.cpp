// The group of a peer that asks for PFS (reference 2.11): taken where our own section names none, and under `obey` in any
// case, if it is loaded and good enough to be taken unasked.
#include <gtest/gtest.h>

#include "simulation/world.hpp"
#include "support/log_capture.hpp"

namespace racoon::sim {
namespace {

using conf::ProposalCheck;
using test::LogCapture;

conf::GroupInfo like_small(const char* name, std::uint16_t number, bool weak = false) {
    conf::GroupInfo out = catalog().other_group;
    out.name = name;
    out.number = number;
    out.weak = weak;
    return out;
}

struct Peers {
    /// Host a asks for PFS with `theirs`, host b has `ours` (or none) in its sainfo, and has loaded what is listed.
    Peers(const conf::GroupInfo* theirs, const conf::GroupInfo* ours, ProposalCheck check,
          std::vector<const conf::GroupInfo*> loaded)
        : w(1, config(true, theirs, check, {}), config(false, ours, check, std::move(loaded))) {
        w.acquire(*w.a);
        w.run_for(3s);
    }
    static conf::ConfigPtr config(bool at_a, const conf::GroupInfo* group, ProposalCheck check,
                                  std::vector<const conf::GroupInfo*> loaded) {
        const IpAddr a = ip("192.0.2.1"), b = ip("192.0.2.2");
        ConfigOptions o;
        o.check = check;
        auto out = std::make_shared<conf::Config>(*make_config(at_a ? a : b, at_a ? b : a, o));
        out->sainfos[0].pfs_group = group;
        out->groups = std::move(loaded);
        return out;
    }
    std::string group() const {
        const auto list = w.b->engine->phase2_status(w.now);
        return list.empty() ? "none" : list[0].pfs_group;
    }
    World w;
};

TEST(PfsOfThePeer, IsTakenUnlessOurSectionOrTheExactCheckSaysOtherwise) {
    static const conf::GroupInfo one = like_small("one", 20), two = like_small("two", 19);
    for (const ProposalCheck check :
         {ProposalCheck::Obey, ProposalCheck::Strict, ProposalCheck::Claim, ProposalCheck::Exact}) {
        const bool obeys = check == ProposalCheck::Obey;
        const bool exact = check == ProposalCheck::Exact;
        EXPECT_EQ(Peers(&one, nullptr, check, {&one, &two}).group(), exact ? "none" : "one");
        EXPECT_EQ(Peers(&one, &one, check, {&one, &two}).group(), "one");
        EXPECT_EQ(Peers(&one, &two, check, {&one, &two}).group(), obeys ? "one" : "none");
    }
}

TEST(PfsOfThePeer, WhatIsWeakPrivateOrNotLoadedHasToBeNamedAndTheLogSaysSo) {
    static const conf::GroupInfo weak = like_small("modp1024", 2, true),
                                 subgroup = like_small("modp2048s256", 24, true),
                                 brainpool = like_small("brainpoolp256r1", 28),
                                 curve = like_small("curve25519", 31),
                                 own = like_small("own", 32770);
    for (const conf::GroupInfo* g : {&weak, &subgroup, &brainpool, &curve, &own}) {
        LogCapture log;
        EXPECT_EQ(Peers(g, nullptr, ProposalCheck::Obey, {g}).group(), "none") << g->name;
        EXPECT_EQ(log.count("group " + g->name + " is taken only where it is named as pfs_group"),
                  1u)
            << log.all();
        EXPECT_EQ(Peers(g, g, ProposalCheck::Obey, {g}).group(), g->name);
    }
    static const conf::GroupInfo absent = like_small("absent", 20);
    LogCapture log;
    EXPECT_EQ(Peers(&absent, nullptr, ProposalCheck::Obey, {}).group(), "none");
    EXPECT_EQ(log.count("no loaded module has Diffie-Hellman group 20"), 1u) << log.all();
}

}  // namespace
}  // namespace racoon::sim
