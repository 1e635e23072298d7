// Plain RSA keys whose numbers, encodings and signatures others have made (Project Wycheproof).
#include <openssl/bn.h>

#include "rsa_key.hpp"
#include "rsa_key_file.hpp"
#include "vectors/data.hpp"

namespace racoon::test {
namespace {

using credential_files::public_key_der;
using credential_files::RsaKeyFile;
using credential_files::RsaPrivateKey;
using credential_files::RsaUse;

/// signature ^ e mod n, in the length of the modulus.
Bytes open_block(const Bytes& signature, const Bytes& n, const Bytes& e) {
    const auto number = [](const Bytes& b) {
        return BN_bin2bn(b.data(), static_cast<int>(b.size()), nullptr);
    };
    BIGNUM *s = number(signature), *modulus = number(n), *exponent = number(e);
    BN_CTX* ctx = BN_CTX_new();
    EXPECT_EQ(BN_mod_exp(s, s, exponent, modulus, ctx), 1);
    Bytes block(signature.size());
    EXPECT_EQ(BN_bn2binpad(s, block.data(), static_cast<int>(block.size())),
              static_cast<int>(block.size()));
    BN_CTX_free(ctx);
    BN_free(exponent);
    BN_free(modulus);
    BN_free(s);
    return block;
}

TEST_F(Vectors, OfWycheproofPrivateKeysAreConsistentAndSign) {
    const auto root = vectors_root();
    if (!root) return report_absence();
    const Json all = load_json(*root / "wycheproof" / "rsa_pkcs1_2048_test.json.gz");
    Tally tally("Wycheproof RSA private keys");
    for (const Json& group : all["testGroups"]) {
        const Json& key = group["privateKey"];
        const auto field = [&](const char* ours, const char* theirs) {
            return std::string(ours) + ": 0x" + key[theirs].get<std::string>() + "\n";
        };
        const std::string text =
            ": RSA {" + field("Modulus", "modulus") + field("PublicExponent", "publicExponent") +
            field("PrivateExponent", "privateExponent") + field("Prime1", "prime1") +
            field("Prime2", "prime2") + field("Exponent1", "exponent1") +
            field("Exponent2", "exponent2") + field("Coefficient", "coefficient") + "}";
        Bytes memory(text.begin(), text.end());
        const RsaKeyFile file = RsaKeyFile::parse(memory, RsaUse::Private);
        ASSERT_TRUE(file.good()) << file.error().text;
        std::string why;
        const auto made = RsaPrivateKey::make(file.keys()[0], why);
        ASSERT_TRUE(made) << why;
        const Bytes hash(20, 0xa5);
        Bytes signature(256);
        racoon_buffer out{signature.data(), signature.size(), 0};
        ASSERT_EQ(made->sign_bare_hash({hash.data(), hash.size()}, out), RACOON_OK);
        ASSERT_EQ(out.size, 256u);
        Bytes expected(256, 0xff);
        expected[0] = 0;
        expected[1] = 1;
        expected[256 - 21] = 0;
        std::copy(hash.begin(), hash.end(), expected.end() - 20);
        EXPECT_EQ(open_block(signature, unhex(key["modulus"]), unhex(key["publicExponent"])),
                  expected);
        tally.checked();
    }
    EXPECT_GE(tally.checked_count(), 30u);
}

TEST_F(Vectors, OfWycheproofPublicKeysHaveTheSameDer) {
    const auto root = vectors_root();
    if (!root) return report_absence();
    Tally tally("Wycheproof RSA public keys");
    for (const char* name :
         {"rsa_signature_2048_sha256_test.json.gz", "rsa_signature_2048_sha384_test.json.gz",
          "rsa_signature_2048_sha512_test.json.gz", "rsa_signature_3072_sha256_test.json.gz"}) {
        const Json all = load_json(*root / "wycheproof" / name);
        for (const Json& group : all["testGroups"]) {
            const std::string e = group["publicKey"]["publicExponent"].get<std::string>();
            char length[2 * sizeof(std::size_t) + 1];
            std::snprintf(length, sizeof length, "%02zx", e.size() / 2);
            const std::string text =
                ": PUB 0x" + (length + e) + group["publicKey"]["modulus"].get<std::string>();
            Bytes memory(text.begin(), text.end());
            const RsaKeyFile file = RsaKeyFile::parse(memory, RsaUse::Public);
            ASSERT_TRUE(file.good()) << file.error().text;
            EXPECT_EQ(public_key_der(file.keys()[0].n, file.keys()[0].e),
                      unhex(group["publicKeyDer"]));
            tally.checked();
        }
    }
    EXPECT_GE(tally.checked_count(), 8u);
}

}  // namespace
}  // namespace racoon::test
