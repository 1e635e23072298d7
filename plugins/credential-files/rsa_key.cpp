#include "rsa_key.hpp"

#include <array>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

namespace credential_files {
namespace {

template <auto Free>
struct Deleter {
    template <typename T>
    void operator()(T* object) const {
        Free(object);
    }
};
using Bn = std::unique_ptr<BIGNUM, Deleter<BN_clear_free>>;
using BnCtx = std::unique_ptr<BN_CTX, Deleter<BN_CTX_free>>;
using ParamBuild = std::unique_ptr<OSSL_PARAM_BLD, Deleter<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Deleter<OSSL_PARAM_free>>;
using PkeyCtx = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX_free>>;
using Pkey = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;

/// Numbers that must outlive the OSSL_PARAMs made of them.
struct Numbers {
    Bn n, e, d, p, q, dp, dq, qinv;
    bool has_crt() const { return p != nullptr; }
};

Bn number(Number bytes, bool secret) {
    Bn out(secret ? BN_secure_new() : BN_new());
    if (!out || !BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), out.get())) return nullptr;
    if (secret) BN_set_flags(out.get(), BN_FLG_CONSTTIME);
    return out;
}

Pkey make_pkey(const Numbers& x) {
    const ParamBuild build(OSSL_PARAM_BLD_new());
    if (!build) return nullptr;
    const auto push = [&](const char* name, const Bn& value) {
        return !value || OSSL_PARAM_BLD_push_BN(build.get(), name, value.get()) == 1;
    };
    if (!push(OSSL_PKEY_PARAM_RSA_N, x.n) || !push(OSSL_PKEY_PARAM_RSA_E, x.e) ||
        !push(OSSL_PKEY_PARAM_RSA_D, x.d) || !push(OSSL_PKEY_PARAM_RSA_FACTOR1, x.p) ||
        !push(OSSL_PKEY_PARAM_RSA_FACTOR2, x.q) || !push(OSSL_PKEY_PARAM_RSA_EXPONENT1, x.dp) ||
        !push(OSSL_PKEY_PARAM_RSA_EXPONENT2, x.dq) ||
        !push(OSSL_PKEY_PARAM_RSA_COEFFICIENT1, x.qinv))
        return nullptr;
    const Params params(OSSL_PARAM_BLD_to_param(build.get()));
    const PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx.get()) != 1) return nullptr;
    EVP_PKEY* key = nullptr;
    if (EVP_PKEY_fromdata(ctx.get(), &key, x.d ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                          params.get()) != 1)
        return nullptr;
    return Pkey(key);
}

/// a * b mod m == 1
bool is_inverse(const Bn& a, const Bn& b, const BIGNUM* m, BN_CTX* ctx) {
    const Bn product(BN_secure_new());
    return product && BN_mod_mul(product.get(), a.get(), b.get(), m, ctx) == 1 &&
           BN_is_one(product.get());
}

/// With the primes the key can be checked without a slow operation. Their primality is left to who
/// made them: composite ones give signatures that nobody accepts.
const char* wrong_crt(const Numbers& x, BN_CTX* ctx) {
    const Bn product(BN_secure_new());
    const Bn p1(BN_dup(x.p.get())), q1(BN_dup(x.q.get())), rest(BN_secure_new());
    if (!product || !p1 || !q1 || !rest) return "no memory";
    if (BN_is_one(p1.get()) || BN_is_one(q1.get()) || !BN_is_odd(p1.get()) || !BN_is_odd(q1.get()))
        return "Prime1 and Prime2 are not both primes";
    if (BN_mul(product.get(), x.p.get(), x.q.get(), ctx) != 1 ||
        BN_cmp(product.get(), x.n.get()) != 0)
        return "Prime1 * Prime2 is not Modulus";
    if (BN_sub_word(p1.get(), 1) != 1 || BN_sub_word(q1.get(), 1) != 1) return "no memory";
    if (!is_inverse(x.e, x.d, p1.get(), ctx) || !is_inverse(x.e, x.d, q1.get(), ctx))
        return "PrivateExponent does not belong to PublicExponent";
    if (BN_mod(rest.get(), x.d.get(), p1.get(), ctx) != 1 || BN_cmp(rest.get(), x.dp.get()) != 0)
        return "Exponent1 is not PrivateExponent mod (Prime1 - 1)";
    if (BN_mod(rest.get(), x.d.get(), q1.get(), ctx) != 1 || BN_cmp(rest.get(), x.dq.get()) != 0)
        return "Exponent2 is not PrivateExponent mod (Prime2 - 1)";
    if (BN_cmp(x.qinv.get(), x.p.get()) >= 0 || !is_inverse(x.q, x.qinv, x.p.get(), ctx))
        return "Coefficient is not the inverse of Prime2 mod Prime1";
    return nullptr;
}

