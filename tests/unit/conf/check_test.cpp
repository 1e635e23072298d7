// Checks that need a disk, other methods than the golden files have, or many sections.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "unit/conf/conf_test_support.hpp"

namespace racoon::conf {
namespace {

using ::testing::Test;

/// A folder with racoon.conf and what it names.
class CheckFiles : public Test {
  protected:
    void SetUp() override {
        std::string name =
            (std::filesystem::temp_directory_path() / "racoon-check-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        dir_ = name;
    }
    void TearDown() override {
        std::error_code ignored;
        std::filesystem::remove_all(dir_, ignored);
    }
    std::string file(const std::string& name, const std::string& text, unsigned mode = 0600) {
        const std::string path = dir_ + "/" + name;
        std::ofstream(path, std::ios::binary) << text;
        EXPECT_EQ(::chmod(path.c_str(), mode), 0);
        return path;
    }
    Loaded load(const std::string& text, bool offline = false,
                const Catalog& catalog = fake_catalog()) {
        DiskFiles files;
        LoadOptions how;
        how.offline = offline;
        return {conf::load(file("racoon.conf", text), files, catalog, how)};
    }
    std::string dir_;
};

TEST_F(CheckFiles, FoldersThatTheDaemonNeedsAreThere) {
    const auto with = [](const std::string& socket, const std::string& saved) {
        return "listen { adminsock \"" + socket + "\"; }\npath backupsa \"" + saved + "\";\n";
    };
    EXPECT_TRUE(load(with(dir_ + "/made/r.sock", dir_ + "/sa")).ok())
        << "one folder is made at start";
    const std::string wrong = with(dir_ + "/a/b/r.sock", dir_ + "/c/sa");
    const Loaded loaded = load(wrong);
    EXPECT_FALSE(loaded.ok());
    EXPECT_NE(loaded.text().find("adminsock: there is no folder \"" + dir_ +
                                 "/a/b\"; make it with: mkdir -p " + dir_ + "/a/b"),
              std::string::npos)
        << loaded.text();
    EXPECT_NE(loaded.text().find("path backupsa: there is no folder \"" + dir_ + "/c\""),
              std::string::npos)
        << loaded.text();
    EXPECT_TRUE(load(wrong, true).ok()) << "offline the host is not asked";
}

/// The fake catalog and a method with keys.
class WithSignatures final : public Catalog {
  public:
    WithSignatures() {
        rsasig_.name = "rsasig";
        rsasig_.number = 3;
        rsasig_.credential = CredentialKind::Key;
    }
    const CipherInfo* cipher(std::string_view n) const override { return fake_catalog().cipher(n); }
    const HashInfo* hash(std::string_view n) const override { return fake_catalog().hash(n); }
    const GroupInfo* group(std::string_view n) const override { return fake_catalog().group(n); }
    const AuthMethodInfo* auth_method(std::string_view n) const override {
        return n == "rsasig" ? &rsasig_ : fake_catalog().auth_method(n);
    }
    const TransformInfo* esp_encryption(std::string_view n) const override {
        return fake_catalog().esp_encryption(n);
    }
    const TransformInfo* esp_integrity(std::string_view n) const override {
        return fake_catalog().esp_integrity(n);
    }
    const TransformInfo* compression(std::string_view n) const override {
        return fake_catalog().compression(n);
    }
    bool has(Kind kind, std::string_view n) const override { return fake_catalog().has(kind, n); }
    std::vector<std::string> names(Kind kind) const override { return fake_catalog().names(kind); }
    std::optional<std::string> module_offering(Kind kind, std::string_view n) const override {
        return fake_catalog().module_offering(kind, n);
    }

