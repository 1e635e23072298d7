#include "cipher.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <array>
#include <climits>
#include <cstring>

namespace racoon::kernel_userspace {
namespace {

constexpr std::size_t kEspHeader = 8;
constexpr std::size_t kGcmTag = 16;

struct Free {
    void operator()(EVP_CIPHER* p) const { EVP_CIPHER_free(p); }
    void operator()(EVP_CIPHER_CTX* p) const { EVP_CIPHER_CTX_free(p); }
    void operator()(EVP_MAC* p) const { EVP_MAC_free(p); }
    void operator()(EVP_MAC_CTX* p) const { EVP_MAC_CTX_free(p); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, Free>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, Free>;

CipherContext cipher_context(const char* name, const std::uint8_t* key, bool encrypt) {
    const std::unique_ptr<EVP_CIPHER, Free> cipher(EVP_CIPHER_fetch(nullptr, name, nullptr));
    CipherContext ctx(EVP_CIPHER_CTX_new());
    if (!cipher || !ctx) return nullptr;
    if (EVP_CipherInit_ex2(ctx.get(), cipher.get(), key, nullptr, encrypt ? 1 : 0, nullptr) != 1) {
        return nullptr;
    }
    EVP_CIPHER_CTX_set_padding(ctx.get(), 0);
    return ctx;
}

bool crypt(EVP_CIPHER_CTX* ctx, const std::uint8_t* iv, std::span<std::uint8_t> data) {
    int written = 0;
    if (data.size() > INT_MAX) return false;
    return EVP_CipherInit_ex2(ctx, nullptr, nullptr, iv, -1, nullptr) == 1 &&
           EVP_CipherUpdate(ctx, data.data(), &written, data.data(),
                            static_cast<int>(data.size())) == 1 &&
           written == static_cast<int>(data.size());
}

std::array<std::uint8_t, 4> high_half(std::uint64_t sequence) {
    std::array<std::uint8_t, 4> out{};
    for (std::size_t i = 0; i < 4; ++i)
        out[i] = static_cast<std::uint8_t>(sequence >> (56 - 8 * i));
    return out;
}

// HMAC, cut to the SA's length (RFC 2403, 2404, 4868); size 0: none.
class Integrity {
  public:
    bool set(const char* digest, const racoon_kernel_alg& alg) {
        const std::unique_ptr<EVP_MAC, Free> mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
        if (!mac) return false;
        ctx_.reset(EVP_MAC_CTX_new(mac.get()));
        std::string name = digest;
        const OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
            OSSL_PARAM_construct_end()};
        size_ = alg.icv_bits / 8;
        return ctx_ && EVP_MAC_init(ctx_.get(), alg.key, alg.key_size, params) == 1 &&
               size_ <= EVP_MAC_CTX_get_mac_size(ctx_.get());
    }
    std::size_t size() const { return size_; }

    // The ICV covers header, IV and ciphertext, and with ESN the upper half behind them
    // (RFC 4303 2.2.1).
    bool compute(ByteView covered, std::uint64_t sequence, bool esn, std::uint8_t* out) {
        std::uint8_t full[EVP_MAX_MD_SIZE];
        std::size_t written = 0;
        const auto high = high_half(sequence);
        const bool done = EVP_MAC_init(ctx_.get(), nullptr, 0, nullptr) == 1 &&
                          EVP_MAC_update(ctx_.get(), covered.data(), covered.size()) == 1 &&
                          (!esn || EVP_MAC_update(ctx_.get(), high.data(), high.size()) == 1) &&
                          EVP_MAC_final(ctx_.get(), full, &written, sizeof(full)) == 1;
        if (done && written >= size_) std::memcpy(out, full, size_);
        return done && written >= size_;
    }

  private:
    MacContext ctx_;
    std::size_t size_ = 0;
};

// CBC with HMAC, or NULL with HMAC: encrypt, then authenticate.
class Separate final : public Transform {
  public:
    std::string set(const racoon_kernel_alg& enc, const racoon_kernel_alg& auth);

    std::size_t iv_size() const override { return iv_; }
    std::size_t icv_size() const override { return integrity_.size(); }
    std::size_t block() const override { return block_; }

