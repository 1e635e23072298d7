// What is configured is installed, and nothing else.
#include "privsep/keeper_fixture.hpp"

namespace racoon::privsep {
namespace {

TEST_F(KeeperTest, InstallsWhatIsConfigured) {
    const auto open = opened();
    const auto spi = ask(spi_request(open.use));
    ASSERT_TRUE(spi) << spi.error().text();
    EXPECT_GE(spi->spi.value, 256u);
    const auto in = ask(sa_request(open.use, spi->spi, true));
    ASSERT_TRUE(in) << in.error().text();
    const auto out = ask(sa_request(open.use, Spi{0x1234}, false));
    ASSERT_TRUE(out) << out.error().text();
    EXPECT_EQ(keeper_->counters().sas, 2u);

    SaQuery query;
    query.spi = spi->spi;
    query.src = ip("10.9.0.2");
    query.dst = ip("10.9.0.1");
    const auto state = ask(query);
    ASSERT_TRUE(state) << state.error().text();
    EXPECT_EQ(state->state, 1u) << "mature";

    SaDelete gone;
    gone.spi = spi->spi;
    gone.src = query.src;
    gone.dst = query.dst;
    EXPECT_TRUE(ask(gone));
    const auto again = ask(gone);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code(), Errc::NotFound);
    EXPECT_EQ(keeper_->counters().refused, 0u);
}

// Peers behind one NAT share the address: one of them must not take the other's outbound SA away by its SPI.
TEST_F(KeeperTest, AnOutboundSpiIsInstalledOnce) {
    const auto phase1 = opened();
    ASSERT_TRUE(ask(sa_request(phase1.use, Spi{0x1234}, false)));
    const auto again = ask(sa_request(opened().use, Spi{0x1234}, false));
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code(), Errc::Denied);
    EXPECT_THAT(again.error().text(), HasSubstr("a second time"));
}

TEST_F(KeeperTest, RefusesAnSpiOutsideOfTheConfiguration) {
    const auto open = opened();
    SpiGet bad = spi_request(open.use);
    bad.policy = PolicyId{4711};
    expect_denied(bad, "no policy 4711");
    bad = spi_request(open.use);
    bad.reqid = ReqId{bad.reqid.value + 1};
    expect_denied(bad, "no template");
    bad = spi_request(open.use);
    bad.protocol = 51;
    expect_denied(bad, "no template");
    bad = spi_request(open.use);
    bad.tunnel = false;
    expect_denied(bad, "no template");
    bad = spi_request(open.use);
    bad.peer = ip("10.9.0.66");
    expect_denied(bad, "is between 10.9.0.1 and 10.9.0.2");
    bad = spi_request(open.use + 5);
    expect_denied(bad, "no phase 1");
}

TEST_F(KeeperTest, RefusesAnSpiForAPolicyOfAnotherPeer) {
    Phase1Open request = open_request();
    request.section = section("10.9.0.3");
    request.peer.addr = ip("10.9.0.3");
    request.initiator = false;
    const auto open = ask(request);
    ASSERT_TRUE(open);
    expect_denied(spi_request(open->use), "by the phase 1 with 10.9.0.3");
}

