// Which algorithms the data process can do, by the Linux crypto API's names; without OpenSSL, so that
// the keeper's side can tell too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <racoon/plugin/kernel.h>

namespace racoon::kernel_userspace {

enum class Method : std::uint8_t { Cbc, Counter, Null, Gcm, Gmac, ChaCha, Hmac, Xcbc };

struct Algorithm {
    const char* xfrm_name;
    Method method;
    const char* openssl_name;       // a stem that the key's bits complete, where lengths differ
    std::size_t least, most, step;  // bytes of key, without the salt
    std::size_t salt;
    std::size_t iv, block;
    std::uint32_t icv_least, icv_most;  // bits; integrity and AEAD
};

/// Null: `error` says which name, key length or ICV is none that the data process can do.
const Algorithm* find_encryption(const racoon_kernel_alg& alg, bool aead, std::string* error);
const Algorithm* find_integrity(const racoon_kernel_alg& alg, std::string* error);

}  // namespace racoon::kernel_userspace
