// Files: includes, bundles, modules, and whole models.
#include "conf/load.hpp"

#include <unistd.h>

#include <filesystem>

#include "unit/conf/conf_test_support.hpp"

namespace racoon::conf {
namespace {

TEST(Load, AnEmptyFileIsAConfiguration) {
    const Loaded l = load_text("");
    ASSERT_TRUE(l.ok());
    EXPECT_FALSE(l.config().timer.given);
    EXPECT_EQ(l.config().kernel, "auto");
    EXPECT_FALSE(l.config().log_level.has_value());
}

TEST(Load, ReadsTheGeneralBlocks) {
    const Loaded l = load_text(read_file(RACOON_SOURCE_DIR "/tests/conf/valid/site_to_site.conf"));
    ASSERT_TRUE(l.ok()) << l.text();
    const Config& c = l.config();
    EXPECT_EQ(c.paths.at("pre_shared_key"), "/etc/racoon/psk.txt");
    EXPECT_EQ(c.log_level, 3);
    EXPECT_EQ(c.listen.isakmp.at(0).text(), "192.0.2.1[500]");
    EXPECT_TRUE(c.listen.strict_address);
    EXPECT_EQ(c.listen.adminsock.mode, 0660u);
    EXPECT_TRUE(c.timer.given);
    EXPECT_EQ(c.timer.interval, seconds(20));
    EXPECT_EQ(c.timer.natt_keepalive, seconds(0));
    EXPECT_FALSE(c.padding.randomize);
    EXPECT_EQ(c.privsep->user, "racoon");
    EXPECT_EQ(c.privsep->group, "65534");
    EXPECT_EQ(c.remotes.at(0).rekey, Rekey::Force);
    EXPECT_EQ(c.remotes.at(0).proposals.at(1).lifetime, seconds(1800));
    ASSERT_EQ(c.sainfos.at(0).encryption.size(), 3u);
    EXPECT_EQ(c.sainfos[0].encryption[0].key_bits, 256);
    EXPECT_EQ(c.sainfos[0].remoteid, 7u);
    ASSERT_EQ(c.policies.size(), 3u) << "out, in and the forward policy that follows from in";
    EXPECT_EQ(c.policies[0].priority, 10);
}

TEST(Load, NeedsNoSpaceBetweenWordAndNumber) {
    const Loaded l = load_text("timer{counter3;interval5sec;phase115 sec;}");
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(l.config().timer.counter, 3u);
    EXPECT_EQ(l.config().timer.interval, seconds(5));
    EXPECT_EQ(l.config().timer.phase1, seconds(15)) << "the longest known word, then the number";
}

TEST(Include, PutsTheFilesOfAPatternInItsPlaceInOrder) {
    FileBundle b;
    b.globs["/etc/racoon/conf.d/*.conf"] = {"/etc/racoon/conf.d/a.conf",
                                            "/etc/racoon/conf.d/b.conf"};
    b.files["/etc/racoon/conf.d/a.conf"] = remote_text("192.0.2.1");
    b.files["/etc/racoon/conf.d/b.conf"] = remote_text("192.0.2.2");
    const Loaded l = load_text(
        "path include \"/etc/racoon\";\ninclude \"conf.d/*.conf\";\n" + remote_text("192.0.2.3"),
        b);
    ASSERT_TRUE(l.ok()) << l.text();
    ASSERT_EQ(l.config().remotes.size(), 3u);
    EXPECT_EQ(l.config().remotes[0].name, "192.0.2.1[500]");
    EXPECT_EQ(l.config().remotes[1].where.text(), "/etc/racoon/conf.d/b.conf:1:1");
    EXPECT_EQ(l.config().remotes[2].name, "192.0.2.3[500]");
}

TEST(Include, NamesTheIncludedFileInItsErrors) {
    FileBundle b;
    b.files["/etc/racoon/more.conf"] = "\n\n  lgo info;\n";
    const Loaded l = load_text("include \"more.conf\";\n", b);
    EXPECT_EQ(
        l.lines(),
        "/etc/racoon/more.conf:3:3: unknown word \"lgo\" in this file; did you mean \"log\"?\n");
}

TEST(Include, StopsAtALoop) {
    FileBundle b;
    b.files["/etc/racoon/a.conf"] = "include \"b.conf\";";
    b.files["/etc/racoon/b.conf"] = "include \"a.conf\";";
    const Loaded l = load_text("include \"a.conf\";", b);
    EXPECT_EQ(l.lines(), "/etc/racoon/b.conf:1:9: \"/etc/racoon/a.conf\" includes itself\n");
}

TEST(Include, IsAtMostTenDeep) {
    FileBundle b;
    for (int i = 0; i < 12; ++i)
        b.files["/etc/racoon/" + std::to_string(i) + ".conf"] =
            "include \"" + std::to_string(i + 1) + ".conf\";";
    b.files["/etc/racoon/12.conf"] = "";
    const Loaded l = load_text("include \"0.conf\";", b);
    EXPECT_EQ(l.lines(), "/etc/racoon/9.conf:1:9: include is nested too deeply; the most is 10\n");
}

TEST(Include, OfflineAFileThatIsNotThereIsOnlyAWarning) {
    const std::string text = "include \"remote/*.conf\";\nlog info;\n";
    EXPECT_FALSE(load_text(text).ok());
    const Loaded l = load_text(text, {}, {.offline = true});
    EXPECT_TRUE(l.ok());
    EXPECT_EQ(
        l.lines(),
        "/etc/racoon/racoon.conf:1:9: warning: no file matches \"/etc/racoon/remote/*.conf\"; "
        "it is left out [missing_file]\n");
}

TEST(Include, WithoutItsSemicolonAtTheEndOfTheFileIsExplained) {
    const Loaded l = load_text("include \"a.conf\"");
    EXPECT_NE(l.lines().find("missing \";\""), std::string::npos) << l.lines();
}

class OnDisk : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = ::testing::TempDir() + "racoon-conf-XXXXXX";
        folder_ = mkdtemp(pattern.data());
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    std::string write(const std::string& name, const std::string& bytes) {
        std::ofstream(folder_ + "/" + name, std::ios::binary) << bytes;
        return folder_ + "/" + name;
    }
    std::string folder_;
};

TEST_F(OnDisk, AnIncludedDirectoryIsAnErrorAndNotACrash) {
    std::filesystem::create_directory(folder_ + "/sub");
    const std::string main = write("racoon.conf", "include \"sub\";\n");
    DiskFiles files;
    const Loaded l{load(main, files, fake_catalog())};
    EXPECT_EQ(l.lines(), main + ":1:9: cannot read \"" + folder_ + "/sub\": it is a directory\n");
}

TEST_F(OnDisk, AMissingFileIsNamedWithTheReason) {
    DiskFiles files;
    const Loaded l{load(folder_ + "/none.conf", files, fake_catalog())};
    EXPECT_FALSE(l.ok());
    EXPECT_EQ(l.lines(),
              folder_ + "/none.conf: cannot read the configuration: No such file or directory\n");
}

TEST_F(OnDisk, TheBundleOfALoadGivesTheSameLoadWithoutADisk) {
    write("b.conf", remote_text("192.0.2.2"));
    write("p.conf", "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out ipsec esp/transport//require;\n");
    const std::string main =
        write("racoon.conf", "include \"b*.conf\";\npolicy file \"p.conf\";\n");
    DiskFiles disk;
    const Loaded first{load(main, disk, fake_catalog())};
    ASSERT_TRUE(first.ok()) << first.text();
    Writer w;
    put(w, disk.bundle());
    Reader r(w.view());
    auto bundle = get_file_bundle(r);
    ASSERT_TRUE(bundle);
    std::filesystem::remove_all(folder_);
    BundleFiles files(std::move(*bundle));
    const Loaded second{load(main, files, fake_catalog())};
    ASSERT_TRUE(second.ok()) << second.text();
    EXPECT_EQ(second.config().remotes.size(), 1u);
    EXPECT_EQ(second.config().policies.at(0).id, first.config().policies.at(0).id);
}

TEST(FileBundle, RefusesATruncatedRecord) {
    FileBundle b;
    b.files["a"] = "bytes";
    b.globs["*"] = {"a", "b"};
    Writer w;
    put(w, b);
    for (std::size_t n = 0; n < w.size(); ++n) {
        Reader r(w.view().first(n));
        EXPECT_FALSE(get_file_bundle(r)) << n;
    }
}

TEST(ModuleScan, FindsModulesEvenInAFileWithOtherErrors) {
    FileBundle b;
    b.files["r.conf"] =
        "path module \"/opt/modules\";\nlog wrong;\nmodule \"acme-otp\" { isolate on; timeout 20 sec; }\n"
        "module \"kernel-xfrm\";\nkernel \"xfrm\";\nremote x {\n";
    BundleFiles files(b);
    const ModuleScan scan = scan_modules("r.conf", files);
    EXPECT_TRUE(scan.ok);
    EXPECT_EQ(scan.module_path, "/opt/modules");
    EXPECT_EQ(scan.kernel, "xfrm");
    ASSERT_EQ(scan.modules.size(), 2u);
    EXPECT_TRUE(scan.modules[0].isolate);
    EXPECT_EQ(scan.modules[0].values.at("timeout").text, "20 sec");
    EXPECT_EQ(scan.modules[0].values.at("timeout").where.text(), "r.conf:3:41");
}

TEST(ModuleScan, ReportsAWrongModuleStatement) {
    FileBundle b;
    b.files["r.conf"] = "module \"/tmp/evil.so\";\n";
    BundleFiles files(b);
    const ModuleScan scan = scan_modules("r.conf", files);
    EXPECT_FALSE(scan.ok);
    EXPECT_EQ(scan.diagnostics.size(), 1u);
}

TEST(ModuleScan, HasABoundOnWhatIsLookedForOneByOne) {
    FileBundle b;
    for (int i = 0; i < 300; ++i) b.files["r.conf"] += "module \"m" + std::to_string(i) + "\";\n";
    BundleFiles files(b);
    const ModuleScan scan = scan_modules("r.conf", files);
    EXPECT_FALSE(scan.ok);
    EXPECT_EQ(scan.modules.size(), 256u);
    ASSERT_EQ(scan.diagnostics.size(), 1u);
    EXPECT_EQ(scan.diagnostics[0].message, "more than 256 modules");
}

TEST(SaInfo, TakesTheListsInOrderAndAppendsWhenRepeated) {
    const Loaded l = load_text(
        "sainfo anonymous { encryption_algorithm aes 256, 3des; encryption_algorithm aes128;"
        " authentication_algorithm hmac_sha1; compression_algorithm deflate; }");
    ASSERT_TRUE(l.ok()) << l.text();
    const auto& e = l.config().sainfos.at(0).encryption;
    ASSERT_EQ(e.size(), 3u);
    EXPECT_EQ(e[0].key_bits, 256);
    EXPECT_EQ(e[1].key_bits, 0);
    EXPECT_EQ(e[2].key_bits, 128);
}

TEST(SaInfo, AHostAndItsFullPrefixAreTheSame) {
    const Loaded l = load_text(sainfo_text("address 10.0.0.1 any address 10.0.0.2/32 any") +
                               sainfo_text("address 10.0.0.1/32 any address 10.0.0.2 any"));
    EXPECT_NE(l.lines().find("this sainfo is for the same nets as the one at"), std::string::npos);
}

TEST(SaInfo, AcceptsTwoAnonymousOnesAndTheLongSpelling) {
    const Loaded l = load_text(sainfo_text("anonymous anonymous") + sainfo_text("anonymous"));
    EXPECT_TRUE(l.ok()) << l.text();
}

TEST(SaInfo, FromWithoutAValueIsNoCrash) {
    EXPECT_TRUE(load_text(sainfo_text("anonymous from address")).ok());
    EXPECT_TRUE(load_text(sainfo_text("anonymous from asn1dn")).ok());
    EXPECT_FALSE(load_text(sainfo_text("anonymous from fqdn")).ok());
}

TEST(SaInfo, WithOnlyAeadNeedsNoIntegrity) {
    EXPECT_TRUE(
        load_text(
            "sainfo anonymous { encryption_algorithm aes_gcm_16; compression_algorithm deflate; }")
            .ok());
}

TEST(Diagnostics, StopGrowingAndSayHowManyAreLeftOut) {
    std::string text;
    for (int i = 0; i < 1000; ++i) text += "log wrong;\n";
    const Loaded l = load_text(text);
    EXPECT_LE(l.result.diagnostics.size(), Diagnostics::kMaxDiagnostics + 1);
    EXPECT_FALSE(l.ok());
}

TEST(Diagnostics, ShowOnlyAWindowOfAVeryLongLine) {
    const Loaded l = load_text(std::string(100000, ' ') + "lgo info;" + std::string(100000, ' '));
    ASSERT_EQ(l.result.diagnostics.size(), 1u);
    EXPECT_LT(l.text().size(), 800u);
    EXPECT_EQ(l.result.diagnostics[0].where.column, 100001);
}

TEST(Diagnostics, LetNoControlCharacterReachATerminal) {
    const Loaded l = load_text("log \"\x1b[2J\x07\";\n");
    EXPECT_FALSE(l.ok());
    for (const char c : l.text())
        EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << static_cast<int>(c);
}

}  // namespace
}  // namespace racoon::conf
