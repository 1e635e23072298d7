// The keeper as an engine meets it that somebody else controls: the keeper with real modules, the model of a kernel, and a
// test in the engine's place.
#pragma once

#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/load.hpp"
#include "loop/work_pool.hpp"
#include "privsep/keeper.hpp"
#include "privsep/rules.hpp"
#include "support/log_capture.hpp"

namespace racoon::privsep {

using namespace exchange;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

inline constexpr const char* kConfig = R"(
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

inline IpAddr ip(const char* text) {
    return IpAddr::parse(text).value();
}
inline TrafficSelector nets(const char* local, unsigned local_length, const char* remote,
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

/// With a new configuration on its way.
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

}  // namespace racoon::privsep
