#include "cipher.hpp"

#include <climits>
#include <cstring>
#include <new>
#include <openssl/err.h>
#include <openssl/opensslconf.h>
#include <string_view>

namespace crypto_legacy {
namespace {

// Our answer to a failed OpenSSL call: the thread's error queue must not fill up.
racoon_status crypto_failure() {
    ERR_clear_error();
    return RACOON_CRYPTO;
}

}  // namespace

bool Cipher::load(OSSL_LIB_CTX* library) {
    const Owned<EVP_CIPHER, EVP_CIPHER_free> cipher(
        EVP_CIPHER_fetch(library, algorithm_.openssl_name, nullptr));
    if (!cipher) return false;
    for (int encrypt = 0; encrypt < 2; ++encrypt) {
        CipherCtx ctx(EVP_CIPHER_CTX_new());
        // The context keeps a reference to the fetched cipher. Padding is ISAKMP's business.
        if (!ctx ||
            !EVP_CipherInit_ex2(ctx.get(), cipher.get(), nullptr, nullptr, encrypt, nullptr) ||
            !EVP_CIPHER_CTX_set_padding(ctx.get(), 0))
            return false;
        if (algorithm_.rounds != 0 && EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_SET_RC5_ROUNDS,
                                                          algorithm_.rounds, nullptr) <= 0)
            return false;
        slots_[static_cast<std::size_t>(encrypt)].ctx = std::move(ctx);
    }
    return true;
}

racoon_status Cipher::key_new(const std::uint8_t* key, std::size_t size, void** out) {
    *out = nullptr;
    if (size < algorithm_.least || size > algorithm_.most) return RACOON_INVALID_ARGUMENT;
    // RFC 2409 appendix B wants none of these; one in 2^52 negotiations has to begin anew.
    if (std::string_view(algorithm_.key) == "des" && is_weak_des_key(key)) return RACOON_CRYPTO;
    auto* made = new (std::nothrow) CipherKey{size, {}};
    if (!made) return RACOON_NO_MEMORY;
    std::memcpy(made->bytes.data(), key, size);
    *out = made;
    return RACOON_OK;
}

void Cipher::key_free(CipherKey* key) {
    if (!key) return;
    for (Slot& slot : slots_) {
        if (slot.holds != key) continue;
        // A key schedule is as good as the key: put another one in its place.
        const std::array<std::uint8_t, kMaxKey> none{};
        set_key(slot.ctx.get(), none.data(), key->size, nullptr);
        slot.holds = nullptr;
    }
    OPENSSL_cleanse(key->bytes.data(), key->bytes.size());
    delete key;
}

bool Cipher::set_key(EVP_CIPHER_CTX* ctx, const std::uint8_t* key, std::size_t size,
                     const std::uint8_t* iv) const {
    const bool variable = algorithm_.least != algorithm_.most;
    return (!variable || EVP_CIPHER_CTX_set_key_length(ctx, static_cast<int>(size)) > 0) &&
           EVP_CipherInit_ex2(ctx, nullptr, key, iv, -1, nullptr) > 0;
}

racoon_status Cipher::crypt(const CipherKey& key, bool encrypt, std::uint8_t* iv,
                            std::uint8_t* data, std::size_t size) {
    if (size % kBlock != 0 || size > INT_MAX) return RACOON_INVALID_ARGUMENT;
    if (size == 0) return RACOON_OK;
    Slot& slot = slots_[encrypt ? 1 : 0];
    const bool scheduled = slot.holds == &key;
    slot.holds = nullptr;  // until it is known to be in place
    const bool ready =
        scheduled ? EVP_CipherInit_ex2(slot.ctx.get(), nullptr, nullptr, iv, -1, nullptr) > 0
                  : set_key(slot.ctx.get(), key.bytes.data(), key.size, iv);
    if (!ready) return crypto_failure();
    slot.holds = &key;

    std::array<std::uint8_t, kBlock> last{};
    if (!encrypt) std::memcpy(last.data(), data + size - kBlock, kBlock);
    int done = 0;
    if (!EVP_CipherUpdate(slot.ctx.get(), data, &done, data, static_cast<int>(size)) ||
        static_cast<std::size_t>(done) != size)
        return crypto_failure();
    std::memcpy(iv, encrypt ? data + size - kBlock : last.data(), kBlock);
    return RACOON_OK;
}

