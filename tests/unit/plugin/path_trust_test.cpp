#include "plugin/path_trust.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

namespace racoon::plugin {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct PathTrust : testing::Test {
    PathTrust() {
        std::string pattern = std::string(RACOON_BUILD_DIR) + "/trust-XXXXXX";
        root = ::mkdtemp(pattern.data());
        fs::create_directories(root + "/modules");
        std::ofstream(root + "/modules/x.so") << "x";
        ::chmod((root + "/modules/x.so").c_str(), 0644);
        ::chmod((root + "/modules").c_str(), 0755);
    }
    ~PathTrust() override {
        std::error_code ignored;
        fs::remove_all(root, ignored);
    }
    TrustReport walk(const std::string& name = "modules/x.so") const {
        return walk_trusted(root + "/" + name, default_trust());
    }
    std::string root;
};

TEST_F(PathTrust, AcceptsWhatOnlyTheBuilderCanChangeAndHandsOutTheFile) {
    const TrustReport report = walk();
    ASSERT_TRUE(report.trusted) << report.text();
    ASSERT_TRUE(report.file.valid());
    char c = 0;
    EXPECT_EQ(::read(report.file.get(), &c, 1), 1);
    EXPECT_EQ(c, 'x');
    EXPECT_EQ(report.steps.front().path, "/");
}

TEST_F(PathTrust, RefusesWritableFilesAndFolders) {
    ::chmod((root + "/modules/x.so").c_str(), 0664);
    EXPECT_FALSE(walk().trusted);
    ::chmod((root + "/modules/x.so").c_str(), 0644);
    ::chmod((root + "/modules").c_str(), 0777);
    const TrustReport report = walk();
    EXPECT_FALSE(report.trusted);
    EXPECT_EQ(report.steps.back().path, root + "/modules");
    EXPECT_THAT(report.steps.back().text, HasSubstr("chmod go-w"));
    EXPECT_FALSE(report.file.valid());
}

TEST_F(PathTrust, PassesAStickyFolderWhenWhatFollowsIsTrusted) {
    ::chmod((root + "/modules").c_str(), 01777);
    EXPECT_TRUE(walk().trusted) << walk().text();
    if (::geteuid() != 0) return;  // only root can give a file away
    ASSERT_EQ(::chown((root + "/modules/x.so").c_str(), 12345, 0), 0);
    EXPECT_FALSE(walk().trusted) << "in a sticky folder anybody may put a file of his own";
}

TEST_F(PathTrust, RefusesAnotherOwner) {
    if (::geteuid() != 0) return;
    ASSERT_EQ(::chown((root + "/modules").c_str(), 12345, 0), 0);
    const TrustReport report = walk();
    EXPECT_FALSE(report.trusted);
    EXPECT_THAT(report.steps.back().text, HasSubstr("uid 12345"));
}

TEST_F(PathTrust, TrustsTheBuilderInHisTreeOnly) {
    if (::geteuid() != 0) return;
    ASSERT_EQ(::chown((root + "/modules").c_str(), 12345, 0), 0);
    ASSERT_EQ(::chown((root + "/modules/x.so").c_str(), 12345, 0), 0);
    TrustPolicy policy;
    policy.builder = 12345;
    policy.build_tree = root;
    EXPECT_TRUE(walk_trusted(root + "/modules/x.so", policy).trusted);
    policy.build_tree = root + "/modu";
    EXPECT_FALSE(walk_trusted(root + "/modules/x.so", policy).trusted)
        << "a prefix of the name is not the folder";
    policy.build_tree.clear();
    EXPECT_FALSE(walk_trusted(root + "/modules/x.so", policy).trusted);
}

TEST_F(PathTrust, CountsTheOverflowUidAsRootOnlyWhereItMustAndSaysSo) {
    if (::geteuid() != 0) return;
    ASSERT_EQ(::chown((root + "/modules/x.so").c_str(), 65534, 0), 0);
    TrustPolicy policy;
    EXPECT_FALSE(walk_trusted(root + "/modules/x.so", policy).trusted);
    policy.overflow_is_root = true;
    const TrustReport report = walk_trusted(root + "/modules/x.so", policy);
    EXPECT_TRUE(report.trusted);
    EXPECT_TRUE(report.used_overflow_uid);
}

TEST_F(PathTrust, FollowsTrustedLinksOnTheWay) {
    fs::create_directory_symlink("modules", root + "/link");
    EXPECT_TRUE(walk("link/x.so").trusted) << walk("link/x.so").text();
    fs::create_directory_symlink(root + "/modules", root + "/absolute");
    EXPECT_TRUE(walk("absolute/x.so").trusted);
    if (::geteuid() != 0) return;
    ASSERT_EQ(::lchown((root + "/link").c_str(), 12345, 0), 0);
    EXPECT_FALSE(walk("link/x.so").trusted) << "whoever owns the link chooses the target";
}

TEST_F(PathTrust, RefusesLoopsDotsAndRelativePaths) {
    fs::create_symlink("loop", root + "/loop");
    EXPECT_FALSE(walk("loop/x.so").trusted);
    EXPECT_FALSE(walk("modules/../modules/x.so").trusted);
    EXPECT_FALSE(walk_trusted("modules/x.so", default_trust()).trusted);
    EXPECT_FALSE(walk_trusted("", default_trust()).trusted);
    EXPECT_FALSE(walk_trusted("/", default_trust()).trusted);
}

TEST_F(PathTrust, AModuleMayBeALinkWithinItsFolderOnly) {
    fs::create_symlink("x.so", root + "/modules/y.so");
    EXPECT_TRUE(walk("modules/y.so").trusted);
    fs::create_symlink(root + "/modules/x.so", root + "/modules/z.so");
    EXPECT_FALSE(walk("modules/z.so").trusted);
}

TEST_F(PathTrust, RefusesWhatIsNoFile) {
    ASSERT_EQ(::mkfifo((root + "/modules/fifo.so").c_str(), 0644), 0);
    EXPECT_FALSE(walk("modules/fifo.so").trusted) << "and it must not block";
    EXPECT_FALSE(walk("modules").trusted);
    EXPECT_FALSE(walk("modules/absent.so").trusted);
}

}  // namespace
}  // namespace racoon::plugin
