// credential-files with plain RSA key files: what it finds, how it signs, what it refuses.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rsa_key.hpp"
#include "support/plugin_fixture.hpp"
#include "support/rsa_text.hpp"

namespace racoon::test {
namespace {

using Bytes = std::vector<std::uint8_t>;

const EVP_PKEY* first_key() {
    static const Pkey key = make_rsa(2048);
    return key.get();
}
const EVP_PKEY* second_key() {
    static const Pkey key = make_rsa(2048);
    return key.get();
}

class PlainRsa : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "racoon-rsa-XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
        module_ = LoadedPlugin::load("credential-files", host_);
        ASSERT_TRUE(module_);
        files_ = module_->find<racoon_credential>(RACOON_POINT_CREDENTIAL, "files");
        ASSERT_TRUE(files_);
        local_ = address({192, 0, 2, 1});
        peer_ = address({198, 51, 100, 200});
    }
    void TearDown() override {
        if (handle_) files_.table->release(files_.impl, handle_);
        module_.reset();
        EXPECT_EQ(host_.secret_bytes, 0u) << "memory with secrets in it was not given back";
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    static racoon_addr address(std::initializer_list<std::uint8_t> bytes) {
        racoon_addr out{};
        out.family = 4;
        std::copy(bytes.begin(), bytes.end(), out.bytes);
        return out;
    }
    std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) {
        const std::string path = (folder_ / name).string();
        std::ofstream(path, std::ios::trunc) << text;
        EXPECT_EQ(::chmod(path.c_str(), mode), 0);
        return path;
    }

    struct Check {
        racoon_status status;
        std::string error;
        std::vector<std::string> remarks;  // "2:11 name: text"
    };
    static void collect(void* arg, const racoon_key_remark* r) noexcept {
        const auto text = [](racoon_span s) {
            return std::string(reinterpret_cast<const char*>(s.data), s.size);
        };
        static_cast<Check*>(arg)->remarks.push_back(std::to_string(r->line) + ":" +
                                                    std::to_string(r->column) + " " +
                                                    text(r->name) + ": " + text(r->text));
    }
    Check check(std::uint32_t use, const std::string& path, std::string_view format = "plain_rsa") {
        racoon_key_file file{};
        file.struct_size = sizeof file;
        file.use = use;
        file.format = span_of(format);
        file.path = span_of(path);
        racoon_error err{};
        err.struct_size = sizeof err;
        Check out{};
        out.status = files_.table->check_file(files_.impl, &file, collect, &out, &err);
        out.error = err.text;
        return out;
    }

    racoon_status find(std::uint32_t use, const std::vector<std::string>& paths,
                       std::string_view format = "plain_rsa") {
        if (handle_) files_.table->release(files_.impl, handle_);
        std::vector<racoon_span> spans;
        for (const auto& path : paths) spans.push_back(span_of(path));
        racoon_key_query query{};
        query.struct_size = sizeof query;
        query.use = use;
        query.format = span_of(format);
        query.local = local_;
        query.peer = peer_;
        query.files = spans.data();
        query.file_count = spans.size();
        racoon_error err{};
        err.struct_size = sizeof err;
        const racoon_status status =
            files_.table->key_find(files_.impl, &query, &handle_, &count_, &err);
        error_ = err.text;
        EXPECT_EQ(handle_ != nullptr, status == RACOON_OK);
        EXPECT_EQ(count_ != 0, status == RACOON_OK);
        return status;
    }
    racoon_status sign(std::size_t index, const Bytes& hash, Bytes& out,
                       std::uint32_t scheme = RACOON_SIGN_RSA_BARE_HASH) {
        out.assign(2048, 0);
        racoon_buffer buffer{out.data(), out.size(), 0};
        const racoon_status status = files_.table->sign(files_.impl, handle_, index, scheme,
                                                        {hash.data(), hash.size()}, &buffer);
        out.resize(status == RACOON_OK ? buffer.size : 0);
        return status;
    }
    Pkey public_key(std::size_t index) {
        Bytes der(4096);
        racoon_buffer buffer{der.data(), der.size(), 0};
        EXPECT_EQ(files_.table->public_key(files_.impl, handle_, index, &buffer), RACOON_OK);
        const std::uint8_t* at = der.data();
        Pkey key(d2i_PUBKEY(nullptr, &at, static_cast<long>(buffer.size)));
        EXPECT_EQ(static_cast<std::size_t>(at - der.data()), buffer.size);
        return key;
    }
    static bool verifies(EVP_PKEY* key, const Bytes& hash, const Bytes& signature) {
        EVP_PKEY_CTX* ctx = EVP_PKEY_CTX_new(key, nullptr);
        const bool good =
            EVP_PKEY_verify_init(ctx) == 1 &&
            EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
            EVP_PKEY_verify(ctx, signature.data(), signature.size(), hash.data(), hash.size()) == 1;
        EVP_PKEY_CTX_free(ctx);
        return good;
    }

