// strongSwan's own test vectors, which gather those of the RFCs (2202, 3602, 4231, 4868, …).
#include "vectors/data.hpp"

namespace racoon::test {
namespace {

/// strongSwan's name of an HMAC or hash → ours; empty: not in this module.
std::string hash_in(const std::string& alg) {
    static const std::map<std::string, std::string> endings = {
        {"MD5", "md5"},         {"SHA1", "sha1"},      {"SHA256", "sha256"},
        {"SHA384", "sha384"},   {"SHA512", "sha512"},  {"SHA2_256", "sha256"},
        {"SHA2_384", "sha384"}, {"SHA2_512", "sha512"}};
    for (const std::string prefix : {"HASH_", "PRF_HMAC_", "AUTH_HMAC_"}) {
        if (alg.rfind(prefix, 0) != 0) continue;
        std::string rest = alg.substr(prefix.size());
        if (prefix == "AUTH_HMAC_")
            rest = rest.substr(0, rest.rfind('_'));  // the truncation, in bits
        const auto found = endings.find(rest);
        return found == endings.end() ? "" : found->second;
    }
    return "";
}

TEST_F(Vectors, OfStrongSwanForCiphersHashesAndMacsHold) {
    const auto root = vectors_root();
    if (!root) return report_absence();
    // What IKEv1's phase 1 does not use from this module.
    const std::map<std::string, std::string> not_ours = {
        {"aead", "AEADs are the kernel's work: IKEv1 encrypts its own messages in CBC"},
        {"kdf", "prf+ is IKEv2's"},
    };
    const std::map<std::string, std::string> other_modules = {
        {"ENCR_AES_CTR", "no CTR, CFB or ECB in ISAKMP"},
        {"ENCR_AES_CFB", "no CTR, CFB or ECB in ISAKMP"},
        {"ENCR_AES_ECB", "no CTR, CFB or ECB in ISAKMP"},
        {"ENCR_DES_ECB", "no CTR, CFB or ECB in ISAKMP"},
        {"ENCR_CAMELLIA_CTR", "no CTR, CFB or ECB in ISAKMP"},
        {"ENCR_TWOFISH_CBC", "cipher without a registered IKEv1 number"},
        {"PRF_AES128_CMAC", "no CMAC in IKEv1"},
        {"PRF_AES128_XCBC", "no XCBC in phase 1"},
        {"PRF_CAMELLIA128_XCBC", "no XCBC in phase 1"},
        {"AUTH_AES_XCBC_96", "XCBC is the kernel backend's work"},
        {"AUTH_AES_CMAC_96", "no CMAC in IKEv1"},
        {"AUTH_CAMELLIA_XCBC_96", "no registered number"},
        {"HASH_SHA3_224", "hash without an IKEv1 number"},
        {"HASH_SHA3_256", "hash without an IKEv1 number"},
        {"HASH_SHA3_384", "hash without an IKEv1 number"},
        {"HASH_SHA3_512", "hash without an IKEv1 number"},
        {"HASH_SHA224", "hash without an IKEv1 number"},
    };
    const std::map<std::string, std::string> ciphers = {
        {"ENCR_AES_CBC", "aes"}, {"ENCR_3DES", "3des"},    {"ENCR_CAMELLIA_CBC", "camellia"},
        {"ENCR_DES", "des"},     {"ENCR_CAST", "cast128"}, {"ENCR_BLOWFISH", "blowfish"}};

    Tally tally("strongSwan");
    for (const Json& v : load_json(*root / "strongswan" / "test_vectors.json")) {
        const std::string type = v["type"];
        const std::string alg = v["alg"];
        SCOPED_TRACE(v["name"].get<std::string>());
        if (const auto reason = not_ours.find(type); reason != not_ours.end()) {
            tally.skip(reason->second);
            continue;
        }
        if (const auto reason = other_modules.find(alg); reason != other_modules.end()) {
            tally.skip(reason->second);
            continue;
        }
        if (type == "crypter") {
            ASSERT_EQ(ciphers.count(alg), 1u)
                << alg << " is neither known nor on the list of skips";
            Bytes iv = unhex(v["iv"]);
            EXPECT_EQ(crypt(ciphers.at(alg), unhex(v["key"]), true, iv, unhex(v["plain"])),
                      unhex(v["cipher"]));
            iv = unhex(v["iv"]);
            EXPECT_EQ(crypt(ciphers.at(alg), unhex(v["key"]), false, iv, unhex(v["cipher"])),
                      unhex(v["plain"]));
        } else {
            const std::string name = hash_in(alg);
            ASSERT_FALSE(name.empty()) << alg << " is neither known nor on the list of skips";
            if (type == "hasher") {
                EXPECT_EQ(digest_of(name, unhex(v["data"])), unhex(v["hash"]));
            } else {
                Bytes expected = unhex(v[type == "prf" ? "out" : "mac"]);
                // A MAC's name ends in its bits; sha1_hmac_s4 has more behind them, which nobody
                // reads.
                if (type == "signer")
                    expected.resize(std::stoul(alg.substr(alg.rfind('_') + 1)) / 8);
                Bytes mac =
                    hmac_of(name, unhex(v["key"]), unhex(v[type == "prf" ? "seed" : "data"]));
                ASSERT_LE(expected.size(), mac.size());
                mac.resize(expected.size());
                EXPECT_EQ(mac, expected);
            }
        }
        tally.checked();
    }
    EXPECT_GE(tally.checked_count(), 85u);
    EXPECT_GE(tally.checked_count() + tally.skipped_count(), 218u);
}

}  // namespace
}  // namespace racoon::test
