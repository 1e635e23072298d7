// The policies of others as the keeper judges them, and what the engine is told.
#include "privsep/foreign_policies.hpp"

#include <chrono>
#include <gmock/gmock.h>
#include <racoon/plugin.h>

#include "support/log_capture.hpp"

namespace racoon::privsep {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint32_t kFirst = RACOON_FOREIGN_POLICY_FIRST;

IpAddr ip(const char* text) {
    return IpAddr::parse(text).value();
}

conf::Policy policy(std::uint32_t number, conf::Direction direction, std::uint32_t reqid = 0) {
    conf::Policy p;
    p.id = PolicyId{kFirst + number};
    p.direction = direction;
    p.selector.local.net = Prefix::make(ip("192.168.1.0"), 24).value();
    p.selector.remote.net = Prefix::make(ip("192.168.2.0"), 24).value();
    conf::PolicyTemplate t;
    t.reqid = ReqId{reqid};
    t.local = ip("10.9.0.1");
    t.remote = ip("10.9.0.2");
    p.templates.push_back(t);
    return p;
}

class ForeignPoliciesTest : public ::testing::Test {
  protected:
    void SetUp() override {
        loop_ = std::move(*loop::EventLoop::make());
        foreign_ = std::make_unique<ForeignPolicies>(
            *loop_, [this](const ForeignList& list) { told_.push_back(list); });
    }
    void wait(Duration time) {
        loop_->arm(time, [this] { loop_->stop(); });
        loop_->run();
    }
    std::vector<ForeignList> take() { return std::exchange(told_, {}); }

