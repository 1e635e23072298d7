// What this release lacks is parsed, printed and refused only where it is used; mere offers are warned of.
#include "conf/features.hpp"

#include "conf/print.hpp"
#include "conf/select.hpp"
#include "unit/conf/conf_test_support.hpp"

namespace racoon::conf {
namespace {

const IpAddr kPeer = *IpAddr::parse("192.0.2.1");

/// Every directive that asks for something, with the feature it needs.
struct Asks {
    const char* text;
    Feature feature;
    bool initiating;
};
const Asks kAsking[] = {
    {"my_identifier asn1dn \"CN=x\";", Feature::DistinguishedNames, true},
    {"verify_identifier on; peers_identifier asn1dn \"CN=x\";", Feature::DistinguishedNames, true},
    {"xauth_login \"joe\";", Feature::XAuth, true},
    {"mode_cfg on;", Feature::ModeConfig, true},
    {"generate_policy on;", Feature::GeneratePolicy, false},
    {"script \"x.sh\" phase1_up;", Feature::Scripts, true},
};

TEST(Features, ASectionThatAsksForWhatIsNotThereLoadsAndIsRefusedAtUse) {
    for (const Asks& a : kAsking) {
        SCOPED_TRACE(a.text);
        const Loaded l = load_text(remote_text("192.0.2.1", a.text));
        ASSERT_TRUE(l.ok()) << l.text();
        const SectionIndex index(l.config());
        for (const bool initiating : {true, false}) {
            const RemoteChoice c = index.choose({.peer = kPeer, .initiating = initiating});
            if (has(a.feature) || (initiating && !a.initiating)) {
                EXPECT_NE(c.remote, nullptr);
                continue;
            }
            EXPECT_EQ(c.remote, nullptr);
            EXPECT_EQ(c.refused, &l.config().remotes.at(0));
            EXPECT_TRUE(c.problem.starts_with("/etc/racoon/racoon.conf:3:")) << c.problem;
            EXPECT_NE(c.problem.find(feature_name(a.feature)), std::string::npos) << c.problem;
        }
        if (!has(a.feature)) {
            EXPECT_NE(l.lines().find("warning: "), std::string::npos);
        }
    }
}

TEST(Features, TheSameSettingsSwitchedOffAskForNothing) {
    const Loaded l = load_text(remote_text("192.0.2.1",
                                           "mode_cfg off; generate_policy off; nat_traversal off; "
                                           "ike_frag off; peers_identifier asn1dn; "
                                           "verify_identifier on;") +
                               sainfo_text("anonymous"));
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(l.lines(), "");
    EXPECT_TRUE(l.config().remotes.at(0).unsupported.empty());
}

TEST(Features, AMereOfferIsWarnedOfOnceAndTheSectionWorks) {
    const Loaded l =
        load_text(remote_text("192.0.2.1", "nat_traversal on; ike_frag force; esp_frag 552;") +
                  remote_text("192.0.2.2", "nat_traversal on;"));
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(l.config().remotes.at(0).nat_traversal, Offer::On);
    EXPECT_EQ(l.config().remotes.at(0).ike_frag, Offer::Force);
    EXPECT_EQ(l.config().remotes.at(0).esp_frag, 552);
    EXPECT_TRUE(l.config().remotes.at(0).unsupported.empty());
    std::size_t warnings = 0;
    for (const Diagnostic& d : l.result.diagnostics)
        warnings += d.message.starts_with("nat_traversal") ? 1 : 0;
    EXPECT_EQ(warnings, has(Feature::NatTraversal) ? 0u : 1u);
}

TEST(Features, CertificatesMatterOnlyWhereAProposalUsesThem) {
    const Loaded l = load_text(remote_text("192.0.2.1",
                                           "certificate_type x509 \"a.pem\" \"a.key\"; "
                                           "ca_type x509 \"ca.pem\"; peers_certfile \"b.pem\";"));
    ASSERT_TRUE(l.ok()) << l.text();
    const Remote& r = l.config().remotes.at(0);
    EXPECT_TRUE(r.unsupported.empty()) << "with a pre-shared key nothing is proved by them";
    EXPECT_EQ(r.certificate->certificate, "a.pem");
    EXPECT_EQ(r.certificate->key, "a.key");
    EXPECT_EQ(r.ca_file, "ca.pem");
    EXPECT_EQ(r.peers_certificates.at(0).file, "b.pem");
    EXPECT_NE(l.lines().find("write \"peers_certfile x509 \"b.pem\"\""), std::string::npos);
}

TEST(Features, ASectionWithoutAModeThatRunsIsRefusedByName) {
    const Loaded l = load_text(remote_text("192.0.2.1", "exchange_mode aggressive;") +
                               remote_text("192.0.2.2", "exchange_mode base, aggressive, main;"));
    ASSERT_TRUE(l.ok()) << l.text();
    const Remote& only = l.config().remotes.at(0);
    const Remote& among = l.config().remotes.at(1);
    EXPECT_EQ(only.modes, std::vector{ExchangeMode::Aggressive});
    EXPECT_EQ(among.modes.size(), 3u) << "as written: -C prints them";
    EXPECT_EQ(initiating_mode(among), runs(ExchangeMode::Base)         ? ExchangeMode::Base
                                      : runs(ExchangeMode::Aggressive) ? ExchangeMode::Aggressive
                                                                       : ExchangeMode::Main);
    EXPECT_TRUE(among.unsupported.empty());
    if (!runs(ExchangeMode::Aggressive))
        EXPECT_EQ(refusal(only, true),
                  "/etc/racoon/racoon.conf:3:15: exchange_mode aggressive: this release has no "
                  "support for aggressive mode");
    else
        EXPECT_EQ(refusal(only, true), "");
}

TEST(Features, AChildIsRefusedForWhatItsParentAsksAndCanTakeItBack) {
    const Loaded l =
        load_text(remote_text("\"a\"", "mode_cfg on;") +
                  "remote \"b\" inherit \"a\" { remote_address 192.0.2.2; }\n"
                  "remote \"c\" inherit \"a\" { remote_address 192.0.2.3; mode_cfg off; }");
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(refusal(l.config().remotes.at(1), true).empty(), has(Feature::ModeConfig));
    EXPECT_EQ(refusal(l.config().remotes.at(2), true), "");
}

TEST(Features, ASainfoForAGroupIsRefusedAtUse) {
    const Loaded l = load_text(sainfo_text("anonymous group \"staff\""));
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(refusal(l.config().sainfos.at(0), false).empty(), has(Feature::XAuth));
}

TEST(Features, WeakPhase1CheckIsAcceptedAndHasNoEffect) {
    const Loaded on = load_text(remote_text("192.0.2.1", "weak_phase1_check on;"));
    ASSERT_TRUE(on.ok());
    EXPECT_NE(on.lines().find("has no effect"), std::string::npos);
    EXPECT_EQ(
        load_text(remote_text("192.0.2.1", "weak_phase1_check off;") + sainfo_text("anonymous"))
            .lines(),
        "");
}

}  // namespace
}  // namespace racoon::conf