    std::filesystem::path folder_;
    FakeHost host_;
    std::unique_ptr<LoadedPlugin> module_;
    Point<racoon_credential> files_;
    racoon_addr local_{}, peer_{};
    void* handle_ = nullptr;
    std::size_t count_ = 0;
    std::string error_;
};

TEST_F(PlainRsa, SignsTheBareHashAndThePublicHalfVerifiesIt) {
    const auto priv = write("key", rsa_private_text(first_key()));
    const auto pub = write("pub", rsa_public_text(first_key()), 0644);
    for (const std::size_t size : {16u, 20u, 28u, 32u, 48u, 64u}) {
        ASSERT_EQ(find(RACOON_KEY_SIGN, {priv}), RACOON_OK) << error_;
        const Bytes hash(size, 0x5a);
        Bytes signature;
        ASSERT_EQ(sign(0, hash, signature), RACOON_OK);
        ASSERT_EQ(signature.size(), 256u);
        // The block by hand: no DigestInfo between padding and hash.
        Bytes expected(256, 0xff);
        expected[0] = 0;
        expected[1] = 1;
        expected[255 - size] = 0;
        std::copy(hash.begin(), hash.end(), expected.end() - static_cast<std::ptrdiff_t>(size));
        EXPECT_EQ(rsa_open(first_key(), signature), expected);

        ASSERT_EQ(find(RACOON_KEY_VERIFY, {pub}), RACOON_OK) << error_;
        const Pkey key = public_key(0);
        ASSERT_TRUE(key);
        EXPECT_EQ(EVP_PKEY_eq(key.get(), first_key()), 1);
        EXPECT_TRUE(verifies(key.get(), hash, signature));
        signature[100] ^= 1;
        EXPECT_FALSE(verifies(key.get(), hash, signature));
    }
}

TEST_F(PlainRsa, AKeyWithoutItsPrimesSignsTheSame) {
    Bytes with, without;
    const Bytes hash(20, 7);
    ASSERT_EQ(find(RACOON_KEY_SIGN, {write("a", rsa_private_text(first_key()))}), RACOON_OK);
    ASSERT_EQ(sign(0, hash, with), RACOON_OK);
    ASSERT_EQ(find(RACOON_KEY_SIGN, {write("b", rsa_private_text(first_key(), false))}), RACOON_OK)
        << error_;
    ASSERT_EQ(sign(0, hash, without), RACOON_OK);
    EXPECT_EQ(with, without);
}

