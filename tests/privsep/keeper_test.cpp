// The keeper as an engine meets it that somebody else controls: what is configured works,
// everything else is refused, and nothing that is sent takes the keeper down.
#include "privsep/keeper.hpp"

#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/load.hpp"
#include "loop/work_pool.hpp"
#include "privsep/rules.hpp"
#include "support/log_capture.hpp"

namespace racoon::privsep {
namespace {

using namespace exchange;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kConfig = R"(
module "crypto-openssl"; module "auth-psk"; module "credential-files"; module "kernel-sim"; module "state-file";
path pre_shared_key "PSK";
remote 10.9.0.2 { exchange_mode main, aggressive; verify_identifier on; peers_identifier fqdn "peer.example";
  proposal { encryption_algorithm aes 128; hash_algorithm sha256;
             authentication_method pre_shared_key; dh_group 14; } }
remote 10.9.0.3 { exchange_mode main; passive on;
  proposal { encryption_algorithm aes 128; hash_algorithm sha256;
             authentication_method pre_shared_key; dh_group 14; } }
sainfo address 192.168.1.0/24 any address 192.168.2.0/24 any {
  encryption_algorithm aes 128; authentication_algorithm hmac_sha256; compression_algorithm deflate; }
policy spdadd 192.168.1.0/24 192.168.2.0/24 any -P out ipsec esp/tunnel/10.9.0.1-10.9.0.2/require;
policy spdadd 192.168.2.0/24 192.168.1.0/24 any -P in ipsec esp/tunnel/10.9.0.2-10.9.0.1/require;
)";

IpAddr ip(const char* text) {
    return IpAddr::parse(text).value();
}
TrafficSelector nets(const char* local, unsigned local_length, const char* remote,
                     unsigned remote_length) {
    TrafficSelector out;
    out.local.net = Prefix::make(ip(local), local_length).value();
    out.remote.net = Prefix::make(ip(remote), remote_length).value();
    return out;
}

class KeeperTest : public ::testing::Test {
  protected:
    void SetUp() override {
        dir_ = std::filesystem::temp_directory_path() /
               ("racoon-keeper-" + std::to_string(::getpid()));
        std::filesystem::remove_all(dir_);
        std::filesystem::create_directories(dir_);
        ::chmod(dir_.c_str(), 0700);
        std::ofstream(dir_ / "psk.txt") << "10.9.0.2 correct horse\npeer.example of the name\n";
        ::chmod((dir_ / "psk.txt").c_str(), 0600);
        write_config(kConfig);
        before_start();
        begin(false);
        attach();
    }
    virtual void before_start() {}
    /// The modules are there, and the keeper is not.
    virtual void modules_started() {}

    void begin(bool restore, bool expect = true) {
        loop_ = std::move(*loop::EventLoop::make());
        workers_ = std::make_unique<loop::WorkPool>(*loop_, 1, 16);
        runtime_ = plugin::make_loop_runtime(*loop_, *workers_);
        host_ = std::make_unique<plugin::PluginHost>(*runtime_, plugin::Zone::Keeper,
                                                     RACOON_BUILD_DIR "/lib/racoon/modules");
        conf::DiskFiles files;
        const auto scan = conf::scan_modules(config_file(), files);
        const Status loaded = host_->load(scan.modules);
        ASSERT_TRUE(loaded) << loaded.error().text();
        auto parsed = parse(nullptr);
        ASSERT_TRUE(parsed.config);
        ASSERT_TRUE(host_->configure(parsed.config));
        host_->commit();
        ASSERT_TRUE(host_->start());
        modules_started();

        KeeperHooks hooks;
        hooks.ready = [this](const Status&) { ++ready_; };
        hooks.serving = [this] { ++serving_; };
        hooks.reload = [this](std::uint64_t token) { reloads_.push_back(token); };
        hooks.lost = [this](const std::string& why) {
            lost_ = why;
            loop_->stop();
        };
        KeeperOptions how;
        how.restore = restore;
        keeper_ = std::make_unique<Keeper>(*loop_, *host_, how, std::move(hooks));
        keeper_->configure(std::move(parsed));
        opened_ = fail(Errc::Internal, "not called");
        keeper_->open_kernel([this](const Status& s) { opened_ = s; });
        ASSERT_EQ(opened_.has_value(), expect) << (opened_ ? "" : opened_.error().text());
    }
    void TearDown() override {
        engine_.reset();
        keeper_.reset();
        if (host_) host_->destroy();
        std::filesystem::remove_all(dir_);
    }

    std::string config_file() const { return (dir_ / "racoon.conf").string(); }
    void write_config(std::string text) {
        text.replace(text.find("\"PSK\""), 5, "\"" + (dir_ / "psk.txt").string() + "\"");
        std::ofstream(dir_ / "racoon.conf") << text;
    }
    ParsedConfig parse(const conf::Config* previous) {
        conf::DiskFiles files;
        conf::LoadOptions options;
        options.previous = previous;
        auto result = conf::load(config_file(), files, host_->registry(), options);
        for (const auto& d : result.diagnostics)
            if (d.severity == conf::Severity::Error) ADD_FAILURE() << d.text();
        return {result.config, files.bundle(), config_file(), log::Level::Info};
    }

