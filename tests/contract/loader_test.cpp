// Every way in which a module can be wrong gives its own message, with both values and the remedy, and
// no code of it runs before it has passed the checks that need none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "contract/module_dir.hpp"
#include "plugin/lifecycle.hpp"
#include "support/fake_runtime.hpp"
#include "support/log_capture.hpp"

namespace racoon::plugin {
namespace {

using test::ModuleDir;
using testing::HasSubstr;

conf::ModuleBlock named(const std::string& name) {
    conf::ModuleBlock block;
    block.name = name;
    return block;
}

std::string load_error(const ModuleDir& dir, const std::vector<std::string>& names,
                       Zone zone = Zone::Both) {
    test::FakeRuntime runtime;
    PluginHost host(runtime, zone, dir.path());
    std::vector<conf::ModuleBlock> blocks;
    for (const std::string& n : names) blocks.push_back(named(n));
    const Status loaded = host.load(blocks);
    return loaded ? "loaded" : loaded.error().text();
}

struct Bad {
    const char* module;
    const char* id;
    std::vector<const char*> says;
};
void PrintTo(const Bad& bad, std::ostream* out) {
    *out << bad.module;
}

class BadPlugin : public testing::TestWithParam<Bad> {};

TEST_P(BadPlugin, IsRefusedWithItsOwnMessage) {
    ModuleDir dir;
    dir.add(GetParam().module);
    const std::string error = load_error(dir, {GetParam().module});
    EXPECT_THAT(error, HasSubstr(std::string("[") + GetParam().id + "]"));
    EXPECT_THAT(error, HasSubstr(GetParam().module));
    EXPECT_EQ(error.find('\n'), std::string::npos) << "one line, please: " << error;
    for (const char* part : GetParam().says) EXPECT_THAT(error, HasSubstr(part));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadPlugin,
    testing::Values(Bad{"no-note", "PLG-0004", {"no manifest", "racoon_add_plugin"}},
                    Bad{"unknown-key", "PLG-0006", {"colour", "unknown key"}},
                    Bad{"unknown-point", "PLG-0006", {"racoon.teleport/1", "newer racoon"}},
                    Bad{"other-abi-major", "PLG-0008", {"ABI 2.0", "speaks 1.0"}},
                    Bad{"other-abi-minor", "PLG-0009", {"ABI 1.7", "exactly 1.0", "rebuild"}},
                    Bad{"other-platform", "PLG-0011", {"plan9"}},
                    Bad{"unknown-privilege", "PLG-0012", {"be-root", "net-admin"}},
                    Bad{"engine-privilege", "PLG-0012", {"net-admin", "engine"}},
                    Bad{"no-symbol", "PLG-0015", {"racoon_plugin_v1"}},
                    Bad{"bad-magic", "PLG-0016", {"0x000000000000002a", "0x5241434f4f4e5031"}},
                    Bad{"small-entry", "PLG-0017", {"16 bytes"}},
                    Bad{"manifest-differs", "PLG-0018", {"differs", "rebuild"}},
                    Bad{"entry-abi", "PLG-0018", {"ABI 1.9", "1.0 in the manifest"}},
                    Bad{"init-fails", "PLG-0019", {"no entropy here"}},
                    Bad{"unknown-status", "PLG-0019", {"77"}},
                    Bad{"undeclared", "PLG-0020", {"racoon.auth-method/1 \"another\"", "provides"}},
                    Bad{"not-provided", "PLG-0021", {"racoon.auth-method/1 \"test_method\""}},
                    Bad{"null-function", "PLG-0022", {"auth_in", "racoon.auth-method/1"}},
                    Bad{"null-table", "PLG-0022", {"null table"}},
                    Bad{"self-test-fails", "PLG-0023", {"vector 3 differs"}},
                    Bad{"twice", "PLG-0030", {"test_method", "twice"}},
                    Bad{"unmet-need", "PLG-0024", {"racoon.cipher/1:rot13", "no installed module"}},
                    Bad{"exec-stack", "PLG-0005", {"executable stack", "noexecstack"}},
                    Bad{"relative-runpath", "PLG-0005", {"RUNPATH", "lib"}}),
    [](const auto& test) {
        std::string name = test.param.module;
        std::replace(name.begin(), name.end(), '-', '_');
        return name;
    });

TEST(Loader, RefusesAModuleWhoseNameIsNotItsFiles) {
    ModuleDir dir;
    dir.add("fine", "renamed");
    EXPECT_THAT(
        load_error(dir, {"renamed"}),
        testing::AllOf(HasSubstr("[PLG-0007]"), HasSubstr("\"fine\""), HasSubstr("\"renamed\"")));
}

TEST(Loader, RefusesAFileThatOthersCanWriteTo) {
    for (const mode_t mode : {0777u, 0775u, 0757u}) {
        ModuleDir dir;
        dir.add("fine", "fine", mode);
        EXPECT_THAT(load_error(dir, {"fine"}),
                    testing::AllOf(HasSubstr("[PLG-0013]"), HasSubstr("chmod go-w")));
    }
}

TEST(Loader, RefusesAFolderThatOthersCanWriteTo) {
    ModuleDir dir;
    dir.add("fine");
    ASSERT_EQ(::chmod(dir.path().c_str(), 0777), 0);
    EXPECT_THAT(load_error(dir, {"fine"}), HasSubstr("[PLG-0013]"));
}

TEST(Loader, RefusesALinkThatLeavesTheFolder) {
    ModuleDir dir;
    ASSERT_EQ(::symlink((std::string(RACOON_TEST_MODULES) + "/fine.so").c_str(),
                        dir.file("fine").c_str()),
              0);
    EXPECT_THAT(load_error(dir, {"fine"}),
                testing::AllOf(HasSubstr("[PLG-0013]"), HasSubstr("copy the file")));
}

TEST(Loader, RefusesNamesThatArePaths) {
    ModuleDir dir;
    dir.add("fine");
    for (const char* name : {"../fine", "/etc/passwd", "fine.so", "Fine", "", "a/b",
                             "abcdefghijklmnopqrstuvwxyz0123456"})
        EXPECT_THAT(load_error(dir, {name}), HasSubstr("[PLG-0001]")) << name;
}

TEST(Loader, SaysThatAFileIsMissing) {
    ModuleDir dir;
    EXPECT_THAT(load_error(dir, {"acme-otp"}),
                testing::AllOf(HasSubstr("[PLG-0002]"), HasSubstr("acme-otp.so"),
                               HasSubstr("No such file")));
}

TEST(Loader, RefusesModulesThatNeedEachOther) {
    ModuleDir dir;
    dir.add("cycle-a").add("cycle-b");
    EXPECT_THAT(
        load_error(dir, {"cycle-a", "cycle-b"}),
        testing::AllOf(HasSubstr("[PLG-0025]"), HasSubstr("cycle-a needs cycle-b needs cycle-a")));
}

TEST(Loader, NamesTheInstalledModuleThatWouldMeetANeed) {
    ModuleDir dir;
    dir.add("cycle-a").add("cycle-b");
    EXPECT_THAT(load_error(dir, {"cycle-a"}), HasSubstr("add: module \"cycle-b\";"));
}

TEST(Loader, ChecksTheAbiByTheRulesOfBeforeAndAfterOnePointZero) {
    Manifest m;
    m.name = "x";
    m.abi = {1, 6};
    m.min_host = {1, 2};
    EXPECT_TRUE(check_abi(m, {1, 2}, "1.0.0")) << "a host as old as min_host is enough once frozen";
    EXPECT_TRUE(check_abi(m, {1, 9}, "1.4.0"));
    const Status old_host = check_abi(m, {1, 1}, "1.0.0");
    ASSERT_FALSE(old_host);
    EXPECT_THAT(old_host.error().text(),
                testing::AllOf(HasSubstr("1.2"), HasSubstr("1.1"), HasSubstr("[PLG-0010]")));
    EXPECT_FALSE(check_abi(m, {1, 9}, "0.9.0")) << "before 1.0 the minor must be the same";
    EXPECT_TRUE(check_abi(m, {1, 6}, "0.9.0"));
    EXPECT_FALSE(check_abi(m, {2, 0}, "2.0.0"));
}

}  // namespace
}  // namespace racoon::plugin
