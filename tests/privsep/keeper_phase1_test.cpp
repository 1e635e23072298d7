// What the keeper does for phase 1: the section, our nonce, and SKEYID without being an oracle for keys.
#include "privsep/keeper_fixture.hpp"

namespace racoon::privsep {
namespace {

TEST_F(KeeperTest, DrawsOurNonceAndComputesSkeyidOfBoth) {
    const auto first = opened();
    const auto second = opened();
    EXPECT_EQ(first.nonce.size(), 32u);
    EXPECT_NE(first.nonce, second.nonce);
    EXPECT_NE(first.use, second.use);

    Phase1Skeyid request;
    request.use = first.use;
    request.hash = "sha256";
    request.peer_nonce = Bytes(20, 7);
    const auto reply = ask(request);
    ASSERT_TRUE(reply) << reply.error().text();

    // RFC 2409 section 5: SKEYID = prf(pre-shared-key, Ni_b | Nr_b); we are the initiator.
    const auto* hash = host_->registry().hash("sha256");
    const auto key = as_bytes("correct horse");
    const racoon_span parts[] = {{first.nonce.data(), first.nonce.size()},
                                 {request.peer_nonce.data(), request.peer_nonce.size()}};
    Bytes expected(32);
    ASSERT_EQ(hash->table->hmac(hash->impl, {key.data(), key.size()}, parts, 2, expected.data()),
              RACOON_OK);
    EXPECT_EQ(to_hex(reply->skeyid.view()), to_hex(expected));
}

TEST_F(KeeperTest, IsNoOracleForPreSharedKeys) {
    const auto open = opened();
    Phase1Skeyid good;
    good.use = open.use;
    good.hash = "sha256";
    good.peer_nonce = Bytes(16, 1);

    Phase1Skeyid bad = good;
    bad.use = open.use + 100;
    expect_denied(bad, "no phase 1");
    bad = good;
    bad.hash = "md5";
    expect_denied(bad, "no pre-shared key proposal with hash \"md5\"");
    bad = good;
    for (const std::size_t size : {std::size_t{7}, std::size_t{257}}) {
        bad.peer_nonce = Bytes(size, 1);
        const auto reply = ask(bad);
        ASSERT_FALSE(reply) << "RFC 2409 section 5: 8 to 256 bytes";
        EXPECT_THAT(reply.error().text(), HasSubstr("nonce of " + std::to_string(size) + " bytes"));
    }
    bad = good;
    bad.peer_id.type = 2;
    bad.peer_id.data = to_bytes(as_bytes("peer.example"));
    expect_denied(bad, "identity before main mode has one");

    ASSERT_TRUE(ask(good));
    expect_denied(good, "a second SKEYID");
    bad = good;
    bad.peer_nonce = Bytes(16, 2);
    expect_denied(bad, "a second SKEYID");
    EXPECT_THAT(log_.all(), HasSubstr("the keeper refused operation"));
}

TEST_F(KeeperTest, TheInitiatorOfAggressiveModeMayTryAFewAnswersAndNoMore) {
    Phase1Open open = open_request();
    open.exchange_type = 4;
    for (const bool initiator : {true, false}) {
        open.initiator = initiator;
        const auto reply = ask(open);
        ASSERT_TRUE(reply) << reply.error().text();
        Phase1Skeyid key;
        key.use = reply->use;
        key.hash = "sha256";
        key.peer_id.type = 2;
        key.peer_id.data = to_bytes(as_bytes("peer.example"));
        int served = 0;
        for (std::uint8_t i = 0; i < 10; ++i) {
            key.peer_nonce = Bytes(16, i);
            served += ask(key).has_value();
        }
        EXPECT_EQ(served, initiator ? 4 : 1);
    }
}

TEST_F(KeeperTest, AWrongIdentityOfThePeerIsNotHeldAgainstTheEngine) {
    Phase1Open open = open_request();
    open.exchange_type = 4;
    open.initiator = false;
    const auto reply = ask(open);
    ASSERT_TRUE(reply) << reply.error().text();
    Phase1Skeyid key;
    key.use = reply->use;
    key.hash = "sha256";
    key.peer_nonce = Bytes(16, 1);
    key.peer_id.type = 2;
    key.peer_id.data = to_bytes(as_bytes("somebody.else"));
    const auto answer = ask(key);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code(), Errc::InvalidId);
    EXPECT_THAT(log_.all(), ::testing::Not(HasSubstr("the keeper refused")));
}

TEST_F(KeeperTest, AnIdentityMustBeOneOfTheSection) {
    // Of modes that send the identity first (aggressive: exchange type 4, RFC 2409 5.4).
    Phase1Facts facts;
    for (const auto& remote : keeper_->parsed().config->remotes)
        if (remote.verify_identifier) facts.section = &remote;
    ASSERT_NE(facts.section, nullptr);
    facts.exchange_type = 4;
    Phase1Skeyid key;
    key.hash = "sha256";
    key.peer_nonce = Bytes(16, 1);
    const auto because = [&] {
        const Status status = Book::check_skeyid(key, facts);
        return status ? std::string("allowed") : status.error().text();
    };
    EXPECT_THAT(because(), HasSubstr("no peer identity"));
    key.peer_id.type = 2;
    key.peer_id.data = to_bytes(as_bytes("somebody.else"));
    EXPECT_THAT(because(), HasSubstr("peers_identifier"));
    key.peer_id.data = to_bytes(as_bytes("peer.example"));
    EXPECT_EQ(because(), "allowed");
}

TEST_F(KeeperTest, OpensPhase1OnlyForConfiguredSections) {
    Phase1Open bad = open_request();
    bad.section = "nowhere";
    expect_denied(bad, "no remote section \"nowhere\"");
    bad = open_request();
    bad.peer.addr = ip("10.9.0.9");
    expect_denied(bad, "is for 10.9.0.2, not for 10.9.0.9");
    bad = open_request();
    bad.exchange_type = 1;
    expect_denied(bad, "no exchange mode 1");
    bad = open_request();
    bad.nonce_size = 4;
    EXPECT_FALSE(ask(bad));
    bad = open_request();
    bad.section = section("10.9.0.3");
    bad.peer.addr = ip("10.9.0.3");
    expect_denied(bad, "passive");
    bad = open_request();
    bad.generation = 99;
    const auto reply = ask(bad);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code(), Errc::Conflict) << "an honest engine can be late";
}

TEST_F(KeeperTest, APeerWithoutAKeyIsNamed) {
    Phase1Open request = open_request();
    request.section = section("10.9.0.3");
    request.peer.addr = ip("10.9.0.3");
    request.initiator = false;
    const auto open = ask(request);
    ASSERT_TRUE(open) << open.error().text();
    Phase1Skeyid key;
    key.use = open->use;
    key.hash = "sha256";
    key.peer_nonce = Bytes(16, 1);
    const auto reply = ask(key);
    ASSERT_FALSE(reply);
    EXPECT_THAT(reply.error().text(), HasSubstr("couldn't find the proper pskey for 10.9.0.3"));
}

}  // namespace
}  // namespace racoon::privsep
