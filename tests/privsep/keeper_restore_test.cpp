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

class KeeperRestoreMade : public KeeperRestore {
  protected:
    void before_start() override { configure("generate_policy on;"); }
    void configure(const std::string& words) {
        std::string text = kConfig;
        const std::string section = "remote 10.9.0.2 { ";
        text.replace(text.find(section), section.size(), section + words + " ");
        write_config("path backupsa \"" + saved_file() + "\";\n" + text +
                     "sainfo address 10.50.0.0/16 any anonymous { encryption_algorithm aes 128;"
                     " authentication_algorithm hmac_sha256; compression_algorithm deflate; }\n");
    }
    /// For a host that no policy names.
    PairKeep install_made(std::uint64_t use) {
        PolicyMake make;
        make.use = use;
        make.selector = nets("10.50.0.0", 16, "203.0.113.9", 32);
        make.rules = {{50, true}};
        const auto made = ask(make);
        EXPECT_TRUE(made) << made.error().text();
        if (!made) return {};
        SpiGet get = spi_request(use);
        get.policy = made->policy;
        get.reqid = made->reqid;
        const auto spi = ask(get);
        EXPECT_TRUE(spi) << spi.error().text();
        if (!spi) return {};
        PairKeep record = pair_record(spi->spi, Spi{0x7000});
        record.policy = made->policy;
        record.made = true;
        record.selector = make.selector;
        record.sas[0].reqid = made->reqid;
        tell(record);
        for (const bool inbound : {true, false}) {
            SaInstall sa = sa_request(use, inbound ? spi->spi : Spi{0x7000}, inbound);
            sa.policy = made->policy;
            sa.reqid = made->reqid;
            sa.selector = make.selector;
            sa.hard_seconds = 3600;
            const auto installed = ask(sa);
            EXPECT_TRUE(installed) << installed.error().text();
        }
        PolicyUse stay;
        stay.policy = made->policy;
        stay.seconds = 3600;
        EXPECT_TRUE(ask(stay));
        return record;
    }
};

TEST_F(KeeperRestoreMade, APolicyThatWasMadeForAPeerComesBackWithItsSas) {
    const PairKeep record = install_made(opened().use);
    start_again(true);
    EXPECT_EQ(keeper_->counters().sas, 2u) << log_.all();
    attach(false);
    const auto told = hand_over();
    ASSERT_EQ(told.size(), 1u);
    EXPECT_TRUE(told[0].whole);
    EXPECT_TRUE(told[0].record.made);
    EXPECT_EQ(told[0].record.selector, record.selector);
    EXPECT_EQ(told[0].record.sas[0].reqid, record.sas[0].reqid);
    // The next engine goes on with it: it is the same request, and the policy is in the kernel.
    const auto open = opened();
    PolicyMake again;
    again.use = open.use;
    again.selector = record.selector;
    again.rules = {{50, true}};
    const auto same = ask(again);
    ASSERT_TRUE(same) << same.error().text();
    EXPECT_EQ(same->policy, told[0].record.policy);
    EXPECT_EQ(same->reqid, record.sas[0].reqid);
}

TEST_F(KeeperRestoreMade, ItDoesNotComeBackWhereThePeerMayHaveNone) {
    install_made(opened().use);
    configure("");
    start_again(true);
    EXPECT_EQ(keeper_->counters().sas, 0u);
    EXPECT_THAT(log_.all(),
                HasSubstr("do not come back: remote \"10.9.0.2[500]\" makes no policies"));
}

TEST_F(KeeperRestore, AFolderThatTakesNoFileIsToldAtTheStart) {
    write_config(std::string("path backupsa \"/proc/racoon-sa\";\n") + kConfig);
    start_again(true, false);
    EXPECT_THAT(opened_.error().text(), HasSubstr("/proc/racoon-sa"));
}

}  // namespace
}  // namespace racoon::privsep
