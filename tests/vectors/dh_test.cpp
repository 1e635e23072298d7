// Diffie-Hellman: known exchanges, and what must be refused. Private values can be given only to
// the module's code, not through its ABI; the rest goes through the loaded module.
#include "dh.hpp"

#include <openssl/core_names.h>
#include <openssl/params.h>

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
constexpr Size kEcp[] = {{"ecp256", 64},          {"ecp384", 96},          {"ecp521", 132},
                         {"brainpoolp224r1", 56}, {"brainpoolp256r1", 64}, {"brainpoolp384r1", 96},
                         {"brainpoolp512r1", 128}};
struct Subgroup {
    const char* name;
    const char* openssl_name;
    std::size_t size;
};
constexpr Subgroup kSubgroups[] = {{"modp1024s160", "dh_1024_160", 128},
                                   {"modp2048s224", "dh_2048_224", 256},
                                   {"modp2048s256", "dh_2048_256", 256}};

using crypto_openssl::Bignum;
using crypto_openssl::BignumCtx;

/// p and q of RFC 5114, from where OpenSSL keeps them.
struct Numbers {
    explicit Numbers(const char* name) {
        const crypto_openssl::KeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "DHX", nullptr));
        std::string text = name;
        const OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, text.data(), 0),
            OSSL_PARAM_construct_end()};
        EVP_PKEY* made = nullptr;
        EXPECT_GT(EVP_PKEY_paramgen_init(ctx.get()), 0);
        EXPECT_GT(EVP_PKEY_CTX_set_params(ctx.get(), params), 0);
        EXPECT_GT(EVP_PKEY_generate(ctx.get(), &made), 0);
        const crypto_openssl::Key key(made);
        BIGNUM* raw[2] = {};
        EXPECT_TRUE(EVP_PKEY_get_bn_param(made, OSSL_PKEY_PARAM_FFC_P, &raw[0]));
        EXPECT_TRUE(EVP_PKEY_get_bn_param(made, OSSL_PKEY_PARAM_FFC_Q, &raw[1]));
        p.reset(raw[0]);
        q.reset(raw[1]);
    }
    Bytes plus(long add, std::size_t size) const {
        const Bignum n(BN_dup(p.get()));
        add < 0 ? BN_sub_word(n.get(), static_cast<BN_ULONG>(-add))
                : BN_add_word(n.get(), static_cast<BN_ULONG>(add));
        Bytes out(size);
        EXPECT_GE(BN_bn2binpad(n.get(), out.data(), static_cast<int>(size)), 0);
        return out;
    }
    Bignum p, q;
};