TEST_F(KeeperTest, RefusesAnSaOutsideOfTheConfiguration) {
    const auto open = opened();
    const auto spi = ask(spi_request(open.use));
    ASSERT_TRUE(spi);
    expect_denied(sa_request(open.use, Spi{spi->spi.value ^ 0x100}, true), "not reserved");
    expect_denied(sa_request(open.use, Spi{7}, false), "the reserved SPI 7");

    auto bad = sa_request(open.use, spi->spi, true);
    bad.selector = nets("192.168.0.0", 16, "192.168.2.0", 24);
    expect_denied(bad, "covers 192.168.1.0/24");
    bad = sa_request(open.use, spi->spi, true);
    bad.selector = nets("192.168.1.0", 24, "0.0.0.0", 0);
    expect_denied(bad, "covers 192.168.1.0/24");
    bad = sa_request(open.use, spi->spi, true);
    bad.peer = ip("10.9.0.66");
    expect_denied(bad, "not 10.9.0.1 and 10.9.0.66");
    bad = sa_request(open.use, spi->spi, true);
    bad.encryption = "3des";
    bad.key_bits = 0;
    bad.encryption_key = Secret(24);
    expect_denied(bad, "no sainfo");
    bad = sa_request(open.use, spi->spi, true);
    bad.encryption = "null_enc";
    bad.key_bits = 0;
    bad.encryption_key = Secret();
    expect_denied(bad, "no sainfo");
    bad = sa_request(open.use, spi->spi, true);
    bad.encryption = "";
    bad.encryption_key = Secret();
    expect_denied(bad, "without an encryption algorithm");
    bad = sa_request(open.use, spi->spi, true);
    bad.integrity = "hmac_md5";
    bad.integrity_key = Secret(16);
    expect_denied(bad, "no sainfo");
    bad = sa_request(open.use, spi->spi, true);
    bad.encryption_key = Secret(15);
    expect_denied(bad, "a key of 15 bytes");
    bad = sa_request(open.use, spi->spi, true);
    bad.integrity_key = Secret(1);
    expect_denied(bad, "a key of 1 bytes");

    bad = sa_request(open.use, spi->spi, true);
    bad.marks.if_id = 7;
    expect_denied(bad, "an SA with \"if_id 7\"");

    ASSERT_TRUE(ask(sa_request(open.use, spi->spi, true)));
    expect_denied(sa_request(open.use, spi->spi, true), "a second time");
}

/// What the keeper says of policies that peers ask for.
class MakePolicy : public KeeperTest {
  protected:
    void SetUp() override {
        KeeperTest::SetUp();
        std::string text = kConfig;
        text.replace(text.find("passive on;"), 11, "passive on; generate_policy unique;");
        text += R"(
sainfo address 10.50.0.0/16 any address 172.16.0.0/12 any {
  encryption_algorithm aes 128; authentication_algorithm hmac_sha256; compression_algorithm deflate; }
sainfo address 10.50.0.0/16 any anonymous { if_id 7;
  encryption_algorithm aes 128; authentication_algorithm hmac_sha256; compression_algorithm deflate; }
sainfo anonymous {
  encryption_algorithm aes 128; authentication_algorithm hmac_sha256; compression_algorithm deflate; }
)";
        write_config(text);
        config = parse(nullptr).config;
        ASSERT_TRUE(config);
        book = std::make_unique<Book>(config, 1);
        facts.section = book->remote("10.9.0.3[500]");
        ASSERT_NE(facts.section, nullptr);
        facts.local = Endpoint{ip("10.9.0.1"), 500};
        facts.peer = Endpoint{ip("10.9.0.3"), 500};
    }
    /// "" : made.
    std::string says(const char* local, unsigned l, const char* remote, unsigned r,
                     std::vector<PolicyMake::Rule> rules = {{50, true}}, Marks marks = {}) {
        PolicyMake request;
        request.use = 1;
        request.selector = nets(local, l, remote, r);
        request.rules = std::move(rules);
        request.marks = marks;
        const std::vector<Prefix> own = {Prefix::make(ip("10.9.0.0"), 24).value(),
                                         Prefix::make(ip("192.168.1.0"), 24).value()};
        const Status status = book->check_policy_make(request, facts, own);
        return status ? "" : status.error().text();
    }
    conf::ConfigPtr config;
    std::unique_ptr<Book> book;
    Phase1Facts facts;
};

