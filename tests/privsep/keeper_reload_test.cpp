// A reload changes keeper, engine and kernel together, or nothing.
#include "privsep/keeper_fixture.hpp"

namespace racoon::privsep {
namespace {

TEST_F(KeeperReload, CommitsInBothProcessesAndServesTheNewPolicies) {
    const auto before = opened();
    write_config(std::string(kConfig) +
                 "policy spdadd 192.168.1.0/24 192.168.77.0/24 any -P out ipsec "
                 "esp/tunnel/10.9.0.1-10.9.0.2/require;\n"
                 "sainfo address 192.168.1.0/24 any address 192.168.77.0/24 any {\n"
                 "  encryption_algorithm aes 128; authentication_algorithm hmac_sha256;\n"
                 "  compression_algorithm deflate; }\n");
    const auto data = begin();
    ASSERT_TRUE(data);
    EXPECT_EQ(data->generation, generation_ + 1);
    EXPECT_EQ(data->numbers.policies.size(), keeper_->parsed().config->policies.size() + 1);
    answer(data->generation, true);
    ASSERT_EQ(others_.size(), 1u);
    EXPECT_EQ(others_[0].kind, Kind::ConfigCommit);
    ASSERT_EQ(done_.size(), 1u);
    EXPECT_TRUE(done_[0]) << done_[0].error().text();

    // A phase 1 of the engine's that was on its way when the generation changed.
    EXPECT_TRUE(ask(open_request())) << "the generation before is still known";
    generation_ = data->generation;
    const auto after = opened();
    SpiGet get = spi_request(after.use);
    const conf::Policy* fresh = nullptr;
    for (const auto& p : keeper_->parsed().config->policies)
        if (p.selector.remote.net.text() == "192.168.77.0/24") fresh = &p;
    ASSERT_NE(fresh, nullptr);
    get.policy = fresh->id;
    get.reqid = fresh->templates[0].reqid;
    EXPECT_TRUE(ask(get));
    get.use = before.use;
    expect_denied(get, "no policy");

    // An ISAKMP SA that stays up under the new configuration may use it, once it is said which section is
    // its own now, and only one that is for its peer.
    Phase1Rebind rebind;
    rebind.use = before.use;
    rebind.generation = generation_;
    rebind.section = section("10.9.0.3");
    tell(rebind);
    expect_denied(get, "no policy");
    rebind.section = section("10.9.0.2");
    tell(rebind);
    EXPECT_TRUE(ask(get));
}

TEST_F(KeeperReload, NothingIsInForceWhenTheKernelRefusesAPolicy) {
    // The model of the kernel takes one policy for each traffic, whatever its priority.
    write_config(std::string(kConfig) +
                 "policy spdadd 192.168.1.0/24 192.168.77.0/24 any -P out ipsec "
                 "esp/tunnel/10.9.0.1-10.9.0.2/require;\n"
                 "policy spdadd 192.168.1.0/24 192.168.78.0/24 any -P out prio 1 ipsec "
                 "esp/tunnel/10.9.0.1-10.9.0.2/require;\n"
                 "policy spdadd 192.168.1.0/24 192.168.78.0/24 any -P out prio 2 ipsec "
                 "esp/tunnel/10.9.0.1-10.9.0.2/require;\n");
    for (int i = 0; i < 2; ++i) {
        done_.clear();
        const auto data = begin();
        ASSERT_TRUE(data);
        answer(data->generation, true);
        ASSERT_EQ(others_.size(), 1u);
        EXPECT_EQ(others_[0].kind, Kind::ConfigAbort);
        others_.clear();
        ASSERT_EQ(done_.size(), 1u);
        ASSERT_FALSE(done_[0]);
        EXPECT_THAT(done_[0].error().text(), HasSubstr("192.168.78.0/24"));
        EXPECT_EQ(keeper_->parsed().config->policies.size(), 2u + 1u) << "with the forward one";
    }
    // The steps before it were taken back, else this one would be in its own way.
    write_config(std::string(kConfig) +
                 "policy spdadd 192.168.1.0/24 192.168.77.0/24 any -P out ipsec "
                 "esp/tunnel/10.9.0.1-10.9.0.2/unique;\n");
    done_.clear();
    const auto data = begin();
    ASSERT_TRUE(data);
    answer(data->generation, true);
    ASSERT_EQ(done_.size(), 1u);
    EXPECT_TRUE(done_[0]) << done_[0].error().text();
}

TEST_F(KeeperReload, AChangedPolicyTakesThePlaceOfTheOldOne) {
    std::string changed = kConfig;
    changed.replace(changed.find("-10.9.0.2/require"), 17, "-10.9.0.3/require");
    const PolicyId id = out_policy().id;
    write_config(changed);
    const auto data = begin();
    ASSERT_TRUE(data);
    answer(data->generation, true);
    ASSERT_EQ(done_.size(), 1u);
    EXPECT_TRUE(done_[0]) << done_[0].error().text();
    EXPECT_NE(out_policy().id, id);
}

TEST_F(KeeperReload, AChangedPolicyIsReplacedInOneStep) {
    static int deleted, updated;
    deleted = updated = 0;
    static racoon_kernel original;
    const auto* provider = host_->registry().ranked(RACOON_POINT_KERNEL).front();
    auto& table = const_cast<racoon_kernel&>(*provider->as<racoon_kernel>());
    original = table;
    table.policy_delete = [](void* impl, std::uint32_t id, racoon_op op,
                             racoon_error* err) noexcept {
        ++deleted;
        return original.policy_delete(impl, id, op, err);
    };
    table.policy_update = [](void* impl, std::uint32_t id, const racoon_kernel_policy* policy,
                             racoon_op op, racoon_error* err) noexcept {
        ++updated;
        return original.policy_update(impl, id, policy, op, err);
    };
    std::string changed = kConfig;
    changed.replace(changed.find("-10.9.0.2/require"), 17, "-10.9.0.2/unique ");
    write_config(changed);
    const auto data = begin();
    ASSERT_TRUE(data);
    EXPECT_EQ(updated, 0) << "before the engine is ready";
    answer(data->generation, true);
    ASSERT_EQ(done_.size(), 1u);
    EXPECT_TRUE(done_[0]) << done_[0].error().text();
    EXPECT_EQ(updated, 1);
    EXPECT_EQ(deleted, 0) << "traffic would pass in the clear until the next one is there";

    // A step back is one, too.
    write_config(std::string(kConfig) +
                 "policy spdadd 192.168.1.0/24 192.168.78.0/24 any -P out prio 1 ipsec "
                 "esp/tunnel/10.9.0.1-10.9.0.2/require;\n"
                 "policy spdadd 192.168.1.0/24 192.168.78.0/24 any -P out prio 2 ipsec "
                 "esp/tunnel/10.9.0.1-10.9.0.2/require;\n");
    done_.clear();
    others_.clear();
    const auto refused = begin();
    ASSERT_TRUE(refused);
    answer(refused->generation, true);
    ASSERT_EQ(done_.size(), 1u);
    EXPECT_FALSE(done_[0]);
    EXPECT_EQ(updated, 3);
    EXPECT_EQ(deleted, 1) << "of the one that was new";

    // A backend that cannot: one after the other.
    table.policy_update = nullptr;
    write_config(kConfig);
    done_.clear();
    others_.clear();
    const auto again = begin();
    ASSERT_TRUE(again);
    answer(again->generation, true);
    ASSERT_EQ(done_.size(), 1u);
    EXPECT_TRUE(done_[0]) << done_[0].error().text();
    EXPECT_EQ(deleted, 2);
}

TEST_F(KeeperReload, SocketsChangeTogetherWithTheConfiguration) {
    auto fresh = net::open_udp({ip("127.0.0.1"), 0});
    ASSERT_TRUE(fresh);
    const Endpoint local = fresh->local;
    sockets_.added.push_back(std::move(*fresh));
    sockets_.closed = {{ip("127.0.0.2"), 500}};
    sockets_.close_control = true;
    const auto data = begin();
    ASSERT_TRUE(data);
    EXPECT_TRUE(others_.empty()) << "not before it is certain";
    answer(data->generation, true);
    settle();
    ASSERT_EQ(others_.size(), 2u);
    ASSERT_EQ(others_[0].kind, Kind::Sockets);
    const auto list = privsep::decode<SocketList>(others_[0].body);
    ASSERT_TRUE(list);
    ASSERT_EQ(list->sockets.size(), 1u);
    EXPECT_EQ(list->sockets[0].local, local);
    ASSERT_EQ(others_[0].fds.size(), 1u);
    ASSERT_EQ(others_[1].kind, Kind::ConfigCommit);
    const auto commit = privsep::decode<ConfigCommit>(others_[1].body);
    ASSERT_TRUE(commit);
    EXPECT_EQ(commit->generation, data->generation);
    EXPECT_EQ(commit->closed, (std::vector<Endpoint>{{ip("127.0.0.2"), 500}}));
    EXPECT_EQ(commit->control, ConfigCommit::Control::Close);
}

TEST_F(KeeperReload, KeepsTheOldConfigurationWhenTheEngineRefuses) {
    const auto data = begin();
    ASSERT_TRUE(data);
    answer(data->generation, false);
    ASSERT_EQ(others_.size(), 1u);
    EXPECT_EQ(others_[0].kind, Kind::ConfigAbort);
    ASSERT_EQ(done_.size(), 1u);
    ASSERT_FALSE(done_[0]);
    EXPECT_THAT(done_[0].error().text(), HasSubstr("not for me"));
    EXPECT_EQ(opened().nonce.size(), 32u) << "the old generation serves";
}

TEST_F(KeeperReload, AnEngineThatDiesMeanwhileLeavesTheOldConfiguration) {
    ASSERT_TRUE(begin());
    engine_.reset();
    run();
    ASSERT_EQ(done_.size(), 1u);
    EXPECT_FALSE(done_[0]);
    attach();
    EXPECT_EQ(generation_, 1u);
}

}  // namespace
}  // namespace racoon::privsep
