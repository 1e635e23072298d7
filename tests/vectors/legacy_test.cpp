// crypto-legacy as a module: what old peers need, apart from the process's own OpenSSL.
#include <openssl/evp.h>

#include <nlohmann/json.hpp>
#include <set>

#include "vectors/data.hpp"

namespace racoon::test {
namespace {

using Legacy = Vectors;

TEST_F(Legacy, ProvidesExactlyWhatItsManifestDeclaresAndIsNotStandard) {
    FakeHost host;
    const auto plugin = LoadedPlugin::load("crypto-legacy", host);
    ASSERT_TRUE(plugin);
    const auto manifest = Json::parse(plugin->manifest());
    std::set<std::pair<std::string, std::string>> declared, provided;
    for (const auto& entry : manifest["provides"]) {
        declared.emplace(entry["point"], entry["key"]);
        EXPECT_EQ(entry["weak"], true) << entry["key"];
    }
    for (const auto& p : host.provided) provided.emplace(p.point, p.key);
    EXPECT_EQ(declared, provided);
    EXPECT_EQ(manifest["standard"], false);
}

TEST_F(Legacy, PassesItsSelfTest) {
    racoon_error err{};
    err.struct_size = sizeof err;
    EXPECT_EQ(legacy_->entry().self_test(legacy_->ctx(), &err), RACOON_OK) << err.text;
}

TEST_F(Legacy, LeavesTheDefaultLibraryContextAsItWas) {
    for (const char* name : {"DES-CBC", "BF-CBC", "CAST5-CBC"}) {
        EVP_CIPHER* found = EVP_CIPHER_fetch(nullptr, name, nullptr);
        EXPECT_EQ(found, nullptr) << name;
        EVP_CIPHER_free(found);
    }
}

TEST_F(Legacy, RefusesWeakAndSemiWeakDesKeysWhateverTheirParity) {
    const auto des = cipher("des");
    ASSERT_TRUE(des);
    // RFC 2409 appendix A.
    const char* const weak[] = {
        "0101010101010101", "1f1f1f1f0e0e0e0e", "e0e0e0e0f1f1f1f1", "fefefefefefefefe",
        "01fe01fe01fe01fe", "1fe01fe00ef10ef1", "01e001e001f101f1", "1ffe1ffe0efe0efe",
        "011f011f010e010e", "e0fee0fef1fef1fe", "fe01fe01fe01fe01", "e01fe01ff10ef10e",
        "e001e001f101f101", "fe1ffe1ffe0efe0e", "1f011f010e010e01", "fee0fee0fef1fef1"};
    void* key = nullptr;
    for (const std::string text : weak) {
        for (const int parity : {0x00, 0x01}) {
            Bytes bytes = unhex(text);
            for (auto& b : bytes) b = static_cast<std::uint8_t>(b ^ parity);
            EXPECT_NE(des.table->key_new(des.impl, bytes.data(), bytes.size(), &key), RACOON_OK)
                << text;
            EXPECT_EQ(key, nullptr);
        }
        Bytes near = unhex(text);
        near[3] = static_cast<std::uint8_t>(near[3] ^ 2);
        ASSERT_EQ(des.table->key_new(des.impl, near.data(), near.size(), &key), RACOON_OK) << text;
        des.table->key_free(des.impl, key);
    }
}

TEST_F(Legacy, TakesEveryKeyLengthOfTheManifestAndNoOther) {
    struct Range {
        const char* name;
        std::size_t least, most;
    };
    for (const auto& [name, least, most] :
         {Range{"des", 8, 8}, Range{"cast128", 5, 16}, Range{"blowfish", 5, 56}}) {
        SCOPED_TRACE(name);
        const auto c = cipher(name);
        ASSERT_TRUE(c);
        std::set<Bytes> seen;
        for (std::size_t size = 0; size <= most + 2; ++size) {
            Bytes bytes(size);
            for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 37 + 1);
            void* key = nullptr;
            const bool made =
                c.table->key_new(c.impl, bytes.data(), size, &key) == RACOON_OK && key != nullptr;
            EXPECT_EQ(made, size >= least && size <= most) << size;
            if (!made) continue;
            Bytes data(24, 0x55), iv(8), back_iv(8);
            EXPECT_EQ(c.table->crypt(c.impl, key, 1, iv.data(), data.data(), 24), RACOON_OK);
            EXPECT_EQ(iv, Bytes(data.end() - 8, data.end()));
            EXPECT_TRUE(seen.insert(data).second) << "the key's length must matter";
            EXPECT_EQ(c.table->crypt(c.impl, key, 0, back_iv.data(), data.data(), 24), RACOON_OK);
            EXPECT_EQ(data, Bytes(24, 0x55));
            EXPECT_NE(c.table->crypt(c.impl, key, 1, iv.data(), data.data(), 9), RACOON_OK)
                << "half a block";
            c.table->key_free(c.impl, key);
        }
    }
}

// Two SAs whose messages alternate: the schedule in the context must follow.
TEST_F(Legacy, KeepsKeysOfDifferentLengthsApart) {
    const auto c = cipher("blowfish");
    Bytes first_key(56);
    for (std::size_t i = 0; i < 56; ++i) first_key[i] = static_cast<std::uint8_t>(i);
    const Bytes second_key(first_key.begin(), first_key.begin() + 5);
    void *first = nullptr, *second = nullptr;
    ASSERT_EQ(c.table->key_new(c.impl, first_key.data(), first_key.size(), &first), RACOON_OK);
    ASSERT_EQ(c.table->key_new(c.impl, second_key.data(), second_key.size(), &second), RACOON_OK);
    const auto sealed = [&](void* key) {
        Bytes data(16), iv(8);
        EXPECT_EQ(c.table->crypt(c.impl, key, 1, iv.data(), data.data(), 16), RACOON_OK);
        return data;
    };
    const Bytes a = sealed(first), b = sealed(second);
    EXPECT_NE(a, b);
    EXPECT_EQ(sealed(first), a);
    EXPECT_EQ(sealed(second), b);
    c.table->key_free(c.impl, second);
    EXPECT_EQ(sealed(first), a);
    c.table->key_free(c.impl, first);
}

}  // namespace
}  // namespace racoon::test
