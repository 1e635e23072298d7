// Policy lines in setkey's syntax, and the numbers that policies get.
#include "conf/policies.hpp"
#include "conf/policy_syntax.hpp"

#include "conf/print.hpp"
#include "unit/conf/conf_test_support.hpp"

namespace racoon::conf {
namespace {

struct Parsed {
    std::vector<Policy> policies;
    std::string messages;
};
Parsed parse_lines(std::string text) {
    Sources sources;
    Diagnostics diagnostics(sources);
    Parsed out;
    parse_policy_file(sources, sources.add("p", std::move(text)), diagnostics, out.policies);
    drop_duplicate_policies(out.policies, diagnostics);
    for (const Diagnostic& d : diagnostics.take()) out.messages += d.line() + "\n";
    return out;
}

TEST(PolicySyntax, SeesSelectorAndTunnelFromThisHostInBothDirections) {
    const Parsed p = parse_lines(
        "spdadd 10.1.0.0/16 10.2.0.0/16[80] tcp -P out ipsec esp/tunnel/192.0.2.1-192.0.2.2/require;\n"
        "spdadd 10.2.0.0/16[80] 10.1.0.0/16 tcp -P in ipsec esp/tunnel/192.0.2.2-192.0.2.1/require;\n");
    EXPECT_EQ(p.messages, "");
    ASSERT_EQ(p.policies.size(), 3u);
    const Policy& out = p.policies[0];
    const Policy& in = p.policies[1];
    const Policy& fwd = p.policies[2];
    EXPECT_EQ(out.selector, in.selector);
    EXPECT_EQ(out.selector.text(), "10.1.0.0/16[any] 10.2.0.0/16[80] proto=6");
    EXPECT_EQ(in.templates[0].local.text(), "192.0.2.1");
    EXPECT_EQ(in.templates[0].remote.text(), "192.0.2.2");
    EXPECT_EQ(fwd.direction, Direction::Forward);
    EXPECT_TRUE(fwd.copied);
}

TEST(PolicySyntax, TransportModeHasNoEndsAndNoForwardPolicy) {
    const Parsed p = parse_lines(
        "spdadd 2001:db8::1 2001:db8::2 any -P in ipsec esp/transport//use ah/transport//require;");
    EXPECT_EQ(p.messages, "");
    ASSERT_EQ(p.policies.size(), 1u);
    ASSERT_EQ(p.policies[0].templates.size(), 2u);
    EXPECT_FALSE(p.policies[0].templates[0].tunnel);
    EXPECT_EQ(p.policies[0].templates[0].level, Level::Use);
    EXPECT_EQ(p.policies[0].templates[0].local.family, Family::None);
    EXPECT_EQ(p.policies[0].templates[1].protocol, 51);
}

TEST(PolicySyntax, AWrittenForwardPolicyReplacesTheCopy) {
    const Parsed p = parse_lines(
        "spdadd 10.2.0.0/16 10.1.0.0/16 any -P in ipsec esp/tunnel/192.0.2.2-192.0.2.1/require;\n"
        "spdadd 10.2.0.0/16 10.1.0.0/16 any -P fwd none;\n");
    EXPECT_EQ(p.messages, "");
    ASSERT_EQ(p.policies.size(), 2u);
    EXPECT_EQ(p.policies[1].action, PolicyAction::None);
}

TEST(PolicySyntax, ReadsTheFormsOfRealFiles) {
    const Parsed p = parse_lines(
        "#!/usr/sbin/setkey -f\nflush;\nspdflush;\n"
        "spdadd -4n 192.0.2.1[l2tp] 0.0.0.0/0 udp -P out\n\tipsec\n esp/transport//unique:2 ;\n"
        "spdadd 0.0.0.0/0 [1701] 192.0.2.1 [any] 17 -P out priority high - 5 ipsec esp/transport//require;\n"
        "spdadd 10.0.0.0/8 10.0.0.0/8 any -P out none;\n"
        "spdadd 10.1.0.0/16 10.2.0.0/16 255 -P out prio -7 discard;\n"
        "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out ipsec esp/tunnel/192.0.2.1[500]-192.0.2.2[500]/require;\n");
    EXPECT_EQ(p.messages, "");
    ASSERT_EQ(p.policies.size(), 5u);
    EXPECT_EQ(p.policies[0].selector.local.port, 1701);
    EXPECT_EQ(p.policies[0].templates[0].reqid.value, 2u);
    EXPECT_EQ(p.policies[1].priority, 0x40000000 - 5);
    EXPECT_EQ(p.policies[3].priority, -7);
    EXPECT_EQ(p.policies[3].selector.protocol, 0);
    EXPECT_EQ(p.policies[4].templates[0].remote.text(), "192.0.2.2");
}

TEST(PolicySyntax, ClearsHostBitsAndSaysSo) {
    const Parsed p = parse_lines("spdadd 10.1.2.3/16 10.2.0.0/16 any -P out none;");
    EXPECT_EQ(p.policies.at(0).selector.local.net.text(), "10.1.0.0/16");
    EXPECT_EQ(
        p.messages,
        "p:1:8: warning: 10.1.2.3 has bits beyond its prefix; 10.1.0.0/16 is meant [host_bits]\n");
}

TEST(PolicySyntax, GoesOnAfterAnErrorAndReportsAll) {
    const Parsed p = parse_lines(
        "spdadd 10.1.0.0/33 10.2.0.0/16 any -P out none;\n"
        "spdad 10.1.0.0/16 10.2.0.0/16 any -P out none;\n"
        "add 10.0.0.1 10.0.0.2 esp 0x100 -E null;\n"
        "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out ipsec esp/transport//require\n"
        "spdadd 10.3.0.0/16 10.2.0.0/16 any -P out none;\n");
    EXPECT_EQ(p.messages,
              "p:1:17: expected a prefix length from 0 to 32, found \"33\"\n"
              "p:2:1: unknown command \"spdad\"; did you mean \"spdadd\"?\n"
              "p:3:1: \"add\" has no place among racoon's policies; use setkey for it\n"
              "p:5:1: expected \";\" after the policy, found \"spdadd\"\n");
    EXPECT_EQ(p.policies.size(), 2u);
}

TEST(PolicySyntax, TheSecondPolicyForTheSameTrafficIsTold) {
    const Parsed p = parse_lines(
        "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out none;\n"
        "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out discard;\n"
        "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out prio 5 discard;\n");
    EXPECT_EQ(p.policies.size(), 2u) << "another priority is another policy";
    EXPECT_EQ(
        p.messages,
        "p:2:1: warning: this policy is never used: the one at p:1:1 is for the same traffic [shadowed]\n");
}

TEST(PolicySyntax, TheEndOfATunnelIsOneHost) {
    EXPECT_NE(
        parse_lines(
            "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out ipsec esp/tunnel/0.0.0.0-192.0.2.2/require;")
            .messages,
        "");
    EXPECT_NE(
        parse_lines(
            "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out ipsec esp/tunnel/192.0.2.1-224.0.0.1/require;")
            .messages,
        "");
}

Config with(const std::string& text) {
    Config c;
    c.policies = parse_lines(text).policies;
    return c;
}
const char* kPair =
    "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out ipsec esp/tunnel/192.0.2.1-192.0.2.2/require;\n"
    "spdadd 10.2.0.0/16 10.1.0.0/16 any -P in ipsec esp/tunnel/192.0.2.2-192.0.2.1/require;\n";
const char* kOther =
    "spdadd 10.1.0.0/16 10.3.0.0/16 any -P out ipsec esp/tunnel/192.0.2.1-192.0.2.2/require;\n";

TEST(PolicyIds, AnOutPolicyAndItsMirrorsShareOneReqId) {
    Config c = with(std::string(kPair) + kOther);
    assign_policy_ids(nullptr, c);
    ASSERT_EQ(c.policies.size(), 4u);
    const auto reqid = [&](std::size_t i) { return c.policies[i].templates[0].reqid; };
    EXPECT_EQ(reqid(0), reqid(1));
    EXPECT_EQ(reqid(0), reqid(2)) << "the forward policy";
    EXPECT_NE(reqid(0), reqid(3)) << "a policy of its own ReqId, or its acquires are suppressed";
    std::set<PolicyId> ids;
    for (const Policy& p : c.policies) ids.insert(p.id);
    EXPECT_EQ(ids.size(), 4u);
    EXPECT_FALSE(ids.contains(PolicyId{0}));
}

TEST(PolicyIds, WhatDidNotChangeKeepsItsNumbersAndOldOnesAreNotUsedAgain) {
    Config first = with(std::string(kOther) + kPair);
    assign_policy_ids(nullptr, first);
    Config second = with(kPair);
    assign_policy_ids(&first, second);
    EXPECT_EQ(second.policies[0].id, first.policies[1].id);
    EXPECT_EQ(second.policies[0].templates[0].reqid, first.policies[1].templates[0].reqid);
    Config third = with(std::string(kOther) + kPair);
    assign_policy_ids(&second, third);
    EXPECT_EQ(third.policies[1].id, second.policies[0].id);
    for (const Policy& p : first.policies) EXPECT_NE(third.policies[0].id, p.id);
    EXPECT_NE(third.policies[0].templates[0].reqid, first.policies[0].templates[0].reqid);
}

TEST(PolicyIds, AreTheSameInTwoProcesses) {
    Config a = with(std::string(kPair) + kOther), b = with(std::string(kPair) + kOther);
    assign_policy_ids(nullptr, a);
    assign_policy_ids(nullptr, b);
    for (std::size_t i = 0; i < a.policies.size(); ++i) {
        EXPECT_EQ(a.policies[i].id, b.policies[i].id);
        EXPECT_EQ(a.policies[i].templates[0].reqid, b.policies[i].templates[0].reqid);
    }
}

TEST(PolicyIds, UniqueKeepsItsNumberAndNobodyElseGetsIt) {
    Config c = with("spdadd 10.1.0.0/16 10.9.0.0/16 any -P out ipsec esp/transport//unique:41;\n" +
                    std::string(kPair));
    assign_policy_ids(nullptr, c);
    EXPECT_EQ(c.policies[0].templates[0].reqid.value, 41u);
    for (std::size_t i = 1; i < c.policies.size(); ++i)
        EXPECT_NE(c.policies[i].templates[0].reqid.value, 41u);
}

TEST(PolicyIds, TwoPoliciesThatDifferInPriorityDoNotShare) {
    Config c = with(
        "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out prio 1 ipsec esp/transport//require;\n"
        "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out prio 2 ipsec esp/transport//require;\n");
    assign_policy_ids(nullptr, c);
    EXPECT_NE(c.policies[0].templates[0].reqid, c.policies[1].templates[0].reqid);
}

TEST(PolicyMarks, AreReadAndPrintedAgain) {
    const Parsed p = parse_lines(
        "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out prio 5 mark 16/255 if_id 0x7 output_mark 1\n"
        "    ipsec esp/tunnel/192.0.2.1-192.0.2.2/require;\n"
        "spdadd 10.2.0.0/16 10.1.0.0/16 any -P in if_id 7 ipsec esp/tunnel/192.0.2.2-192.0.2.1/require;");
    EXPECT_EQ(p.messages, "");
    ASSERT_EQ(p.policies.size(), 3u);
    EXPECT_EQ(p.policies[0].marks, (Marks{7, {0x10, 0xff}, {1, 0xffffffff}}));
    EXPECT_EQ(p.policies[1].marks, (Marks{7, {}, {}}));
    EXPECT_EQ(p.policies[2].marks, (Marks{7, {}, {}})) << "the forward policy";
    EXPECT_EQ(print(p.policies[0]),
              "spdadd 10.1.0.0/16[any] 10.2.0.0/16[any] any -P out prio 5 if_id 7 mark 0x10/0xff "
              "output_mark 0x1 ipsec esp/tunnel/192.0.2.1-192.0.2.2/require;");
    EXPECT_EQ(parse_lines(print(p.policies[0])).policies[0].marks, p.policies[0].marks);
}

TEST(PolicyMarks, StandSideBySideForTheSameTraffic) {
    const Parsed p = parse_lines(
        "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out if_id 7 ipsec esp/transport//require;\n"
        "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out if_id 8 ipsec esp/transport//require;\n"
        "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out mark 1/3 ipsec esp/transport//require;\n"
        "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out mark 1 ipsec esp/transport//require;\n"
        "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out ipsec esp/transport//require;\n");
    EXPECT_EQ(p.messages, "");
    EXPECT_EQ(p.policies.size(), 5u);
}

TEST(PolicyMarks, TellMirrorsApart) {
    const char* kOut = "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out ";
    const char* kIn = "spdadd 10.2.0.0/16 10.1.0.0/16 any -P in ";
    const char* kRule = " ipsec esp/transport//require;\n";
    const auto line = [&](const char* head, const char* marks) {
        return std::string(head) + marks + kRule;
    };
    // Those without a mirror of their own are for what a marked policy brings in.
    Config c = with(line(kOut, "if_id 7") + line(kOut, "if_id 8") + line(kOut, "if_id 9 mark 1") +
                    line(kIn, "if_id 8") + line(kIn, "if_id 7") + line(kIn, "if_id 9"));
    assign_policy_ids(nullptr, c);
    ASSERT_EQ(c.policies.size(), 6u);
    const auto reqid = [&](std::size_t i) { return c.policies[i].templates[0].reqid; };
    EXPECT_EQ(reqid(0), reqid(4));
    EXPECT_EQ(reqid(1), reqid(3));
    EXPECT_EQ(reqid(2), reqid(5));
    EXPECT_EQ(std::set({reqid(0), reqid(1), reqid(2)}).size(), 3u);
    Config again = with(line(kIn, "if_id 9") + line(kOut, "if_id 9 mark 1"));
    assign_policy_ids(&c, again);
    EXPECT_EQ(again.policies[0].templates[0].reqid, reqid(5));
    EXPECT_EQ(again.policies[1].id, c.policies[2].id);
    Config changed = with(line(kOut, "if_id 9 mark 2"));
    assign_policy_ids(&c, changed);
    EXPECT_NE(changed.policies[0].id, c.policies[2].id) << "for the kernel it is another policy";
}

TEST(PolicyMarks, AreThoseOfTheSainfoWhereThePolicySaysNone) {
    const std::string head = remote_text("192.0.2.2", "ph1id 3;") +
                             sainfo_text("address 10.1.0.0/16 any address 10.2.0.0/16 any",
                                         "remoteid 3; if_id 7; mark 1/3; output_mark 4;") +
                             sainfo_text("anonymous", "if_id 5;");
    const Loaded l = load_text(head + "policy " +
                               std::string(kPair).substr(0, std::string(kPair).find('\n') + 1) +
                               "policy 10.2.0.0/16 10.1.0.0/16 any -P in if_id 9 ipsec "
                               "esp/tunnel/192.0.2.2-192.0.2.1/require;\n"
                               "policy 10.1.0.0/16 10.2.0.0/16 any -P out prio 1 none;\n");
    ASSERT_TRUE(l.ok()) << l.text();
    const auto& p = l.config().policies;
    ASSERT_EQ(p.size(), 4u);
    EXPECT_EQ(p[0].marks, (Marks{7, {1, 3}, {4, 0xffffffff}}));
    EXPECT_EQ(p[1].marks, (Marks{9, {1, 3}, {}})) << "its own, and nothing to set on what comes in";
    EXPECT_EQ(p[2].marks, p[1].marks);
    EXPECT_FALSE(p[3].marks.any()) << "no SA is made for it";
}

TEST(PolicyIds, SurviveAReloadThroughLoad) {
    const Loaded first =
        load_text("policy 10.1.0.0/16 10.2.0.0/16 any -P out ipsec esp/transport//require;\n");
    ASSERT_TRUE(first.ok());
    const Loaded second = load_text(
        "log info;\npolicy 10.9.0.0/16 10.2.0.0/16 any -P out none;\n"
        "policy 10.1.0.0/16 10.2.0.0/16 any -P out ipsec esp/transport//require;\n",
        {}, {.previous = &first.config()});
    ASSERT_TRUE(second.ok());
    EXPECT_EQ(second.config().policies[1].id, first.config().policies[0].id);
    EXPECT_NE(second.config().policies[0].id, first.config().policies[0].id);
}

}  // namespace
}  // namespace racoon::conf
