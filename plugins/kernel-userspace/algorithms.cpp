#include "algorithms.hpp"

#include <algorithm>
#include <string_view>

namespace racoon::kernel_userspace {
namespace {

// DES, Blowfish and CAST-128 are missing: they would bring OpenSSL's legacy provider into the process
// that has the packets.
constexpr Algorithm kEncryption[] = {
    {"cbc(aes)", Method::Cbc, "AES-*-CBC", 16, 32, 8, 0, 16, 16, 0, 0},
    {"cbc(camellia)", Method::Cbc, "CAMELLIA-*-CBC", 16, 32, 8, 0, 16, 16, 0, 0},
    {"cbc(des3_ede)", Method::Cbc, "DES-EDE3-CBC", 24, 24, 8, 0, 8, 8, 0, 0},
    {"rfc3686(ctr(aes))", Method::Counter, "AES-*-CTR", 16, 32, 8, 4, 8, 4, 0, 0},
    {"ecb(cipher_null)", Method::Null, "", 0, 0, 1, 0, 0, 4, 0, 0},
};
constexpr Algorithm kAead[] = {
    {"rfc4106(gcm(aes))", Method::Gcm, "AES-*-GCM", 16, 32, 8, 4, 8, 4, 64, 128},
    {"rfc4543(gcm(aes))", Method::Gmac, "AES-*-GCM", 16, 32, 8, 4, 8, 4, 128, 128},
    {"rfc7539esp(chacha20,poly1305)", Method::ChaCha, "ChaCha20-Poly1305", 32, 32, 8, 4, 8, 4, 128,
     128},
};
// Keys of an HMAC may have any length; what is negotiated has the digest's.
constexpr Algorithm kIntegrity[] = {
    {"hmac(md5)", Method::Hmac, "MD5", 1, 128, 1, 0, 0, 0, 80, 128},
    {"hmac(sha1)", Method::Hmac, "SHA1", 1, 128, 1, 0, 0, 0, 80, 160},
    {"hmac(sha256)", Method::Hmac, "SHA256", 1, 128, 1, 0, 0, 0, 80, 256},
    {"hmac(sha384)", Method::Hmac, "SHA384", 1, 128, 1, 0, 0, 0, 80, 384},
    {"hmac(sha512)", Method::Hmac, "SHA512", 1, 128, 1, 0, 0, 0, 80, 512},
    {"xcbc(aes)", Method::Xcbc, "AES-128-CBC", 16, 16, 1, 0, 0, 0, 96, 128},
    // In AH alone; what ESP has is an AEAD.
    {"rfc4543(gcm(aes))", Method::Gmac, "AES-*-GCM", 16, 32, 8, 4, 8, 0, 128, 128},
};

template <std::size_t N>
const Algorithm* find(const Algorithm (&list)[N], const racoon_kernel_alg& alg, const char* what,
                      std::string* error) {
    const std::string_view name = alg.xfrm_name;
    const auto at = std::find_if(std::begin(list), std::end(list),
                                 [&](const Algorithm& a) { return name == a.xfrm_name; });
    if (at == std::end(list)) {
        *error = std::string(what) + " \"" + alg.xfrm_name + "\" is not one of";
        for (const Algorithm& a : list) *error += std::string(" ") + a.xfrm_name;
        return nullptr;
    }
    const std::size_t key = alg.key_size;
    const bool key_fits = key >= at->least + at->salt && key <= at->most + at->salt &&
                          (key - at->salt - at->least) % at->step == 0;
    if (!key_fits) {
        *error = std::string(at->xfrm_name) + " with a key of " + std::to_string(key) + " bytes";
        return nullptr;
    }
    // GCM has tags of 8, 12 and 16 bytes (RFC 4106 6).
    const std::uint32_t step = at->method == Method::Gcm ? 32 : 8;
    if (at->icv_most != 0 &&
        (alg.icv_bits < at->icv_least || alg.icv_bits > at->icv_most || alg.icv_bits % step != 0)) {
        *error = std::string(at->xfrm_name) + " with an ICV of " + std::to_string(alg.icv_bits) +
                 " bits";
        return nullptr;
    }
    return at;
}

}  // namespace

const Algorithm* find_encryption(const racoon_kernel_alg& alg, bool aead, std::string* error) {
    return aead ? find(kAead, alg, "AEAD", error) : find(kEncryption, alg, "encryption", error);
}

const Algorithm* find_integrity(const racoon_kernel_alg& alg, std::string* error) {
    return find(kIntegrity, alg, "integrity", error);
}

}  // namespace racoon::kernel_userspace
