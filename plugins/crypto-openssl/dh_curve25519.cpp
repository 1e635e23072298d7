// Group 31, Curve25519: 32 octets each for public value and secret, little-endian as X25519 gives them
// (RFC 7748 section 5, RFC 8031 section 2). IANA registered it for IKEv2 alone; peers speak it in
// IKEv1 under the same number.
#include <algorithm>

#include "dh.hpp"

namespace crypto_openssl {
namespace {

constexpr const char* kType = "X25519";
constexpr std::size_t kSize = 32;

class Curve25519 final : public DhGroup {
  public:
    explicit Curve25519(const char* key) : DhGroup(key, kSize, kSize) {}

    bool load() override { return keygen_context() != nullptr && generate() != nullptr; }

    // Any 32 octets are a coordinate. Those of small order show in the secret, and there compute()
    // refuses them: RFC 8031 section 3 asks for no more.
    bool acceptable(View peer_public) const override { return peer_public.size() == kSize; }

    Key import(View private_value) const override {
        if (private_value.size() != kSize) return nullptr;
        return Key(
            EVP_PKEY_new_raw_private_key_ex(nullptr, kType, nullptr, private_value.data(), kSize));
    }

    bool public_of(const EVP_PKEY& pair, std::uint8_t* out) const override {
        std::size_t size = kSize;
        return EVP_PKEY_get_raw_public_key(&pair, out, &size) == 1 && size == kSize;
    }

  private:
    // A point of small order gives zero whatever our key is (RFC 7748 section 6.1). OpenSSL refuses
    // it too; this does not rely on that.
    bool is_usable(View secret) const override {
        return std::any_of(secret.begin(), secret.end(), [](std::uint8_t b) { return b != 0; });
    }
    KeyCtx keygen_context() const override {
        return KeyCtx(EVP_PKEY_CTX_new_from_name(nullptr, kType, nullptr));
    }
    Key peer_key(View peer_public) const override {
        return Key(
            EVP_PKEY_new_raw_public_key_ex(nullptr, kType, nullptr, peer_public.data(), kSize));
    }
};

}  // namespace

std::unique_ptr<DhGroup> make_curve25519(const char* key) {
    return std::make_unique<Curve25519>(key);
}

}  // namespace crypto_openssl
