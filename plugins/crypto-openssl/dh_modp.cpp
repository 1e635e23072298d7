// MODP groups over safe primes: groups 1 and 2 (RFC 2409 section 6.1, 6.2), 5 and 14 to 18 (RFC
// 3526), where the generator is 2; and those with a subgroup of prime order q, 22 to 24 (RFC 5114).
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <string>

#include "dh.hpp"

namespace crypto_openssl {
namespace {

using Params = Owned<OSSL_PARAM, OSSL_PARAM_free>;
using ParamBuilder = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;

// OpenSSL has no named groups below 1536 bits. Without a length of our own it would use a private
// exponent as long as the prime; 256 bits are twice the strength of a group of that size and more.
constexpr int kPrivateBitsOfUnnamed = 256;

Bignum prime_of(unsigned bits) {
    switch (bits) {
        case 768:
            return Bignum(BN_get_rfc2409_prime_768(nullptr));
        case 1024:
            return Bignum(BN_get_rfc2409_prime_1024(nullptr));
        case 1536:
            return Bignum(BN_get_rfc3526_prime_1536(nullptr));
        case 2048:
            return Bignum(BN_get_rfc3526_prime_2048(nullptr));
        case 3072:
            return Bignum(BN_get_rfc3526_prime_3072(nullptr));
        case 4096:
            return Bignum(BN_get_rfc3526_prime_4096(nullptr));
        case 6144:
            return Bignum(BN_get_rfc3526_prime_6144(nullptr));
        case 8192:
            return Bignum(BN_get_rfc3526_prime_8192(nullptr));
        default:
            return nullptr;
    }
}

class ModpGroup : public DhGroup {
  public:
    ModpGroup(const char* key, unsigned bits) : DhGroup(key, bits / 8, bits / 8), bits_(bits) {
        if (bits >= 1536) name_ = "modp_" + std::to_string(bits);
    }

    bool load() override {
        prime_ = prime_of(bits_);
        generator_.reset(BN_new());
        if (!prime_ || !generator_ || !BN_set_word(generator_.get(), 2) || !set_bounds())
            return false;
        parameters_ = make_key(EVP_PKEY_KEY_PARAMETERS, nullptr, nullptr);
        return parameters_ != nullptr;
    }

    // 2 <= y <= p - 2 (RFC 2412 appendix E warns of 0, 1 and p - 1); the size is the prime's, since
    // the KE payload is padded with zeros (RFC 2409 section 5).
    bool acceptable(View peer_public) const override {
        if (peer_public.size() != public_size()) return false;
        const Bignum y = number(peer_public);
        return y && BN_cmp(y.get(), lowest_.get()) >= 0 && BN_cmp(y.get(), highest_.get()) <= 0;
    }

    Key import(View private_value) const override {
        const Bignum x = number(private_value);
        const Bignum y(BN_new());
        const BignumCtx scratch(BN_CTX_new());
        if (!x || !y || !scratch ||
            !BN_mod_exp(y.get(), generator_.get(), x.get(), prime_.get(), scratch.get()))
            return nullptr;
        return make_key(EVP_PKEY_KEYPAIR, y.get(), x.get());
    }

    bool public_of(const EVP_PKEY& pair, std::uint8_t* out) const override {
        BIGNUM* raw = nullptr;
        if (!EVP_PKEY_get_bn_param(&pair, OSSL_PKEY_PARAM_PUB_KEY, &raw)) return false;
        const Bignum y(raw);
        return BN_bn2binpad(y.get(), out, static_cast<int>(public_size())) >= 0;
    }

  protected:
    ModpGroup(const char* key, unsigned bits, const char* type, const char* name)
        : DhGroup(key, bits / 8, bits / 8), bits_(bits), type_(type), name_(name) {}

