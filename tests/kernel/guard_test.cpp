// What kernel-userspace has the packet filter keep out, and by which messages.
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "conformance.hpp"
#include "guard_messages.hpp"

namespace racoon::test {
namespace {

using namespace kernel_userspace;

racoon_kernel_policy inbound(std::uint32_t id, const char* from, std::int32_t priority,
                             std::uint32_t action = RACOON_POLICY_IPSEC,
                             std::uint32_t level = RACOON_LEVEL_REQUIRE) {
    racoon_kernel_policy p =
        esp_policy(id, RACOON_DIR_IN, selector("192.168.1.0/24", from), "10.9.0.1", "10.9.0.2", id);
    p.priority = priority;
    p.action = action;
    p.templates[0].level = level;
    return p;
}

/// "-" for each rule that drops, "+" for one that admits, with the third byte of its peer's net.
std::string rules_of(const std::vector<racoon_kernel_policy>& policies) {
    std::vector<const racoon_kernel_policy*> all;
    for (const auto& p : policies) all.push_back(&p);
    std::string out;
    for (const GuardRule& rule : guard_rules(all))
        out += (rule.admits ? " +" : " -") + std::to_string(rule.selector.remote.bytes[2]);
    return out;
}

TEST(Guard, KeepsThePoliciesInTheirOrder) {
    EXPECT_EQ(rules_of({inbound(1, "192.168.2.0/24", 0), inbound(2, "192.168.3.0/24", 7),
                        inbound(3, "192.168.4.0/24", 0)}),
              " -3 -2 -4");
    EXPECT_EQ(rules_of({inbound(1, "192.168.2.0/24", 0, RACOON_POLICY_DISCARD)}), " -2");
    EXPECT_EQ(rules_of({inbound(1, "192.168.2.0/24", 0),
                        inbound(2, "192.168.3.0/24", 9, RACOON_POLICY_NONE)}),
              " +3 -2")
        << "an exception that comes before";
}

TEST(Guard, HasNoRuleThatKeepsNothingOut) {
    EXPECT_EQ(rules_of({}), "");
    EXPECT_EQ(rules_of({inbound(1, "192.168.2.0/24", 0, RACOON_POLICY_NONE)}), "");
    EXPECT_EQ(rules_of({inbound(1, "192.168.2.0/24", 0, RACOON_POLICY_IPSEC, RACOON_LEVEL_USE)}),
              "");
    EXPECT_EQ(rules_of({inbound(1, "192.168.2.0/24", 5),
                        inbound(2, "192.168.3.0/24", 0, RACOON_POLICY_NONE)}),
              " -2")
        << "what is not covered is let in anyhow";
    racoon_kernel_policy out = inbound(1, "192.168.2.0/24", 0);
    out.direction = RACOON_DIR_OUT;
    EXPECT_EQ(rules_of({out}), "");
}

TEST(Guard, AdmitsWhatMayComeWithoutAnSa) {
    racoon_kernel_policy p = inbound(1, "192.168.2.0/24", 0);
    EXPECT_FALSE(admits_clear(p));
    p.templates[0].level = RACOON_LEVEL_UNIQUE;
    EXPECT_FALSE(admits_clear(p));
    p.templates[0].level = RACOON_LEVEL_USE;
    EXPECT_TRUE(admits_clear(p));
    // IPComp leaves out what would not get smaller; beside it ESP is not optional.
    p.template_count = 2;
    p.templates[0].protocol = RACOON_IPPROTO_COMP;
    p.templates[0].mode = RACOON_MODE_TRANSPORT;
    p.templates[0].level = RACOON_LEVEL_REQUIRE;
    p.templates[1] = p.templates[0];
    EXPECT_TRUE(admits_clear(p));
    p.templates[1].protocol = RACOON_IPPROTO_ESP;
    EXPECT_FALSE(admits_clear(p));
}

TEST(Guard, ItsTableIsKnownByItsName) {
    EXPECT_EQ(guard_table_name(29281), "racoon-29281");
    EXPECT_EQ(guard_table_number("racoon-29281"), 29281u);
    for (const char* other : {"racoon", "racoon-", "racoon-x", "racoon-7x", "racoon-07",
                              "racoon-4294967296", "filter", ""})
        EXPECT_FALSE(guard_table_number(other)) << other;
}

TEST(Guard, IsReplacedInOneTransaction) {
    const racoon_kernel_policy p = inbound(1, "192.168.2.0/24", 0);
    const GuardBatch batch = put_guard({"racoon-7", "racoon0", {500}}, guard_rules({&p}), 41);
    std::vector<int> types;
    std::uint32_t acknowledged = 0;
    int left = static_cast<int>(batch.bytes.size());
    const auto* head = reinterpret_cast<const nlmsghdr*>(batch.bytes.data());
    for (std::uint32_t next = 41; mnl_nlmsg_ok(head, left); head = mnl_nlmsg_next(head, &left)) {
        EXPECT_EQ(head->nlmsg_seq, next++);
        types.push_back(head->nlmsg_type & 0xff);
        if ((head->nlmsg_flags & NLM_F_ACK) != 0) acknowledged = head->nlmsg_seq;
    }
    EXPECT_EQ(left, 0);
    ASSERT_GT(types.size(), 6u);
    EXPECT_EQ(types.front(), NFNL_MSG_BATCH_BEGIN);
    EXPECT_EQ(types.back(), NFNL_MSG_BATCH_END);
    EXPECT_EQ((std::vector<int>{types.begin() + 1, types.begin() + 4}),
              (std::vector<int>{NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE, NFT_MSG_NEWTABLE}));
    EXPECT_EQ(acknowledged, batch.last) << "one answer tells of all";
    // What it was made of is told apart from what others have.
    const auto* first = mnl_nlmsg_next(reinterpret_cast<const nlmsghdr*>(batch.bytes.data()),
                                       &(left = static_cast<int>(batch.bytes.size())));
    EXPECT_EQ(table_told(first), "racoon-7");
    EXPECT_EQ(table_lost(first), "");
}

}  // namespace
}  // namespace racoon::test
