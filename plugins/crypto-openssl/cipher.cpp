#include "cipher.hpp"

#include <climits>
#include <cstring>
#include <new>
#include <openssl/crypto.h>

namespace crypto_openssl {

const char* Cipher::load() {
    for (const Variant& variant : variants_) {
        Fetched entry{variant.key_size, {}};
        Owned<EVP_CIPHER, EVP_CIPHER_free> cipher(
            EVP_CIPHER_fetch(nullptr, variant.openssl_name, nullptr));
        if (!cipher) return variant.openssl_name;
        for (int encrypt = 0; encrypt < 2; ++encrypt) {
            CipherCtx ctx(EVP_CIPHER_CTX_new());
            // The context keeps a reference to the fetched cipher. Padding is ISAKMP's business.
            if (!ctx ||
                !EVP_CipherInit_ex2(ctx.get(), cipher.get(), nullptr, nullptr, encrypt, nullptr) ||
                !EVP_CIPHER_CTX_set_padding(ctx.get(), 0))
                return variant.openssl_name;
            entry.slots[static_cast<std::size_t>(encrypt)].ctx = std::move(ctx);
        }
        fetched_.push_back(std::move(entry));
    }
    return nullptr;
}

Cipher::Fetched* Cipher::find(std::size_t key_size) {
    for (Fetched& entry : fetched_)
        if (entry.key_size == key_size) return &entry;
    return nullptr;
}

racoon_status Cipher::key_new(const std::uint8_t* key, std::size_t size, void** out) {
    *out = nullptr;
    if (!find(size)) return RACOON_INVALID_ARGUMENT;
    auto* made = new (std::nothrow) CipherKey{size, {}};
    if (!made) return RACOON_NO_MEMORY;
    std::memcpy(made->bytes.data(), key, size);
    *out = made;
    return RACOON_OK;
}

void Cipher::key_free(CipherKey* key) {
    if (!key) return;
    Fetched* entry = find(key->size);
    for (Slot& slot : entry->slots) {
        if (slot.holds != key) continue;
        // A key schedule begins with the key itself: put another one in its place.
        const std::array<std::uint8_t, 32> none{};
        EVP_CipherInit_ex2(slot.ctx.get(), nullptr, none.data(), nullptr, -1, nullptr);
        slot.holds = nullptr;
    }
    OPENSSL_cleanse(key->bytes.data(), key->bytes.size());
    delete key;
}

racoon_status Cipher::crypt(const CipherKey& key, bool encrypt, std::uint8_t* iv,
                            std::uint8_t* data, std::size_t size) {
    if (size % block_ != 0 || size > INT_MAX) return RACOON_INVALID_ARGUMENT;
    if (size == 0) return RACOON_OK;
    Slot& slot = find(key.size)->slots[encrypt ? 1 : 0];
    const std::uint8_t* schedule = slot.holds == &key ? nullptr : key.bytes.data();
    slot.holds = nullptr;  // until it is known to be in place
    if (!EVP_CipherInit_ex2(slot.ctx.get(), nullptr, schedule, iv, encrypt ? 1 : 0, nullptr))
        return crypto_failure();
    slot.holds = &key;

    std::array<std::uint8_t, EVP_MAX_IV_LENGTH> last{};
    if (!encrypt) std::memcpy(last.data(), data + size - block_, block_);
    int done = 0;
    if (!EVP_CipherUpdate(slot.ctx.get(), data, &done, data, static_cast<int>(size)) ||
        static_cast<std::size_t>(done) != size)
        return crypto_failure();
    std::memcpy(iv, encrypt ? data + size - block_ : last.data(), block_);
    return RACOON_OK;
}

// 3DES takes three keys that differ or not, as it comes out of SKEYID_e (RFC 2409 appendix B).
Ciphers::Ciphers() {
    list_.emplace_back("aes", 16u,
                       std::vector<Cipher::Variant>{
                           {16, "AES-128-CBC"}, {24, "AES-192-CBC"}, {32, "AES-256-CBC"}});
    list_.emplace_back(
        "camellia", 16u,
        std::vector<Cipher::Variant>{
            {16, "CAMELLIA-128-CBC"}, {24, "CAMELLIA-192-CBC"}, {32, "CAMELLIA-256-CBC"}});
    list_.emplace_back("3des", 8u, std::vector<Cipher::Variant>{{24, "DES-EDE3-CBC"}});
}

const char* Ciphers::load() {
    for (Cipher& cipher : list_)
        if (const char* missing = cipher.load()) return missing;
    return nullptr;
}

void Ciphers::offer(std::vector<Offer>& out) {
    for (Cipher& cipher : list_)
        out.push_back({RACOON_POINT_CIPHER, cipher.key(), &kCipherTable, &cipher});
}

namespace {

racoon_status table_key_new(void* impl, const std::uint8_t* key, std::size_t size,
                            void** out) noexcept {
    return static_cast<Cipher*>(impl)->key_new(key, size, out);
}

void table_key_free(void* impl, void* key) noexcept {
    static_cast<Cipher*>(impl)->key_free(static_cast<CipherKey*>(key));
}

racoon_status table_crypt(void* impl, void* key, std::int32_t encrypt, std::uint8_t* iv,
                          std::uint8_t* data, std::size_t size) noexcept {
    return static_cast<Cipher*>(impl)->crypt(*static_cast<CipherKey*>(key), encrypt != 0, iv, data,
                                             size);
}

}  // namespace

const racoon_cipher kCipherTable = {sizeof(racoon_cipher), table_key_new, table_key_free,
                                    table_crypt};

}  // namespace crypto_openssl
