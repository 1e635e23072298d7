// CBC ciphers of OpenSSL's legacy provider for ISAKMP messages (racoon.cipher/1). The provider lives in
// a library context of its own, so that the process's default one has no weak cipher more than before.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <vector>

#include <racoon/plugin.h>

namespace crypto_legacy {

template <auto Free>
struct Deleter {
    template <typename T>
    void operator()(T* p) const noexcept {
        Free(p);
    }
};
template <typename T, auto Free>
using Owned = std::unique_ptr<T, Deleter<Free>>;
using CipherCtx = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using LibCtx = Owned<OSSL_LIB_CTX, OSSL_LIB_CTX_free>;
using Provider = Owned<OSSL_PROVIDER, OSSL_PROVIDER_unload>;

inline constexpr std::size_t kBlock = 8;     // of all of them
inline constexpr std::size_t kMaxKey = 255;  // RC5

/// Of an SA. Blowfish's schedule alone has 4 KB, so the bytes are kept, and the schedule last used in
/// the algorithm's context: messages of one SA come in bursts. [M] only, as the point demands.
struct CipherKey {
    std::size_t size;
    std::array<std::uint8_t, kMaxKey> bytes;
};

struct Algorithm {
    const char* key;  // racoon.conf's word
    const char* openssl_name;
    std::size_t least, most;  // bytes of key
    int rounds;               // 0: no choice
};

class Cipher {
  public:
    explicit Cipher(const Algorithm& algorithm) : algorithm_(algorithm) {}

    bool load(OSSL_LIB_CTX* library);
    const char* key() const { return algorithm_.key; }
    racoon_status key_new(const std::uint8_t* key, std::size_t size, void** out);
    void key_free(CipherKey* key);
    racoon_status crypt(const CipherKey& key, bool encrypt, std::uint8_t* iv, std::uint8_t* data,
                        std::size_t size);

  private:
    struct Slot {
        CipherCtx ctx;
        const CipherKey* holds = nullptr;
    };
    bool set_key(EVP_CIPHER_CTX* ctx, const std::uint8_t* key, std::size_t size,
                 const std::uint8_t* iv) const;

    Algorithm algorithm_;
    std::array<Slot, 2> slots_;  // decrypt, encrypt
};

/// Everything that the module owns between init and destroy.
class Ciphers {
  public:
    Ciphers();
    /// What OpenSSL does not have; null on success.
    const char* load();
    std::vector<Cipher>& list() { return list_; }
    /// The name of the first that does not give its known answers; null when all do.
    const char* self_test();

  private:
    LibCtx library_;
    Provider provider_;  // goes before its context
    std::vector<Cipher> list_;
};

/// The weak and semi-weak keys of DES, whatever the parity bits (RFC 2409 appendix A).
bool is_weak_des_key(const std::uint8_t* key);

extern const racoon_cipher kCipherTable;

}  // namespace crypto_legacy
