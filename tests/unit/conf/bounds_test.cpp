// Files made to hurt: each ends soon, with a place, and within bounds of memory.
#include <unistd.h>

#include <cstring>
#include <ctime>
#include <filesystem>

#include "conf/token.hpp"
#include "unit/conf/conf_test_support.hpp"

namespace racoon::conf {
namespace {

std::string repeated(std::string_view text, std::size_t times) {
    std::string out;
    out.reserve(text.size() * times);
    for (std::size_t i = 0; i < times; ++i) out += text;
    return out;
}

TEST(Bounds, AreOnTheNumberOfFiles) {
    FileBundle b;
    for (int i = 0; i < 1100; ++i) {
        const std::string name = "/etc/racoon/d/" + std::to_string(i);
        b.files[name] = "";
        b.globs["/etc/racoon/d/*"].push_back(name);
    }
    const Loaded l = load_text("include \"d/*\";", b);
    EXPECT_FALSE(l.ok());
    EXPECT_EQ(l.lines(), "/etc/racoon/racoon.conf:1:9: more than 1024 files are included\n");
}

/// All of them go to the engine, whatever they are named for, and it takes no endless list.
TEST(Bounds, AreOnTheNumberOfFilesOfAnyKind) {
    FileBundle b;
    std::string policies, identities;
    for (int i = 0; i < 1100; ++i) {
        const std::string name = "/etc/racoon/d/" + std::to_string(i);
        b.files[name] = "#";
        policies += "policy file \"" + name + "\";\n";
        identities += "peers_identifier keyid \"" + name + "\";\n";
    }
    for (const std::string& text : {policies, remote_text("192.0.2.1", identities)}) {
        const Loaded l = load_text(text, b);
        EXPECT_FALSE(l.ok());
        EXPECT_NE(l.lines().find("the configuration names more than 1024 files"), std::string::npos)
            << l.lines();
    }
    EXPECT_TRUE(load_text(repeated("policy file \"d/1\";\n", 1100), b).ok()) << "one is one";
}

TEST(Bounds, AFileOfManyThatIsTooMuchIsNotLeftOut) {
    FileBundle b;
    for (const char* name : {"/etc/racoon/d/1", "/etc/racoon/d/2"}) {
        b.files[name] = std::string(9u << 20, '#');
        b.globs["/etc/racoon/d/*"].push_back(name);
    }
    EXPECT_FALSE(load_text("include \"d/*\";", b).ok());
}

TEST(Bounds, AreOnTheBytesOfAllFilesTogether) {
    FileBundle b;
    b.files["/etc/racoon/a"] = std::string(9u << 20, '#');
    EXPECT_TRUE(load_text("include \"a\";", b).ok());
    const Loaded twice = load_text("include \"a\";\ninclude \"a\";", b);
    EXPECT_FALSE(twice.ok());
    EXPECT_NE(twice.lines().find("larger than 16 MiB"), std::string::npos) << twice.lines();
    EXPECT_FALSE(load_text("policy file \"a\";\npolicy file \"a\";", b).ok());
}

TEST(Bounds, AreOnKeyIdsThatAreFiles) {
    FileBundle b;
    b.files["id"] = std::string(4'000, 'x');
    const std::string ids = repeated("peers_identifier keyid \"id\";", 3000);
    const Loaded l = load_text(remote_text("\"a\"", ids) + remote_text("\"b\"", ids), b);
    EXPECT_FALSE(l.ok());
    EXPECT_NE(l.lines().find("larger than 16 MiB"), std::string::npos);
}

TEST(Bounds, AreOnTheBytesThatChildrenCopy) {
    FileBundle b;
    b.files["id"] = std::string(4'000, 'x');
    std::string text = remote_text("\"p\"", repeated("peers_identifier keyid \"id\";", 1500));
    for (int i = 0; i < 100; ++i) text += "remote \"" + std::to_string(i) + "\" inherit \"p\";\n";
    const Loaded l = load_text(text, b);
    EXPECT_FALSE(l.ok());
    EXPECT_NE(l.lines().find("too much is inherited in this file"), std::string::npos);
}

TEST(Bounds, TenThousandChildrenOfATemplateAreFine) {
    std::string text = remote_text("\"t\"", "peers_identifier fqdn \"gw.example.org\";");
    for (int i = 0; i < 10'000; ++i)
        text += "remote \"" + std::to_string(i) + "\" inherit \"t\" { remote_address 10.0." +
                std::to_string(i / 256) + "." + std::to_string(i % 256) + "; }\n";
    const Loaded l = load_text(text);
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(l.config().remotes.size(), 10'001u);
}

TEST(Bounds, NestedAndUnmatchedBracesEnd) {
    for (const char* piece :
         {"{", "}", "remote \"a\" {", "proposal {", "remote anonymous inherit",
          "sainfo anonymous {", "module \"a\" {", ";", "\"", "'", ",", "/", "["}) {
        const Loaded l = load_text(repeated(piece, 20'000));
        EXPECT_FALSE(l.ok()) << piece;
        EXPECT_LE(l.result.diagnostics.size(), Diagnostics::kMaxDiagnostics + 1);
    }
}

TEST(Bounds, CommentsOfCThatNeverEndCostTheirLengthOnce) {
    const std::clock_t before = std::clock();
    EXPECT_FALSE(load_text(repeated("/*\n", 400'000)).ok());
    EXPECT_LT((std::clock() - before) / CLOCKS_PER_SEC, 20);  // looked for anew each time: minutes
}

TEST(Bounds, LongListsAndTokensEnd) {
    EXPECT_TRUE(
        load_text("sainfo anonymous { encryption_algorithm " + repeated("aes,", 20'000) +
                  "aes; authentication_algorithm hmac_sha1; compression_algorithm deflate; }")
            .ok());
    EXPECT_FALSE(load_text("log " + std::string(1'000'000, 'x') + ";").ok());
    EXPECT_FALSE(load_text(repeated("a1", 100'000)).ok());
    EXPECT_TRUE(load_text("#" + std::string(5'000'000, 'x')).ok());
    EXPECT_FALSE(
        load_text(remote_text("\"a\"", repeated("peers_identifier fqdn \"a\";", 10'000))).ok());
}

/// Resident memory follows the number of statements and sections, which are bounded with the bytes.
TEST(Bounds, MoreStatementsThanThereIsRoomForAreToldOnce) {
    const auto many = [](const char* one, std::size_t n) {
        std::string text;
        for (std::size_t i = 0; i < n; ++i) text += one;
        return text;
    };
    for (const std::string& text :
         {many("timer{}", 1'400'000), many("remote anonymous{}", 210'000)}) {
        const Loaded l = load_text(text);
        EXPECT_FALSE(l.ok());
        EXPECT_NE(l.lines().find("the configuration is too large"), std::string::npos);
    }
    // A list is bounded, too.
    for (const char* list : {"sainfo anonymous { encryption_algorithm %; }",
                             "remote 192.0.2.1 { exchange_mode %; }"}) {
        std::string text = list;
        const bool modes = text.find("exchange") != std::string::npos;
        text.replace(text.find('%'), 1,
                     many(modes ? "main," : "aes,", 150'000) + (modes ? "main" : "aes"));
        EXPECT_NE(load_text(text).lines().find("more than 100000 "), std::string::npos);
    }
}

TEST(Bounds, AreOnTheNumberOfPolicies) {
    FileBundle b;
    b.files["/etc/racoon/p"] = repeated("spdadd 10.0.0.1 10.0.0.2 any -P out none;\n", 200'000);
    EXPECT_TRUE(load_text("policy file \"p\";", b).ok());
    b.files["/etc/racoon/p"] =
        repeated("spdadd 10.0.0.1 10.0.0.2 any -P in ipsec esp/tunnel/10.0.0.1-10.0.0.2/require;\n",
                 100'001);
    const Loaded more = load_text("policy file \"p\";", b);
    EXPECT_FALSE(more.ok());
    EXPECT_NE(more.lines().find("there are more than 200000 policies"), std::string::npos);
}

TEST(Bounds, AreOnTheKeysOfAModule) {
    std::string text = "module \"x\" {\n";
    for (int i = 0; i < 300; ++i) text += "key" + std::to_string(i) + " 1;\n";
    const Loaded l = load_text(text + "}\n");
    EXPECT_NE(l.lines().find("racoon.conf:258:1: more than 256 keys for one module"),
              std::string::npos)
        << l.lines();
}

TEST(Bounds, OfMoreSectionsForAPeerThanAreLookedAtNothingIsSaid) {
    const auto with = [](int sections) {
        std::string text = sainfo_text("address 10.9.0.0/16 any address 10.8.0.0/16 any");
        for (int i = 0; i < sections; ++i)
            text += remote_text("\"" + std::to_string(i) + "\"",
                                "remote_address 192.0.2.1; passive on;");
        return load_text(text +
                         "policy spdadd 10.1.0.0/16 10.2.0.0/16 any -P out ipsec "
                         "esp/tunnel/192.0.2.2-192.0.2.1/require;")
            .lines();
    };
    EXPECT_NE(with(64).find("[no_sainfo]"), std::string::npos);
    EXPECT_EQ(with(65).find("[no_sainfo]"), std::string::npos);
}

/// Each statement may keep the name of its file several times.
TEST(Bounds, ALongNameOfAFileTakesRoom) {
    const std::string name = "/" + repeated("d/", 1000) + "x";
    FileBundle b;
    b.files[name] = repeated("log info;", 100'000);
    EXPECT_NE(load_text("include \"" + name + "\";", b).lines().find("is too large"),
              std::string::npos);
    b.files["/etc/racoon/x"] = b.files[name];
    EXPECT_TRUE(load_text("include \"/etc/racoon/x\";", b).ok());
}

TEST(Bounds, AreOnTheBytesOfAnIdentity) {
    const std::string most(4096, 'a');
    for (const char* type : {"fqdn", "user_fqdn", "keyid tag"}) {
        const auto with = [&](const std::string& value) {
            return load_text(remote_text(
                "192.0.2.1", "my_identifier " + std::string(type) + " \"" + value + "\";"));
        };
        EXPECT_TRUE(with(most).ok()) << type;
        EXPECT_EQ(with(most + "a").lines(),
                  "/etc/racoon/racoon.conf:3:" + std::to_string(16 + std::strlen(type)) +
                      ": an identity of 4097 bytes is too long; the most is 4096\n");
    }
    EXPECT_NE(load_text(remote_text("192.0.2.1", "my_identifier asn1dn \"CN=" + most + "\";"))
                  .lines()
                  .find("an identity of 4099 bytes is too long"),
              std::string::npos);
    EXPECT_FALSE(load_text(sainfo_text("fqdn \"" + most + "a\" fqdn \"b\"")).ok());
    FileBundle b;
    b.files["id"] = most + "a";
    EXPECT_NE(load_text(remote_text("192.0.2.1", "my_identifier keyid \"id\";"), b)
                  .lines()
                  .find("it is longer than 4096 bytes"),
              std::string::npos);
}

TEST(Bounds, LeaveRoomForWhatIsLargeAndMeant) {
    std::string text;
    for (int i = 0; i < 10'000; ++i) {
        const std::string peer = "10." + std::to_string(i / 256) + "." + std::to_string(i % 256);
        text += remote_text(peer + ".1") +
                sainfo_text("address " + peer + ".0/24 any address 10.255.0.0/16 any");
    }
    EXPECT_TRUE(load_text(text).ok());
    EXPECT_TRUE(load_text(repeated("log info;", 1'000'000)).ok());
}

/// The section in which the room ends is not whole, and is not judged as if it were.
TEST(Bounds, NothingIsMissingWhereTheRoomEnds) {
    for (const std::string& text : {repeated(remote_text("anonymous"), 100'000),
                                    repeated(sainfo_text("anonymous"), 120'000)}) {
        const Loaded l = load_text(text);
        std::size_t errors = 0;
        for (const Diagnostic& d : l.result.diagnostics) {
            if (d.severity != Severity::Error || d.message.find("more messages") != d.message.npos)
                continue;
            EXPECT_TRUE(d.message.starts_with("the configuration is too large")) << d.line();
            ++errors;
        }
        EXPECT_EQ(errors, 1u);
    }
}

/// Counts what is asked of it.
class CountingFiles final : public FileSource {
  public:
    explicit CountingFiles(std::string text) : text_(std::move(text)) {}
    Result<std::string> read(const std::string& path) override {
        if (path == "/main") return text_;
        return std::string();
    }
    Result<std::vector<std::string>> glob(const std::string&) override {
        ++patterns;
        return std::vector<std::string>{};
    }
    int patterns = 0;

  private:
    std::string text_;
};

TEST(Bounds, AreOnTheIncludeStatements) {
    const auto patterns = [](const std::string& text, bool offline) {
        CountingFiles files(text);
        load("/main", files, fake_catalog(), {.offline = offline});
        return files.patterns;
    };
    std::string different;
    for (int i = 0; i < 2000; ++i) different += "include \"/d/" + std::to_string(i) + "*\";\n";
    EXPECT_EQ(patterns(repeated("include \"/d/*\";\n", 500), true), 1) << "known by then";
    EXPECT_EQ(patterns(different, true), 1024);
    EXPECT_EQ(patterns(different, false), 200) << "nobody reads more errors";
}

TEST(Bounds, AreOnTheFoldersThatPatternsLookAt) {
    const std::filesystem::path dir =
        ::testing::TempDir() + "bounds_glob." + std::to_string(::getpid());
    std::filesystem::create_directory(dir);
    for (int i = 0; i < 60; ++i)
        std::filesystem::create_directory_symlink(".", dir / std::to_string(i));
    DiskFiles files;
    const auto few = files.glob(dir.string() + "/*");
    ASSERT_TRUE(few);
    EXPECT_EQ(few->size(), 60u);
    const auto many = files.glob(dir.string() + "/*/*/*/nothing");
    ASSERT_FALSE(many);
    EXPECT_EQ(many.error().code(), Errc::TooLong);
    EXPECT_FALSE(files.glob(dir.string() + "/1")) << "of all patterns of a load together";
    std::filesystem::remove_all(dir);
}

TEST(Bounds, NothingIsReadBehindTheLastErrorThatIsShown) {
    Sources sources;
    const std::uint32_t file = sources.add("f", "word");
    Diagnostics diagnostics(sources);
    EXPECT_TRUE(Lexer(sources, file, diagnostics, Lexer::Mode::Racoon).peek().is(TokenKind::Word));
    for (std::size_t i = 0; i < Diagnostics::kMaxDiagnostics; ++i) diagnostics.error({}, "x");
    EXPECT_TRUE(Lexer(sources, file, diagnostics, Lexer::Mode::Racoon).peek().is(TokenKind::End));
}

TEST(Bounds, WarningsBeyondThemAreOnlyCounted) {
    const Loaded l = load_text(repeated("=", 1000));
    EXPECT_EQ(l.result.diagnostics.size(), 201u);
    EXPECT_NE(l.lines().find("800 more messages are not shown"), std::string::npos);
    EXPECT_EQ(load_text(repeated("=", 1000) + "warnings { stray_character off; }").lines(), "");
}

}  // namespace
}  // namespace racoon::conf