    test::LogCapture log_;
    std::unique_ptr<loop::EventLoop> loop_;
    std::unique_ptr<ForeignPolicies> foreign_;
    std::vector<ForeignList> told_;
};

TEST_F(ForeignPoliciesTest, WhatComesTogetherIsToldTogether) {
    foreign_->put(policy(1, conf::Direction::Out));
    wait(80ms);
    EXPECT_THAT(take(), IsEmpty()) << "there is nobody yet";
    EXPECT_NE(foreign_->find(PolicyId{kFirst + 1}), nullptr);
    foreign_->tell_all();
    auto told = take();
    ASSERT_THAT(told, SizeIs(1));
    EXPECT_TRUE(told[0].anew);
    EXPECT_FALSE(told[0].more);
    EXPECT_THAT(told[0].policies, SizeIs(1));

    for (std::uint32_t i = 2; i < 10; ++i) foreign_->put(policy(i, conf::Direction::Out));
    foreign_->gone(PolicyId{kFirst + 1});
    EXPECT_EQ(foreign_->find(PolicyId{kFirst + 1}), nullptr) << "at once";
    EXPECT_THAT(take(), IsEmpty());
    wait(80ms);
    told = take();
    ASSERT_THAT(told, SizeIs(1));
    EXPECT_FALSE(told[0].anew);
    EXPECT_THAT(told[0].policies, SizeIs(8));
    EXPECT_THAT(told[0].gone, ElementsAre(PolicyId{kFirst + 1}));

    // Not when nothing has changed in the end; and at once for who cannot wait.
    foreign_->gone(PolicyId{kFirst + 2});
    foreign_->put(policy(2, conf::Direction::Out));
    wait(80ms);
    EXPECT_THAT(take(), IsEmpty());
    foreign_->put(policy(11, conf::Direction::Out));
    foreign_->flush();
    EXPECT_THAT(take(), SizeIs(1));
    foreign_->tell_nobody();
    foreign_->put(policy(12, conf::Direction::Out));
    wait(80ms);
    EXPECT_THAT(take(), IsEmpty());
}

TEST_F(ForeignPoliciesTest, ManyThatChangeAllTheTimeAreToldOfLessOften) {
    for (std::uint32_t i = 0; i < 10'000; ++i) foreign_->put(policy(i, conf::Direction::Out));
    foreign_->tell_all();
    take();
    foreign_->put(policy(20'000, conf::Direction::Out));
    wait(100ms);
    EXPECT_THAT(take(), IsEmpty()) << "the engine has just had all of them";
    wait(1200ms);
    EXPECT_THAT(take(), SizeIs(1));
    wait(1200ms);
    foreign_->put(policy(20'001, conf::Direction::Out));
    wait(300ms);
    EXPECT_THAT(take(), SizeIs(1)) << "after a quiet time at once";
    foreign_->put(policy(20'002, conf::Direction::Out));
    foreign_->flush();
    EXPECT_THAT(take(), SizeIs(1)) << "and for a packet, whenever";
}

TEST_F(ForeignPoliciesTest, ManyTakeSeveralMessages) {
    for (std::uint32_t i = 0; i < 600; ++i) foreign_->put(policy(i, conf::Direction::Out));
    foreign_->tell_all();
    const auto told = take();
    ASSERT_THAT(told, SizeIs(3));
    EXPECT_TRUE(told[0].anew && told[0].more && !told[1].anew && told[1].more && !told[2].more);
    EXPECT_EQ(told[0].policies.size() + told[1].policies.size() + told[2].policies.size(), 600u);
}

TEST_F(ForeignPoliciesTest, InboundSasHaveTheRequestIdOfTheWayBack) {
    foreign_->put(policy(1, conf::Direction::Out, 16385));
    foreign_->put(policy(2, conf::Direction::In, 16386));
    foreign_->flush();
    EXPECT_THAT(foreign_->served(), SizeIs(1)) << "the outbound one";
    const conf::Policy* out = foreign_->find(PolicyId{kFirst + 1});
    ASSERT_NE(out, nullptr);
    EXPECT_EQ(out->templates[0].reqid_of(false), ReqId{16385});
    EXPECT_EQ(out->templates[0].reqid_of(true), ReqId{16386});
    // In a record to the engine, too.
    Writer bytes;
    ForeignList list;
    list.policies = {*out};
    list.gone = {PolicyId{3}};
    list.more = true;
    list.put(bytes);
    const auto read = decode<ForeignList>(bytes.view());
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(read->policies[0].templates[0].reqid_of(true), ReqId{16386});
    EXPECT_EQ(read->policies[0].selector, out->selector);
    EXPECT_EQ(read->policies[0].id, out->id);
    EXPECT_TRUE(read->more && !read->anew);

    // A file that is loaded anew: what the engine asks for meanwhile is judged as before.
    foreign_->gone(PolicyId{kFirst + 1});
    foreign_->put(policy(1, conf::Direction::Out, 16385));
    EXPECT_EQ(foreign_->find(PolicyId{kFirst + 1})->templates[0].reqid_of(true), ReqId{16386});

    foreign_->gone(PolicyId{kFirst + 2});
    foreign_->flush();
    EXPECT_EQ(foreign_->find(PolicyId{kFirst + 1})->templates[0].reqid_of(true), ReqId{16385});
    EXPECT_TRUE(foreign_->follows(PolicyId{kFirst + 1}, ip("10.9.0.2"), false));
    EXPECT_TRUE(foreign_->follows(PolicyId{kFirst + 1}, ip("10.9.0.2"), false));
    EXPECT_EQ(log_.count("no inbound policy in the kernel is for the same traffic"), 1u);
    // A mirror has the same ends, protocols and mark.
    auto other = policy(4, conf::Direction::In, 7);
    other.marks.mark = {5, 0xff};
    foreign_->put(other);
    foreign_->flush();
    EXPECT_EQ(foreign_->find(PolicyId{kFirst + 1})->templates[0].reqid_of(true), ReqId{16385});
    auto marked = policy(5, conf::Direction::Out, 9);
    marked.marks.mark = {6, 0xff};
    foreign_->put(marked);
    foreign_->put(policy(6, conf::Direction::In, 8));
    foreign_->flush();
    EXPECT_EQ(foreign_->find(PolicyId{kFirst + 5})->templates[0].reqid_of(true), ReqId{8})
        << "one without a mark takes what a marked one brings in";
}

TEST_F(ForeignPoliciesTest, ItsSasHaveTheOutputMarkOfItsSainfo) {
    const auto config = [](std::uint32_t mark) {
        auto out = std::make_shared<conf::Config>();
        conf::SaInfo info;
        info.local.selector.emplace();
        info.local.selector->net = Prefix::make(ip("192.168.1.0"), 24).value();
        info.remote.selector.emplace();
        info.remote.selector->net = Prefix::make(ip("192.168.2.0"), 24).value();
        info.marks.output_mark = {mark, 0xff};
        info.marks.mark = {9, 0xff};
        info.marks.if_id = 9;
        out->sainfos.push_back(info);
        return out;
    };
    foreign_->use(config(7));
    foreign_->put(policy(1, conf::Direction::Out));
    foreign_->put(policy(2, conf::Direction::In));
    auto other = policy(3, conf::Direction::Out);
    other.selector.remote.net = Prefix::make(ip("192.168.3.0"), 24).value();
    foreign_->put(other);
    foreign_->tell_all();
    EXPECT_EQ(take().at(0).policies.at(0).marks, (Marks{.output_mark = {7, 0xff}}))
        << "and no mark that the policy itself has not";
    EXPECT_FALSE(foreign_->find(PolicyId{kFirst + 3})->marks.any());
    // Another configuration, and the same once more.
    foreign_->use(config(8));
    wait(80ms);
    auto told = take();
    ASSERT_THAT(told, SizeIs(1));
    ASSERT_THAT(told[0].policies, SizeIs(1));
    EXPECT_EQ(told[0].policies[0].marks.output_mark, (Mark{8, 0xff}));
    foreign_->use(config(8));
    wait(80ms);
    EXPECT_THAT(take(), IsEmpty());
}

TEST_F(ForeignPoliciesTest, AnAcquireWithAStrangerIsLeftToOthers) {
    foreign_->put(policy(1, conf::Direction::Out));
    foreign_->put(policy(2, conf::Direction::In));
    foreign_->flush();
    EXPECT_TRUE(foreign_->follows(PolicyId{kFirst + 1}, ip("10.9.0.2"), false));
    for (int i = 0; i < 3; ++i)
        EXPECT_FALSE(foreign_->follows(PolicyId{kFirst + 1}, ip("10.9.0.2"), true));
    EXPECT_EQ(log_.count("no remote section is for its peer"), 1u) << log_.all();
    EXPECT_FALSE(foreign_->follows(PolicyId{kFirst + 2}, ip("10.9.0.2"), false)) << "inbound";
    EXPECT_FALSE(foreign_->follows(PolicyId{kFirst + 9}, ip("10.9.0.2"), false));
}

TEST_F(ForeignPoliciesTest, WhatCannotBeNegotiatedIsNotServedAndSaidOnce) {
    auto twice = policy(1, conf::Direction::Out);
    twice.templates.push_back(twice.templates[0]);
    foreign_->put(twice);
    foreign_->flush();
    foreign_->put(policy(2, conf::Direction::Out));
    foreign_->flush();
    EXPECT_EQ(foreign_->find(PolicyId{kFirst + 1}), nullptr);
    EXPECT_NE(foreign_->find(PolicyId{kFirst + 2}), nullptr);
    EXPECT_EQ(log_.count("is not served: it has two rules of one protocol"), 1u) << log_.all();
    // A number of the daemon's own is none that a backend may tell.
    auto forged = policy(3, conf::Direction::Out);
    forged.id = PolicyId{7};
    foreign_->put(forged);
    foreign_->flush();
    EXPECT_EQ(foreign_->find(PolicyId{7}), nullptr);
}

}  // namespace
}  // namespace racoon::privsep