  private:
    AuthMethodInfo rsasig_;
};

std::string rsasig_remote(const std::string& more) {
    return "remote anonymous {\n exchange_mode main;\n my_identifier address;\n" + more +
           "\n proposal { encryption_algorithm aes 256; hash_algorithm sha256; "
           "authentication_method rsasig; dh_group 14; }\n}\n";
}

TEST_F(CheckFiles, OfflineTheTextAloneIsJudged) {
    const std::string text = "path script \"/nowhere\";\n" +
                             remote_text("192.0.2.1", " script \"up.sh\" phase1_up;") +
                             sainfo_text("anonymous");
    EXPECT_EQ(load(text, true).lines().find("missing_file"), std::string::npos);
    EXPECT_NE(load(text).lines().find("[missing_file]"), std::string::npos);
}

TEST_F(CheckFiles, FilesAreToldBesideErrors) {
    const Loaded l = load("path script \"/nowhere\";\nlog verbos;\n");
    EXPECT_NE(l.lines().find("/nowhere"), std::string::npos);
    EXPECT_NE(l.lines().find("verbos"), std::string::npos);
}

TEST_F(CheckFiles, ThePlaceOfThePathOfKeysAndWhatNobodyWantsToHearAreKept) {
    const Loaded l =
        load("warnings { weak_psk off; psk_line on; }\npath pre_shared_key \"psk.txt\";\n");
    ASSERT_TRUE(l.ok());
    EXPECT_EQ(l.config().path_places.at("pre_shared_key").text(), dir_ + "/racoon.conf:2:21");
    EXPECT_EQ(l.config().silenced, (std::set<std::string, std::less<>>{"weak_psk"}));
}

TEST(ShowSource, FindsTheLineAgain) {
    Diagnostic d;
    d.where = {"r.conf", 2, 6};
    d.message = "no";
    show_source(d, "log info;\npath pidfile \"x y\";\n");
    EXPECT_EQ(d.text(), "r.conf:2:6: no\n    path pidfile \"x y\";\n         ^~~~~~~\n");
    d.where.column = 14;
    d.source.clear();
    d.caret.clear();
    show_source(d, "log info;\npath pidfile \"x y\";");
    EXPECT_EQ(d.caret, "             ^~~~~");
    d.where = {"r.conf", 9, 6};
    d.source.clear();
    show_source(d, "log info;\n");
    EXPECT_EQ(d.source, "");
}

TEST_F(CheckFiles, AMissingFolderOfCertificatesIsWarnedOf) {
    const WithSignatures catalog;
    const Loaded l = load(
        "path certificate \"/nowhere/certs\";\n" + rsasig_remote("") + sainfo_text("anonymous"),
        false, catalog);
    EXPECT_NE(
        l.lines().find("racoon.conf:1:18: warning: path certificate: \"/nowhere/certs\" cannot "
                       "be used: No such file or directory [missing_file]"),
        std::string::npos)
        << l.lines();
}

TEST_F(CheckFiles, APrivateKeyForAllIsTold) {
    const WithSignatures catalog;
    file("gw.pem", "x", 0644);
    file("gw.key", "x", 0644);
    const Loaded l = load("path certificate \"" + dir_ + "\";\n" +
                              rsasig_remote(" certificate_type x509 \"gw.pem\" \"gw.key\";") +
                              sainfo_text("anonymous"),
                          false, catalog);
    EXPECT_NE(l.lines().find("racoon.conf:5:33: "), std::string::npos) << l.lines();
    EXPECT_NE(l.lines().find("the private key \"" + dir_ + "/gw.key\" can be used by others"),
              std::string::npos)
        << l.lines();
    EXPECT_EQ(l.lines().find("the certificate \""), std::string::npos) << l.lines();
}

TEST_F(CheckFiles, AScriptThatIsAbsentOrForAllToChangeIsWarnedOf) {
    file("up.sh", "#!/bin/sh\n", 0777);
    file("down.sh", "#!/bin/sh\n", 0644);
    const Loaded l = load("path script \"" + dir_ + "\";\n" +
                          remote_text("192.0.2.1",
                                      " script \"up.sh\" phase1_up; script \"down.sh\" phase1_down;"
                                      " script \"dead.sh\" phase1_dead;") +
                          sainfo_text("anonymous"));
    EXPECT_NE(l.lines().find("others can change the script"), std::string::npos) << l.lines();
    EXPECT_NE(l.lines().find("down.sh\" cannot be executed"), std::string::npos);
    EXPECT_NE(l.lines().find("dead.sh\": No such file or directory"), std::string::npos);
}

TEST_F(CheckFiles, ASecretInAReadableConfigurationIsWarnedOf) {
    DiskFiles files;
    const std::string path = file("r.conf", "radiuscfg { auth \"10.0.0.1\" \"secret\"; }\n", 0644);
    const Loaded l{conf::load(path, files, fake_catalog(), {})};
    EXPECT_TRUE(l.ok()) << l.text();
    EXPECT_NE(l.lines().find("others can read \"" + path + "\"; run: chmod 600"), std::string::npos)
        << l.lines();
    EXPECT_NE(l.lines().find("[unsafe_file]"), std::string::npos);
}

TEST(Check, CertificatesThatAreNotVerifiedAreWarnedOf) {
    const WithSignatures catalog;
    const Loaded l =
        load_text(rsasig_remote(" verify_cert off;") + sainfo_text("anonymous"), {}, {}, catalog);
    EXPECT_NE(l.lines().find("any certificate lets any peer in"), std::string::npos) << l.lines();
    EXPECT_NE(l.lines().find("[unchecked_peer]"), std::string::npos);
}

TEST(Check, WhatOneSectionTurnsOffIsToldElsewhere) {
    const std::string weak =
        " proposal { encryption_algorithm 3des; hash_algorithm sha256; authentication_method "
        "pre_shared_key; dh_group 14; }";
    const Loaded l = load_text("warnings { weak_group off; }\n" +
                               remote_text("192.0.2.1", " warnings { weak_cipher off; }\n" + weak) +
                               remote_text("192.0.2.2", weak) + sainfo_text("anonymous"));
    ASSERT_EQ(l.result.diagnostics.size(), 1u) << l.text();
    EXPECT_EQ(l.result.diagnostics[0].warning, Warning::WeakCipher);
    EXPECT_GT(l.result.diagnostics[0].where.line, 6);
}

TEST(Check, WarningsThatAreOffLeaveRoomForOthers) {
    std::string text = "warnings { weak_group off; }\n";
    for (int i = 0; i < 300; ++i)
        text += remote_text("10.0." + std::to_string(i / 200) + "." + std::to_string(i % 200 + 1),
                            " proposal { encryption_algorithm aes; hash_algorithm sha256; "
                            "authentication_method pre_shared_key; dh_group 2; }");
    text += sainfo_text("anonymous", " lifetime time 9 hours;");
    const Loaded l = load_text(text);
    EXPECT_TRUE(l.ok());
    EXPECT_EQ(l.lines().find("more messages"), std::string::npos);
    EXPECT_NE(l.lines().find("[long_lifetime]"), std::string::npos);
}

TEST(Check, WarningsNeverPushAnErrorOut) {
    std::string text;
    for (int i = 0; i < 1000; ++i) text += "identifier address;\n";
    const Loaded l = load_text(text + "log verbos;\n");
    EXPECT_NE(l.lines().find("verbos"), std::string::npos);
    EXPECT_NE(l.lines().find("800 more messages are not shown"), std::string::npos) << l.lines();
}

TEST(Check, ThousandsOfSectionsThatFitAreNotMentioned) {
    std::string text;
    for (int i = 0; i < 5000; ++i) {
        const std::string net = std::to_string(i / 250) + "." + std::to_string(i % 250 + 1);
        text += remote_text("10.1." + net) +
                sainfo_text("address 10.2." + net + " any address 10.3." + net + " any");
        text += "policy spdadd 10.2." + net + " 10.3." + net +
                " any -P out ipsec esp/tunnel/192.0.2.1-10.1." + net + "/require;\n";
        text += "policy spdadd 10.3." + net + " 10.2." + net + " any -P in ipsec esp/tunnel/10.1." +
                net + "-192.0.2.1/require;\n";
    }
    const Loaded l = load_text(text);
    EXPECT_TRUE(l.ok());
    EXPECT_EQ(l.text(), "");
}

TEST(Warnings, NamesAreUniqueAndExplained) {
    std::vector<std::string> seen;
    std::size_t i = 0;
    for (const WarningInfo& info : warning_table()) {
        EXPECT_EQ(static_cast<std::size_t>(info.warning), i++) << "the order of the enumeration";
        EXPECT_TRUE(info.help.ends_with('.')) << info.name;
        EXPECT_EQ(std::count(seen.begin(), seen.end(), info.name), 0) << info.name;
        seen.emplace_back(info.name);
        EXPECT_EQ(&about(info.warning), &info);
    }
}

}  // namespace
}  // namespace racoon::conf
