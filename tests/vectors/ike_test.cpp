// IKEv1's own derivations as the engine makes them, over the module's hashes: NIST's SKEYIDs
// (SP 800-135) and HASH_R of real aggressive mode exchanges.
#include <algorithm>

#include "exchange/crypto.hpp"
#include "exchange/key_material.hpp"
#include "vectors/data.hpp"

namespace racoon::test {
namespace {

class Ike : public Vectors {
  protected:
    conf::HashInfo info(const std::string& name) {
        const auto found = hash(name);
        conf::HashInfo out;
        out.name = name;
        out.digest_size = digest_of(name, {}).size();
        out.table = found.table;
        out.impl = found.impl;
        return out;
    }
    static CookiePair cookies_of(const Json& v) {
        CookiePair pair;
        const Bytes i = unhex(v["cky_i"]);
        const Bytes r = unhex(v["cky_r"]);
        std::copy(i.begin(), i.end(), pair.initiator.bytes.begin());
        std::copy(r.begin(), r.end(), pair.responder.bytes.begin());
        return pair;
    }
};

Bytes bytes_of(const Result<Secret>& secret) {
    EXPECT_TRUE(secret.has_value()) << secret.error().text();
    return secret ? to_bytes(secret->view()) : Bytes();
}

TEST_F(Ike, SkeyidsAreThoseOfNist) {
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
        const conf::HashInfo prf_hash = info(hash);
        const Bytes ni = unhex(v["ni"]);
        const Bytes nr = unhex(v["nr"]);
        const Bytes g_xy = unhex(v["gxy"]);
        const CookiePair cookies = cookies_of(v);
        Result<Secret> skeyid = Secret();
        if (v["auth"] == "psk") {
            skeyid = exchange::prf(prf_hash, unhex(v["psk"]), {ni, nr});
        } else if (v["auth"] == "sig") {
            skeyid = exchange::skeyid_signature(prf_hash, ni, nr, g_xy);
        } else {  // public key encryption, which is not offered: only what follows SKEYID is ours
            const auto nonces = exchange::digest(prf_hash, {ni, nr});
            ASSERT_TRUE(nonces.has_value());
            skeyid = exchange::prf(prf_hash, *nonces,
                                   {cookies.initiator.view(), cookies.responder.view()});
        }
        ASSERT_EQ(bytes_of(skeyid), unhex(v["skeyid"]));
        const auto set = exchange::SkeyidSet::derive(prf_hash, std::move(*skeyid), g_xy, cookies);
        ASSERT_TRUE(set.has_value());
        EXPECT_EQ(to_bytes(set->d.view()), unhex(v["skeyid_d"]));
        EXPECT_EQ(to_bytes(set->a.view()), unhex(v["skeyid_a"]));
        EXPECT_EQ(to_bytes(set->e.view()), unhex(v["skeyid_e"]));
        tally.checked();
    }
    EXPECT_GE(tally.checked_count(), 12u);
    EXPECT_GE(tally.checked_count() + tally.skipped_count(), 18u);
}

TEST_F(Ike, HashRIsThatOfRealAggressiveModes) {
    const auto root = vectors_root();
    if (!root) return report_absence();
    Tally tally("HASH_R");
    for (const Json& v : load_json(*root / "ike-scan" / "aggressive_psk_hash_r.json")) {
        if (!v["verified"]) {
            tally.skip("Nortel's variant with a user name, no RFC 2409");
            continue;
        }
        const conf::HashInfo prf_hash = info(v["hash"]);
        const std::string psk = v["psk"];
        const Bytes gxi = unhex(v["g_xi"]), gxr = unhex(v["g_xr"]);
        const Bytes sai_b = unhex(v["sai_b"]), idir_b = unhex(v["idir_b"]);
        const auto skeyid =
            exchange::prf(prf_hash, as_bytes(psk), {unhex(v["ni_b"]), unhex(v["nr_b"])});
        ASSERT_TRUE(skeyid.has_value());
        const exchange::Phase1HashInput covered{gxi, gxr, cookies_of(v), sai_b, idir_b};
        EXPECT_EQ(bytes_of(exchange::hash_r(prf_hash, skeyid->view(), covered)),
                  unhex(v["hash_r"]));
        EXPECT_NE(bytes_of(exchange::hash_i(prf_hash, skeyid->view(), covered)), unhex(v["hash_r"]))
            << "the two directions must differ";
        tally.checked();
    }
    EXPECT_GE(tally.checked_count(), 6u);
}

}  // namespace
}  // namespace racoon::test
