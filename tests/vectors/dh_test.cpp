// Diffie-Hellman: known exchanges, and what must be refused. Private values can be given only to
// the module's code, not through its ABI; the rest goes through the loaded module.
#include "dh.hpp"

#include "vectors/data.hpp"

namespace racoon::test {
namespace {

using crypto_openssl::DhGroups;

class Dh : public Vectors {
  protected:
    void SetUp() override {
        Vectors::SetUp();
        ASSERT_EQ(groups_.load(), nullptr);
    }
    racoon_status check(const std::string& name, ByteView value) {
        const auto found = group(name);
        return found.table->check_public(found.impl, {value.data(), value.size()});
    }
    DhGroups groups_;
};

struct Size {
    const char* name;
    std::size_t public_size;
};
constexpr Size kModp[] = {{"modp768", 96},   {"modp1024", 128}, {"modp1536", 192},
                          {"modp2048", 256}, {"modp3072", 384}, {"modp4096", 512},
                          {"modp6144", 768}, {"modp8192", 1024}};
constexpr Size kEcp[] = {{"ecp256", 64}, {"ecp384", 96}, {"ecp521", 132}};

TEST_F(Dh, BothSidesOfEveryGroupAgree) {
    for (const auto& list : {std::vector<Size>(std::begin(kModp), std::end(kModp)),
                             std::vector<Size>(std::begin(kEcp), std::end(kEcp))}) {
        for (const auto& [name, size] : list) {
            SCOPED_TRACE(name);
            const auto g = group(name);
            ASSERT_TRUE(g);
            Bytes publics[2] = {Bytes(size), Bytes(size)};
            Bytes secrets[2] = {Bytes(size), Bytes(size)};
            void* pairs[2] = {};
            for (std::size_t i = 0; i < 2; ++i)
                ASSERT_EQ(g.table->generate(g.impl, publics[i].data(), &pairs[i]), RACOON_OK);
            for (std::size_t i = 0; i < 2; ++i)
                EXPECT_EQ(
                    g.table->compute(g.impl, pairs[i], span_of(publics[1 - i]), secrets[i].data()),
                    RACOON_OK);
            EXPECT_EQ(secrets[0], secrets[1]);
            EXPECT_NE(secrets[0], Bytes(size));
            EXPECT_NE(publics[0], publics[1]);
            for (void* pair : pairs) g.table->free(g.impl, pair);
        }
    }
}

TEST_F(Dh, ModpRefusesValuesOutOfRangeAndOfAnotherSize) {
    for (const auto& [name, size] : kModp) {
        SCOPED_TRACE(name);
        Bytes value(size);
        EXPECT_NE(check(name, value), RACOON_OK) << "0";
        value.back() = 1;
        EXPECT_NE(check(name, value), RACOON_OK) << "1";
        value.back() = 2;
        EXPECT_EQ(check(name, value), RACOON_OK) << "2";
        EXPECT_NE(check(name, ByteView(value).subspan(1)), RACOON_OK) << "too short";
        value.insert(value.begin(), 0);
        EXPECT_NE(check(name, value), RACOON_OK) << "too long";
        EXPECT_NE(check(name, Bytes(size, 0xff)), RACOON_OK) << "above p";
        EXPECT_NE(check(name, {}), RACOON_OK) << "nothing";

        const auto g = group(name);
        Bytes ours(size), secret(size);
        void* pair = nullptr;
        ASSERT_EQ(g.table->generate(g.impl, ours.data(), &pair), RACOON_OK);
        const Bytes zero(size);
        EXPECT_NE(g.table->compute(g.impl, pair, span_of(zero), secret.data()), RACOON_OK)
            << "compute must check, too";
        g.table->free(g.impl, pair);
    }
}

// RFC 2409 section 6.1.
TEST_F(Dh, Modp768RefusesTheHighestValues) {
    const std::string prime =
        "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74"
        "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437"
        "4fe1356d6d51c245e485b576625e7ec6f44c42e9a63a3620ffffffffffffffff";
    Bytes value = unhex(prime);
    EXPECT_NE(check("modp768", value), RACOON_OK) << "p";
    value.back() = 0xfe;
    EXPECT_NE(check("modp768", value), RACOON_OK) << "p - 1";
    value.back() = 0xfd;
    EXPECT_EQ(check("modp768", value), RACOON_OK) << "p - 2";
}

TEST_F(Dh, EcpRefusesPointsOffTheCurve) {
    for (const auto& [name, size] : kEcp) {
        SCOPED_TRACE(name);
        const auto g = group(name);
        Bytes point(size), secret(size);
        void* pair = nullptr;
        ASSERT_EQ(g.table->generate(g.impl, point.data(), &pair), RACOON_OK);
        EXPECT_EQ(check(name, point), RACOON_OK);
        for (const std::size_t at : {std::size_t{1}, size / 2 - 1, size / 2 + 1, size - 1}) {
            Bytes bent = point;
            bent[at] ^= 1;
            EXPECT_NE(check(name, bent), RACOON_OK) << "bit of byte " << at;
            EXPECT_NE(g.table->compute(g.impl, pair, span_of(bent), secret.data()), RACOON_OK);
        }
        EXPECT_NE(check(name, Bytes(size)), RACOON_OK) << "(0, 0)";
        EXPECT_NE(check(name, Bytes(size, 0xff)), RACOON_OK) << "coordinates above the prime";
        EXPECT_NE(check(name, ByteView(point).first(size - 1)), RACOON_OK) << "too short";
        g.table->free(g.impl, pair);
    }
}

TEST_F(Dh, ExchangesOfStrongSwanHold) {
    const auto root = vectors_root();
    if (!root) return report_absence();
    const std::map<std::string, std::string> names = {
        {"MODP_768_BIT", "modp768"},   {"MODP_1024_BIT", "modp1024"}, {"MODP_1536_BIT", "modp1536"},
        {"MODP_2048_BIT", "modp2048"}, {"MODP_3072_BIT", "modp3072"}, {"MODP_4096_BIT", "modp4096"},
        {"MODP_6144_BIT", "modp6144"}, {"MODP_8192_BIT", "modp8192"}, {"ECP_256_BIT", "ecp256"},
        {"ECP_384_BIT", "ecp384"},     {"ECP_521_BIT", "ecp521"}};
    const std::map<std::string, std::string> skips = {
        {"MODP_1024_160", "groups 22 to 24 (RFC 5114) are not offered"},
        {"MODP_2048_224", "groups 22 to 24 (RFC 5114) are not offered"},
        {"MODP_2048_256", "groups 22 to 24 (RFC 5114) are not offered"},
        {"ECP_192_BIT", "groups 25 and 26 (RFC 5114) are not offered"},
        {"ECP_224_BIT", "groups 25 and 26 (RFC 5114) are not offered"},
        {"ECP_224_BP", "Brainpool groups are not offered"},
        {"ECP_256_BP", "Brainpool groups are not offered"},
        {"ECP_384_BP", "Brainpool groups are not offered"},
        {"ECP_512_BP", "Brainpool groups are not offered"},
        {"CURVE_25519", "not registered for IKEv1"},
        {"CURVE_448", "not registered for IKEv1"}};
    Tally tally("Diffie-Hellman");
    for (const Json& v : load_json(*root / "strongswan" / "ke_vectors.json")) {
        const std::string method = v["method"];
        SCOPED_TRACE(method);
        if (const auto reason = skips.find(method); reason != skips.end()) {
            tally.skip(reason->second);
            continue;
        }
        ASSERT_EQ(names.count(method), 1u) << "neither known nor on the list of skips";
        const auto* g = groups_.find(names.at(method).c_str());
        for (const std::string side : {"i", "r"}) {
            const auto pair = g->import(unhex(v["priv_" + side]));
            ASSERT_TRUE(pair);
            Bytes ours(g->public_size()), secret(g->secret_size());
            ASSERT_TRUE(g->public_of(*pair, ours.data()));
            EXPECT_EQ(ours, unhex(v["pub_" + side]));
            const Bytes peer = unhex(v[side == "i" ? "pub_r" : "pub_i"]);
            EXPECT_EQ(check(g->key(), peer), RACOON_OK);
            EXPECT_EQ(g->compute(*pair, peer, secret.data()), RACOON_OK);
            EXPECT_EQ(secret, unhex(v["shared"]));
        }
        tally.checked();
    }
    EXPECT_GE(tally.checked_count(), 11u);
    EXPECT_GE(tally.checked_count() + tally.skipped_count(), 23u);
}

TEST_F(Dh, PrimesAreThoseOfTheFormula) {
    const auto root = vectors_root();
    if (!root) return report_absence();
    Tally tally("MODP primes");
    for (const Json& v : load_json(*root / "modp_groups.json")) {
        const std::string name = "modp" + v["bits"].dump();
        SCOPED_TRACE(name);
        // All end in 64 one bits: p - 1 and p - 2 differ in the last byte only.
        Bytes value = unhex(v["prime"]);
        EXPECT_NE(check(name, value), RACOON_OK) << "p";
        value.back() = 0xfe;
        EXPECT_NE(check(name, value), RACOON_OK) << "p - 1";
        value.back() = 0xfd;
        EXPECT_EQ(check(name, value), RACOON_OK) << "p - 2";
        tally.checked();
    }
    EXPECT_GE(tally.checked_count(), 8u);
}

TEST_F(Dh, AcvpKeyPairsOfModp2048AreToldApart) {
    const auto root = vectors_root();
    if (!root) return report_absence();
    const auto folder = *root / "acvp" / "other" / "safePrimes-keyVer-1.0";
    std::map<int, bool> passes;
    const Json results = load_json(folder / "expectedResults.json.gz");
    for (const Json& group : results["testGroups"])
        for (const Json& test : group["tests"]) passes[test["tcId"]] = test["testPassed"];
    Tally tally("ACVP safe primes");
    const auto* g = groups_.find("modp2048");
    const Json file = load_json(folder / "prompt.json.gz");
    for (const Json& group : file["testGroups"]) {
        for (const Json& test : group["tests"]) {
            if (group["safePrimeGroup"] != "MODP-2048") {
                tally.skip("ffdhe groups are TLS's");
                continue;
            }
            SCOPED_TRACE("tcId " + test["tcId"].dump());
            const auto pair = g->import(unhex(test["x"]));
            Bytes ours(g->public_size());
            const bool right = pair && g->public_of(*pair, ours.data()) && ours == unhex(test["y"]);
            EXPECT_EQ(right, passes.at(test["tcId"]));
            tally.checked();
        }
    }
    EXPECT_GE(tally.checked_count(), 10u);
}

}  // namespace
}  // namespace racoon::test