TEST_F(PlainRsa, OnlyHashesAreSigned) {
    ASSERT_EQ(find(RACOON_KEY_SIGN, {write("key", rsa_private_text(first_key()))}), RACOON_OK);
    Bytes out;
    for (const std::size_t size : {0u, 1u, 15u, 19u, 33u, 65u, 256u})
        EXPECT_EQ(sign(0, Bytes(size, 1), out), RACOON_INVALID_ARGUMENT) << size;
    EXPECT_EQ(sign(0, Bytes(20, 1), out, 2), RACOON_NOT_SUPPORTED);
    EXPECT_EQ(sign(1, Bytes(20, 1), out), RACOON_INVALID_ARGUMENT);
    racoon_buffer small{out.data(), 0, 0};
    const Bytes hash(20, 1);
    EXPECT_EQ(files_.table->sign(files_.impl, handle_, 0, RACOON_SIGN_RSA_BARE_HASH,
                                 {hash.data(), hash.size()}, &small),
              RACOON_BUFFER_TOO_SMALL);
    EXPECT_EQ(small.size, 256u);
}

TEST_F(PlainRsa, APublicKeySignsNothing) {
    const auto pub = write("pub", rsa_public_text(first_key()), 0644);
    ASSERT_EQ(find(RACOON_KEY_VERIFY, {pub}), RACOON_OK);
    Bytes out;
    EXPECT_EQ(sign(0, Bytes(20, 1), out), RACOON_DENIED);
}

TEST_F(PlainRsa, AllKeysThatFitBestAreHandedOutInTheirOrder) {
    const std::string one = rsa_public_text(first_key()), two = rsa_public_text(second_key());
    const auto everybody = write("any", one, 0644);
    const auto net = write("net", "198.51.100.0/24 " + two + "203.0.113.0/24 " + one, 0644);
    const auto net_too = write("net2", "any 198.51.100.0/24 " + one, 0644);
    ASSERT_EQ(find(RACOON_KEY_VERIFY, {everybody, net, net_too}), RACOON_OK);
    ASSERT_EQ(count_, 2u) << "a key for everybody is not tried when there are closer ones";
    EXPECT_EQ(EVP_PKEY_eq(public_key(0).get(), second_key()), 1);
    EXPECT_EQ(EVP_PKEY_eq(public_key(1).get(), first_key()), 1);
    // Both ends count: ours is the source for either use.
    const auto both = write("both", "192.0.2.1 198.51.100.0/24 " + one, 0644);
    ASSERT_EQ(find(RACOON_KEY_VERIFY, {net, both}), RACOON_OK);
    ASSERT_EQ(count_, 1u);
    EXPECT_EQ(EVP_PKEY_eq(public_key(0).get(), first_key()), 1);
    peer_ = address({203, 0, 113, 9});
    ASSERT_EQ(find(RACOON_KEY_VERIFY, {net, both}), RACOON_OK);
    EXPECT_EQ(count_, 1u);
    peer_ = address({8, 8, 8, 8});
    EXPECT_EQ(find(RACOON_KEY_VERIFY, {net, both}), RACOON_NOT_FOUND);
    EXPECT_NE(error_.find(both), std::string::npos) << error_;
}

TEST_F(PlainRsa, AKeyInUseOutlivesItsFileAndAChangeIsSeenAtOnce) {
    const auto priv = write("key", rsa_private_text(first_key()));
    ASSERT_EQ(find(RACOON_KEY_SIGN, {priv}), RACOON_OK);
    void* old = std::exchange(handle_, nullptr);
    write("key", rsa_private_text(second_key()));
    ASSERT_EQ(find(RACOON_KEY_SIGN, {priv}), RACOON_OK);
    EXPECT_EQ(EVP_PKEY_eq(public_key(0).get(), second_key()), 1);
    std::swap(old, handle_);
    EXPECT_EQ(EVP_PKEY_eq(public_key(0).get(), first_key()), 1);
    Bytes signature;
    EXPECT_EQ(sign(0, Bytes(32, 1), signature), RACOON_OK);
    files_.table->release(files_.impl, old);
}

TEST_F(PlainRsa, GoodFilesPassTheCheckWithoutARemark) {
    const Check priv = check(RACOON_KEY_SIGN, write("key", rsa_private_text(first_key())));
    EXPECT_EQ(priv.status, RACOON_OK) << priv.error;
    EXPECT_TRUE(priv.remarks.empty());
    const Check pub = check(RACOON_KEY_VERIFY, write("pub", rsa_public_text(first_key()), 0644));
    EXPECT_EQ(pub.status, RACOON_OK) << pub.error;
    EXPECT_TRUE(pub.remarks.empty());
}

