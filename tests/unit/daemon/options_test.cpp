#include "daemon/options.hpp"

#include <filesystem>
#include <gmock/gmock.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/files.hpp"
#include "daemon/ike_sockets.hpp"
#include "daemon/reload.hpp"
#include "privsep/sandbox.hpp"

namespace racoon::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

ParsedOptions parse(std::vector<std::string> words) {
    std::vector<char*> argv;
    words.insert(words.begin(), "/usr/sbin/racoon");
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    return parse_options(static_cast<int>(words.size()), argv.data());
}

TEST(Options, TakesThemBundledAndWithArgumentsAttachedOrApart) {
    const auto p =
        parse({"-Fdd", "-f/etc/x.conf", "-l", "/var/log/racoon", "-p", "5000", "-P4501", "-Lv4"});
    ASSERT_TRUE(p.good);
    EXPECT_TRUE(p.options.foreground);
    EXPECT_EQ(p.options.debug, 2u);
    EXPECT_EQ(p.options.config_file, "/etc/x.conf");
    EXPECT_EQ(p.options.log_file, "/var/log/racoon");
    EXPECT_EQ(p.options.port, 5000);
    EXPECT_EQ(p.options.natt_port, 4501);
    EXPECT_TRUE(p.options.location);
    EXPECT_EQ(p.options.verbose, 2u);
    EXPECT_EQ(p.options.family, 4);
    EXPECT_EQ(p.options.program, "racoon");
}

TEST(Options, DefaultsAreRacoons) {
    const auto p = parse({});
    ASSERT_TRUE(p.good);
    EXPECT_EQ(p.options.action, Action::Run);
    EXPECT_EQ(p.options.port, 500);
    EXPECT_EQ(p.options.natt_port, 4500);
    EXPECT_FALSE(p.options.foreground);
    EXPECT_THAT(p.options.config_file, ::testing::EndsWith("/racoon/racoon.conf"));
}

TEST(Options, ALeftoverWordIsAUsageErrorAsIsTheHexMaskOfOldTimes) {
    EXPECT_FALSE(parse({"-d", "0xffffffff"}).good);
    EXPECT_FALSE(parse({"start"}).good);
}

TEST(Options, AnUnknownOptionOrABadPortIsAUsageError) {
    EXPECT_FALSE(parse({"-x"}).good);
    EXPECT_FALSE(parse({"-p", "isakmp"}).good);
    EXPECT_FALSE(parse({"-p", "70000"}).good);
    EXPECT_FALSE(parse({"-p", "0"}).good);
    EXPECT_FALSE(parse({"-f"}).good);
}

TEST(Options, RelativeNamesAreMadeAbsoluteBecauseTheDaemonLeavesItsFolder) {
    const auto here = std::filesystem::current_path().string();
    EXPECT_EQ(parse({"-f", "racoon.conf"}).options.config_file, here + "/racoon.conf");
    EXPECT_EQ(parse({"-l", "log/racoon"}).options.log_file, here + "/log/racoon");
}

TEST(Options, UsageNamesEveryOptionOnALineOfItsOwn) {
    const std::string text = usage_text("racoon");
    for (const char* option : {"-B:", "-C:", "-d:", "-F:", "-f file:", "-L:", "-l file:",
                               "-p port:", "-P port:", "-t:", "-v:", "-V:", "-4:", "-6:"})
        EXPECT_THAT(text, HasSubstr(std::string("\n   ") + option));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

TEST(Options, VersionHasTheFormThatScriptsLookFor) {
    EXPECT_THAT(version_text(), StartsWith("@(#)ipsec-tools "));
    EXPECT_THAT(version_text(), HasSubstr("\n\nCompiled with:\n- "));
}

TEST(Options, EachDebugOptionRaisesTheLevelOfTheLogDirective) {
    conf::Config config;
    Options options;
    EXPECT_EQ(effective_level(config, options), log::Level::Info);
    options.debug = 1;
    EXPECT_EQ(effective_level(config, options), log::Level::Debug);
    options.debug = 7;
    EXPECT_EQ(effective_level(config, options), log::Level::Debug2);
    options.debug = 1;
    config.log_level = static_cast<std::uint8_t>(log::Level::Warning);
    EXPECT_EQ(effective_level(config, options), log::Level::Notify);
}

class FilesTest : public ::testing::Test {
  protected:
    FilesTest()
        : dir_(std::filesystem::temp_directory_path() /
               ("racoon-files-" + std::to_string(::getpid()))) {
        std::filesystem::remove_all(dir_);
        std::filesystem::create_directories(dir_);
    }
    ~FilesTest() override { std::filesystem::remove_all(dir_); }
    conf::Config with_socket(const std::string& name) const {
        conf::Config config;
        config.listen.adminsock.path = (dir_ / name).string();
        return config;
    }
    std::filesystem::path dir_;
};

TEST_F(FilesTest, ThePidFileHoldsOurIdAndRelativeNamesAreBelowRun) {
    conf::Config config;
    config.paths["pidfile"] = "racoon-2.pid";
    EXPECT_THAT(pid_file_path(config), ::testing::EndsWith("run/racoon-2.pid"));
    const std::string path = (dir_ / "pid").string();
    ASSERT_TRUE(write_pid_file(path));
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0644u);
    EXPECT_EQ(static_cast<std::size_t>(info.st_size), std::to_string(::getpid()).size() + 1);
}

