// racoon -B: SAs that were written down come back.
#include "privsep/keeper_fixture.hpp"

namespace racoon::privsep {
namespace {

class KeeperRestore : public KeeperTest {
  protected:
    void before_start() override {
        write_config("path backupsa \"" + saved_file() + "\";\n" + kConfig);
    }
};

TEST_F(KeeperRestore, BringsBackWhatTheOneBeforeHadInstalled) {
    const PairKeep record = install_pair(opened().use, Spi{0x5000});
    start_again(true);
    EXPECT_EQ(keeper_->counters().sas, 2u);
    attach(false);
    const auto told = hand_over();
    ASSERT_EQ(told.size(), 1u);
    EXPECT_TRUE(told[0].whole);
    EXPECT_TRUE(told[0].renew) << "the model had forgotten them";
    EXPECT_EQ(encode(told[0].record), encode(record));
    EXPECT_THAT(log_.all(), HasSubstr("0 as the kernel had them, 1 made anew"));
    // And once more, from what the second one has written.
    start_again(true);
    EXPECT_EQ(keeper_->counters().sas, 2u);
}

TEST_F(KeeperRestore, TakesNothingUpUnlessItIsTold) {
    install_pair(opened().use, Spi{0x5000});
    EXPECT_GT(std::filesystem::file_size(saved_file()), 0u);
    start_again(false);
    EXPECT_EQ(keeper_->counters().sas, 0u);
    EXPECT_EQ(std::filesystem::file_size(saved_file()), 0u);
}

TEST_F(KeeperRestore, WhatHasEndedDoesNotComeBack) {
    const auto open = opened();
    const PairKeep first = install_pair(open.use, Spi{0x5000});
    const PairKeep second = install_pair(open.use, Spi{0x6000});
    SaDelete gone;
    gone.spi = first.sas[0].spi_in;
    gone.src = ip("10.9.0.2");
    gone.dst = ip("10.9.0.1");
    ASSERT_TRUE(ask(gone));
    start_again(true);
    EXPECT_EQ(keeper_->counters().sas, 2u);
    attach(false);
    const auto told = hand_over();
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].record.sas[0].spi_in, second.sas[0].spi_in);
}

TEST_F(KeeperRestore, AnOrderlyEndLeavesNothing) {
    install_pair(opened().use, Spi{0x5000});
    bool ended = false;
    keeper_->shutdown(1s, [&] {
        ended = true;
        loop_->stop();
    });
    engine_->on_message([](Message&&) {});
    send(*engine_, Kind::Drained);
    run();
    settle();
    EXPECT_TRUE(ended);
    EXPECT_EQ(std::filesystem::file_size(saved_file()), 0u);
}

TEST_F(KeeperRestore, ComesBackOnlyUnderAConfigurationThatAllowsIt) {
    install_pair(opened().use, Spi{0x5000});
    std::string other = kConfig;
    const auto at = other.find("encryption_algorithm aes 128; authentication");
    other.replace(at, sizeof("encryption_algorithm aes 128") - 1, "encryption_algorithm 3des");
    write_config("path backupsa \"" + saved_file() + "\";\n" + other);
    start_again(true);
    EXPECT_EQ(keeper_->counters().sas, 0u);
    EXPECT_THAT(log_.all(), HasSubstr("do not come back"));
}

TEST_F(KeeperRestore, AFolderThatTakesNoFileIsToldAtTheStart) {
    write_config(std::string("path backupsa \"/proc/racoon-sa\";\n") + kConfig);
    start_again(true, false);
    EXPECT_THAT(opened_.error().text(), HasSubstr("/proc/racoon-sa"));
}

}  // namespace
}  // namespace racoon::privsep
