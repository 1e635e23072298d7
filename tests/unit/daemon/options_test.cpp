#include "daemon/options.hpp"

#include <filesystem>
#include <gmock/gmock.h>
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

TEST(IkeSockets, AFamilyOptionRestrictsTheWildcards) {
    conf::Config config;
    Options options;
    options.port = 0;  // any free one
    options.family = 4;
    const auto sockets = open_ike_sockets(config, options);
    ASSERT_TRUE(sockets) << sockets.error().text();
    ASSERT_EQ(sockets->size(), 1u);
    EXPECT_EQ((*sockets)[0].local.addr.family, Family::V4);
}

TEST(IkeSockets, StrictAddressMakesAMissingAddressFatalElseTheOthersServe) {
    conf::Config config;
    config.listen.isakmp = {Endpoint{IpAddr::parse("192.0.2.77").value(), 1},
                            Endpoint{IpAddr::parse("127.0.0.1").value(), 0}};
    Options options;
    options.port = 0;
    const auto lenient = open_ike_sockets(config, options);
    ASSERT_TRUE(lenient) << lenient.error().text();
    EXPECT_EQ(lenient->size(), 1u);
    config.listen.strict_address = true;
    EXPECT_FALSE(open_ike_sockets(config, options));
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