Ciphers::Ciphers() {
    static const Algorithm all[] = {
        {"des", "DES-CBC", 8, 8, 0},
#ifndef OPENSSL_NO_IDEA
        {"idea", "IDEA-CBC", 16, 16, 0},
#endif
        {"blowfish", "BF-CBC", 5, 56, 0},
#ifndef OPENSSL_NO_RC5
        {"rc5", "RC5-CBC", 5, 255, 16},  // RC5-R16-B64-CBC (RFC 2409 appendix A)
#endif
        {"cast128", "CAST5-CBC", 5, 16, 0},
    };
    for (const Algorithm& algorithm : all) list_.emplace_back(algorithm);
}

const char* Ciphers::load() {
    library_.reset(OSSL_LIB_CTX_new());
    if (!library_) return "memory for a library context";
    provider_.reset(OSSL_PROVIDER_load(library_.get(), "legacy"));
    if (!provider_) return "legacy provider (legacy.so in OpenSSL's folder of modules)";
    for (Cipher& cipher : list_)
        if (!cipher.load(library_.get())) return cipher.key();
    return nullptr;
}

namespace {

struct Answer {
    const char* name;
    const char* key;
    const char* iv;
    const char* plain;
    const char* cipher;
};
constexpr Answer kAnswers[] = {
    // FIPS 81 appendix C: CBC of "Now is the time for all "
    {"des", "0123456789abcdef", "1234567890abcdef",
     "4e6f77206973207468652074696d6520666f7220616c6c20",
     "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6"},
    // Schneier's set_key vectors, 40 and 128 bits; with a zero IV, CBC's first block is ECB's
    {"blowfish", "f0e1d2c3b4", "0000000000000000", "fedcba9876543210", "b39e44481bdb1e6e"},
    {"blowfish", "f0e1d2c3b4a5968778695a4b3c2d1e0f", "0000000000000000", "fedcba9876543210",
     "93142887ee3be15c"},
    // RFC 2144 appendix B.1, 128, 80 and 40 bits
    {"cast128", "0123456712345678234567893456789a", "0000000000000000", "0123456789abcdef",
     "238b4fe5847e44b2"},
    {"cast128", "01234567123456782345", "0000000000000000", "0123456789abcdef", "eb6a711a2c02271b"},
    {"cast128", "0123456712", "0000000000000000", "0123456789abcdef", "7ac816d16e9b302e"},
    // Lai's thesis, appendix
    {"idea", "00010002000300040005000600070008", "0000000000000000", "0000000100020003",
     "11fbed2b01986de5"},
    // Computed by another implementation of RC5-32/16 (RFC 2040)
    {"rc5", "0102030405060708090a0b0c0d0e0f10", "0000000000000000", "ffffffffffffffff",
     "70d3ab8c960e4182"},
};

using Bytes = std::vector<std::uint8_t>;

/// Only for the literals above.
Bytes unhex(std::string_view hex) {
    auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    Bytes out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        out.push_back(static_cast<std::uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
    return out;
}

bool right(Cipher& cipher, const Answer& answer) {
    const Bytes key = unhex(answer.key);
    void* handle = nullptr;
    if (kCipherTable.key_new(&cipher, key.data(), key.size(), &handle) != RACOON_OK) return false;
    Bytes data = unhex(answer.plain);
    Bytes iv = unhex(answer.iv);
    bool ok =
        kCipherTable.crypt(&cipher, handle, 1, iv.data(), data.data(), data.size()) == RACOON_OK &&
        data == unhex(answer.cipher) && Bytes(data.end() - kBlock, data.end()) == iv;
    iv = unhex(answer.iv);
    ok = ok &&
         kCipherTable.crypt(&cipher, handle, 0, iv.data(), data.data(), data.size()) == RACOON_OK &&
         data == unhex(answer.plain);
    kCipherTable.key_free(&cipher, handle);
    return ok;
}

}  // namespace

const char* Ciphers::self_test() {
    for (Cipher& cipher : list_) {
        std::size_t checked = 0;
        for (const Answer& answer : kAnswers) {
            if (std::strcmp(answer.name, cipher.key()) != 0) continue;
            if (!right(cipher, answer)) return cipher.key();
            ++checked;
        }
        if (checked == 0) return cipher.key();
    }
    return nullptr;
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

}  // namespace crypto_legacy