    /// The test takes the engine's place.
    void attach(bool serve = true) {
        auto [mine, other] = make_memory_channels(*loop_, kFromEngineLimit, kFromKeeperLimit);
        engine_ = std::move(other);
        engine_->on_message([this](Message&& m) {
            if (m.kind == Kind::Result) {
                auto result = privsep::decode<OpResult>(m.body);
                ASSERT_TRUE(result) << result.error().text();
                answers_.push_back(std::move(*result));
            } else {
                others_.push_back(std::move(m));
            }
            loop_->stop();
        });
        keeper_->attach(std::move(mine));
        run();
        ASSERT_EQ(others_.size(), 1u);
        EXPECT_EQ(others_[0].kind, Kind::Start);
        const auto start = privsep::decode<Start>(others_[0].body);
        ASSERT_TRUE(start) << start.error().text();
        generation_ = start->config.generation;
        others_.clear();
        if (!serve) return;
        send(*engine_, Kind::Serving);
        settle();
    }
    std::string saved_file() const { return (dir_ / "sa").string(); }
    /// As after a crash: another keeper takes the place of this one, which is not asked.
    void start_again(bool restore, bool expect = true) {
        // What kill -9 leaves of the file.
        std::filesystem::copy_file(saved_file(), saved_file() + ".left");
        engine_.reset();
        keeper_.reset();
        host_->destroy();
        std::filesystem::rename(saved_file() + ".left", saved_file());
        begin(restore, expect);
    }
    void lose_engine() {
        engine_.reset();
        run();
        EXPECT_FALSE(lost_.empty());
    }
    /// What an engine is told of earlier pairs when it is ready.
    std::vector<KeptPair> hand_over() {
        keeper_->hand_over({}, {});
        settle();
        std::vector<KeptPair> out;
        for (const Message& m : others_) {
            if (m.kind != Kind::Pair) continue;
            auto pair = privsep::decode<KeptPair>(m.body);
            EXPECT_TRUE(pair) << pair.error().text();
            if (pair) out.push_back(std::move(*pair));
        }
        EXPECT_FALSE(others_.empty());
        EXPECT_TRUE(others_.empty() || others_.back().kind == Kind::Serve);
        others_.clear();
        return out;
    }
    PairKeep pair_record(Spi in, Spi out) const {
        PairKeep record;
        record.policy = out_policy().id;
        record.section = section("10.9.0.2");
        record.local = {ip("10.9.0.1"), 500};
        record.remote = {ip("10.9.0.2"), 500};
        record.selector = out_policy().selector;
        PairKeep::Sa sa;
        sa.reqid = out_policy().templates[0].reqid;
        sa.spi_in = in;
        sa.spi_out = out;
        sa.encryption = "aes";
        sa.key_bits = 128;
        sa.integrity = "hmac_sha256";
        record.sas.push_back(sa);
        record.seconds = 3600;
        return record;
    }
    PairKeep install_pair(std::uint64_t use, Spi out) {
        const auto spi = ask(spi_request(use));
        EXPECT_TRUE(spi);
        if (!spi) return {};
        const PairKeep record = pair_record(spi->spi, out);
        tell(record);
        for (const bool inbound : {true, false}) {
            SaInstall request = sa_request(use, inbound ? spi->spi : out, inbound);
            request.hard_seconds = 3600;
            const auto installed = ask(request);
            EXPECT_TRUE(installed) << installed.error().text();
        }
        return record;
    }

    void run() { loop_->run(); }
    /// Lets everything that is posted arrive; for messages that have no answer.
    void settle() {
        for (int i = 0; i < 3; ++i) {
            loop_->post([this] { loop_->stop(); });
            run();
        }
    }

    Result<Bytes> ask_raw(OpKind kind, Bytes request) {
        OpRequest op;
        op.token = OpToken{next_token_++};
        op.kind = kind;
        op.request = std::move(request);
        send(*engine_, Kind::Operation, op);
        run();
        if (answers_.size() != 1) return fail(Errc::Internal, "no answer");
        OpResult result = std::move(answers_.front());
        answers_.clear();
        EXPECT_EQ(result.token, op.token);
        if (result.error) return fail(*result.error);
        return std::move(result.bytes);
    }
    template <typename Request>
    Result<typename Request::Reply> ask(const Request& request) {
        RACOON_TRY(const Bytes bytes, ask_raw(Request::kKind, encode(request)));
        return exchange::decode<typename Request::Reply>(bytes);
    }
    /// An operation that has no answer.
    template <typename Request>
    void tell(const Request& request) {
        OpRequest op;
        op.token = OpToken{next_token_++};
        op.kind = Request::kKind;
        op.request = encode(request);
        send(*engine_, Kind::Operation, op);
        settle();
    }
    template <typename Request>
    void expect_denied(const Request& request, const char* because) {
        const auto before = keeper_->counters().refused;
        const auto reply = ask(request);
        ASSERT_FALSE(reply) << because;
        EXPECT_EQ(reply.error().code(), Errc::Denied) << reply.error().text();
        EXPECT_THAT(reply.error().text(), HasSubstr(because));
        EXPECT_EQ(keeper_->counters().refused, before + 1);
    }

