// IKEv1's own derivations, written out here from the RFC over the module's HMACs: NIST's SKEYIDs
// (SP 800-135) and HASH_R of real aggressive mode exchanges.
#include "vectors/data.hpp"

namespace racoon::test {
namespace {

Bytes joined(std::initializer_list<ByteView> parts) {
    Bytes all;
    for (const ByteView part : parts) append(all, part);
    return all;
}

TEST_F(Vectors, OfNistForSkeyidHold) {
    const auto root = vectors_root();
    if (!root) return report_absence();
    Tally tally("NIST IKEv1 key derivation");
    for (const Json& v : load_json(*root / "nist-ikev1-kdf" / "ikev1_kdf.json")) {
        SCOPED_TRACE(v["name"].get<std::string>());
        const std::string hash = v["hash"];
        if (!v["verified"]) {
            tally.skip("g^xy of 521 bits hashed as bits: IKE hashes octets");
            continue;
        }
        if (hash == "sha224") {
            tally.skip("SHA-224 has no IKEv1 number");
            continue;
        }
        // RFC 2409 section 5.
        const Bytes nonces = joined({unhex(v["ni"]), unhex(v["nr"])});
        const Bytes cookies = joined({unhex(v["cky_i"]), unhex(v["cky_r"])});
        const Bytes g_xy = unhex(v["gxy"]);
        Bytes skeyid;
        if (v["auth"] == "psk") skeyid = hmac_of(hash, unhex(v["psk"]), nonces);
        else if (v["auth"] == "sig") skeyid = hmac_of(hash, nonces, g_xy);
        else skeyid = hmac_of(hash, digest_of(hash, nonces), cookies);
        EXPECT_EQ(skeyid, unhex(v["skeyid"]));
        Bytes previous;
        const char* const names[] = {"skeyid_d", "skeyid_a", "skeyid_e"};
        for (std::uint8_t i = 0; i < 3; ++i) {
            previous = hmac_of(hash, skeyid, joined({previous, g_xy, cookies, Bytes{i}}));
            EXPECT_EQ(previous, unhex(v[names[i]])) << names[i];
        }
        tally.checked();
    }
    EXPECT_GE(tally.checked_count(), 12u);
    EXPECT_GE(tally.checked_count() + tally.skipped_count(), 18u);
}

TEST_F(Vectors, OfRealAggressiveModesForHashRHold) {
    const auto root = vectors_root();
    if (!root) return report_absence();
    Tally tally("HASH_R");
    for (const Json& v : load_json(*root / "ike-scan" / "aggressive_psk_hash_r.json")) {
        if (!v["verified"]) {
            tally.skip("Nortel's variant with a user name, no RFC 2409");
            continue;
        }
        const std::string hash = v["hash"];
        const std::string psk = v["psk"];
        const Bytes skeyid = hmac_of(hash, as_bytes(psk), joined({unhex(v["ni_b"]), unhex(v["nr_b"])}));
        // HASH_R = prf(SKEYID, g^xr | g^xi | CKY-R | CKY-I | SAi_b | IDir_b)
        EXPECT_EQ(hmac_of(hash, skeyid,
                          joined({unhex(v["g_xr"]), unhex(v["g_xi"]), unhex(v["cky_r"]), unhex(v["cky_i"]),
                                  unhex(v["sai_b"]), unhex(v["idir_b"])})),
                  unhex(v["hash_r"]));
        tally.checked();
    }
    EXPECT_GE(tally.checked_count(), 6u);
}

}  // namespace
}  // namespace racoon::test
