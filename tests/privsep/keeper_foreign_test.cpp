// Policies of others, which the keeper judges and the engine serves.
#include "privsep/keeper_fixture.hpp"

namespace racoon::privsep {
namespace {

// --- policies of others

constexpr const char* kForeignSainfo = R"(
sainfo address 192.168.11.0/24 any address 192.168.12.0/24 any {
  encryption_algorithm aes 128; authentication_algorithm hmac_sha256; compression_algorithm deflate; })";

/// The backend tells of policies that are not the daemon's.
class KeeperForeign : public KeeperTest {
  protected:
    void modules_started() override {
        const auto* provider = host_->registry().ranked(RACOON_POINT_KERNEL).front();
        auto& table = const_cast<racoon_kernel&>(*provider->as<racoon_kernel>());
        if (original_.open == nullptr) original_ = table;
        answered_.clear();
        table.open = [](void* impl, const racoon_kernel_events* events,
                        racoon_error* err) noexcept {
            events_ = *events;
            return original_.open(impl, events, err);
        };
        table.acquire_done = [](void*, std::uint64_t token, racoon_status) noexcept {
            answered_.push_back(token);
            return racoon_status{RACOON_OK};
        };
        table.watch_policies = [](void*, const racoon_kernel_foreign* listener,
                                  racoon_error*) noexcept {
            listener_ = *listener;
            if (nothing_there_) return racoon_status{RACOON_OK};
            tell(RACOON_DIR_OUT, 0, 16385);
            tell(RACOON_DIR_IN, 1, 16386);
            // What a run before this one was asked for.
            acquire(1, "10.9.0.2");
            tell(RACOON_DIR_OUT, 2, 0, "10.9.0.77");
            acquire(2, "10.9.0.77", 2);
            return racoon_status{RACOON_OK};
        };
    }
    void TearDown() override {
        const auto* provider = host_->registry().ranked(RACOON_POINT_KERNEL).front();
        const_cast<racoon_kernel&>(*provider->as<racoon_kernel>()) = original_;
        original_ = {};
        first_ = 0;
        nothing_there_ = false;
        KeeperTest::TearDown();
    }
    static void tell(std::uint32_t direction, std::uint32_t number, std::uint32_t reqid,
                     const char* peer = "10.9.0.2") {
        racoon_kernel_policy p{};
        p.struct_size = sizeof p;
        p.id = RACOON_FOREIGN_POLICY_FIRST + first_ + number;
        p.direction = direction;
        p.action = RACOON_POLICY_IPSEC;
        p.selector.local = to_abi(ip("192.168.11.0"));
        p.selector.remote = to_abi(ip("192.168.12.0"));
        p.selector.local_prefix = p.selector.remote_prefix = 24;
        p.template_count = 1;
        p.templates[0].protocol = RACOON_IPPROTO_ESP;
        p.templates[0].mode = RACOON_MODE_TUNNEL;
        p.templates[0].level = RACOON_LEVEL_UNIQUE;
        p.templates[0].reqid = reqid;
        p.templates[0].local = to_abi(ip("10.9.0.1"));
        p.templates[0].remote = to_abi(ip(peer));
        listener_.policy(listener_.arg, &p);
    }
    static void acquire(std::uint64_t token, const char* peer, std::uint32_t number = 0) {
        racoon_kernel_event event{};
        event.struct_size = sizeof event;
        event.type = RACOON_KERNEL_ACQUIRE;
        event.acquire_token = token;
        event.policy_id = RACOON_FOREIGN_POLICY_FIRST + first_ + number;
        event.protocol = RACOON_IPPROTO_ESP;
        event.src = to_abi(ip("10.9.0.1"));
        event.dst = to_abi(ip(peer));
        events_.event(events_.arg, &event);
    }
    SpiGet foreign_spi(std::uint64_t use) const {
        SpiGet get = spi_request(use);
        get.policy = PolicyId{RACOON_FOREIGN_POLICY_FIRST};
        get.reqid = ReqId{16386};
        return get;
    }
    SaInstall foreign_sa(std::uint64_t use, Spi spi, bool inbound) const {
        SaInstall sa = sa_request(use, spi, inbound);
        sa.policy = PolicyId{RACOON_FOREIGN_POLICY_FIRST};
        sa.reqid = ReqId{inbound ? 16386u : 16385u};
        sa.selector = nets("192.168.11.0", 24, "192.168.12.0", 24);
        return sa;
    }
    std::vector<ForeignList> told() {
        std::vector<ForeignList> out;
        for (const Message& m : std::exchange(others_, {}))
            if (m.kind == Kind::Foreign) out.push_back(*privsep::decode<ForeignList>(m.body));
        return out;
    }
    static inline racoon_kernel_foreign listener_;
    static inline racoon_kernel_events events_;
    static inline std::vector<std::uint64_t> answered_;
    static inline std::uint32_t first_ = 0;  // number of the first one
    static inline bool nothing_there_ = false;
    static inline racoon_kernel original_;
};

TEST_F(KeeperForeign, WhatWasAskedForBeforeIsGivenBackWhereItsPeerIsOurs) {
    EXPECT_THAT(answered_, ElementsAre(1u)) << "the other one may be another daemon's";
}

TEST_F(KeeperForeign, TheEngineIsToldBeforeItServesAndAtEveryChange) {
    keeper_->hand_over({}, {});
    settle();
    EXPECT_EQ(others_.back().kind, Kind::Serve);
    auto lists = told();
    ASSERT_EQ(lists.size(), 1u);
    EXPECT_TRUE(lists[0].anew);
    ASSERT_EQ(lists[0].policies.size(), 2u);
    EXPECT_EQ(lists[0].policies[0].id.value, RACOON_FOREIGN_POLICY_FIRST);
    EXPECT_EQ(lists[0].policies[0].templates[0].reqid_of(true), ReqId{16386});
    listener_.gone(listener_.arg, RACOON_FOREIGN_POLICY_FIRST);
    run();
    lists = told();
    ASSERT_EQ(lists.size(), 1u);
    EXPECT_FALSE(lists[0].anew);
    EXPECT_EQ(lists[0].gone.size(), 1u);
}

TEST_F(KeeperForeign, ItsSasAreInstalledWithTheRequestIdsOfTheKernelAndNoOthers) {
    write_config(std::string(kConfig) + kForeignSainfo);
    engine_.reset();
    keeper_.reset();
    host_->destroy();
    begin(false);
    attach();
    keeper_->hand_over({}, {});
    settle();
    others_.clear();
    const auto open = opened();
    SpiGet bad = foreign_spi(open.use);
    bad.reqid = ReqId{16385};
    expect_denied(bad, "has no template for protocol 50, tunnel, reqid 16385");
    bad = foreign_spi(open.use);
    bad.peer = ip("10.9.0.66");
    expect_denied(bad, "is between 10.9.0.1 and 10.9.0.2");
    const auto spi = ask(foreign_spi(open.use));
    ASSERT_TRUE(spi) << spi.error().text();
    auto wide = foreign_sa(open.use, spi->spi, true);
    wide.selector = nets("192.168.0.0", 16, "192.168.12.0", 24);
    expect_denied(wide, "covers 192.168.11.0/24");
    const auto in = ask(foreign_sa(open.use, spi->spi, true));
    EXPECT_TRUE(in) << in.error().text();
    auto out = foreign_sa(open.use, Spi{0x1234}, false);
    out.reqid = ReqId{16386};
    expect_denied(out, "no template");
    EXPECT_TRUE(ask(foreign_sa(open.use, Spi{0x1234}, false)));

    // A number that nobody told, and a policy that was removed a moment ago: the one is no crime.
    bad = foreign_spi(open.use);
    const auto before = keeper_->counters().refused;
    listener_.gone(listener_.arg, RACOON_FOREIGN_POLICY_FIRST);
    const auto late = ask(foreign_spi(open.use));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code(), Errc::NotFound) << late.error().text();
    EXPECT_EQ(keeper_->counters().refused, before);
}

