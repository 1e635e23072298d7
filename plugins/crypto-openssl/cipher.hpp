// CBC ciphers for ISAKMP messages (racoon.cipher/1).
#pragma once

#include "algorithms.hpp"

namespace crypto_openssl {

/// A key is kept as its bytes, 40 octets per SA, and not as two schedules of OpenSSL's of half a
/// kilobyte each. The schedule last used stays in the algorithm's context, and messages of one SA
/// come in bursts. [M] only, as the point demands.
struct CipherKey {
    std::size_t size;
    std::array<std::uint8_t, 32> bytes;
};

class Cipher {
  public:
    struct Variant {
        std::size_t key_size;
        const char* openssl_name;
    };
    Cipher(const char* key, std::size_t block, std::vector<Variant> variants)
        : key_(key), block_(block), variants_(std::move(variants)) {}

    const char* load();
    const char* key() const { return key_; }

    racoon_status key_new(const std::uint8_t* key, std::size_t size, void** out);
    void key_free(CipherKey* key);
    racoon_status crypt(const CipherKey& key, bool encrypt, std::uint8_t* iv, std::uint8_t* data,
                        std::size_t size);

  private:
    /// A context and the key whose schedule it holds.
    struct Slot {
        CipherCtx ctx;
        const CipherKey* holds = nullptr;
    };
    struct Fetched {
        std::size_t key_size;
        std::array<Slot, 2> slots;  // decrypt, encrypt
    };
    Fetched* find(std::size_t key_size);

    const char* key_;
    std::size_t block_;
    std::vector<Variant> variants_;
    std::vector<Fetched> fetched_;
};

class Ciphers {
  public:
    Ciphers();
    const char* load();
    void offer(std::vector<Offer>& out);

  private:
    std::vector<Cipher> list_;
};

extern const racoon_cipher kCipherTable;

}  // namespace crypto_openssl