TEST_F(MakePolicy, NeverWidens) {
    // One host of the peer's, towards a net of ours.
    EXPECT_EQ(says("192.168.1.0", 24, "10.9.0.3", 32), "");
    EXPECT_EQ(says("192.168.1.7", 32, "203.0.113.9", 32), "");
    EXPECT_EQ(says("10.9.0.1", 32, "10.9.0.3", 32), "");
    // What a sainfo names.
    EXPECT_EQ(says("10.50.0.0", 16, "172.16.0.0", 12), "");
    EXPECT_EQ(says("10.50.0.0", 16, "10.9.0.3", 32), "");
    // More than that.
    EXPECT_THAT(says("192.168.1.0", 24, "203.0.113.0", 24), HasSubstr("more than one host"));
    EXPECT_THAT(says("192.168.1.0", 24, "0.0.0.0", 0), HasSubstr("more than one host"));
    EXPECT_THAT(says("0.0.0.0", 0, "10.9.0.3", 32), HasSubstr("none of our nets"));
    EXPECT_THAT(says("0.0.0.0", 1, "10.9.0.3", 32), HasSubstr("none of our nets"));
    EXPECT_THAT(says("192.168.0.0", 16, "10.9.0.3", 32), HasSubstr("none of our nets"));
    EXPECT_THAT(says("10.50.1.0", 24, "10.9.0.3", 32), HasSubstr("none of our nets"))
        << "nets are equal, not contained";
    // Marks are those of a sainfo.
    EXPECT_EQ(says("10.50.0.0", 16, "10.9.0.3", 32, {{50, true}}, Marks{7, {}, {}}), "");
    EXPECT_THAT(says("10.50.0.0", 16, "10.9.0.3", 32, {{50, true}}, Marks{8, {}, {}}),
                HasSubstr("if_id 8, which no sainfo has"));
    // Others' hosts.
    EXPECT_THAT(says("192.168.1.0", 24, "10.9.0.9", 32), HasSubstr("our own net"));
    EXPECT_THAT(says("192.168.1.0", 24, "192.168.1.9", 32), HasSubstr("our own net"));
    EXPECT_THAT(says("192.168.1.0", 24, "192.168.2.9", 32), HasSubstr("belongs to the policy"));
    EXPECT_THAT(says("192.168.1.0", 24, "224.0.0.5", 32), HasSubstr("more than one host"));
    EXPECT_THAT(says("192.168.1.0", 24, "127.0.0.53", 32), HasSubstr("every host's own"));
    // Transport mode is for the two hosts themselves.
    EXPECT_EQ(says("10.9.0.1", 32, "10.9.0.3", 32, {{50, false}, {51, false}}), "");
    EXPECT_THAT(says("192.168.1.7", 32, "10.9.0.3", 32, {{50, false}}), HasSubstr("two hosts"));
    EXPECT_THAT(says("10.9.0.1", 32, "10.9.0.3", 32, {{50, false}, {50, false}}),
                HasSubstr("two rules"));
    facts.section = book->remote("10.9.0.2[500]");
    EXPECT_THAT(says("192.168.1.0", 24, "10.9.0.3", 32), HasSubstr("makes no policies"));
}

TEST_F(MakePolicy, TakesNothingFromPoliciesOfOthers) {
    conf::Policy foreign;
    foreign.selector = nets("192.168.1.0", 24, "203.0.113.0", 24);
    PolicyMake request;
    request.selector = nets("192.168.1.7", 32, "203.0.113.9", 32);
    request.rules = {{50, true}};
    const std::vector<Prefix> own = {Prefix::make(ip("192.168.1.0"), 24).value()};
    EXPECT_TRUE(book->check_policy_make(request, facts, own));
    const conf::Policy* others[] = {&foreign};
    const Status refused = book->check_policy_make(request, facts, own, others);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().text(), HasSubstr("203.0.113.9 belongs to the policy for"));
}

TEST_F(KeeperTest, AnSaHasTheIntegrityThatIsConfigured) {
    const auto open = opened();
    SaInstall bare = sa_request(open.use, Spi{0x1234}, false);
    bare.integrity.clear();
    bare.integrity_key = Secret();
    expect_denied(bare, "no sainfo for");
}

TEST_F(KeeperTest, LeavesSasAloneThatItDidNotInstall) {
    SaDelete gone;
    gone.spi = Spi{0xabcdef};
    gone.src = ip("10.9.0.2");
    gone.dst = ip("10.9.0.1");
    const auto reply = ask(gone);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code(), Errc::NotFound);
}

}  // namespace
}  // namespace racoon::privsep
