// OpenSSL's objects with owners, and the few calls that every transform makes.
#pragma once

#include <openssl/evp.h>

#include <climits>
#include <memory>
#include <string>

#include "algorithms.hpp"
#include "bytes.hpp"

namespace racoon::kernel_userspace {

struct EvpFree {
    void operator()(EVP_CIPHER* p) const { EVP_CIPHER_free(p); }
    void operator()(EVP_CIPHER_CTX* p) const { EVP_CIPHER_CTX_free(p); }
    void operator()(EVP_MAC* p) const { EVP_MAC_free(p); }
    void operator()(EVP_MAC_CTX* p) const { EVP_MAC_CTX_free(p); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, EvpFree>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, EvpFree>;

inline CipherContext cipher_context(const std::string& name, const std::uint8_t* key,
                                    bool encrypt) {
    const std::unique_ptr<EVP_CIPHER, EvpFree> cipher(
        EVP_CIPHER_fetch(nullptr, name.c_str(), nullptr));
    CipherContext ctx(EVP_CIPHER_CTX_new());
    if (!cipher || !ctx) return nullptr;
    if (EVP_CipherInit_ex2(ctx.get(), cipher.get(), key, nullptr, encrypt ? 1 : 0, nullptr) != 1) {
        return nullptr;
    }
    EVP_CIPHER_CTX_set_padding(ctx.get(), 0);
    return ctx;
}

/// OpenSSL's name of the algorithm with a key of that many bytes (with its salt).
inline std::string openssl_name(const Algorithm& algorithm, std::size_t key_size) {
    std::string name = algorithm.openssl_name;
    const std::size_t star = name.find('*');
    if (star != std::string::npos) {
        name.replace(star, 1, std::to_string((key_size - algorithm.salt) * 8));
    }
    return name;
}

/// Additional data into an AEAD.
inline bool add_data(EVP_CIPHER_CTX* ctx, ByteView data) {
    int written = 0;
    return data.size() <= INT_MAX && EVP_CipherUpdate(ctx, nullptr, &written, data.data(),
                                                      static_cast<int>(data.size())) == 1;
}

/// In place, and whole.
inline bool update(EVP_CIPHER_CTX* ctx, std::span<std::uint8_t> data) {
    int written = 0;
    return data.size() <= INT_MAX &&
           EVP_CipherUpdate(ctx, data.data(), &written, data.data(),
                            static_cast<int>(data.size())) == 1 &&
           written == static_cast<int>(data.size());
}

}  // namespace racoon::kernel_userspace
