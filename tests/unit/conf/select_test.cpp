#include "conf/select.hpp"

#include "unit/conf/conf_test_support.hpp"

namespace racoon::conf {
namespace {

IpAddr ip(const char* text) {
    return *IpAddr::parse(text);
}

class Select : public ::testing::Test {
  protected:
    /// Loads, and gives sections other modes where a test needs those that load() leaves out.
    void use(const std::string& text) {
        const Loaded l = load_text(text);
        ASSERT_TRUE(l.ok()) << l.text();
        config_ = *l.result.config;
        index_.emplace(config_);
    }
    void modes(std::size_t i, std::vector<ExchangeMode> m) {
        config_.remotes.at(i).modes = std::move(m);
        index_.emplace(config_);
    }
    std::string chosen(const RemoteQuery& q) const {
        const RemoteChoice c = index_->choose(q);
        return c.remote ? c.remote->name : c.problem;
    }
    Config config_;
    std::optional<SectionIndex> index_;
};

constexpr Phase1Transform kTransform{
    .cipher = 7, .key_bits = 256, .hash = 4, .auth = 1, .group = 14};

TEST_F(Select, ASpecificAddressBeatsAnonymous) {
    use(remote_text("anonymous") + remote_text("192.0.2.1"));
    EXPECT_EQ(chosen({.peer = ip("192.0.2.1")}), "192.0.2.1[500]");
    EXPECT_EQ(chosen({.peer = ip("192.0.2.9")}), "anonymous");
}

TEST_F(Select, TheNameOfNoSectionIsSaid) {
    use(remote_text("192.0.2.1"));
    EXPECT_EQ(chosen({.peer = ip("192.0.2.9")}), "no remote section for 192.0.2.9");
}

TEST_F(Select, TwoOfEqualRankAreATieAndNotTheFirst) {
    use(remote_text("\"a\"") + remote_text("\"b\""));
    const RemoteChoice c = index_->choose({.peer = ip("192.0.2.9")});
    EXPECT_EQ(c.remote, nullptr);
    EXPECT_EQ(c.tied.size(), 2u);
    EXPECT_EQ(c.problem,
              "remote sections \"a\" (/etc/racoon/racoon.conf:1:1) and \"b\" "
              "(/etc/racoon/racoon.conf:6:1) match 192.0.2.9 equally");
}

TEST_F(Select, ExchangeModeTellsAnonymousSectionsApart) {
    use(remote_text("\"a\"") + remote_text("\"b\""));
    modes(1, {ExchangeMode::Aggressive});
    EXPECT_EQ(chosen({.peer = ip("192.0.2.9"), .mode = ExchangeMode::Main}), "a");
    EXPECT_EQ(chosen({.peer = ip("192.0.2.9"), .mode = ExchangeMode::Aggressive}), "b");
    EXPECT_EQ(chosen({.peer = ip("192.0.2.9"), .mode = ExchangeMode::Base}),
              "no remote section for 192.0.2.9");
}

TEST_F(Select, PassiveSectionsAnswerButNeverInitiate) {
    use(remote_text("192.0.2.1", "passive on;"));
    EXPECT_EQ(chosen({.peer = ip("192.0.2.1")}), "192.0.2.1[500]");
    EXPECT_EQ(chosen({.peer = ip("192.0.2.1"), .initiating = true}),
              "no remote section for 192.0.2.1");
}

TEST_F(Select, TheAgreedTransformNarrowsTheCandidates) {
    use(remote_text("\"sha2\"") +
        "remote \"sha1\" { exchange_mode main; proposal { encryption_algorithm aes 256; hash_algorithm sha1; "
        "authentication_method pre_shared_key; dh_group 14; } }");
    RemoteQuery q{.peer = ip("192.0.2.9"), .mode = ExchangeMode::Main};
    EXPECT_EQ(index_->candidates(q).size(), 2u);
    q.agreed = kTransform;
    EXPECT_EQ(chosen(q), "sha2");
    q.agreed->hash = 2;
    EXPECT_EQ(chosen(q), "sha1");
}

TEST_F(Select, IdentityCountsOnlyWhereItIsVerifiedAndThenBeatsTheRest) {
    use(remote_text("\"any\"") +
        remote_text("\"alice\"", "verify_identifier on; peers_identifier fqdn \"alice\";") +
        remote_text("\"bob\"", "verify_identifier on; peers_identifier fqdn \"bob\";"));
    const RemoteQuery q{.peer = ip("192.0.2.9"), .mode = ExchangeMode::Main};
    const auto with_id = [&](std::string_view id) {
        RemoteQuery with = q;
        with.peer_id = PeerId{2, as_bytes(id)};
        return chosen(with);
    };
    EXPECT_EQ(with_id("bob"), "bob");
    EXPECT_EQ(with_id("mallory"), "any");
}

TEST_F(Select, CandidatesComeBestFirst) {
    use(remote_text("anonymous") + remote_text("192.0.2.1"));
    const auto c = index_->candidates({.peer = ip("192.0.2.1"), .mode = ExchangeMode::Main});
    ASSERT_EQ(c.size(), 2u);
    EXPECT_EQ(c[0]->name, "192.0.2.1[500]");
}

TEST_F(Select, FindsSectionsByName) {
    use(remote_text("\"hq\"", "remote_address 192.0.2.5;") + remote_text("192.0.2.1"));
    EXPECT_EQ(index_->named("hq"), &config_.remotes[0]);
    EXPECT_EQ(index_->named("192.0.2.1[500]"), &config_.remotes[1]);
    EXPECT_EQ(index_->named("x"), nullptr);
}

TEST_F(Select, TheLongestNetWinsAndAnAddressBeatsAllOfThem) {
    use(remote_text("anonymous") + remote_text("192.0.0.0/16") + remote_text("192.0.2.0/24") +
        remote_text("192.0.2.1") + remote_text("2001:db8::/32"));
    EXPECT_EQ(chosen({.peer = ip("192.0.2.1")}), "192.0.2.1[500]");
    EXPECT_EQ(chosen({.peer = ip("192.0.2.9")}), "192.0.2.0/24[500]");
    EXPECT_EQ(chosen({.peer = ip("192.0.9.9")}), "192.0.0.0/16[500]");
    EXPECT_EQ(chosen({.peer = ip("198.51.100.1")}), "anonymous");
    EXPECT_EQ(chosen({.peer = ip("2001:db8::7")}), "2001:db8::/32[500]");
    EXPECT_EQ(chosen({.peer = ip("2001:db9::7")}), "anonymous");
}

TEST_F(Select, TwoSectionsForTheSameNetAreATie) {
    use(remote_text("\"a\"", "remote_address 192.0.2.0/24;") +
        remote_text("\"b\"", "remote_address 192.0.2.0/24;"));
    EXPECT_EQ(index_->choose({.peer = ip("192.0.2.9")}).tied.size(), 2u);
}

TEST_F(Select, TheScoreCountsBeforeTheLengthOfTheNet) {
    use(remote_text("\"net\"",
                    "remote_address 192.0.2.0/24; verify_identifier on; "
                    "peers_identifier fqdn \"x\";") +
        remote_text("192.0.2.1"));
    RemoteQuery q{.peer = ip("192.0.2.1")};
    EXPECT_EQ(chosen(q), "192.0.2.1[500]");
    q.peer_id = PeerId{2, as_bytes("x")};
    EXPECT_EQ(chosen(q), "net");
}

TEST_F(Select, AHostCountsWithTheAddressesThatItHasNow) {
    use(remote_text("anonymous") + remote_text("vpn.example.org"));
    const Remote& host = config_.remotes.at(1);
    EXPECT_EQ(chosen({.peer = ip("192.0.2.1")}), "anonymous") << "unresolved is not anonymous";
    EXPECT_FALSE(index_->serves(host, ip("192.0.2.1")));
    EXPECT_EQ(index_->named("vpn.example.org[500]"), &host);
    const HostAddresses known{{"vpn.example.org", {ip("192.0.2.1"), ip("2001:db8::1")}}};
    index_.emplace(config_, known);
    EXPECT_EQ(chosen({.peer = ip("192.0.2.1")}), "vpn.example.org[500]");
    EXPECT_EQ(chosen({.peer = ip("2001:db8::1")}), "vpn.example.org[500]");
    EXPECT_EQ(chosen({.peer = ip("192.0.2.2")}), "anonymous");
    EXPECT_TRUE(index_->serves(host, ip("192.0.2.1")));
}

TEST_F(Select, ACertificateRequestSinglesOutTheSectionWithThatIssuer) {
    use(remote_text("\"a\"", "certificate_type x509 \"a\" \"a\";") +
        remote_text("\"b\"", "certificate_type x509 \"b\" \"b\"; match_empty_cr on;") +
        remote_text("\"none\""));
    config_.remotes[0].certificate->issuer = "der-a";
    config_.remotes[1].certificate->issuer = "der-b";
    RemoteQuery q{.peer = ip("192.0.2.9")};
    q.request = CertificateRequest{4, as_bytes("der-a")};
    EXPECT_EQ(chosen(q), "a");
    q.request = CertificateRequest{4, {}};
    EXPECT_EQ(chosen(q), "b") << "an empty request matches only with match_empty_cr";
    q.request = CertificateRequest{4, as_bytes("der-a2")};
    EXPECT_EQ(chosen(q), "no remote section for 192.0.2.9") << "byte for byte";
    q.request = CertificateRequest{7, as_bytes("der-a")};
    EXPECT_EQ(chosen(q), "no remote section for 192.0.2.9") << "another type";
}

TEST(Identity, IsComparedOverItsWholeLength) {
    IdentitySpec alice{.type = 2, .address = {}, .value = "alice", .where = {}};
    EXPECT_TRUE(matches(alice, {2, as_bytes("alice")}));
    EXPECT_FALSE(matches(alice, {2, as_bytes("alice.evil.example")}));
    EXPECT_FALSE(matches(alice, {2, as_bytes("ali")}));
    EXPECT_FALSE(matches(alice, {3, as_bytes("alice")})) << "another type";
}

TEST(Identity, WithoutAValueAcceptsItsOwnTypeOnly) {
    IdentitySpec any_address{.type = 1, .address = {}, .value = {}, .where = {}};
    const Bytes v4(4, 1), v6(16, 1);
    EXPECT_TRUE(matches(any_address, {1, v4}));
    EXPECT_TRUE(matches(any_address, {5, v6}));
    EXPECT_FALSE(matches(any_address, {2, as_bytes("gw.example.com")}));
    EXPECT_TRUE(matches_any({}, {2, as_bytes("x")}))
        << "no peers_identifier at all accepts everybody";
}

TEST(Identity, AnAddressComparesItsBytes) {
    IdentitySpec spec{.type = 1, .address = ip("192.0.2.1"), .value = {}, .where = {}};
    EXPECT_TRUE(matches(spec, {1, ip("192.0.2.1").view()}));
    EXPECT_FALSE(matches(spec, {1, ip("192.0.2.2").view()}));
    EXPECT_FALSE(matches(spec, {1, ByteView(ip("192.0.2.1").bytes).first(3)}));
}

TEST(ProposalCheck, JudgesLifetimeAndKeyLengthByItsMode) {
    const Loaded l = load_text(
        "remote anonymous { exchange_mode main; proposal { encryption_algorithm aes 192; "
        "hash_algorithm sha256; authentication_method pre_shared_key; dh_group 14; "
        "lifetime time 1 hour; } }");
    ASSERT_TRUE(l.ok());
    const Phase1Proposal& ours = l.config().remotes[0].proposals[0];
    const auto offer = [](std::uint16_t bits, int life) {
        Phase1Transform t = kTransform;
        t.key_bits = bits;
        t.lifetime = seconds(life);
        return t;
    };
    for (const auto check : {ProposalCheck::Strict, ProposalCheck::Claim}) {
        EXPECT_TRUE(acceptable(ours, check, offer(192, 3600)));
        EXPECT_TRUE(acceptable(ours, check, offer(256, 60))) << "longer key, shorter life";
        EXPECT_FALSE(acceptable(ours, check, offer(128, 3600)));
        EXPECT_FALSE(acceptable(ours, check, offer(192, 3601)));
    }
    EXPECT_TRUE(acceptable(ours, ProposalCheck::Obey, offer(128, 99999)));
    EXPECT_FALSE(acceptable(ours, ProposalCheck::Obey, offer(200, 60)))
        << "no length of this cipher";
    EXPECT_TRUE(acceptable(ours, ProposalCheck::Exact, offer(192, 3600)));
    EXPECT_FALSE(acceptable(ours, ProposalCheck::Exact, offer(256, 3600)));
    EXPECT_FALSE(acceptable(ours, ProposalCheck::Exact, offer(192, 60)));
    Phase1Proposal bounded = ours;
    bounded.kilobytes = 100;
    const auto amount = [&](std::uint64_t kilobytes) {
        Phase1Transform t = offer(192, 3600);
        t.kilobytes = kilobytes;
        return t;
    };
    for (const auto check : {ProposalCheck::Strict, ProposalCheck::Claim}) {
        EXPECT_TRUE(acceptable(bounded, check, amount(100)));
        EXPECT_TRUE(acceptable(bounded, check, amount(0))) << "most peers name no amount";
        EXPECT_FALSE(acceptable(bounded, check, amount(101)));
        EXPECT_TRUE(acceptable(ours, check, amount(101)));
    }
    EXPECT_TRUE(acceptable(bounded, ProposalCheck::Obey, amount(101)));
    EXPECT_TRUE(acceptable(bounded, ProposalCheck::Exact, amount(100)));
    EXPECT_FALSE(acceptable(bounded, ProposalCheck::Exact, amount(99)));
    EXPECT_FALSE(acceptable(ours, ProposalCheck::Exact, amount(99)));
    Phase1Transform other = offer(192, 3600);
    other.group = 5;
    EXPECT_FALSE(acceptable(ours, ProposalCheck::Obey, other));
}

class SelectSaInfo : public Select {
  protected:
    int line(const char* local, const char* remote, std::uint8_t protocol = 0,
             std::uint32_t ph1id = 0, std::optional<PeerId> id = {}) {
        const auto net = [](std::string text) {
            const auto slash = text.find('/');
            return *Prefix::make(ip(text.substr(0, slash).c_str()),
                                 static_cast<unsigned>(std::stoi(text.substr(slash + 1))));
        };
        SaInfoQuery q;
        q.selector.local.net = net(local);
        q.selector.remote.net = net(remote);
        q.selector.local.port = 99;  // never compared
        q.selector.protocol = protocol;
        q.ph1id = ph1id;
        q.peer_id = id;
        const SaInfo* found = index_->sainfo(q);
        return found ? static_cast<int>(found - config_.sainfos.data()) : -1;
    }
};

TEST_F(SelectSaInfo, ComparesNetsForEqualityAndPrefersTheMoreExplicit) {
    use(sainfo_text("anonymous") + sainfo_text("anonymous address 10.2.0.0/16 any") +
        sainfo_text("address 10.1.0.0/16[80] any address 10.2.0.0/16 any") +
        sainfo_text("address 10.1.0.0/16 tcp address 10.2.0.0/16 tcp"));
    EXPECT_EQ(line("10.1.0.0/16", "10.2.0.0/16"), 2);
    EXPECT_EQ(line("10.1.0.0/16", "10.2.0.0/16", 6), 3);
    EXPECT_EQ(line("10.9.0.0/16", "10.2.0.0/16"), 1);
    EXPECT_EQ(line("10.1.0.0/16", "10.2.1.0/24"), 0) << "a net within another is not that net";
}

TEST_F(SelectSaInfo, RemoteIdMustEqualThePhase1Id) {
    use(sainfo_text("anonymous", "remoteid 7;") + sainfo_text("anonymous address 10.2.0.0/16 any"));
    EXPECT_EQ(line("10.1.0.0/16", "10.2.0.0/16", 0, 7), 0);
    EXPECT_EQ(line("10.1.0.0/16", "10.2.0.0/16", 0, 0), 1);
    EXPECT_EQ(line("10.1.0.0/16", "10.3.0.0/16", 0, 0), -1);
    EXPECT_EQ(line("10.1.0.0/16", "10.2.0.0/16", 0, 8), -1);
}

TEST_F(SelectSaInfo, FromOutweighsNetsAndIsAWildcardWhenInitiating) {
    use(sainfo_text("address 10.1.0.0/16 any address 10.2.0.0/16 any") +
        sainfo_text("anonymous from fqdn \"alice\"") + sainfo_text("anonymous from address") +
        sainfo_text("anonymous"));
    EXPECT_EQ(line("10.1.0.0/16", "10.2.0.0/16"), 1) << "no identity known: from matches anybody";
    EXPECT_EQ(line("10.1.0.0/16", "10.2.0.0/16", 0, 0, PeerId{2, as_bytes("alice")}), 1);
    EXPECT_EQ(line("10.1.0.0/16", "10.2.0.0/16", 0, 0, PeerId{2, as_bytes("alice.example")}), 0);
    EXPECT_EQ(line("10.9.0.0/16", "10.8.0.0/16", 0, 0, PeerId{2, as_bytes("bob")}), 3);
    EXPECT_EQ(line("10.9.0.0/16", "10.8.0.0/16", 0, 0, PeerId{5, ip("2001:db8::1").view()}), 2);
}

TEST_F(SelectSaInfo, AGroupServesItsUsersOnly) {
    use(sainfo_text("anonymous group \"staff\"") +
        sainfo_text("anonymous address 10.2.0.0/16 any") + sainfo_text("anonymous"));
    SaInfoQuery q;
    q.selector.local.net = *Prefix::make(ip("10.1.0.0"), 16);
    q.selector.remote.net = *Prefix::make(ip("10.3.0.0"), 16);
    EXPECT_EQ(index_->sainfo(q), &config_.sainfos[2]);
    q.groups = {"ops", "staff"};
    EXPECT_EQ(index_->sainfo(q), &config_.sainfos[0]) << "equal weight: the first in the file";
    q.groups = {"sta", "staffers"};
    EXPECT_EQ(index_->sainfo(q), &config_.sainfos[2]);
}

TEST_F(SelectSaInfo, ClientaddrIsTheAddressGivenToTheClientOrThePeers) {
    use(sainfo_text("anonymous") + sainfo_text("anonymous clientaddr") +
        sainfo_text("address 10.1.0.0/16 any clientaddr"));
    SaInfoQuery q;
    q.selector.local.net = *Prefix::make(ip("10.1.0.0"), 16);
    q.selector.remote.net = Prefix::host(ip("10.99.0.7"));
    EXPECT_EQ(index_->sainfo(q), &config_.sainfos[0]) << "no address known";
    q.client = ip("10.99.0.7");
    EXPECT_EQ(index_->sainfo(q), &config_.sainfos[2]);
    q.selector.local.net = *Prefix::make(ip("10.5.0.0"), 16);
    EXPECT_EQ(index_->sainfo(q), &config_.sainfos[1]);
    q.client = ip("10.99.0.8");
    EXPECT_EQ(index_->sainfo(q), &config_.sainfos[0]) << "somebody else's address";
}

TEST_F(SelectSaInfo, TextsAndRangesMatchTheIdPayloadAsItStands) {
    use(sainfo_text("fqdn \"a.example\" anonymous") +
        sainfo_text("address 10.0.0.1-10.0.0.9 any anonymous"));
    SaInfoQuery q;
    q.selector.local.net = *Prefix::make(ip("10.1.0.0"), 16);
    q.selector.remote.net = *Prefix::make(ip("10.2.0.0"), 16);
    EXPECT_EQ(index_->sainfo(q), nullptr);
    q.local_id = PeerId{2, as_bytes("a.example")};
    EXPECT_EQ(index_->sainfo(q), &config_.sainfos[0]);
    q.local_id = PeerId{3, as_bytes("a.example")};
    EXPECT_EQ(index_->sainfo(q), nullptr);
    q.local_id = PeerId{2, as_bytes("a.example.org")};
    EXPECT_EQ(index_->sainfo(q), nullptr);
    const Bytes range = {10, 0, 0, 1, 10, 0, 0, 9};
    q.local_id = PeerId{7, range};
    EXPECT_EQ(index_->sainfo(q), &config_.sainfos[1]);
}

TEST_F(SelectSaInfo, TheFirstInTheFileWinsAmongEquals) {
    use(sainfo_text("anonymous address 10.2.0.0/16 any") +
        sainfo_text("address 10.1.0.0/16 any anonymous") + sainfo_text("anonymous") +
        sainfo_text("anonymous"));
    EXPECT_EQ(line("10.1.0.0/16", "10.2.0.0/16"), 0);
    EXPECT_EQ(line("10.7.0.0/16", "10.7.0.0/16"), 2);
}

}  // namespace
}  // namespace racoon::conf