    bool set_bounds() {
        lowest_.reset(BN_new());
        highest_.reset(BN_dup(prime_.get()));
        return lowest_ && highest_ && BN_set_word(lowest_.get(), 2) &&
               BN_sub_word(highest_.get(), 2);
    }
    static Bignum number(View bytes) {
        return Bignum(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
    }

    Key peer_key(View peer_public) const override {
        const Bignum y = number(peer_public);
        return y ? make_key(EVP_PKEY_PUBLIC_KEY, y.get(), nullptr) : nullptr;
    }

    /// `selection` is one of EVP_PKEY_KEY_PARAMETERS, _PUBLIC_KEY, _KEYPAIR.
    Key make_key(int selection, const BIGNUM* public_value, const BIGNUM* private_value) const {
        const ParamBuilder builder(OSSL_PARAM_BLD_new());
        if (!builder || !push_group(builder.get())) return nullptr;
        if (public_value &&
            !OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, public_value))
            return nullptr;
        if (private_value &&
            !OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, private_value))
            return nullptr;
        const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
        const KeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, type_, nullptr));
        EVP_PKEY* made = nullptr;
        if (!params || !ctx || EVP_PKEY_fromdata_init(ctx.get()) <= 0 ||
            EVP_PKEY_fromdata(ctx.get(), &made, selection, params.get()) <= 0)
            return nullptr;
        return Key(made);
    }

    // A named group brings OpenSSL's own short private length along.
    bool push_group(OSSL_PARAM_BLD* builder) const {
        if (!name_.empty())
            return OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME,
                                                   name_.c_str(), 0);
        return OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_FFC_P, prime_.get()) &&
               OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_FFC_G, generator_.get());
    }

    // The length must be given here: key generation does not take it over from the parameters.
    bool prepare_keygen(EVP_PKEY_CTX& ctx) const override {
        if (!name_.empty()) return true;
        int bits = kPrivateBitsOfUnnamed;
        const OSSL_PARAM params[] = {OSSL_PARAM_construct_int(OSSL_PKEY_PARAM_DH_PRIV_LEN, &bits),
                                     OSSL_PARAM_construct_end()};
        return EVP_PKEY_CTX_set_params(&ctx, params) > 0;
    }

    unsigned bits_;
    const char* type_ = "DH";
    std::string name_;  // empty: OpenSSL has no name for it
    Bignum prime_;
    Bignum generator_;
    Bignum lowest_;   // 2
    Bignum highest_;  // p - 2
};

// p - 1 has small factors here: a value outside the subgroup of order q would tell our private value
// modulo those (RFC 2785), so y^q = 1 must hold (NIST SP 800-56A 5.6.2.3.1).
class Subgroup final : public ModpGroup {
  public:
    Subgroup(const char* key, unsigned bits, const char* name)
        : ModpGroup(key, bits, "DHX", name) {}

    // OpenSSL knows the numbers by the group's name.
    bool load() override {
        parameters_ = make_key(EVP_PKEY_KEY_PARAMETERS, nullptr, nullptr);
        if (!parameters_) return false;
        prime_ = parameter(OSSL_PKEY_PARAM_FFC_P);
        generator_ = parameter(OSSL_PKEY_PARAM_FFC_G);
        order_ = parameter(OSSL_PKEY_PARAM_FFC_Q);
        return prime_ && generator_ && order_ && set_bounds();
    }

    bool is_member(View peer_public) const override {
        const Bignum y = number(peer_public);
        const Bignum power(BN_new());
        const BignumCtx scratch(BN_CTX_new());
        return y && power && scratch &&
               BN_mod_exp(power.get(), y.get(), order_.get(), prime_.get(), scratch.get()) &&
               BN_is_one(power.get());
    }

  private:
    Bignum parameter(const char* name) const {
        BIGNUM* raw = nullptr;
        EVP_PKEY_get_bn_param(parameters_.get(), name, &raw);
        return Bignum(raw);
    }
    Bignum order_;
};

}  // namespace

std::unique_ptr<DhGroup> make_modp_group(const char* key, unsigned bits) {
    return std::make_unique<ModpGroup>(key, bits);
}

std::unique_ptr<DhGroup> make_subgroup(const char* key, unsigned bits, const char* name) {
    return std::make_unique<Subgroup>(key, bits, name);
}

}  // namespace crypto_openssl