TEST_F(PlainRsa, ABrokenFileIsRefusedWithItsPlace) {
    const auto path = write("key", "# ours\n: RSA {\n  Modulus: 0x12zz\n}\n");
    Check c = check(RACOON_KEY_SIGN, path);
    EXPECT_EQ(c.status, RACOON_CONFIG);
    EXPECT_EQ(c.error, path + ":3:16: Modulus: found a character that is no hex digit");
    EXPECT_EQ(find(RACOON_KEY_SIGN, {path}), RACOON_CONFIG);
    EXPECT_EQ(error_, c.error);
    c = check(RACOON_KEY_SIGN, write("pub", rsa_public_text(first_key())));
    EXPECT_EQ(c.status, RACOON_CONFIG);
}

TEST_F(PlainRsa, WhatIsFoundIsShownHoweverLongThePathIs) {
    const std::string deep = std::string(200, 'd');
    std::filesystem::create_directory(folder_ / deep);
    const Check c = check(RACOON_KEY_SIGN, write(deep + "/key.rsa", ": RSA { Modulus: 0x12zz }"));
    EXPECT_EQ(c.error.rfind("...", 0), 0u) << c.error;
    EXPECT_NE(c.error.find("/key.rsa:1:22: Modulus: found a character that is no hex digit"),
              std::string::npos)
        << c.error;
}

TEST_F(PlainRsa, NumbersThatDoNotBelongTogetherAreRefused) {
    const std::string good = rsa_private_text(first_key());
    // Each number in turn gets another last digit that keeps it odd or even.
    for (const char* name : {"Modulus", "PrivateExponent", "Prime1", "Prime2", "Exponent1",
                             "Exponent2", "Coefficient"}) {
        std::string text = good;
        const std::size_t end = text.find('\n', text.find(name));
        char& last = text[end - 1];
        last = last == '1'   ? '3'
               : last == '3' ? '1'
               : last == '5' ? '7'
               : last == '7' ? '5'
               : last == '9' ? 'B'
               : last == 'B' ? '9'
               : last == 'D' ? 'F'
               : last == 'F' ? 'D'
               : last == '0' ? '2'
                             : '0';
        const Check c = check(RACOON_KEY_SIGN, write("key", text));
        EXPECT_EQ(c.status, RACOON_CONFIG) << name;
        EXPECT_NE(c.error.find(":1:3: the numbers of this key do not fit: "), std::string::npos)
            << name << ": " << c.error;
    }
    std::string text = rsa_private_text(first_key(), false);
    text.insert(text.find("PrivateExponent: 0x") + 19, "1");
    EXPECT_EQ(check(RACOON_KEY_SIGN, write("key", text)).status, RACOON_CONFIG);
    text = rsa_private_text(first_key(), false);
    char& digit = text[text.find('\n', text.find("PrivateExponent")) - 9];
    digit = digit == '0' ? '1' : '0';
    EXPECT_EQ(check(RACOON_KEY_SIGN, write("key", text)).status, RACOON_CONFIG);
}

TEST_F(PlainRsa, APrivateFileIsTheDaemonsAlone) {
    for (const mode_t mode : {mode_t{0644}, mode_t{0640}, mode_t{0610}}) {
        const auto path = write("key", rsa_private_text(first_key()), mode);
        const Check c = check(RACOON_KEY_SIGN, path);
        EXPECT_EQ(c.status, RACOON_DENIED);
        EXPECT_NE(c.error.find("chmod 600 " + path), std::string::npos) << c.error;
        EXPECT_EQ(find(RACOON_KEY_SIGN, {path}), RACOON_DENIED);
    }
    // A link is followed; what counts is the file behind it.
    const auto path = write("key", rsa_private_text(first_key()));
    const std::string link = (folder_ / "link").string();
    ASSERT_EQ(::symlink(path.c_str(), link.c_str()), 0);
    EXPECT_EQ(check(RACOON_KEY_SIGN, link).status, RACOON_OK);
    ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
    EXPECT_EQ(check(RACOON_KEY_SIGN, link).status, RACOON_DENIED);
}

