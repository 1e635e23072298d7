// RSA keys of OpenSSL's making, written as plain RSA key files. For tests.
#pragma once

#include <memory>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string>
#include <vector>

namespace racoon::test {

struct PkeyFree {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Pkey = std::unique_ptr<EVP_PKEY, PkeyFree>;

inline Pkey make_rsa(unsigned bits) {
    return Pkey(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(bits)));
}

/// In hex; "" if the key has no such number. The names are those of OpenSSL's core_names.h.
inline std::string rsa_number(const EVP_PKEY* key, const char* name) {
    BIGNUM* number = nullptr;
    if (EVP_PKEY_get_bn_param(key, name, &number) != 1) return {};
    char* hex = BN_bn2hex(number);
    std::string out = hex;
    OPENSSL_free(hex);
    BN_free(number);
    return out;
}

inline std::string rsa_private_text(const EVP_PKEY* key, bool with_primes = true) {
    std::string out = ": RSA {\n  Modulus: 0x" + rsa_number(key, OSSL_PKEY_PARAM_RSA_N) +
                      "\n  PublicExponent: 0x" + rsa_number(key, OSSL_PKEY_PARAM_RSA_E) +
                      "\n  PrivateExponent: 0x" + rsa_number(key, OSSL_PKEY_PARAM_RSA_D) + "\n";
    if (with_primes)
        out += "  Prime1: 0x" + rsa_number(key, OSSL_PKEY_PARAM_RSA_FACTOR1) + "\n  Prime2: 0x" +
               rsa_number(key, OSSL_PKEY_PARAM_RSA_FACTOR2) + "\n  Exponent1: 0x" +
               rsa_number(key, OSSL_PKEY_PARAM_RSA_EXPONENT1) + "\n  Exponent2: 0x" +
               rsa_number(key, OSSL_PKEY_PARAM_RSA_EXPONENT2) + "\n  Coefficient: 0x" +
               rsa_number(key, OSSL_PKEY_PARAM_RSA_COEFFICIENT1) + "\n";
    return out + "}\n";
}

/// `: PUB 0x…`, of a key whose exponent is 65537.
inline std::string rsa_public_text(const EVP_PKEY* key) {
    return ": PUB 0x03010001" + rsa_number(key, OSSL_PKEY_PARAM_RSA_N) + "\n";
}

/// s^e mod n: the padded block itself, which no library has judged.
inline std::vector<std::uint8_t> rsa_open(const EVP_PKEY* key,
                                          const std::vector<std::uint8_t>& signature) {
    BIGNUM *n = nullptr, *e = nullptr;
    EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n);
    EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e);
    BIGNUM* s = BN_bin2bn(signature.data(), static_cast<int>(signature.size()), nullptr);
    BN_CTX* ctx = BN_CTX_new();
    BN_mod_exp(s, s, e, n, ctx);
    std::vector<std::uint8_t> block(static_cast<std::size_t>(BN_num_bytes(n)));
    BN_bn2binpad(s, block.data(), static_cast<int>(block.size()));
    BN_CTX_free(ctx);
    BN_free(s);
    BN_free(n);
    BN_free(e);
    return block;
}

}  // namespace racoon::test
