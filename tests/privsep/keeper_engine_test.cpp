// An engine that sends what it should not, goes, and comes again, and a kernel that refuses: nothing takes the keeper down.
#include "privsep/keeper_fixture.hpp"

namespace racoon::privsep {
namespace {

TEST_F(KeeperTest, ABadRequestFailsAloneAndTheNextOneIsServed) {
    for (const OpKind kind : {OpKind::Phase1Open, OpKind::Phase1Skeyid, OpKind::SpiGet,
                              OpKind::SaInstall, OpKind::SaDelete, OpKind::SaQuery}) {
        const auto reply = ask_raw(kind, Bytes{1, 2, 3});
        ASSERT_FALSE(reply);
        EXPECT_NE(reply.error().text(), "no answer") << static_cast<unsigned>(kind);
    }
    const auto unknown = ask_raw(static_cast<OpKind>(200), {});
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code(), Errc::Denied);
    const auto local = ask_raw(OpKind::DhGenerate, {});
    ASSERT_FALSE(local);
    EXPECT_EQ(local.error().code(), Errc::Denied);
    engine_->send(Message(Kind::Operation, Bytes{1}));
    engine_->send(Message(static_cast<Kind>(250), Bytes{1}));
    engine_->send(Message(Kind::Log, Bytes{9, 9, 9}));
    settle();
    EXPECT_GE(keeper_->counters().malformed, 9u);
    EXPECT_EQ(opened().nonce.size(), 32u) << "the keeper still serves";
    EXPECT_EQ(keeper_->counters().pending, 0u);
}

TEST_F(KeeperTest, AnEngineThatTakesSpisAndGivesThemBackDoesNotFillTheKeeper) {
    const auto open = opened();
    for (int i = 0; i < 3; ++i) {
        const auto spi = ask(spi_request(open.use));
        ASSERT_TRUE(spi);
        EXPECT_EQ(keeper_->counters().larval, 1u);
        SaDelete gone;
        gone.spi = spi->spi;
        gone.src = ip("10.9.0.2");
        gone.dst = ip("10.9.0.1");
        ASSERT_TRUE(ask(gone));
        EXPECT_EQ(keeper_->counters().larval, 0u);
    }
    const auto spi = ask(spi_request(open.use));
    ASSERT_TRUE(spi);
    ASSERT_TRUE(ask(sa_request(open.use, spi->spi, true)));
    EXPECT_EQ(keeper_->counters().larval, 0u) << "an SA is no reserved SPI any more";
    EXPECT_EQ(keeper_->counters().sas, 1u);
    Phase1Close close;
    close.use = open.use;
    tell(close);
    EXPECT_EQ(keeper_->counters().sas, 1u) << "and stays when its phase 1 goes";
}

TEST_F(KeeperTest, TheStepsOfAStartAreTakenOnce) {
    EXPECT_EQ(serving_, 1);
    Outcome out;
    out.good = false;
    out.text = "I end the daemon";
    send(*engine_, Kind::Ready, out);
    send(*engine_, Kind::Serving);
    settle();
    EXPECT_EQ(ready_, 0);
    EXPECT_EQ(serving_, 1);
    EXPECT_EQ(keeper_->counters().malformed, 2u);
    engine_.reset();
    run();
    attach();
    EXPECT_EQ(serving_, 2) << "a new engine is not held to what the last one said";
}

TEST_F(KeeperTest, OnlySoManyReloadsCanBeAskedForAtOneTime) {
    Token token;
    for (token.token = 1; token.token <= 200; ++token.token)
        send(*engine_, Kind::ReloadRequest, token);
    settle();
    EXPECT_EQ(reloads_.size(), 64u);
    keeper_->reload_done(reloads_.front(), ok());
    send(*engine_, Kind::ReloadRequest, token);
    settle();
    EXPECT_EQ(reloads_.size(), 65u);
}

TEST_F(KeeperTest, ForgetsWhatALostEngineHadUnderWayAndKeepsItsSas) {
    const auto open = opened();
    install_pair(open.use, Spi{0x5000});
    ASSERT_TRUE(ask(spi_request(open.use))) << "one that stays reserved";
    EXPECT_EQ(keeper_->counters().sas, 3u);
    lose_engine();
    EXPECT_EQ(keeper_->counters().phase1s, 0u);
    EXPECT_EQ(keeper_->counters().sas, 2u)
        << "the installed SAs stay, the reserved SPI is given back";
    attach();
    EXPECT_EQ(opened().nonce.size(), 32u);
}

TEST_F(KeeperTest, TellsTheNextEngineOfThePairsOfTheOneBefore) {
    const PairKeep record = install_pair(opened().use, Spi{0x5000});
    lose_engine();
    attach(false);
    const auto told = hand_over();
    ASSERT_EQ(told.size(), 1u);
    EXPECT_TRUE(told[0].whole);
    EXPECT_FALSE(told[0].renew);
    EXPECT_EQ(encode(told[0].record), encode(record));
    EXPECT_LT(told[0].age, 60s);
}

TEST_F(KeeperTest, NoSaStaysThatNoEngineWillKnow) {
    const auto open = opened();
    // A pair of which one half is there, and an SA of no pair.
    const auto spi = ask(spi_request(open.use));
    ASSERT_TRUE(spi);
    tell(pair_record(spi->spi, Spi{0x5000}));
    ASSERT_TRUE(ask(sa_request(open.use, spi->spi, true)));
    const auto other = ask(spi_request(open.use));
    ASSERT_TRUE(other);
    ASSERT_TRUE(ask(sa_request(open.use, other->spi, true)));
    lose_engine();
    EXPECT_EQ(keeper_->counters().sas, 0u);
    attach(false);
    const auto told = hand_over();
    ASSERT_EQ(told.size(), 1u) << "the next one begins anew what was cut off";
    EXPECT_FALSE(told[0].whole);
    EXPECT_EQ(told[0].record.sas[0].spi_in, spi->spi);
    lose_engine();
    attach(false);
    EXPECT_TRUE(hand_over().empty()) << "once";
}

TEST_F(KeeperTest, APairOfAnotherPolicyIsRefused) {
    const auto open = opened();
    const auto spi = ask(spi_request(open.use));
    ASSERT_TRUE(spi);
    PairKeep wrong = pair_record(spi->spi, Spi{0x5000});
    wrong.policy.value += 1;
    const auto before = keeper_->counters().refused;
    tell(wrong);
    EXPECT_EQ(keeper_->counters().refused, before + 1);
    wrong = pair_record(Spi{0x4444}, Spi{0x5000});
    tell(wrong);
    EXPECT_EQ(keeper_->counters().refused, before + 1) << "an SA that has just ended";
    wrong = pair_record(spi->spi, Spi{0x5000});
    wrong.local_id.type = 2;
    wrong.local_id.data = Bytes(4000, 'x');
    wrong.remote_id = wrong.local_id;
    wrong.peer_id = Bytes(4000, 'x');
    tell(wrong);
    EXPECT_EQ(keeper_->counters().refused, before + 2) << "more than is kept of a pair";
}

class KeeperRefusedByKernel : public KeeperTest, public ::testing::WithParamInterface<const char*> {
  protected:
    void before_start() override {
        std::string text = kConfig;
        const std::string module = "module \"kernel-sim\";";
        text.replace(text.find(module), module.size(),
                     "module \"kernel-sim\" { fail \"" + std::string(GetParam()) + "\"; }");
        write_config(text);
    }
    template <typename Reply>
    void expect(const char* request, const Result<Reply>& reply, const std::string& about) {
        if (std::string(GetParam()) != request) {
            ASSERT_TRUE(reply) << request << ": " << reply.error().text();
            return;
        }
        ASSERT_FALSE(reply) << request;
        EXPECT_EQ(reply.error().text(),
                  std::string(request) + " of " + about + " (errno 105): told to fail");
    }
};
INSTANTIATE_TEST_SUITE_P(Each, KeeperRefusedByKernel,
                         ::testing::Values("spi_get", "sa_update", "sa_add", "sa_query",
                                           "sa_delete"));

TEST_P(KeeperRefusedByKernel, TheEngineIsToldWhichCallWhichSaAndWhichErrno) {
    const auto open = opened();
    const auto spi = ask(spi_request(open.use));
    expect("spi_get", spi, "ESP 10.9.0.2->10.9.0.1");
    if (!spi) return;
    const std::string in =
        fmt::format("ESP 10.9.0.2->10.9.0.1 spi={}(0x{:x})", spi->spi.value, spi->spi.value);
    expect("sa_update", ask(sa_request(open.use, spi->spi, true)), in);
    expect("sa_add", ask(sa_request(open.use, Spi{0x5000}, false)),
           "ESP 10.9.0.1->10.9.0.2 spi=20480(0x5000)");
    SaQuery query;
    query.spi = spi->spi;
    query.src = ip("10.9.0.2");
    query.dst = ip("10.9.0.1");
    expect("sa_query", ask(query), in);
    SaDelete gone;
    gone.spi = query.spi;
    gone.src = query.src;
    gone.dst = query.dst;
    expect("sa_delete", ask(gone), in);
}

}  // namespace
}  // namespace racoon::privsep
