#include "algorithms.hpp"

#include "cipher.hpp"
#include "dh.hpp"
#include "hash.hpp"

namespace crypto_openssl {

Algorithms::Algorithms()
    : ciphers_(std::make_unique<Ciphers>()),
      hashes_(std::make_unique<Hashes>()),
      dh_groups_(std::make_unique<DhGroups>()) {}

Algorithms::~Algorithms() = default;

const char* Algorithms::load() {
    if (const char* missing = ciphers_->load()) return missing;
    if (const char* missing = hashes_->load()) return missing;
    return dh_groups_->load();
}

std::vector<Offer> Algorithms::offers() {
    // What phase 2 may negotiate is data in the manifest; the kernel does the work.
    static const racoon_esp_transform transform = {sizeof(racoon_esp_transform), 0};
    static const char* const transforms[] = {"aes",
                                             "camellia",
                                             "aes_ctr",
                                             "3des",
                                             "null_enc",
                                             "aes_gcm_16",
                                             "aes_gcm_12",
                                             "aes_gcm_8",
                                             "null_auth_aes_gmac",
                                             "hmac_md5",
                                             "hmac_sha1",
                                             "hmac_sha256",
                                             "hmac_sha256_96",
                                             "hmac_sha384",
                                             "hmac_sha512",
                                             "aes_xcbc_mac",
                                             "aes_128_gmac",
                                             "aes_192_gmac",
                                             "aes_256_gmac",
                                             "non_auth",
                                             "deflate"};
    std::vector<Offer> all;
    ciphers_->offer(all);
    hashes_->offer(all);
    dh_groups_->offer(all);
    for (const char* key : transforms)
        all.push_back({RACOON_POINT_ESP_TRANSFORM, key, &transform, nullptr});
    return all;
}

}  // namespace crypto_openssl