    bool seal(std::span<std::uint8_t> packet, std::uint64_t sequence, bool esn) override {
        const std::span<std::uint8_t> covered = packet.first(packet.size() - icv_size());
        std::uint8_t* iv = packet.data() + kEspHeader;
        if (seal_) {
            // Unpredictable, as CBC needs it (RFC 3602 3).
            if (RAND_bytes(iv, static_cast<int>(iv_)) != 1) return false;
            if (!crypt(seal_.get(), iv, covered.subspan(kEspHeader + iv_))) return false;
        }
        return icv_size() == 0 ||
               integrity_.compute(covered, sequence, esn, packet.data() + covered.size());
    }

    bool open(std::span<std::uint8_t> packet, std::uint64_t sequence, bool esn) override {
        if (packet.size() < kEspHeader + iv_ + icv_size()) return false;
        const std::span<std::uint8_t> covered = packet.first(packet.size() - icv_size());
        if (icv_size() != 0) {
            std::uint8_t expected[EVP_MAX_MD_SIZE];
            if (!integrity_.compute(covered, sequence, esn, expected)) return false;
            if (CRYPTO_memcmp(expected, packet.data() + covered.size(), icv_size()) != 0)
                return false;
        }
        const std::span<std::uint8_t> body = covered.subspan(kEspHeader + iv_);
        if (body.empty() || body.size() % block_ != 0) return false;
        return !open_ || crypt(open_.get(), packet.data() + kEspHeader, body);
    }

  private:
    CipherContext seal_;  // null: no encryption
    CipherContext open_;
    Integrity integrity_;
    std::size_t iv_ = 0;
    std::size_t block_ = 4;
};

std::string Separate::set(const racoon_kernel_alg& enc, const racoon_kernel_alg& auth) {
    const std::string cipher = enc.xfrm_name;
    const std::string mac = auth.xfrm_name;
    const char* name = nullptr;
    if (cipher == "cbc(aes)") {
        if (enc.key_size == 16) name = "AES-128-CBC";
        if (enc.key_size == 24) name = "AES-192-CBC";
        if (enc.key_size == 32) name = "AES-256-CBC";
        iv_ = block_ = 16;
    } else if (cipher == "cbc(des3_ede)") {
        if (enc.key_size == 24) name = "DES-EDE3-CBC";
        iv_ = block_ = 8;
    } else if (cipher != "ecb(cipher_null)") {
        return "encryption \"" + cipher + "\" is not one of AES-CBC, 3DES, NULL, AES-GCM-16";
    }
    if (iv_ != 0) {
        if (name == nullptr)
            return cipher + " with a key of " + std::to_string(enc.key_size) + " bytes";
        seal_ = cipher_context(name, enc.key, true);
        open_ = cipher_context(name, enc.key, false);
        if (!seal_ || !open_) return std::string(name) + " is not in this OpenSSL";
    }
    const char* digest = nullptr;
    if (mac == "hmac(md5)") digest = "MD5";
    if (mac == "hmac(sha1)") digest = "SHA1";
    if (mac == "hmac(sha256)") digest = "SHA256";
    if (mac == "hmac(sha384)") digest = "SHA384";
    if (mac == "hmac(sha512)") digest = "SHA512";
    const bool none = mac.empty() || mac == "digest_null";
    if (none && iv_ == 0) return "neither encryption nor integrity";
    if (!none && digest == nullptr) return "integrity \"" + mac + "\" is not an HMAC known here";
    if (digest == nullptr) return "";
    const bool icv_sane = auth.icv_bits % 8 == 0 && auth.icv_bits >= 80 && auth.icv_bits <= 512;
    if (!icv_sane) return mac + " cut to " + std::to_string(auth.icv_bits) + " bits";
    return integrity_.set(digest, auth) ? "" : mac + " is not in this OpenSSL, or cut too long";
}

// AES-GCM with a 16-byte ICV (RFC 4106).
class Gcm final : public Transform {
  public:
    std::string set(const racoon_kernel_alg& enc) {
        const std::string cipher = enc.xfrm_name;
        if (cipher != "rfc4106(gcm(aes))") {
            return "AEAD \"" + cipher + "\" is not AES-GCM-16";
        }
        const char* name = nullptr;
        if (enc.key_size == 16 + salt_.size()) name = "AES-128-GCM";
        if (enc.key_size == 24 + salt_.size()) name = "AES-192-GCM";
        if (enc.key_size == 32 + salt_.size()) name = "AES-256-GCM";
        if (name == nullptr || enc.icv_bits != kGcmTag * 8) {
            return cipher + " with a key of " + std::to_string(enc.key_size) +
                   " bytes and an ICV of " + std::to_string(enc.icv_bits) + " bits";
        }
        std::memcpy(salt_.data(), enc.key + enc.key_size - salt_.size(), salt_.size());
        seal_ = cipher_context(name, enc.key, true);
        open_ = cipher_context(name, enc.key, false);
        return seal_ && open_ ? "" : std::string(name) + " is not in this OpenSSL";
    }
    ~Gcm() override { wipe(salt_.data(), salt_.size()); }

