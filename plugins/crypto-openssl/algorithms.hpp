// What this module offers, and the owners of OpenSSL's objects. Algorithms are fetched once, when
// the module is loaded: a fetch by name costs more than hashing a packet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <vector>

#include <racoon/plugin.h>

namespace crypto_openssl {

template <auto Free>
struct Deleter {
    template <typename T>
    void operator()(T* p) const noexcept {
        Free(p);
    }
};
template <typename T, auto Free>
using Owned = std::unique_ptr<T, Deleter<Free>>;

using Bignum = Owned<BIGNUM, BN_clear_free>;
using BignumCtx = Owned<BN_CTX, BN_CTX_free>;
using CipherCtx = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using Key = Owned<EVP_PKEY, EVP_PKEY_free>;
using KeyCtx = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

using Bytes = std::vector<std::uint8_t>;

/// Our answer to a failed OpenSSL call: the thread's error queue must not fill up with what peers
/// cause.
inline racoon_status crypto_failure() {
    ERR_clear_error();
    return RACOON_CRYPTO;
}

/// Offered to the host as (point, key, table, impl); `impl` lives as long as its list.
struct Offer {
    const char* point;
    const char* key;
    const void* table;
    void* impl;
};

class Ciphers;
class Hashes;
class DhGroups;

/// Everything that the module owns between init and destroy.
class Algorithms {
  public:
    Algorithms();
    ~Algorithms();
    Algorithms(const Algorithms&) = delete;
    Algorithms& operator=(const Algorithms&) = delete;

    /// Fetches all algorithms; the name of the first that OpenSSL does not have, null on success.
    const char* load();
    std::vector<Offer> offers();
    /// Known answers through the same tables that the host calls; the name of the first that is
    /// wrong, null when all are right.
    const char* self_test();

  private:
    std::unique_ptr<Ciphers> ciphers_;
    std::unique_ptr<Hashes> hashes_;
    std::unique_ptr<DhGroups> dh_groups_;
};

}  // namespace crypto_openssl