TEST_F(KeeperForeign, TheBackendIsToldOfTheBufferForItsEvents) {
    EXPECT_EQ(events_.event_buffer, 0u);
    write_config(std::string(kConfig) + "pfkey_buffer 4096;\n");
    engine_.reset();
    keeper_.reset();
    host_->destroy();
    begin(false);
    EXPECT_EQ(events_.event_buffer, 4096u * 1024);
    EXPECT_EQ(log_.count("pfkey_buffer has no effect: the kernel backend sim"), 1u) << log_.all();
}

TEST_F(KeeperForeign, OnlyAPeerOfASectionIsNegotiatedWith) {
    const Book book(keeper_->parsed().config, 1);
    EXPECT_TRUE(book.may_initiate_to(ip("10.9.0.2")));
    EXPECT_FALSE(book.may_initiate_to(ip("10.9.0.3"))) << "its section is passive";
    EXPECT_FALSE(book.may_initiate_to(ip("10.9.0.77")));
}

class KeeperForeignRestore : public KeeperForeign {
  protected:
    void before_start() override {
        write_config("path backupsa \"" + saved_file() + "\";\n" + kConfig + kForeignSainfo);
    }
};

TEST_F(KeeperForeignRestore, SasForPoliciesOfOthersComeBackIfThoseAreThere) {
    keeper_->hand_over({}, {});
    settle();
    others_.clear();
    const auto open = opened();
    const auto spi = ask(foreign_spi(open.use));
    ASSERT_TRUE(spi) << spi.error().text();
    PairKeep record = pair_record(spi->spi, Spi{0x5000});
    record.policy = PolicyId{RACOON_FOREIGN_POLICY_FIRST};
    record.selector = nets("192.168.11.0", 24, "192.168.12.0", 24);
    record.sas[0].reqid = ReqId{16385};
    KeeperTest::tell(record);
    for (const bool inbound : {true, false}) {
        SaInstall sa = foreign_sa(open.use, inbound ? spi->spi : Spi{0x5000}, inbound);
        sa.hard_seconds = 3600;
        const auto installed = ask(sa);
        ASSERT_TRUE(installed) << installed.error().text();
    }
    // Numbers are of one run.
    for (first_ = 8; first_ < 10; ++first_) {
        start_again(true);
        EXPECT_EQ(keeper_->counters().sas, 2u) << log_.all();
        attach(false);
        const auto told = hand_over();
        ASSERT_EQ(told.size(), 1u);
        EXPECT_EQ(told[0].record.policy.value, RACOON_FOREIGN_POLICY_FIRST + first_);
        EXPECT_EQ(told[0].record.selector, record.selector);
    }
    nothing_there_ = true;
    start_again(true);
    EXPECT_EQ(keeper_->counters().sas, 0u);
    EXPECT_EQ(log_.count("do not come back: its policy is gone or changed"), 1u) << log_.all();
}

}  // namespace
}  // namespace racoon::privsep