    std::size_t iv_size() const override { return 8; }
    std::size_t icv_size() const override { return kGcmTag; }
    std::size_t block() const override { return 4; }

    bool seal(std::span<std::uint8_t> packet, std::uint64_t sequence, bool esn) override {
        // The sequence number never repeats under a key: it is the IV (RFC 4106 3.1).
        for (std::size_t i = 0; i < 8; ++i) {
            packet[kEspHeader + i] = static_cast<std::uint8_t>(sequence >> (56 - 8 * i));
        }
        const auto body = packet.subspan(kEspHeader + 8, packet.size() - kEspHeader - 8 - kGcmTag);
        std::uint8_t* tag = packet.data() + packet.size() - kGcmTag;
        int written = 0;
        return start(seal_.get(), packet, sequence, esn) &&
               EVP_CipherUpdate(seal_.get(), body.data(), &written, body.data(),
                                static_cast<int>(body.size())) == 1 &&
               EVP_CipherFinal_ex(seal_.get(), body.data() + written, &written) == 1 &&
               EVP_CIPHER_CTX_ctrl(seal_.get(), EVP_CTRL_AEAD_GET_TAG, kGcmTag, tag) == 1;
    }

    bool open(std::span<std::uint8_t> packet, std::uint64_t sequence, bool esn) override {
        if (packet.size() < kEspHeader + 8 + kGcmTag + 4 || packet.size() > INT_MAX) return false;
        const auto body = packet.subspan(kEspHeader + 8, packet.size() - kEspHeader - 8 - kGcmTag);
        if (body.size() % 4 != 0) return false;
        std::uint8_t* tag = packet.data() + packet.size() - kGcmTag;
        int written = 0;
        return start(open_.get(), packet, sequence, esn) &&
               EVP_CipherUpdate(open_.get(), body.data(), &written, body.data(),
                                static_cast<int>(body.size())) == 1 &&
               EVP_CIPHER_CTX_ctrl(open_.get(), EVP_CTRL_AEAD_SET_TAG, kGcmTag, tag) == 1 &&
               EVP_CipherFinal_ex(open_.get(), body.data() + written, &written) == 1;
    }

  private:
    // Nonce: salt and IV; associated data: SPI and the sequence number in 4 or 8 bytes (RFC 4106 4, 5).
    bool start(EVP_CIPHER_CTX* ctx, ByteView packet, std::uint64_t sequence, bool esn) {
        std::uint8_t nonce[12];
        std::memcpy(nonce, salt_.data(), 4);
        std::memcpy(nonce + 4, packet.data() + kEspHeader, 8);
        std::uint8_t aad[12];
        std::size_t aad_size = 8;
        std::memcpy(aad, packet.data(), 8);
        if (esn) {
            std::memcpy(aad + 4, high_half(sequence).data(), 4);
            std::memcpy(aad + 8, packet.data() + 4, 4);
            aad_size = 12;
        }
        int written = 0;
        return EVP_CipherInit_ex2(ctx, nullptr, nullptr, nonce, -1, nullptr) == 1 &&
               EVP_CipherUpdate(ctx, nullptr, &written, aad, static_cast<int>(aad_size)) == 1;
    }

    CipherContext seal_;
    CipherContext open_;
    std::array<std::uint8_t, 4> salt_{};
};

}  // namespace

std::unique_ptr<Transform> make_transform(const racoon_kernel_alg& enc,
                                          const racoon_kernel_alg& auth, bool is_aead,
                                          std::string* error) {
    if (enc.key_size > sizeof(enc.key) || auth.key_size > sizeof(auth.key)) {
        *error = "key longer than its field";
        return nullptr;
    }
    if (is_aead) {
        auto gcm = std::make_unique<Gcm>();
        *error = gcm->set(enc);
        if (!error->empty()) return nullptr;
        return gcm;
    }
    auto separate = std::make_unique<Separate>();
    *error = separate->set(enc, auth);
    if (!error->empty()) return nullptr;
    return separate;
}

void wipe(void* memory, std::size_t size) {
    OPENSSL_cleanse(memory, size);
}

}  // namespace racoon::kernel_userspace
