// racoon as it is called: options, exit status, which stream says what.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace racoon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Ran {
    int status = -1;
    std::string out, err;
};

class ProgramTest : public ::testing::Test {
  protected:
    ProgramTest()
        : dir_(std::filesystem::temp_directory_path() /
               ("racoon-program-" + std::to_string(::getpid()))) {
        std::filesystem::remove_all(dir_);
        std::filesystem::create_directories(dir_);
    }
    ~ProgramTest() override { std::filesystem::remove_all(dir_); }

    static std::string content(const std::filesystem::path& path) {
        std::ifstream in(path);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    Ran run(const std::string& arguments) {
        const std::string out = (dir_ / "out").string(), err = (dir_ / "err").string();
        const int status = std::system(
            (RACOON_BUILD_DIR "/sbin/racoon " + arguments + " >" + out + " 2>" + err).c_str());
        return {WIFEXITED(status) ? WEXITSTATUS(status) : 256, content(out), content(err)};
    }
    std::string config(const std::string& text) {
        const auto path = dir_ / "racoon.conf";
        std::ofstream(path) << "path module \"" RACOON_BUILD_DIR "/lib/racoon/modules\";\n" << text;
        return path.string();
    }
    static constexpr const char* kModules =
        "module \"crypto-openssl\"; module \"auth-psk\"; module \"credential-files\"; "
        "module \"kernel-sim\";\n";
    static constexpr const char* kRemote =
        "remote 192.0.2.1 { exchange_mode main; proposal { encryption_algorithm aes 128; "
        "hash_algorithm sha256; authentication_method pre_shared_key; dh_group 14; } }\n";

    std::filesystem::path dir_;
};

TEST_F(ProgramTest, TellsItsVersionWithoutRoot) {
    const Ran r = run("-V");
    EXPECT_EQ(r.status, 0);
    EXPECT_THAT(r.out, StartsWith("@(#)ipsec-tools "));
    EXPECT_THAT(r.out, HasSubstr("\nCompiled with:\n- "));
}

TEST_F(ProgramTest, ABadOptionPrintsTheUsageOnStandardOutputAndEndsWithOne) {
    const Ran r = run("-x");
    EXPECT_EQ(r.status, 1);
    EXPECT_THAT(r.out, StartsWith("usage: racoon "));
    EXPECT_THAT(r.err, HasSubstr("invalid option"));
    EXPECT_EQ(run("-h").status, 1) << "no option of racoon";
    EXPECT_EQ(run("--help").status, 0);
    const Ran leftover = run("-d 0xffffffff");
    EXPECT_EQ(leftover.status, 1);
    EXPECT_THAT(leftover.out, StartsWith("usage: racoon "));
    EXPECT_THAT(leftover.err, HasSubstr("found \"0xffffffff\", expected options only"));
}

TEST_F(ProgramTest, TestsAGoodConfigurationWithTwoLines) {
    const std::string file = config(std::string(kModules) + kRemote);
    const Ran r = run("-t -f " + file);
    EXPECT_EQ(r.status, 0) << r.out << r.err;
    EXPECT_THAT(r.out, HasSubstr("racoon: configuration file \"" + file +
                                 "\" syntax is ok\n"
                                 "racoon: configuration file \"" +
                                 file + "\" test is successful\n"));
}

TEST_F(ProgramTest, ABrokenConfigurationIsShownWithItsPlaceAndTheTestFails) {
    const std::string file =
        config(std::string(kModules) + "remote 192.0.2.1 { exchnge_mode main; }\n");
    const Ran r = run("-t -f " + file);
    EXPECT_EQ(r.status, 1);
    EXPECT_THAT(r.out, HasSubstr(file + ":3:20: "));
    EXPECT_THAT(r.out, HasSubstr("exchange_mode")) << "what was meant";
    EXPECT_THAT(r.out, Not(HasSubstr("successful")));
    EXPECT_THAT(r.err, HasSubstr("racoon: configuration file \"" + file + "\" test failed\n"));
}

TEST_F(ProgramTest, AModuleThatDoesNotExistIsNamedAndTheTestFails) {
    const std::string file = config("module \"no-such-module\";\n");
    const Ran r = run("-t -f " + file);
    EXPECT_EQ(r.status, 1);
    EXPECT_THAT(r.out, HasSubstr("no-such-module"));
    EXPECT_THAT(r.err, HasSubstr("test failed"));
}

TEST_F(ProgramTest, EveryErrorOfModuleBlocksIsToldInOneRunWithTheOthers) {
    const std::string file = config(
        "module \"crypto-openssl\"; module \"auth-psk\";\nmodule \"kernel-userspace\" {\n"
        "    devise \"tun7\";\n    mtu 70000;\n    mark many;\n}\n"
        "module \"kernel-sim\" { traffic 1 sec; }\n"
        "timer { counter many; }\n");
    for (const char* how : {"-t -f ", "-t --offline -f "}) {
        const Ran r = run(how + file);
        EXPECT_EQ(r.status, 1);
        for (const char* expected :
             {":4:5: unknown key \"devise\"; did you mean \"device\"?", "ERROR:         ^~~~~~\n",
              ":5:9: mtu: found 70000, expected at least 1280 and at most 9000",
              ":6:10: mark: found \"many\", expected a number", ":8:23: unknown key \"traffic\"",
              ":9:17: "})
            EXPECT_THAT(r.out, HasSubstr(expected)) << how;
    }
    // And what a missing module has to do with it is no reason to be silent about the rest.
    const Ran missing = run("-t -f " + config("module \"no-such-module\";\n"
                                              "module \"kernel-sim\" { traffic 1 sec; }\n"
                                              "remote anonymous { exchange_mode mian; }\n"));
    EXPECT_EQ(missing.status, 1);
    EXPECT_THAT(missing.out, HasSubstr("no-such-module"));
    EXPECT_THAT(missing.out, HasSubstr("unknown key \"traffic\""));
    EXPECT_THAT(missing.out, HasSubstr("mian"));
}

TEST_F(ProgramTest, TheLineThatIsSaidToAddAModuleIsAllThatIsMissing) {
    const std::string des =
        "remote 192.0.2.1 { exchange_mode main; proposal { encryption_algorithm des; "
        "hash_algorithm sha256; authentication_method pre_shared_key; dh_group 14; } }\n";
    const Ran missing = run("-t -f " + config(des));
    EXPECT_EQ(missing.status, 1);
    const std::string line = "module \"standard\"; module \"crypto-legacy\";";
    EXPECT_THAT(missing.out, HasSubstr("installed: crypto-legacy; add: " + line));
    const Ran added = run("-t -f " + config(line + "\n" + des));
    EXPECT_EQ(added.status, 0) << added.out << added.err;
    EXPECT_THAT(run("-t -f " + config("module \"standard\";\n" + des)).out,
                HasSubstr("installed: crypto-legacy; add: module \"crypto-legacy\";"));
    // Settings of a standard module stand in its own block, beside the word.
    const Ran settings =
        run("-t -f " + config("module \"standard\";\nmodule \"kernel-userspace\" { mtu 1400; }\n"));
    EXPECT_EQ(settings.status, 0) << settings.out << settings.err;
    const Ran misplaced = run("-t -f " + config("module \"standard\" { mtu 1400; }\n"));
    EXPECT_EQ(misplaced.status, 1);
    EXPECT_THAT(misplaced.out, HasSubstr(":2:21: module \"standard\" stands for several modules"));
}

TEST_F(ProgramTest, WhatTheNamedModulesLackIsToldWithTheModuleToAdd) {
    const std::string path = "path pre_shared_key \"" + (dir_ / "psk.txt").string() + "\";\n";
    const Ran kernel = run("-t -f " + config("module \"crypto-openssl\"; module \"auth-psk\"; "
                                             "module \"credential-files\";\n" +
                                             std::string(kRemote)));
    EXPECT_EQ(kernel.status, 1);
    EXPECT_THAT(kernel.out, HasSubstr(":2:1: the modules that are named here"));
    EXPECT_THAT(kernel.out, HasSubstr("is a kernel backend; installed: kernel-xfrm; add: module "
                                      "\"kernel-xfrm\";"));
    const Ran keys = run("-t -f " + config("module \"crypto-openssl\"; module \"auth-psk\"; "
                                           "module \"kernel-sim\";\n" +
                                           std::string(kRemote)));
    EXPECT_EQ(keys.status, 0) << keys.out << keys.err;
    EXPECT_THAT(keys.out, HasSubstr("so that pre_shared_key cannot be used; installed: "
                                    "credential-files; add: module \"credential-files\";"));
    EXPECT_THAT(run("-t --offline -f " + config("module \"crypto-openssl\";\n")).out,
                Not(HasSubstr("kernel backend")));
}

TEST_F(ProgramTest, UsersAndGroupsThatAreNotThereAreTold) {
    const std::string file = config(std::string(kModules) +
                                    "privsep { user \"no-such-user\"; group \"no-such-group\"; }\n"
                                    "listen { adminsock \"/run/r.sock\" \"root\" "
                                    "\"no-such-group\" 0660; }\n");
    const Ran r = run("-t -f " + file);
    EXPECT_EQ(r.status, 1);
    EXPECT_THAT(r.out, HasSubstr(":3:16: user: this host has no user \"no-such-user\""));
    EXPECT_THAT(r.out, HasSubstr(":3:38: group: this host has no group \"no-such-group\""));
    EXPECT_THAT(r.out, HasSubstr(":4:41: adminsock: this host has no group \"no-such-group\""));
    EXPECT_EQ(run("-t --offline -f " + file).status, 0);
}

TEST_F(ProgramTest, AFileThatDoesNotExistIsNamed) {
    const Ran r = run("-t -f /no/such/racoon.conf");
    EXPECT_EQ(r.status, 1);
    EXPECT_THAT(r.out, HasSubstr("/no/such/racoon.conf"));
    EXPECT_THAT(r.err, HasSubstr("test failed"));
}

TEST_F(ProgramTest, AKeyFileThatCannotServeIsNamedWithTheRemedy) {
    const std::string key = (dir_ / "psk.txt").string();
    const std::string file =
        config(std::string(kModules) + "path pre_shared_key \"" + key + "\";\n" + kRemote);
    Ran r = run("-t -f " + file);
    EXPECT_EQ(r.status, 1);
    EXPECT_THAT(r.out, HasSubstr(key + " (`path pre_shared_key`): No such file"));
    std::ofstream(key) << "192.0.2.1 secret\n";
    ::chmod(key.c_str(), 0644);
    r = run("-t -f " + file);
    EXPECT_EQ(r.status, 1);
    EXPECT_THAT(r.out, HasSubstr("chmod 600 " + key));
    ::chmod(key.c_str(), 0600);
    r = run("-t -f " + file);
    EXPECT_EQ(r.status, 0) << r.out << r.err;
}

TEST_F(ProgramTest, LinesAndKeysOfPskTxtAreWarnedOfByNameAndPlace) {
    const std::string key = (dir_ / "psk.txt").string();
    const std::string file =
        config(std::string(kModules) + "path pre_shared_key \"" + key + "\";\n" + kRemote);
    std::ofstream(key) << "# ours\n192.0.2.1 geheim\n192.0.2.2 0x123\n";
    ::chmod(key.c_str(), 0600);
    const Ran r = run("-t -f " + file);
    EXPECT_EQ(r.status, 0) << r.out << r.err;
    EXPECT_THAT(r.out, HasSubstr(key + ":2:11: warning: the key is shorter than 20 characters"));
    EXPECT_THAT(r.out, HasSubstr("[weak_psk]"));
    EXPECT_THAT(r.out, HasSubstr(key + ":3:11: warning: found an odd number of hex digits"));
    EXPECT_THAT(r.out, HasSubstr("[psk_line]"));
    EXPECT_THAT(r.out + r.err, Not(HasSubstr("geheim")));
    EXPECT_THAT(r.out, Not(HasSubstr("no key for")));
    std::ofstream(key) << "192.0.2.2 a key that is long enough for everybody\n";
    const Ran other = run("-t -f " + file);
    EXPECT_EQ(other.status, 0) << other.out << other.err;
    EXPECT_THAT(other.out, HasSubstr(file + ":4:1: warning: no key for 192.0.2.1 in " + key));
    EXPECT_THAT(other.out, Not(HasSubstr("couldn't find"))) << "told once";
    std::ofstream(key) << "# ours\n192.0.2.1 geheim\n192.0.2.2 0x123\n";
    EXPECT_THAT(run("-t --offline -f " + file).out, Not(HasSubstr("psk.txt:")));
    const Ran none = run("-t -f " + config(std::string(kModules) + kRemote));
    EXPECT_THAT(none.out,
                HasSubstr(":3:1: warning: this section needs a pre-shared key, and no file"));
}

TEST_F(ProgramTest, KeysThatOnlyRootMayReadAreNotPassedOverInSilence) {
    if (::geteuid() != 0) GTEST_SKIP() << "root becomes somebody else for this";
    const std::string key = (dir_ / "psk.txt").string();
    std::ofstream(key) << "192.0.2.1 0x123\n";
    ::chmod(key.c_str(), 0600);
    const std::string file =
        config(std::string(kModules) + "path pre_shared_key \"" + key + "\";\n" + kRemote);
    ::chmod(dir_.c_str(), 0755);
    const auto as_nobody = [&] {
        Ran r;
        const std::string command = "setpriv --reuid 65534 --clear-groups " RACOON_BUILD_DIR
                                    "/sbin/racoon -t -f " +
                                    file + " >" + (dir_ / "out").string() + " 2>&1";
        r.status = WEXITSTATUS(std::system(command.c_str()));
        r.out = content(dir_ / "out");
        return r;
    };
    Ran r = as_nobody();
    if (r.status == 126 || r.status == 127) GTEST_SKIP() << "nobody cannot run this build";
    EXPECT_EQ(r.status, 0) << r.out;
    EXPECT_THAT(r.out, HasSubstr(file + ":"));
    EXPECT_THAT(r.out, HasSubstr("warning: " + key + " may not be read by who tests this"));
    EXPECT_THAT(r.out, HasSubstr("[unchecked_file]"));
    EXPECT_THAT(r.out, HasSubstr("test is successful"));
    // What can be seen from outside is told all the same, and the remedy is for root's daemon.
    ::chmod(key.c_str(), 0644);
    r = as_nobody();
    EXPECT_EQ(r.status, 1);
    EXPECT_THAT(r.out, HasSubstr("run: chmod 600 " + key));
    EXPECT_THAT(r.out, Not(HasSubstr("chown")));
}

TEST_F(ProgramTest, APlainRsaKeyFileIsJudgedWhenTheConfigurationIsRead) {
    const auto remote = [](const std::string& files) {
        return std::string(kModules) + "path certificate \"" + "DIR" + "\";\nremote 192.0.2.1 { " +
               files +
               " exchange_mode main; proposal { encryption_algorithm aes 128; hash_algorithm sha256; "
               "authentication_method pre_shared_key; dh_group 14; } }\n";
    };
    const auto place_in = [this](std::string text) {
        return config(text.replace(text.find("DIR"), 3, dir_.string()));
    };
    ASSERT_EQ(
        std::system((RACOON_BUILD_DIR "/sbin/plainrsa-gen -b 2048 -f " + (dir_ / "gw.rsa").string())
                        .c_str()),
        0);
    const std::string own = place_in(remote("certificate_type plain_rsa \"gw.rsa\";"));
    Ran r = run("-t -f " + own);
    EXPECT_EQ(r.status, 0) << r.out << r.err;
    // The private key is no secret then.
    const std::string key = (dir_ / "gw.rsa").string();
    ::chmod(key.c_str(), 0640);
    r = run("-t -f " + own);
    EXPECT_EQ(r.status, 1);
    EXPECT_THAT(r.out,
                HasSubstr(own + ":4:20: certificate_type: " + key + " has weak file permission: "));
    EXPECT_THAT(r.out, HasSubstr("chmod 600 " + key));
    // Every broken file is told, in one run, with its place in both files.
    std::ofstream(dir_ / "a.pub") << "# the peer's\n: PUB 0sAQM=\n";
    const std::string peers =
        place_in(remote("peers_certfile plain_rsa \"a.pub\";\n"
                        "peers_certfile plain_rsa \"none.pub\";"));
    r = run("-t -f " + peers);
    EXPECT_EQ(r.status, 1);
    EXPECT_THAT(r.out, HasSubstr(peers + ":4:20: peers_certfile: " + (dir_ / "a.pub").string() +
                                 ":2:7: PUB: 2 bytes, expected the exponent's length"));
    EXPECT_THAT(r.out, HasSubstr(peers + ":5:1: peers_certfile: failed to open " +
                                 (dir_ / "none.pub").string() + ": No such file"));
    EXPECT_EQ(run("-t --offline -f " + peers).status, 0) << "the text alone is good";
}

TEST_F(ProgramTest, OfflineJudgesTheTextAlone) {
    const std::string file = config(
        "module \"crypto-openssl\"; module \"auth-psk\";\n"
        "path pre_shared_key \"/no/such/psk.txt\";\n" +
        std::string(kRemote));
    const Ran r = run("-t --offline -f " + file);
    EXPECT_EQ(r.status, 0) << r.out << r.err;
}

TEST_F(ProgramTest, OfflineNeedsNoInstalledModule) {
    const auto judged = [&](const std::string& text) {
        const auto path = dir_ / "racoon.conf";
        std::ofstream(path) << "path module \"/no/such/modules\";\n" << text;
        return run("-t --offline -f " + path.string());
    };
    Ran r = judged(kRemote);
    EXPECT_EQ(r.status, 0) << r.out << r.err;
    r = judged(std::string(kModules) + kRemote);
    EXPECT_EQ(r.status, 0) << r.out << r.err;
    EXPECT_THAT(r.out, HasSubstr("module \"auth-psk\""));
    r = judged("remote 192.0.2.1 { exchange_mod main; }");
    EXPECT_EQ(r.status, 1) << "what is wrong in the text is still found";
    EXPECT_THAT(r.out, HasSubstr("exchange_mode"));
}

TEST_F(ProgramTest, ASectionBeyondThisReleaseIsReadAndPrintedAgain) {
    const std::string file =
        config(std::string(kModules) +
               "remote 192.0.2.9 { exchange_mode main; xauth_login \"joe\"; "
               "proposal { encryption_algorithm aes 256; hash_algorithm sha256; "
               "authentication_method pre_shared_key; dh_group 14; } }\n");
    const Ran r = run("-tC -f " + file);
    EXPECT_EQ(r.status, 0) << r.out << r.err;
    EXPECT_THAT(r.out, HasSubstr("xauth_login \"joe\";"));
}

TEST_F(ProgramTest, PrintsTheWholeConfigurationInForce) {
    const std::string file = config(std::string(kModules) + kRemote);
    const Ran r = run("-tC -f " + file);
    EXPECT_EQ(r.status, 0) << r.out << r.err;
    EXPECT_THAT(r.out, HasSubstr("exchange_mode main"));
    EXPECT_THAT(r.out, HasSubstr("dh_group"));
}

TEST_F(ProgramTest, WhatItPrintsIsAConfigurationAndNothingElse) {
    const std::string file = config(std::string(kModules) + kRemote + "policy_ = 1;\n");
    EXPECT_EQ(run("-tC -f " + file).out, "") << "nothing is in force";
    const Ran first = run("-tC -f " + config(std::string(kModules) + kRemote));
    EXPECT_EQ(first.status, 0) << first.err;
    EXPECT_THAT(first.err, HasSubstr("test is successful"));
    const auto again = dir_ / "again.conf";
    std::ofstream(again) << first.out;
    const Ran second = run("-tC -f " + again.string());
    EXPECT_EQ(second.status, 0) << second.err;
    EXPECT_EQ(second.out, first.out);
}

TEST_F(ProgramTest, PrintsTheConfigurationAsJsonAndEnds) {
    const std::string file = config(std::string(kModules) + kRemote);
    for (const char* how : {"-C --json -f ", "-t -C --json -f ", "-C --offline --json -f "}) {
        const Ran r = run(how + file);
        EXPECT_EQ(r.status, 0) << r.out << r.err;
        EXPECT_THAT(r.out, StartsWith("{\n"));
        EXPECT_THAT(r.out, HasSubstr("\"nonce_size\": 16"));
    }
    // Without the modules too: the text alone is judged.
    EXPECT_EQ(run("-C --offline -f " + file).status, 0);
}

TEST_F(ProgramTest, ListsInstalledModulesFromTheirManifests) {
    const Ran r = run("--list-modules -f " + config(""));
    EXPECT_EQ(r.status, 0);
    EXPECT_THAT(r.out, HasSubstr("crypto-openssl"));
    const Ran json = run("--list-modules --json -f " + config(""));
    EXPECT_EQ(json.status, 0);
    EXPECT_THAT(json.out, StartsWith("{"));
}

TEST_F(ProgramTest, WithoutRootItSaysSo) {
    if (::geteuid() == 0) {
        // Root can become somebody else for the question.
        const std::string file = config("");
        ::chmod(dir_.c_str(), 0777);
        const int status = std::system(
            ("setpriv --reuid 65534 --clear-groups " RACOON_BUILD_DIR "/sbin/racoon -F -f " + file +
             " >" + (dir_ / "out").string() + " 2>" + (dir_ / "err").string())
                .c_str());
        if (WEXITSTATUS(status) == 126 || WEXITSTATUS(status) == 127) {
            if (std::getenv("CI") != nullptr)
                FAIL() << "the build folder must be readable by others";
            GTEST_SKIP() << "another user cannot run the program in this build folder";
        }
        EXPECT_EQ(WEXITSTATUS(status), 1);
        EXPECT_THAT(content(dir_ / "err"), HasSubstr("must be root"));
        return;
    }
    const Ran r = run("-F -f " + config(""));
    EXPECT_EQ(r.status, 1);
    EXPECT_THAT(r.err, HasSubstr("must be root"));
}

TEST_F(ProgramTest, RestoringSasNeedsAFile) {
    if (::geteuid() != 0) {
        if (std::getenv("CI") != nullptr) FAIL() << "needs root";
        GTEST_SKIP() << "needs root";
    }
    const Ran r = run("-B -F -f " + config(""));
    EXPECT_EQ(r.status, 1);
    EXPECT_THAT(r.out + r.err, HasSubstr("has no `path backupsa` to restore SAs from"));
}

}  // namespace
}  // namespace racoon