TEST_F(PlainRsa, AFileOfPublicKeysThatOthersMayWriteIsRemarked) {
    const Check c = check(RACOON_KEY_VERIFY, write("pub", rsa_public_text(first_key()), 0666));
    EXPECT_EQ(c.status, RACOON_OK) << c.error;
    ASSERT_EQ(c.remarks.size(), 1u);
    EXPECT_EQ(c.remarks[0].rfind("0:0 key_file_mode: ", 0), 0u) << c.remarks[0];
}

TEST_F(PlainRsa, AMissingFileIsNoReasonToAskSomebodyElse) {
    const std::string path = (folder_ / "none").string();
    EXPECT_EQ(check(RACOON_KEY_SIGN, path).status, RACOON_IO);
    EXPECT_EQ(find(RACOON_KEY_VERIFY, {path}), RACOON_IO);
    EXPECT_NE(error_.find(path), std::string::npos) << error_;
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    EXPECT_EQ(check(RACOON_KEY_SIGN, path).status, RACOON_DENIED) << "and without waiting";
}

TEST_F(PlainRsa, OtherFormatsAreForOtherProviders) {
    EXPECT_EQ(check(RACOON_KEY_SIGN, "/x", "x509").status, RACOON_NOT_FOUND);
    EXPECT_EQ(check(7, "/x").status, RACOON_NOT_FOUND);
    EXPECT_EQ(find(RACOON_KEY_SIGN, {"/x"}, "x509"), RACOON_NOT_FOUND);
}

TEST_F(PlainRsa, WeakKeysAreRemarkedWithTheirPlace) {
    const Pkey weak = make_rsa(1024);
    const Check c = check(RACOON_KEY_SIGN, write("key", rsa_private_text(weak.get())));
    EXPECT_EQ(c.status, RACOON_OK) << c.error;
    ASSERT_EQ(c.remarks.size(), 1u);
    EXPECT_EQ(c.remarks[0].rfind("2:12 weak_rsa_key: a modulus of 1024 bits", 0), 0u)
        << c.remarks[0];
}

TEST_F(PlainRsa, PskLinesAndWeakPresharedKeysAreRemarkedByName) {
    const auto path = write("psk.txt",
                            "a 0x123\nb short\nc a-key-that-is-long-enough\n"
                            "d Micropachycephalosaurus\ne zzzzzzzzzzzzzzzzzzzzzzzz\n"
                            "f 0x00112233445566778899aabbccddeeff\n");
    const Check c = check(RACOON_KEY_PSK, path, "psk");
    EXPECT_EQ(c.status, RACOON_OK) << c.error;
    ASSERT_EQ(c.remarks.size(), 4u);
    EXPECT_EQ(c.remarks[0].rfind("1:3 psk_line: ", 0), 0u) << c.remarks[0];
    EXPECT_EQ(c.remarks[1].rfind("2:3 weak_psk: the key is shorter than 20", 0), 0u);
    EXPECT_EQ(c.remarks[2].rfind("4:3 weak_psk: the key is that of a manual", 0), 0u);
    EXPECT_EQ(c.remarks[3].rfind("5:3 weak_psk: the key is one character", 0), 0u);
    for (const auto& remark : c.remarks) EXPECT_EQ(remark.find("short "), std::string::npos);
    EXPECT_TRUE(host_.log_lines.empty()) << "who asks tells what it finds";
    EXPECT_EQ(check(RACOON_KEY_PSK, path + "x", "psk").status, RACOON_IO);
}

}  // namespace
}  // namespace racoon::test
