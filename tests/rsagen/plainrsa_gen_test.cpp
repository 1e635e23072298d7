// plainrsa-gen: options, exit status, files, and keys that the parser of key files takes.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <openssl/pem.h>
#include <sstream>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rsa_key.hpp"
#include "rsa_key_file.hpp"
#include "support/rsa_text.hpp"

namespace racoon::test {
namespace {

using credential_files::Number;
using credential_files::RsaKey;
using credential_files::RsaKeyFile;
using credential_files::RsaPrivateKey;
using credential_files::RsaUse;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Ran {
    int status = -1;
    std::string out, err;
};

class PlainRsaGen : public ::testing::Test {
  protected:
    PlainRsaGen()
        : dir_(std::filesystem::temp_directory_path() /
               ("racoon-rsagen-" + std::to_string(::getpid()))) {
        std::filesystem::remove_all(dir_);
        std::filesystem::create_directories(dir_);
    }
    ~PlainRsaGen() override { std::filesystem::remove_all(dir_); }

    static std::string content(const std::filesystem::path& path) {
        std::ifstream in(path);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    std::string path(const std::string& name) const { return (dir_ / name).string(); }
    Ran run(const std::string& arguments) {
        const int status = std::system((RACOON_BUILD_DIR "/sbin/plainrsa-gen " + arguments + " >" +
                                        path("out") + " 2>" + path("err"))
                                           .c_str());
        return {WIFEXITED(status) ? WEXITSTATUS(status) : 256, content(dir_ / "out"),
                content(dir_ / "err")};
    }
    /// The one key of a file's text.
    const RsaKey& parse(const std::string& text, RsaUse use) {
        memory_.assign(text.begin(), text.end());
        file_ = RsaKeyFile::parse(memory_, use);
        static const RsaKey kNone;
        EXPECT_TRUE(file_.good()) << file_.error().line << ": " << file_.error().text;
        EXPECT_EQ(file_.keys().size(), 1u);
        return file_.keys().empty() ? kNone : file_.keys()[0];
    }
    /// In the form of rsa_number().
    static std::string hex(Number number) {
        std::string out;
        char pair[3];
        for (const std::uint8_t byte : number) {
            std::snprintf(pair, sizeof pair, "%02X", byte);
            out += pair;
        }
        return out;
    }
    std::string pem(const std::string& name, const EVP_PKEY* key, bool is_private,
                    const EVP_CIPHER* cipher = nullptr) {
        std::FILE* file = std::fopen(path(name).c_str(), "w");
        EXPECT_EQ(is_private ? PEM_write_PrivateKey(file, key, cipher, nullptr, 0, nullptr,
                                                    const_cast<char*>("secret"))
                             : PEM_write_PUBKEY(file, key),
                  1);
        std::fclose(file);
        return path(name);
    }

    std::filesystem::path dir_;
    std::vector<std::uint8_t> memory_;
    RsaKeyFile file_;
};

TEST_F(PlainRsaGen, TheDefaultIsAKeyOf3072BitsWithExponent65537) {
    const Ran r = run("");
    ASSERT_EQ(r.status, 0) << r.err;
    EXPECT_EQ(r.err, "");
    const RsaKey& key = parse(r.out, RsaUse::Private);
    EXPECT_EQ(credential_files::bit_length(key.n), 3072u);
    EXPECT_EQ(hex(key.e), "010001");
    EXPECT_TRUE(file_.remarks().empty());
    std::string why;
    EXPECT_TRUE(RsaPrivateKey::make(key, why)) << why;
}

TEST_F(PlainRsaGen, TheLinesAreThoseOfTheOriginal) {
    const Ran r = run("-b 2048");
    ASSERT_EQ(r.status, 0) << r.err;
    std::istringstream lines(r.out);
    std::string line, pub;
    std::getline(lines, line);
    ASSERT_THAT(line, StartsWith("# : PUB 0sAwEAA"));
    pub = line.substr(8);
    const std::vector<std::string> starts = {": RSA\t{",
                                             "\t# RSA 2048 bits",
                                             "\t# pubkey=" + pub,
                                             "\tModulus: 0x",
                                             "\tPublicExponent: 0x010001",
                                             "\tPrivateExponent: 0x",
                                             "\tPrime1: 0x",
                                             "\tPrime2: 0x",
                                             "\tExponent1: 0x",
                                             "\tExponent2: 0x",
                                             "\tCoefficient: 0x",
                                             "  }"};
    for (const auto& start : starts) {
        ASSERT_TRUE(std::getline(lines, line)) << start;
        EXPECT_THAT(line, StartsWith(start));
        if (const std::size_t digits = line.find(": 0x"); digits != std::string::npos) {
            EXPECT_EQ(line.find_first_not_of("0123456789abcdef", digits + 4), std::string::npos);
        }
    }
    EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(PlainRsaGen, TheCommentIsThePublicHalf) {
    const Ran r = run("-b 2048");
    ASSERT_EQ(r.status, 0) << r.err;
    const std::string modulus = hex(parse(r.out, RsaUse::Private).n);
    const std::string first = r.out.substr(2, r.out.find('\n') - 1);
    const RsaKey& pub = parse(first, RsaUse::Public);
    EXPECT_EQ(hex(pub.n), modulus);
    EXPECT_EQ(hex(pub.e), "010001");
}

TEST_F(PlainRsaGen, WeakChoicesAreMadeWithAWarning) {
    const Ran r = run("-b 1024 -e 0x3");
    ASSERT_EQ(r.status, 0) << r.err;
    EXPECT_THAT(r.err, HasSubstr("warning: a key of 1024 bits is weak"));
    EXPECT_THAT(r.err, HasSubstr("warning: public exponent 3 is for old peers only"));
    const RsaKey& key = parse(r.out, RsaUse::Private);
    EXPECT_EQ(credential_files::bit_length(key.n), 1024u);
    EXPECT_EQ(hex(key.e), "03");
    std::string why;
    EXPECT_TRUE(RsaPrivateKey::make(key, why)) << why;
}

TEST_F(PlainRsaGen, TheExponentMayBeDecimal) {
    const Ran r = run("-b 1024 -e 17");
    ASSERT_EQ(r.status, 0) << r.err;
    EXPECT_EQ(hex(parse(r.out, RsaUse::Private).e), "11");
}

TEST_F(PlainRsaGen, AFileGetsMode0600AndIsNeverWrittenOver) {
    ::umask(0);
    Ran r = run("-b 1024 -f " + path("key.rsa"));
    ASSERT_EQ(r.status, 0) << r.err;
    EXPECT_EQ(r.out, "");
    struct stat st {};
    ASSERT_EQ(::stat(path("key.rsa").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 0600u);
    const std::string before = content(dir_ / "key.rsa");
    parse(before, RsaUse::Private);
    r = run("-b 1024 -f " + path("key.rsa"));
    EXPECT_EQ(r.status, 1);
    EXPECT_THAT(r.err, HasSubstr("key.rsa: the file exists"));
    EXPECT_EQ(content(dir_ / "key.rsa"), before);
    // Neither through a link that leads nowhere.
    std::filesystem::create_symlink(path("nowhere"), path("link"));
    EXPECT_EQ(run("-b 1024 -f " + path("link")).status, 1);
    EXPECT_FALSE(std::filesystem::exists(path("nowhere")));
}

TEST_F(PlainRsaGen, APrivateKeyInPemIsConvertedNumberByNumber) {
    const Pkey key = make_rsa(2048);
    const Ran r = run("-i " + pem("key.pem", key.get(), true));
    ASSERT_EQ(r.status, 0) << r.err;
    const RsaKey& got = parse(r.out, RsaUse::Private);
    EXPECT_EQ(hex(got.n), rsa_number(key.get(), OSSL_PKEY_PARAM_RSA_N));
    EXPECT_EQ(hex(got.e), rsa_number(key.get(), OSSL_PKEY_PARAM_RSA_E));
    EXPECT_EQ(hex(got.d), rsa_number(key.get(), OSSL_PKEY_PARAM_RSA_D));
    EXPECT_EQ(hex(got.p), rsa_number(key.get(), OSSL_PKEY_PARAM_RSA_FACTOR1));
    EXPECT_EQ(hex(got.q), rsa_number(key.get(), OSSL_PKEY_PARAM_RSA_FACTOR2));
    EXPECT_EQ(hex(got.dp), rsa_number(key.get(), OSSL_PKEY_PARAM_RSA_EXPONENT1));
    EXPECT_EQ(hex(got.dq), rsa_number(key.get(), OSSL_PKEY_PARAM_RSA_EXPONENT2));
    EXPECT_EQ(hex(got.qinv), rsa_number(key.get(), OSSL_PKEY_PARAM_RSA_COEFFICIENT1));
}

TEST_F(PlainRsaGen, APublicKeyInPemGivesTheLineForPeers) {
    const Pkey key = make_rsa(2048);
    const Ran r = run("-f " + path("pub.rsa") + " -i " + pem("key.pem", key.get(), false));
    ASSERT_EQ(r.status, 0) << r.err;
    const std::string text = content(dir_ / "pub.rsa");
    EXPECT_THAT(text, StartsWith(": PUB 0s"));
    const RsaKey& got = parse(text, RsaUse::Public);
    EXPECT_EQ(hex(got.n), rsa_number(key.get(), OSSL_PKEY_PARAM_RSA_N));
}

TEST_F(PlainRsaGen, WhatCannotBeConvertedIsRefusedAndLeavesNoFile) {
    const Pkey rsa = make_rsa(2048), small = make_rsa(512);
    const Pkey ec(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    std::ofstream(path("text.pem")) << "nothing\n";
    const std::vector<std::pair<std::string, std::string>> cases = {
        {pem("locked.pem", rsa.get(), true, EVP_aes_128_cbc()), "the key is encrypted"},
        {pem("ec.pem", ec.get(), true), "found a key of another kind, expected RSA"},
        {pem("small.pem", small.get(), true), "found a key of 512 bits, expected 1024 to 16384"},
        {path("text.pem"), "found no key in PEM"},
        {path("none.pem"), "No such file"}};
    for (const auto& [input, expected] : cases) {
        const Ran r = run("-f " + path("out.rsa") + " -i " + input + " </dev/null");
        EXPECT_EQ(r.status, 1) << input;
        EXPECT_THAT(r.err, HasSubstr(expected));
        EXPECT_FALSE(std::filesystem::exists(path("out.rsa"))) << input;
    }
}

// The original takes garbage for 0, generates nothing and ends with status 0.
TEST_F(PlainRsaGen, BadOptionsEndWithOneAndTheUsage) {
    for (const char* bad :
         {"-b 1023", "-b 16385", "-b x", "-b 2048x", "-b ''", "-e 2", "-e 1", "-e 0x10001x",
          "-e -3", "-e 18446744073709551617", "-z", "--bogus", "-b", "key.rsa"}) {
        const Ran r = run(bad);
        EXPECT_EQ(r.status, 1) << bad;
        EXPECT_EQ(r.out, "") << bad;
        EXPECT_THAT(r.err, HasSubstr("usage: ")) << bad;
    }
    EXPECT_THAT(run("--bogus").err, HasSubstr("unknown option --bogus"));
    for (const char* asked : {"-h", "--help"}) {
        const Ran help = run(asked);
        EXPECT_EQ(help.status, 0);
        EXPECT_THAT(help.out, StartsWith("usage: "));
    }
}

}  // namespace
}  // namespace racoon::test
