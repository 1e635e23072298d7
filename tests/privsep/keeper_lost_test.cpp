// What somebody else takes out of the kernel: policies come back, and the engine hears of SAs.
#include "privsep/keeper_fixture.hpp"

namespace racoon::privsep {
namespace {

/// With a hand in the kernel: what is removed there is told as by a real one.
class KeeperLost : public KeeperReload {
  protected:
    void modules_started() override {
        const auto* provider = host_->registry().ranked(RACOON_POINT_KERNEL).front();
        auto& table = const_cast<racoon_kernel&>(*provider->as<racoon_kernel>());
        original_ = table;
        added_.clear();
        refuse_ = 0;
        impl_ = provider->impl;
        table.open = [](void* impl, const racoon_kernel_events* events,
                        racoon_error* err) noexcept {
            events_ = *events;
            return original_.open(impl, events, err);
        };
        table.policy_add = [](void* impl, const racoon_kernel_policy* policy, racoon_op op,
                              racoon_error* err) noexcept {
            if (refuse_ > 0) {
                --refuse_;
                return RACOON_STATE;
            }
            added_.push_back(policy->id);
            return original_.policy_add(impl, policy, op, err);
        };
    }
    void somebody_removes(std::uint32_t id) {
        racoon_error err{};
        ASSERT_EQ(original_.policy_delete(impl_, id, racoon_op{}, &err), RACOON_OK);
        racoon_kernel_event event{};
        event.struct_size = sizeof event;
        event.type = RACOON_KERNEL_POLICY_CHANGED;
        event.policy_id = id;
        events_.event(events_.arg, &event);
    }
    /// Until so many policies have been added since, or so long.
    void wait_for(std::size_t many, std::chrono::milliseconds longest = 10s) {
        const auto end = std::chrono::steady_clock::now() + longest;
        while (added_.size() < many && std::chrono::steady_clock::now() < end) {
            loop_->arm(5ms, [this] { loop_->stop(); });
            run();
        }
    }
    static inline racoon_kernel original_;
    static inline racoon_kernel_events events_;
    static inline std::vector<std::uint32_t> added_;
    static inline int refuse_ = 0;
    void* impl_ = nullptr;
};

// The kernel had no room for its events: what has gone unnoticed is found by comparing.
TEST_F(KeeperLost, AfterEventsWereLostTheEngineHearsWhichSasAreGone) {
    const auto use = opened().use;
    const PairKeep stays = install_pair(use, Spi{0x1234});
    const PairKeep pair = install_pair(use, Spi{0x1235});
    others_.clear();
    racoon_kernel_sa_id id{};
    id.struct_size = sizeof id;
    id.protocol = 50;
    id.spi = pair.sas[0].spi_in.value;
    id.dst = to_abi(ip("10.9.0.1"));
    racoon_error err{};
    ASSERT_EQ(original_.sa_delete(impl_, &id, racoon_op{}, &err), RACOON_OK) << err.text;
    racoon_kernel_event event{};
    event.struct_size = sizeof event;
    event.type = RACOON_KERNEL_OVERRUN;
    for (int i = 0; i < 3; ++i) events_.event(events_.arg, &event);
    settle();
    std::vector<KernelEvent> told;
    for (const Message& m : others_)
        if (m.kind == Kind::KernelEvent)
            told.push_back(privsep::decode<KernelEvent>(m.body).value());
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].type, RACOON_KERNEL_SA_DELETED);
    EXPECT_EQ(told[0].spi, pair.sas[0].spi_in);
    EXPECT_EQ(log_.count("events of the kernel were lost: 3 SAs are there, 1 had gone unnoticed"),
              1u);
}

TEST_F(KeeperLost, AllOfThemArePutBackAtOnce) {
    const std::vector<std::uint32_t> all = added_;
    ASSERT_EQ(all.size(), 3u) << "out, in and fwd";
    added_.clear();
    for (const std::uint32_t id : all) somebody_removes(id);
    EXPECT_TRUE(added_.empty()) << "not while the backend is in the middle of its events";
    wait_for(3);
    std::vector<std::uint32_t> back = added_;
    std::sort(back.begin(), back.end());
    std::vector<std::uint32_t> expected = all;
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(back, expected);
    EXPECT_EQ(
        log_.count("3 policies were removed from the kernel by somebody else, and are back now"),
        1u);

    // Whoever goes on is not fought with: the pause grows.
    added_.clear();
    somebody_removes(all[0]);
    wait_for(1, 200ms);
    EXPECT_TRUE(added_.empty());
    wait_for(1);
    EXPECT_EQ(added_, std::vector{all[0]});
}

TEST_F(KeeperLost, WhatCannotBePutBackIsToldOnceAndTriedAgain) {
    const std::uint32_t id = out_policy().id.value;
    added_.clear();
    refuse_ = 1;
    somebody_removes(id);
    wait_for(1);
    EXPECT_EQ(added_, std::vector{id});
    EXPECT_EQ(log_.count("cannot be put back: its traffic is not protected"), 1u);
    EXPECT_EQ(log_.count("1 policy was removed from the kernel by somebody else, and is back now"),
              1u);
}

TEST_F(KeeperLost, OneThatAReloadChangesComesInItsNewForm) {
    const std::uint32_t id = out_policy().id.value;
    refuse_ = 1;  // it is still missing when the reload comes
    somebody_removes(id);
    settle();
    added_.clear();
    std::string changed = kConfig;
    changed.replace(changed.find("-10.9.0.2/require"), 17, "-10.9.0.2/unique ");
    write_config(changed);
    const auto data = begin();
    ASSERT_TRUE(data);
    answer(data->generation, true);
    ASSERT_EQ(done_.size(), 1u);
    EXPECT_TRUE(done_[0]) << done_[0].error().text();
    wait_for(2, 2s);
    EXPECT_EQ(added_, std::vector{out_policy().id.value}) << "once, and not the one before";
}

}  // namespace
}  // namespace racoon::privsep
