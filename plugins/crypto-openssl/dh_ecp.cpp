// ECP groups 19, 20, 21 (RFC 5903) and the Brainpool curves, 27 to 30 (RFC 6932): the public value is
// x | y, the secret is x alone (RFC 5903 section 7).
#include <cstring>
#include <openssl/core_names.h>
#include <openssl/objects.h>
#include <openssl/params.h>

#include "dh.hpp"

namespace crypto_openssl {
namespace {

using Group = Owned<EC_GROUP, EC_GROUP_free>;
using Point = Owned<EC_POINT, EC_POINT_clear_free>;

// SEC 1 section 2.3.3: what OpenSSL wants in front of x | y.
constexpr std::uint8_t kUncompressed = 4;

class EcpGroup final : public DhGroup {
  public:
    EcpGroup(const char* key, int curve, std::size_t field_size)
        : DhGroup(key, 2 * field_size, field_size), curve_(curve) {}

    bool load() override {
        group_.reset(EC_GROUP_new_by_curve_name(curve_));
        if (!group_) return false;
        parameters_ = make_key(EVP_PKEY_KEY_PARAMETERS, {}, nullptr);
        return parameters_ != nullptr;
    }

    // The curves have cofactor 1: a point on the curve other than infinity, which x | y cannot
    // express, is a point of the group. EC_POINT_oct2point refuses coordinates that are not below
    // the field's prime and points off the curve.
    bool acceptable(View peer_public) const override {
        if (peer_public.size() != public_size()) return false;
        const Point point(EC_POINT_new(group_.get()));
        const Bytes octets = with_prefix(peer_public);
        return point && EC_POINT_oct2point(group_.get(), point.get(), octets.data(), octets.size(),
                                           nullptr) == 1;
    }

    Key import(View private_value) const override {
        const Bignum d(
            BN_bin2bn(private_value.data(), static_cast<int>(private_value.size()), nullptr));
        const Point point(EC_POINT_new(group_.get()));
        Bytes octets(1 + public_size());
        if (!d || !point || BN_is_zero(d.get()) ||
            BN_cmp(d.get(), EC_GROUP_get0_order(group_.get())) >= 0 ||
            !EC_POINT_mul(group_.get(), point.get(), d.get(), nullptr, nullptr, nullptr) ||
            EC_POINT_point2oct(group_.get(), point.get(), POINT_CONVERSION_UNCOMPRESSED,
                               octets.data(), octets.size(), nullptr) != octets.size())
            return nullptr;
        return make_key(EVP_PKEY_KEYPAIR, octets, d.get());
    }

    bool public_of(const EVP_PKEY& pair, std::uint8_t* out) const override {
        Bytes octets(1 + public_size());
        std::size_t size = 0;
        if (!EVP_PKEY_get_octet_string_param(&pair, OSSL_PKEY_PARAM_PUB_KEY, octets.data(),
                                             octets.size(), &size) ||
            size != octets.size() || octets[0] != kUncompressed)
            return false;
        std::memcpy(out, octets.data() + 1, public_size());
        return true;
    }

  private:
    static Bytes with_prefix(View point) {
        Bytes octets;
        octets.reserve(1 + point.size());
        octets.push_back(kUncompressed);
        octets.insert(octets.end(), point.begin(), point.end());
        return octets;
    }

    Key peer_key(View peer_public) const override {
        return make_key(EVP_PKEY_PUBLIC_KEY, with_prefix(peer_public), nullptr);
    }

    Key make_key(int selection, Bytes public_octets, const BIGNUM* private_value) const {
        Bytes private_octets(secret_size());  // the order of all these curves has the field's size
        char name[32] = {};
        OPENSSL_strlcpy(name, OBJ_nid2sn(curve_), sizeof name);
        std::array<OSSL_PARAM, 4> params{};
        std::size_t count = 0;
        params[count++] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0);
        if (!public_octets.empty())
            params[count++] = OSSL_PARAM_construct_octet_string(
                OSSL_PKEY_PARAM_PUB_KEY, public_octets.data(), public_octets.size());
        if (private_value) {
            if (BN_bn2nativepad(private_value, private_octets.data(),
                                static_cast<int>(private_octets.size())) < 0)
                return nullptr;
            params[count++] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY,
                                                      private_octets.data(), private_octets.size());
        }
        params[count] = OSSL_PARAM_construct_end();
        const KeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
        EVP_PKEY* made = nullptr;
        const bool done = ctx && EVP_PKEY_fromdata_init(ctx.get()) > 0 &&
                          EVP_PKEY_fromdata(ctx.get(), &made, selection, params.data()) > 0;
        OPENSSL_cleanse(private_octets.data(), private_octets.size());
        return done ? Key(made) : nullptr;
    }

    int curve_;
    Group group_;
};

}  // namespace

std::unique_ptr<DhGroup> make_ecp_group(const char* key, int curve, std::size_t field_size) {
    return std::make_unique<EcpGroup>(key, curve, field_size);
}

}  // namespace crypto_openssl