TEST_F(FilesTest, TheControlSocketIsClosedToOthersAndReplacesADeadOne) {
    conf::Config config = with_socket("sock");
    for (int round = 0; round < 2; ++round) {
        auto fd = open_control_socket(config);
        ASSERT_TRUE(fd) << fd.error().text();
        struct stat info {};
        ASSERT_EQ(::stat(config.listen.adminsock.path.c_str(), &info), 0);
        EXPECT_EQ(info.st_mode & 0777, 0600u);
    }
    config.listen.adminsock.mode = 0660;
    ASSERT_TRUE(open_control_socket(config));
    struct stat info {};
    ASSERT_EQ(::stat(config.listen.adminsock.path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0660u);
}

TEST_F(FilesTest, AControlSocketInUseAndAFileInItsPlaceAreNotTouched) {
    const conf::Config config = with_socket("sock");
    auto running = open_control_socket(config);
    ASSERT_TRUE(running);
    const auto second = open_control_socket(config);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), Errc::Exists);
    EXPECT_THAT(second.error().text(), HasSubstr("running racoon"));
    ASSERT_TRUE(write_pid_file((dir_ / "file").string()));
    EXPECT_FALSE(open_control_socket(with_socket("file")));
    EXPECT_TRUE(std::filesystem::exists(dir_ / "file"));
}

std::vector<Endpoint> bound(const IkeSockets& sockets) {
    std::vector<Endpoint> out;
    const auto copies = sockets.copies();
    EXPECT_TRUE(copies);
    if (copies)
        for (const auto& one : *copies) out.push_back(one.local);
    return out;
}

Status follow(IkeSockets& sockets, const conf::Config& config, const Options& options) {
    RACOON_TRY(auto change, sockets.plan(config, options));
    sockets.commit(std::move(change));
    return ok();
}

conf::ListenAddress listed(const char* addr, std::uint16_t port, int line = 0) {
    return {Endpoint{IpAddr::parse(addr).value(), port}, {"racoon.conf", line, 12}};
}

/// A port that nobody uses at the moment.
std::uint16_t free_port() {
    const auto probe = net::open_udp({IpAddr::parse("127.0.0.1").value(), 0});
    return probe ? probe->local.port : std::uint16_t{0};
}

TEST(IkeSockets, AFamilyOptionRestrictsTheWildcards) {
    conf::Config config;
    Options options;
    options.port = 0;  // any free one
    options.family = 4;
    IkeSockets sockets;
    ASSERT_TRUE(follow(sockets, config, options));
    ASSERT_EQ(bound(sockets).size(), 1u);
    EXPECT_EQ(bound(sockets)[0].addr.family, Family::V4);
}

TEST(IkeSockets, StrictAddressMakesAMissingAddressFatalElseTheOthersServe) {
    conf::Config config;
    config.listen.isakmp = {listed("192.0.2.77", 1), listed("127.0.0.1", 0)};
    Options options;
    options.port = 0;
    IkeSockets lenient, strict;
    ASSERT_TRUE(follow(lenient, config, options));
    EXPECT_EQ(bound(lenient).size(), 1u);
    config.listen.strict_address = true;
    EXPECT_FALSE(follow(strict, config, options));
}

TEST(IkeSockets, AReloadOpensWhatIsNewKeepsWhatStaysAndClosesWhatIsGone) {
    const std::uint16_t a = free_port();
    conf::Config config;
    config.listen.isakmp = {listed("127.0.0.1", a), listed("127.0.0.2", a)};
    IkeSockets sockets;
    ASSERT_TRUE(follow(sockets, config, {}));
    config.listen.isakmp = {listed("127.0.0.2", a), listed("127.0.0.3", a)};
    auto change = sockets.plan(config, {});
    ASSERT_TRUE(change) << change.error().text();
    ASSERT_EQ(change->closed().size(), 1u);
    EXPECT_EQ(change->closed()[0].addr.text(), "127.0.0.1");
    const auto added = change->added();
    ASSERT_TRUE(added);
    ASSERT_EQ(added->size(), 1u);
    EXPECT_EQ((*added)[0].local.addr.text(), "127.0.0.3");
    sockets.commit(std::move(*change));
    ASSERT_EQ(bound(sockets).size(), 2u);
    EXPECT_TRUE(net::open_udp({IpAddr::parse("127.0.0.1").value(), a})) << "it is free again";
}

