// Project Wycheproof: edge cases and attacks. What it calls invalid must be refused.
#include "dh.hpp"
#include "vectors/data.hpp"

namespace racoon::test {
namespace {

TEST_F(Vectors, OfWycheproofForEcdhHoldAndInvalidPointsAreRefused) {
    const auto root = vectors_root();
    if (!root) return report_absence();
    crypto_openssl::DhGroups groups;
    ASSERT_EQ(groups.load(), nullptr);
    Tally tally("Wycheproof ECDH");
    std::size_t refused = 0;
    for (const auto& [file, name] :
         std::map<std::string, std::string>{{"ecdh_secp256r1_ecpoint_test.json.gz", "ecp256"},
                                            {"ecdh_secp384r1_ecpoint_test.json.gz", "ecp384"},
                                            {"ecdh_secp521r1_ecpoint_test.json.gz", "ecp521"}}) {
        const auto* g = groups.find(name.c_str());
        const Json all = load_json(*root / "wycheproof" / file);
        for (const Json& group : all["testGroups"]) {
            for (const Json& test : group["tests"]) {
                SCOPED_TRACE(file + " tcId " + test["tcId"].dump());
                // IKE sends x | y: an uncompressed point without its first octet. The other
                // encodings do not exist in IKE, so they must be refused as they are, "acceptable"
                // or not.
                Bytes point = unhex(test["public"]);
                const bool uncompressed = !point.empty() && point[0] == 4;
                if (uncompressed) point.erase(point.begin());
                const auto pair = g->import(unhex(test["private"]));
                ASSERT_TRUE(pair);
                Bytes secret(g->secret_size());
                const racoon_status status = g->compute(*pair, point, secret.data());
                if (test["result"] == "valid") {
                    EXPECT_EQ(status, RACOON_OK);
                    EXPECT_EQ(secret, unhex(test["shared"]));
                } else {
                    EXPECT_NE(status, RACOON_OK);
                    ++refused;
                }
                tally.checked();
            }
        }
    }
    EXPECT_GE(tally.checked_count(), 1700u);
    EXPECT_GE(refused, 70u);
}

// Wycheproof calls values on the twist and non-canonical ones acceptable: RFC 7748 computes with them.
// Only a secret of zero must be refused.
TEST_F(Vectors, OfWycheproofForX25519Hold) {
    const auto root = vectors_root();
    if (!root) return report_absence();
    crypto_openssl::DhGroups groups;
    ASSERT_EQ(groups.load(), nullptr);
    Tally tally("Wycheproof X25519");
    std::size_t refused = 0;
    const auto* g = groups.find("curve25519");
    const Json all = load_json(*root / "wycheproof" / "x25519_test.json.gz");
    for (const Json& group : all["testGroups"]) {
        for (const Json& test : group["tests"]) {
            SCOPED_TRACE("tcId " + test["tcId"].dump());
            const auto pair = g->import(unhex(test["private"]));
            ASSERT_TRUE(pair);
            const Bytes shared = unhex(test["shared"]);
            Bytes secret(g->secret_size());
            const racoon_status status = g->compute(*pair, unhex(test["public"]), secret.data());
            if (shared == Bytes(32)) {
                EXPECT_NE(status, RACOON_OK);
                ++refused;
            } else {
                EXPECT_EQ(status, RACOON_OK);
                EXPECT_EQ(secret, shared);
            }
            tally.checked();
        }
    }
    EXPECT_GE(tally.checked_count(), 500u);
    EXPECT_GE(refused, 20u);
}

TEST_F(Vectors, OfWycheproofForHmacHold) {
    const auto root = vectors_root();
    if (!root) return report_absence();
    Tally tally("Wycheproof HMAC");
    for (const std::string name : {"sha1", "sha256", "sha384", "sha512"}) {
        const Json all = load_json(*root / "wycheproof" / ("hmac_" + name + "_test.json.gz"));
        for (const Json& group : all["testGroups"]) {
            for (const Json& test : group["tests"]) {
                SCOPED_TRACE(name + " tcId " + test["tcId"].dump());
                Bytes mac = hmac_of(name, unhex(test["key"]), unhex(test["msg"]));
                mac.resize(group["tagSize"].get<std::size_t>() / 8);
                EXPECT_EQ(mac == unhex(test["tag"]), test["result"] == "valid");
                tally.checked();
            }
        }
    }
    EXPECT_GE(tally.checked_count(), 680u);
}

TEST_F(Vectors, OfWycheproofForAesCbcHold) {
    const auto root = vectors_root();
    if (!root) return report_absence();
    Tally tally("Wycheproof AES-CBC");
    const Json all = load_json(*root / "wycheproof" / "aes_cbc_pkcs5_test.json.gz");
    for (const Json& group : all["testGroups"]) {
        for (const Json& test : group["tests"]) {
            SCOPED_TRACE("tcId " + test["tcId"].dump());
            if (test["result"] != "valid") {
                tally.skip("tests the removal of PKCS#5 padding, which ISAKMP does not use");
                continue;
            }
            Bytes padded = unhex(test["msg"]);
            const std::size_t padding = 16 - padded.size() % 16;
            padded.insert(padded.end(), padding, static_cast<std::uint8_t>(padding));
            Bytes iv = unhex(test["iv"]);
            const Bytes encrypted = crypt("aes", unhex(test["key"]), true, iv, padded);
            EXPECT_EQ(encrypted, unhex(test["ct"]));
            EXPECT_EQ(iv, Bytes(encrypted.end() - 16, encrypted.end()))
                << "the IV of the next message";
            iv = unhex(test["iv"]);
            EXPECT_EQ(crypt("aes", unhex(test["key"]), false, iv, encrypted), padded);
            EXPECT_EQ(iv, Bytes(encrypted.end() - 16, encrypted.end()));
            tally.checked();
        }
    }
    EXPECT_GE(tally.checked_count(), 72u);
}

}  // namespace
}  // namespace racoon::test