/// Without the primes only a trial shows it.
const char* wrong_exponent(const Numbers& x, BN_CTX* ctx) {
    const Bn once(BN_new()), twice(BN_new()), two(BN_new());
    if (!once || !twice || !two || BN_set_word(two.get(), 2) != 1 ||
        BN_mod_exp(once.get(), two.get(), x.d.get(), x.n.get(), ctx) != 1 ||
        BN_mod_exp(twice.get(), once.get(), x.e.get(), x.n.get(), ctx) != 1)
        return "OpenSSL cannot compute with this key";
    if (BN_cmp(two.get(), twice.get()) != 0)
        return "PrivateExponent does not belong to Modulus and PublicExponent";
    return nullptr;
}

}  // namespace

std::vector<std::uint8_t> public_key_der(Number n, Number e) {
    Numbers x;
    x.n = number(n, false);
    x.e = number(e, false);
    const Pkey key = x.n && x.e ? make_pkey(x) : nullptr;
    std::vector<std::uint8_t> out;
    if (key) {
        const int size = i2d_PUBKEY(key.get(), nullptr);
        if (size > 0) {
            out.resize(static_cast<std::size_t>(size));
            std::uint8_t* to = out.data();
            if (i2d_PUBKEY(key.get(), &to) != size) out.clear();
        }
    }
    ERR_clear_error();
    return out;
}

std::shared_ptr<const RsaPrivateKey> RsaPrivateKey::make(const RsaKey& key, std::string& why) {
    Numbers x;
    x.n = number(key.n, false);
    x.e = number(key.e, false);
    x.d = number(key.d, true);
    bool complete = x.n && x.e && x.d;
    if (!key.p.empty()) {
        x.p = number(key.p, true);
        x.q = number(key.q, true);
        x.dp = number(key.dp, true);
        x.dq = number(key.dq, true);
        x.qinv = number(key.qinv, true);
        complete = complete && x.p && x.q && x.dp && x.dq && x.qinv;
    }
    const BnCtx ctx(BN_CTX_secure_new());
    if (!complete || !ctx) {
        why = "no memory";
        return nullptr;
    }
    const char* wrong = nullptr;
    if (BN_cmp(x.d.get(), x.n.get()) >= 0)
        wrong = "PrivateExponent is not smaller than Modulus";
    else
        wrong = x.has_crt() ? wrong_crt(x, ctx.get()) : wrong_exponent(x, ctx.get());
    Pkey made;
    if (!wrong) {
        made = make_pkey(x);
        if (!made) wrong = "OpenSSL does not take this key";
    }
    ERR_clear_error();
    if (wrong) {
        why = wrong;
        return nullptr;
    }
    return std::shared_ptr<const RsaPrivateKey>(new RsaPrivateKey(made.release()));
}

RsaPrivateKey::~RsaPrivateKey() {
    EVP_PKEY_free(key_);
}

racoon_status RsaPrivateKey::sign_bare_hash(racoon_span hash, racoon_buffer& out) const {
    // MD5 to SHA2-512.
    constexpr std::array<std::size_t, 6> kHashSizes = {16, 20, 28, 32, 48, 64};
    bool known = false;
    for (const std::size_t size : kHashSizes) known = known || size == hash.size;
    if (!known) return RACOON_INVALID_ARGUMENT;
    out.size = static_cast<std::size_t>(EVP_PKEY_get_size(key_));
    if (out.capacity < out.size) return RACOON_BUFFER_TOO_SMALL;
    const PkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, key_, nullptr));
    // No digest is set: what is given is padded and signed as it is.
    std::size_t size = out.size;
    const bool good = ctx && EVP_PKEY_sign_init(ctx.get()) == 1 &&
                      EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_PKCS1_PADDING) == 1 &&
                      EVP_PKEY_sign(ctx.get(), out.data, &size, hash.data, hash.size) == 1 &&
                      size == out.size;
    ERR_clear_error();
    if (good) return RACOON_OK;
    out.size = 0;
    return RACOON_CRYPTO;
}

}  // namespace credential_files
