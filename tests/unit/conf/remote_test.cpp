// `remote` sections: values, defaults, inheritance and what older racoons did wrong with it.
#include "unit/conf/conf_test_support.hpp"

namespace racoon::conf {
namespace {

const char* kProposal =
    "proposal { encryption_algorithm aes 256; hash_algorithm sha256; "
    "authentication_method pre_shared_key; dh_group 14; }";

TEST(Remote, HasRacoonsDefaults) {
    const Loaded l = load_text(remote_text("192.0.2.1"));
    ASSERT_TRUE(l.ok()) << l.text();
    const Remote& r = l.config().remotes.at(0);
    EXPECT_EQ(r.name, "192.0.2.1[500]");
    EXPECT_EQ(r.address->text(), "192.0.2.1[500]");
    EXPECT_EQ(r.nonce_size, 16);
    EXPECT_EQ(r.proposal_check, ProposalCheck::Strict);
    EXPECT_TRUE(r.initial_contact);
    EXPECT_FALSE(r.verify_identifier);
    EXPECT_TRUE(r.dpd.enabled);
    EXPECT_EQ(r.dpd.delay, seconds(0));
    EXPECT_EQ(r.dpd.retry, seconds(5));
    EXPECT_EQ(r.dpd.max_fail, 5u);
    EXPECT_EQ(r.proposals.at(0).lifetime, seconds(28800));
    EXPECT_EQ(r.proposals.at(0).key_bits, 256);
    EXPECT_EQ(r.where.text(), "/etc/racoon/racoon.conf:1:1");
}

TEST(Remote, ResolvesAliasesAndGluedKeyLengths) {
    const Loaded l = load_text(
        "remote anonymous { exchange_mode main; proposal { encryption_algorithm rijndael192;"
        " hash_algorithm sha2_256; authentication_method pre_shared_key; dh_group 14; } }");
    ASSERT_TRUE(l.ok()) << l.text();
    const Phase1Proposal& p = l.config().remotes.at(0).proposals.at(0);
    EXPECT_EQ(p.cipher->name, "aes");
    EXPECT_EQ(p.key_bits, 192);
    EXPECT_EQ(p.hash->name, "sha256");
    EXPECT_EQ(p.group->number, 14);
}

TEST(Remote, FixedLengthCiphersHaveNoKeyLength) {
    const Loaded l = load_text(
        "remote anonymous { exchange_mode main; proposal { encryption_algorithm 3des;"
        " hash_algorithm sha1; authentication_method pre_shared_key; dh_group 2; } }");
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(l.config().remotes.at(0).proposals.at(0).key_bits, 0);
}

TEST(Remote, ALengthLeftOutIsTheCiphersStandard) {
    const Loaded l = load_text(
        "remote anonymous { exchange_mode main; proposal { encryption_algorithm aes;"
        " hash_algorithm sha1; authentication_method pre_shared_key; dh_group 2; } }");
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(l.config().remotes.at(0).proposals.at(0).key_bits, 128);
}

TEST(Inheritance, CopiesIdentitiesWholeAndLeavesTheParentAlone) {
    const Loaded l = load_text(
        remote_text(
            "\"parent\"",
            "verify_identifier on; peers_identifier fqdn \"gw.example.com\"; "
            "peers_identifier address 192.0.2.7; peers_identifier user_fqdn \"a@b.example\";") +
        "remote \"child\" inherit \"parent\" { remote_address 192.0.2.1; peers_identifier fqdn \"x.example\"; }\n");
    ASSERT_TRUE(l.ok()) << l.text();
    const Remote& parent = l.config().remotes.at(0);
    const Remote& child = l.config().remotes.at(1);
    ASSERT_EQ(parent.peers_identifiers.size(), 3u) << "the child's entry must not reach the parent";
    ASSERT_EQ(child.peers_identifiers.size(), 4u);
    EXPECT_EQ(child.peers_identifiers[0].value, "gw.example.com") << "not one byte short";
    EXPECT_EQ(child.peers_identifiers[1].address->text(), "192.0.2.7");
    EXPECT_EQ(child.peers_identifiers[2].value, "a@b.example")
        << "an address does not end the list";
    EXPECT_EQ(child.peers_identifiers[3].value, "x.example");
    EXPECT_TRUE(child.verify_identifier);
}

TEST(Inheritance, AppendsProposalsAndGivesInheritedOnesTheChildsLifetime) {
    const Loaded l = load_text(
        remote_text("\"parent\"") +
        "remote \"child\" inherit \"parent\" { lifetime time 1 hour; proposal { encryption_algorithm 3des;"
        " hash_algorithm sha1; authentication_method pre_shared_key; dh_group 2; lifetime time 5 min; } }\n");
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(l.config().remotes.at(0).proposals.at(0).lifetime, seconds(28800));
    const auto& proposals = l.config().remotes.at(1).proposals;
    ASSERT_EQ(proposals.size(), 2u);
    EXPECT_EQ(proposals[0].cipher->name, "aes");
    EXPECT_EQ(proposals[0].lifetime, seconds(3600));
    EXPECT_EQ(proposals[1].lifetime, seconds(300));
}

TEST(Inheritance, WorksFromAnonymousAndFromAnOldFormAddress) {
    const Loaded l = load_text(remote_text("anonymous", "nonce_size 20;") +
                               "remote 192.0.2.1 inherit anonymous { passive on; }\n"
                               "remote 2001:db8::5 [501] inherit 192.0.2.1 { }\n");
    ASSERT_TRUE(l.ok()) << l.text();
    const Remote& grandchild = l.config().remotes.at(2);
    EXPECT_EQ(grandchild.address->text(), "2001:db8::5[501]");
    EXPECT_EQ(grandchild.nonce_size, 20);
    EXPECT_TRUE(grandchild.passive);
}

TEST(Inheritance, ReplacesTheExchangeModes) {
    const Loaded l = load_text(remote_text("\"a\"") +
                               "remote \"b\" inherit \"a\" { exchange_mode main, main; }");
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(l.config().remotes.at(1).modes, std::vector{ExchangeMode::Main});
}

TEST(Remote, TheLifetimeHoldsForProposalsBeforeItToo) {
    const Loaded l = load_text("remote anonymous { exchange_mode main; " + std::string(kProposal) +
                               " lifetime time 2 min; }");
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(l.config().remotes.at(0).proposals.at(0).lifetime, seconds(120));
}

TEST(Remote, KeyIdIsTheWholeContentOfAFileUnlessTagged) {
    FileBundle beside;
    beside.files["group.txt"] = "staff\n";
    const Loaded l = load_text(remote_text("anonymous",
                                           "my_identifier keyid \"group.txt\"; "
                                           "peers_identifier keyid tag \"group.txt\"; "
                                           "peers_identifier keyid tag 0x00ff22;"),
                               beside);
    ASSERT_TRUE(l.ok()) << l.text();
    const Remote& r = l.config().remotes.at(0);
    EXPECT_EQ(r.my_identifier.type, 11);
    EXPECT_EQ(r.my_identifier.value, "staff\n") << "the newline belongs to it, as in racoon";
    EXPECT_EQ(r.peers_identifiers.at(0).value, "group.txt");
    EXPECT_EQ(r.peers_identifiers.at(1).value, std::string("\0\xff\x22", 3));
}

TEST(Remote, AnIncompleteTemplateServesNobodyAndIsNoError) {
    const Loaded l = load_text("remote \"modes\" { exchange_mode main; }\n" +
                               ("remote \"peer\" inherit \"modes\" { remote_address 192.0.2.1;\n" +
                                std::string(kProposal)) +
                               "}\n" + sainfo_text("anonymous"));
    ASSERT_TRUE(l.ok()) << l.text();
    ASSERT_EQ(l.config().remotes.size(), 1u);
    EXPECT_EQ(l.config().remotes[0].name, "peer");
    // Without an heir, or for a peer of its own, it is as incomplete as any.
    EXPECT_FALSE(load_text("remote \"modes\" { exchange_mode main; }\n").ok());
    EXPECT_FALSE(load_text("remote \"modes\" { exchange_mode main; remote_address 192.0.2.2; }\n"
                           "remote \"peer\" inherit \"modes\" { remote_address 192.0.2.1;\n" +
                           std::string(kProposal) + "}\n")
                     .ok());
}

TEST(Remote, AKnownAlgorithmWithoutItsModuleIsLeftOutWhileSomethingIsLeft) {
    const Loaded l = load_text("remote anonymous { exchange_mode main;\n" + std::string(kProposal) +
                               "\nproposal { encryption_algorithm camellia; hash_algorithm sha256; "
                               "authentication_method pre_shared_key; dh_group 14; } }\n" +
                               sainfo_text("anonymous"));
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(l.config().remotes.at(0).proposals.size(), 1u);
    EXPECT_EQ(
        l.lines(),
        "/etc/racoon/racoon.conf:3:33: warning: encryption_algorithm camellia: no loaded module "
        "provides it; installed: crypto-legacy; add: module \"standard\"; module \"crypto-legacy\"; "
        "[missing_module]\n");
}

TEST(Remote, OfflineAMissingModuleIsOnlyAWarning) {
    const std::string text =
        "remote anonymous { exchange_mode main; proposal { encryption_algorithm camellia; "
        "hash_algorithm sha1; authentication_method rsasig; dh_group 2; } }";
    EXPECT_FALSE(load_text(text).ok());
    EXPECT_TRUE(load_text(text, {}, {.offline = true}).ok());
}

TEST(Remote, OldFormDuplicatesAreToldBecauseTheyTie) {
    const Loaded l = load_text(remote_text("192.0.2.1") + remote_text("192.0.2.1"));
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(l.config().remotes.size(), 2u);
    EXPECT_NE(l.lines().find("warning: remote \"192.0.2.1[500]\" matches the same peers as remote"),
              std::string::npos)
        << l.lines();
}

TEST(Remote, ManyChildrenOfALargeParentDoNotMultiplyMemory) {
    std::string text = "remote \"p\" { exchange_mode main; ";
    for (int i = 0; i < 4000; ++i) text += "peers_identifier fqdn \"" + std::to_string(i) + "\";";
    text += std::string(kProposal) + "}\n";
    for (int i = 0; i < 2000; ++i) text += "remote \"" + std::to_string(i) + "\" inherit \"p\";\n";
    const Loaded l = load_text(text);
    EXPECT_FALSE(l.ok());
    EXPECT_NE(l.lines().find("too much is inherited"), std::string::npos);
}

TEST(Numbers, BeyondTheirRangeAreErrorsAndNotCut) {
    for (const char* wrong :
         {"nonce_size 65552;", "nonce_size 4294967312;", "ph1id 4294967296;", "nonce_size 0;"})
        EXPECT_FALSE(load_text(remote_text("anonymous", wrong)).ok()) << wrong;
    // ipsec-tools took these.
    for (const char* odd : {"dpd_delay 99999999;", "dpd_maxfail 0;"}) {
        const Loaded l = load_text(remote_text("anonymous", odd));
        EXPECT_TRUE(l.ok()) << odd;
        EXPECT_NE(l.lines().find("is used [odd_value]"), std::string::npos) << l.lines();
    }
}

}  // namespace
}  // namespace racoon::conf