TEST_F(Dh, BothSidesOfEveryGroupAgree) {
    std::vector<Size> others = {{"curve25519", 32}};
    for (const Subgroup& g : kSubgroups) others.push_back({g.name, g.size});
    for (const auto& list : {std::vector<Size>(std::begin(kModp), std::end(kModp)),
                             std::vector<Size>(std::begin(kEcp), std::end(kEcp)), others}) {
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

TEST_F(Dh, GroupsWithASubgroupRefuseValuesOutOfRangeAndOutsideIt) {
    for (const auto& [name, openssl_name, size] : kSubgroups) {
        SCOPED_TRACE(name);
        const Numbers n(openssl_name);
        const auto g = group(name);
        Bytes ours(size), secret(size);
        void* pair = nullptr;
        ASSERT_EQ(g.table->generate(g.impl, ours.data(), &pair), RACOON_OK);
        const auto compute = [&](ByteView value) {
            return g.table->compute(g.impl, pair, {value.data(), value.size()}, secret.data());
        };
        EXPECT_EQ(compute(ours), RACOON_OK) << "a value of the subgroup";
        Bytes small(size);
        for (const int v : {0, 1}) {
            small.back() = static_cast<std::uint8_t>(v);
            EXPECT_NE(check(name, small), RACOON_OK) << v;
            EXPECT_NE(compute(small), RACOON_OK) << v;
        }
        for (const long add : {-1L, 0L, 1L}) {
            EXPECT_NE(check(name, n.plus(add, size)), RACOON_OK) << "p + " << add;
            EXPECT_NE(compute(n.plus(add, size)), RACOON_OK) << "p + " << add;
        }
        EXPECT_NE(check(name, ByteView(ours).subspan(1)), RACOON_OK) << "too short";
        Bytes longer = ours;
        longer.insert(longer.begin(), 0);
        EXPECT_NE(check(name, longer), RACOON_OK) << "too long";
        EXPECT_NE(check(name, {}), RACOON_OK) << "nothing";

        // Elements of the small subgroups: x^((p-1)/r) has order r, for each small prime r of p - 1.
        const BignumCtx scratch(BN_CTX_new());
        const Bignum order(BN_dup(n.p.get())), exponent(BN_new()), base(BN_new()), y(BN_new());
        BN_sub_word(order.get(), 1);
        int confined = 0;
        for (BN_ULONG r = 2; r < 2000; ++r) {
            if (BN_mod_word(order.get(), r) != 0) continue;
            BN_copy(exponent.get(), order.get());
            BN_div_word(exponent.get(), r);
            for (BN_ULONG x = 2; x < 5; ++x) {
                BN_set_word(base.get(), x);
                BN_mod_exp(y.get(), base.get(), exponent.get(), n.p.get(), scratch.get());
                if (BN_is_one(y.get())) continue;
                Bytes value(size);
                BN_bn2binpad(y.get(), value.data(), static_cast<int>(size));
                EXPECT_NE(compute(value), RACOON_OK) << "of order " << r;
                ++confined;
            }
        }
        EXPECT_GE(confined, 3);
        // And a whole value moved out of the subgroup: y * -1.
        const Bignum value(BN_bin2bn(ours.data(), static_cast<int>(size), nullptr));
        BN_sub(y.get(), n.p.get(), value.get());
        Bytes negated(size);
        BN_bn2binpad(y.get(), negated.data(), static_cast<int>(size));
        EXPECT_EQ(check(name, negated), RACOON_OK) << "in range, which is all that is cheap to see";
        EXPECT_EQ(compute(negated), RACOON_PROTOCOL) << "-y";
        g.table->free(g.impl, pair);
    }
}

// RFC 7748 section 6.1 and 7: 0, 1, the two points of order 8, p - 1, p and p + 1 give zero.
TEST_F(Dh, Curve25519RefusesPointsOfSmallOrder) {
    const auto g = group("curve25519");
    Bytes ours(32), secret(32);
    void* pair = nullptr;
    ASSERT_EQ(g.table->generate(g.impl, ours.data(), &pair), RACOON_OK);
    Bytes zero(32), one(32), below(32, 0xff), prime(32, 0xff), above(32, 0xff);
    one[0] = 1;
    below[31] = prime[31] = above[31] = 0x7f;
    below[0] = 0xec;
    prime[0] = 0xed;
    above[0] = 0xee;
    const Bytes eighth[] = {
        unhex(std::string("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")),
        unhex(std::string("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"))};
    for (Bytes point : {zero, one, below, prime, above, eighth[0], eighth[1]}) {
        for (const int top : {0x00, 0x80}) {  // the top bit does not count
            point[31] = static_cast<std::uint8_t>(point[31] | top);
            std::fill(secret.begin(), secret.end(), std::uint8_t{0xaa});
            EXPECT_NE(g.table->compute(g.impl, pair, span_of(point), secret.data()), RACOON_OK);
        }
    }
    EXPECT_NE(check("curve25519", ByteView(ours).first(31)), RACOON_OK) << "too short";
    ours.push_back(0);
    EXPECT_NE(check("curve25519", ours), RACOON_OK) << "too long";
    EXPECT_NE(check("curve25519", {}), RACOON_OK) << "nothing";
    g.table->free(g.impl, pair);
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
        {"MODP_768_BIT", "modp768"},       {"MODP_1024_BIT", "modp1024"},
        {"MODP_1536_BIT", "modp1536"},     {"MODP_2048_BIT", "modp2048"},
        {"MODP_3072_BIT", "modp3072"},     {"MODP_4096_BIT", "modp4096"},
        {"MODP_6144_BIT", "modp6144"},     {"MODP_8192_BIT", "modp8192"},
        {"ECP_256_BIT", "ecp256"},         {"ECP_384_BIT", "ecp384"},
        {"ECP_521_BIT", "ecp521"},         {"MODP_1024_160", "modp1024s160"},
        {"MODP_2048_224", "modp2048s224"}, {"MODP_2048_256", "modp2048s256"},
        {"ECP_224_BP", "brainpoolp224r1"}, {"ECP_256_BP", "brainpoolp256r1"},
        {"ECP_384_BP", "brainpoolp384r1"}, {"ECP_512_BP", "brainpoolp512r1"},
        {"CURVE_25519", "curve25519"}};
    const std::map<std::string, std::string> skips = {
        {"ECP_192_BIT", "groups 25 and 26 (RFC 5114) are not offered"},
        {"ECP_224_BIT", "groups 25 and 26 (RFC 5114) are not offered"},
        {"CURVE_448", "neither registered for IKEv1 nor spoken by its peers"}};
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
    EXPECT_GE(tally.checked_count(), 20u);
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