    Phase1Open open_request() const {
        Phase1Open open;
        open.generation = generation_;
        open.section = section("10.9.0.2");
        open.initiator = true;
        open.exchange_type = 2;
        open.local = {ip("10.9.0.1"), 500};
        open.peer = {ip("10.9.0.2"), 500};
        open.nonce_size = 32;
        return open;
    }
    std::string section(const char* address) const {
        for (const auto& remote : keeper_->parsed().config->remotes)
            if (remote.address && remote.address->addr == ip(address)) return remote.name;
        return "none";
    }
    Phase1Open::Reply opened() {
        auto reply = ask(open_request());
        EXPECT_TRUE(reply) << reply.error().text();
        return reply ? *reply : Phase1Open::Reply{};
    }
    const conf::Policy& out_policy() const {
        for (const auto& policy : keeper_->parsed().config->policies)
            if (policy.direction == conf::Direction::Out) return policy;
        std::abort();
    }
    SpiGet spi_request(std::uint64_t use) const {
        SpiGet get;
        get.use = use;
        get.policy = out_policy().id;
        get.reqid = out_policy().templates[0].reqid;
        get.local = ip("10.9.0.1");
        get.peer = ip("10.9.0.2");
        return get;
    }
    SaInstall sa_request(std::uint64_t use, Spi spi, bool inbound) const {
        SaInstall sa;
        sa.use = use;
        sa.policy = out_policy().id;
        sa.reqid = out_policy().templates[0].reqid;
        sa.inbound = inbound;
        sa.spi = spi;
        sa.local = ip("10.9.0.1");
        sa.peer = ip("10.9.0.2");
        sa.selector = out_policy().selector;
        sa.encryption = "aes";
        sa.key_bits = 128;
        sa.encryption_key = Secret(16);
        sa.integrity = "hmac_sha256";
        sa.integrity_key = Secret(32);
        return sa;
    }

    test::LogCapture log_;
    std::filesystem::path dir_;
    std::unique_ptr<loop::EventLoop> loop_;
    std::unique_ptr<loop::WorkPool> workers_;
    std::unique_ptr<plugin::Runtime> runtime_;
    std::unique_ptr<plugin::PluginHost> host_;
    std::unique_ptr<Keeper> keeper_;
    std::unique_ptr<Channel> engine_;
    std::vector<OpResult> answers_;
    std::vector<Message> others_;
    Status opened_;
    std::uint32_t generation_ = 0;
    std::uint64_t next_token_ = 1;
    std::string lost_;
    int ready_ = 0, serving_ = 0;
    std::vector<std::uint64_t> reloads_;
};

// --- pre-shared keys
// --------------------------------------------------------------------------------

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

// --- IPsec SAs
// --------------------------------------------------------------------------------------

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

// --- what is not well formed
// ------------------------------------------------------------------------

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

// --- the engine's messages
// --------------------------------------------------------------------------

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

// --- the engine goes and comes
// ----------------------------------------------------------------------

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

// --- a kernel that refuses
// -----------------------------------------------------------------------------------------

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

// --- racoon -B
// -----------------------------------------------------------------------------------------

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

// --- reload
// -----------------------------------------------------------------------------------------

class KeeperReload : public KeeperTest {
  protected:
    /// The keeper begins; returns what the engine is sent.
    std::optional<ConfigData> begin() {
        auto parsed = parse(keeper_->parsed().config.get());
        EXPECT_TRUE(host_->configure(parsed.config));
        keeper_->reconfigure(std::move(parsed), std::move(sockets_),
                             [this](const Status& s) { done_.push_back(s); });
        run();
        EXPECT_EQ(others_.size(), 1u);
        if (others_.empty() || others_[0].kind != Kind::ConfigPrepare) return std::nullopt;
        auto data = privsep::decode<ConfigData>(others_[0].body);
        others_.clear();
        return data ? std::optional(*data) : std::nullopt;
    }
    void answer(std::uint32_t generation, bool good) {
        Outcome out;
        out.token = generation;
        out.good = good;
        out.text = good ? "" : "not for me";
        send(*engine_, Kind::Prepared, out);
        run();
    }
    std::vector<Status> done_;
    SocketChange sockets_;
};

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

// --- policies that somebody else removes
// ------------------------------------------------------------------------

/// With a hand in the kernel: what is removed there is told as by a real one.
class KeeperLostPolicies : public KeeperReload {
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

TEST_F(KeeperLostPolicies, AllOfThemArePutBackAtOnce) {
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

TEST_F(KeeperLostPolicies, WhatCannotBePutBackIsToldOnceAndTriedAgain) {
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

TEST_F(KeeperLostPolicies, OneThatAReloadChangesComesInItsNewForm) {
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