TEST(IkeSockets, ThePortsOfTheCommandLineHoldForAReloadToo) {
    Options options;
    options.port = free_port();
    options.natt_port = free_port();
    conf::Config first, second;
    first.listen.isakmp = second.listen.isakmp = {listed("127.0.0.1", 0)};
    first.listen.isakmp_natt = {listed("127.0.0.1", 0)};
    second.listen.isakmp_natt = {listed("127.0.0.2", 0)};
    IkeSockets sockets;
    ASSERT_TRUE(follow(sockets, first, options));
    ASSERT_TRUE(follow(sockets, second, options));
    const auto now = bound(sockets);
    ASSERT_EQ(now.size(), 2u);
    EXPECT_EQ(now[0].port, options.port);
    EXPECT_EQ(now[1].addr.text(), "127.0.0.2");
    EXPECT_EQ(now[1].port, options.natt_port);
}

TEST(IkeSockets, AWildcardGivesWayToAnAddressOfTheSamePortAndBack) {
    Options options;
    options.port = free_port();
    options.family = 4;
    conf::Config all, one;
    one.listen.isakmp = {listed("127.0.0.1", 0)};
    IkeSockets sockets;
    ASSERT_TRUE(follow(sockets, all, options));
    for (const conf::Config* next : {&one, &all, &one}) {
        const Status followed = follow(sockets, *next, options);
        ASSERT_TRUE(followed) << followed.error().text();
        ASSERT_EQ(bound(sockets).size(), 1u);
        EXPECT_EQ(bound(sockets)[0].addr.is_any(), next == &all);
        EXPECT_FALSE(net::open_udp(bound(sockets)[0], true))
            << "once it is over, nobody else may share the port";
    }
}

TEST(IkeSockets, AReloadThatIsNotCommittedChangesNothing) {
    Options options;
    options.port = free_port();
    options.family = 4;
    conf::Config all, one;
    one.listen.isakmp = {listed("127.0.0.1", 0)};
    IkeSockets sockets;
    ASSERT_TRUE(follow(sockets, all, options));
    { ASSERT_TRUE(sockets.plan(one, options)); }
    ASSERT_EQ(bound(sockets).size(), 1u);
    EXPECT_TRUE(bound(sockets)[0].addr.is_any());
    EXPECT_FALSE(net::open_udp(bound(sockets)[0], true));
}

TEST(IkeSockets, AnAddressThatIsNewInAReloadMustBeThereAndAllThatAreNotAreTold) {
    conf::Config config;
    const std::uint16_t port = free_port();
    config.listen.isakmp = {listed("127.0.0.1", port), listed("192.0.2.77", port, 3)};
    IkeSockets sockets;
    ASSERT_TRUE(follow(sockets, config, {})) << "at the start it is a warning";
    ASSERT_TRUE(follow(sockets, config, {})) << "and stays one";
    config.listen.isakmp.push_back(listed("192.0.2.78", port, 4));
    config.listen.isakmp.push_back(listed("192.0.2.79", port, 5));
    const Status refused = follow(sockets, config, {});
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().text(),
                ::testing::AllOf(HasSubstr("racoon.conf:4:12: cannot bind UDP 192.0.2.78"),
                                 HasSubstr("racoon.conf:5:12: cannot bind UDP 192.0.2.79"),
                                 ::testing::Not(HasSubstr("192.0.2.77"))));
    EXPECT_EQ(bound(sockets).size(), 1u);
}

TEST(Identity, AUserThatDoesNotExistIsAnErrorThatNamesIt) {
    conf::Privsep privsep;
    privsep.user = "no-such-user-here";
    const auto identity = privsep::choose_identity(privsep);
    ASSERT_FALSE(identity);
    EXPECT_THAT(identity.error().text(), HasSubstr("no-such-user-here"));
    privsep.user = "65534";
    EXPECT_TRUE(privsep::choose_identity(privsep)) << "a number needs no entry";
    privsep.chroot = "/no/such/folder";
    EXPECT_FALSE(privsep::choose_identity(privsep));
}

}  // namespace
}  // namespace racoon::daemon
