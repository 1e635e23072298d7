// Hashes and their HMACs (racoon.hash/1). Both are [A]: contexts are per thread and reused.
#pragma once

#include "algorithms.hpp"

namespace crypto_openssl {

using Digest = Owned<EVP_MD, EVP_MD_free>;
using Mac = Owned<EVP_MAC, EVP_MAC_free>;

inline constexpr std::size_t kHashCount = 5;

class Hash {
  public:
    Hash(const char* key, const char* openssl_name, std::size_t index)
        : key_(key), openssl_name_(openssl_name), index_(index) {}

    const char* load();
    const char* key() const { return key_; }
    racoon_status digest(const racoon_span* parts, std::size_t count, std::uint8_t* out) const;
    racoon_status hmac(racoon_span key, const racoon_span* parts, std::size_t count,
                       std::uint8_t* out) const;

  private:
    const char* key_;
    const char* openssl_name_;
    std::size_t index_;  // of its contexts among a thread's
    Digest md_;
    Mac mac_;
};

class Hashes {
  public:
    Hashes();
    const char* load();
    void offer(std::vector<Offer>& out);

  private:
    std::vector<Hash> list_;
};

extern const racoon_hash kHashTable;

}  // namespace crypto_openssl
