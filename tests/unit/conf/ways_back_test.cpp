// Which inbound policy takes what comes back for an outbound one.
#include <gtest/gtest.h>

#include "conf/policies.hpp"

namespace racoon::conf {
namespace {

Policy policy(std::uint32_t id, Direction direction) {
    Policy p;
    p.id = PolicyId{id};
    p.direction = direction;
    p.selector.local.net = Prefix::make(IpAddr::parse("192.168.1.0").value(), 24).value();
    p.selector.remote.net = Prefix::make(IpAddr::parse("192.168.2.0").value(), 24).value();
    PolicyTemplate t;
    t.local = IpAddr::parse("10.9.0.1").value();
    t.remote = IpAddr::parse("10.9.0.2").value();
    p.templates.push_back(t);
    return p;
}

TEST(WaysBack, AreOfTheSameTrafficAndInterface) {
    const Policy out = policy(1, Direction::Out), in = policy(2, Direction::In);
    WaysBack ways;
    EXPECT_EQ(ways.of(out), nullptr);
    ways.add(in);
    EXPECT_EQ(ways.of(out), &in);
    EXPECT_EQ(ways.with_rules_of(out), &in);
    Policy other = out;
    other.selector.protocol = 17;
    EXPECT_EQ(ways.of(other), nullptr);
    other = out;
    other.marks.if_id = 7;
    EXPECT_EQ(ways.of(other), nullptr);
    ways.remove(in);
    EXPECT_EQ(ways.of(out), nullptr);
}

TEST(WaysBack, HaveTheMarkOrNone) {
    Policy out = policy(1, Direction::Out);
    const Policy plain = policy(2, Direction::In);
    Policy marked = policy(3, Direction::In);
    marked.marks.mark = {5, 0xff};
    WaysBack ways;
    ways.add(marked);
    EXPECT_EQ(ways.of(out), nullptr);
    out.marks.mark = {5, 0xff};
    EXPECT_EQ(ways.of(out), &marked);
    ways.add(plain);
    EXPECT_EQ(ways.of(out), &marked) << "the nearer one";
    ways.remove(marked);
    EXPECT_EQ(ways.of(out), &plain);
}

TEST(WaysBack, OfSeveralTheFirstWithTheSameRules) {
    const Policy out = policy(1, Direction::Out);
    Policy elsewhere = policy(2, Direction::In), transport = policy(3, Direction::In);
    elsewhere.templates[0].remote = IpAddr::parse("10.9.0.3").value();
    transport.templates[0].tunnel = false;
    Policy longer = policy(4, Direction::In);
    longer.templates.push_back(longer.templates[0]);
    const Policy first = policy(5, Direction::In), second = policy(6, Direction::In);
    WaysBack ways;
    const Policy* const all[] = {&second, &first, &longer, &transport, &elsewhere};
    for (const Policy* p : all) ways.add(*p);
    EXPECT_EQ(ways.of(out), &elsewhere);
    EXPECT_EQ(ways.with_rules_of(out), &first) << "whichever came first";
    ways.remove(first);
    ways.remove(second);
    EXPECT_EQ(ways.with_rules_of(out), nullptr);
}

}  // namespace
}  // namespace racoon::conf
