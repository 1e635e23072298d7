#include "hash.hpp"

#include <openssl/core_names.h>
#include <openssl/params.h>

namespace crypto_openssl {
namespace {

// One context per thread and algorithm: making one costs several allocations, more than an HMAC
// over a packet. The module is never unmapped, so the destructors run safely at the thread's end.
struct ThreadContexts {
    std::array<Owned<EVP_MD_CTX, EVP_MD_CTX_free>, kHashCount> digest;
    std::array<Owned<EVP_MAC_CTX, EVP_MAC_CTX_free>, kHashCount> hmac;
};
thread_local ThreadContexts contexts;

// HMAC_Init takes a null key as "the same as before", which an empty key must not mean.
constexpr std::uint8_t kEmptyKey = 0;

}  // namespace

const char* Hash::load() {
    md_.reset(EVP_MD_fetch(nullptr, openssl_name_, nullptr));
    mac_.reset(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
    return md_ && mac_ ? nullptr : openssl_name_;
}

racoon_status Hash::digest(const racoon_span* parts, std::size_t count, std::uint8_t* out) const {
    auto& ctx = contexts.digest[index_];
    if (!ctx) ctx.reset(EVP_MD_CTX_new());
    if (!ctx) return RACOON_NO_MEMORY;
    if (!EVP_DigestInit_ex2(ctx.get(), md_.get(), nullptr)) return crypto_failure();
    for (std::size_t i = 0; i < count; ++i)
        if (!EVP_DigestUpdate(ctx.get(), parts[i].data, parts[i].size)) return crypto_failure();
    return EVP_DigestFinal_ex(ctx.get(), out, nullptr) ? RACOON_OK : crypto_failure();
}

racoon_status Hash::hmac(racoon_span key, const racoon_span* parts, std::size_t count,
                         std::uint8_t* out) const {
    auto& ctx = contexts.hmac[index_];
    if (!ctx) {
        ctx.reset(EVP_MAC_CTX_new(mac_.get()));
        if (!ctx) return RACOON_NO_MEMORY;
        char name[16] = {};
        OPENSSL_strlcpy(name, openssl_name_, sizeof name);
        const OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
            OSSL_PARAM_construct_end()};
        if (!EVP_MAC_CTX_set_params(ctx.get(), params)) {
            ctx.reset();
            return crypto_failure();
        }
    }
    const std::uint8_t* bytes = key.size ? key.data : &kEmptyKey;
    if (!EVP_MAC_init(ctx.get(), bytes, key.size, nullptr)) return crypto_failure();
    for (std::size_t i = 0; i < count; ++i)
        if (!EVP_MAC_update(ctx.get(), parts[i].data, parts[i].size)) return crypto_failure();
    std::size_t size = 0;
    const int done = EVP_MAC_final(ctx.get(), out, &size, RACOON_MAX_DIGEST);
    // The context keeps a copy of its key: none of ours may outlive the call.
    EVP_MAC_init(ctx.get(), &kEmptyKey, 0, nullptr);
    return done ? RACOON_OK : crypto_failure();
}

Hashes::Hashes() {
    list_.emplace_back("md5", "MD5", 0u);
    list_.emplace_back("sha1", "SHA1", 1u);
    list_.emplace_back("sha256", "SHA2-256", 2u);
    list_.emplace_back("sha384", "SHA2-384", 3u);
    list_.emplace_back("sha512", "SHA2-512", 4u);
}

const char* Hashes::load() {
    for (Hash& hash : list_)
        if (const char* missing = hash.load()) return missing;
    return nullptr;
}

void Hashes::offer(std::vector<Offer>& out) {
    for (Hash& hash : list_) out.push_back({RACOON_POINT_HASH, hash.key(), &kHashTable, &hash});
}

namespace {

racoon_status table_digest(void* impl, const racoon_span* parts, std::size_t count,
                           std::uint8_t* out) noexcept {
    return static_cast<const Hash*>(impl)->digest(parts, count, out);
}

racoon_status table_hmac(void* impl, racoon_span key, const racoon_span* parts, std::size_t count,
                         std::uint8_t* out) noexcept {
    return static_cast<const Hash*>(impl)->hmac(key, parts, count, out);
}

}  // namespace

const racoon_hash kHashTable = {sizeof(racoon_hash), table_digest, table_hmac};

}  // namespace crypto_openssl
