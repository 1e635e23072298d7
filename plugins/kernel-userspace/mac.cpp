#include "mac.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "evp.hpp"

namespace racoon::kernel_userspace {
namespace {

class Hmac final : public Mac {
  public:
    explicit Hmac(std::size_t size) : Mac(size) {}

    bool set(const char* digest, const racoon_kernel_alg& alg) {
        const std::unique_ptr<EVP_MAC, EvpFree> mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
        if (!mac) return false;
        ctx_.reset(EVP_MAC_CTX_new(mac.get()));
        std::string name = digest;
        const OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
            OSSL_PARAM_construct_end()};
        return ctx_ && EVP_MAC_init(ctx_.get(), alg.key, alg.key_size, params) == 1 &&
               size() <= EVP_MAC_CTX_get_mac_size(ctx_.get());
    }

  private:
    bool start() override { return EVP_MAC_init(ctx_.get(), nullptr, 0, nullptr) == 1; }
    bool update(ByteView data) override {
        return EVP_MAC_update(ctx_.get(), data.data(), data.size()) == 1;
    }
    bool finish(std::uint8_t (&full)[kMaxIcv]) override {
        std::size_t written = 0;
        return EVP_MAC_final(ctx_.get(), full, &written, sizeof(full)) == 1 && written >= size();
    }

    MacContext ctx_;
};

constexpr std::size_t kBlock = 16;
using Block = std::array<std::uint8_t, kBlock>;

// RFC 3566 section 4: CBC-MAC under K1; the last block goes in with K2 when it is whole, else padded
// with one bit and zeros, with K3.
class Xcbc final : public Mac {
  public:
    explicit Xcbc(std::size_t size) : Mac(size) {}
    ~Xcbc() override {
        for (Block& k : last_keys_) OPENSSL_cleanse(k.data(), k.size());
    }
    Xcbc(const Xcbc&) = delete;
    Xcbc& operator=(const Xcbc&) = delete;

    bool set(const racoon_kernel_alg& alg) {
        // A block of CBC with an IV of zeros is one of ECB.
        const CipherContext derive = cipher_context("AES-128-CBC", alg.key, true);
        Block k1{}, *const keys[] = {&k1, &last_keys_[0], &last_keys_[1]};
        for (std::size_t i = 0; i < 3; ++i) {
            keys[i]->fill(static_cast<std::uint8_t>(i + 1));
            if (!derive || !restart(derive.get()) ||
                !kernel_userspace::update(derive.get(), *keys[i])) {
                return false;
            }
        }
        ctx_ = cipher_context("AES-128-CBC", k1.data(), true);
        OPENSSL_cleanse(k1.data(), k1.size());
        return ctx_ != nullptr;
    }

  private:
    static bool restart(EVP_CIPHER_CTX* ctx) {
        const Block zero{};
        return EVP_CipherInit_ex2(ctx, nullptr, nullptr, zero.data(), -1, nullptr) == 1;
    }
    bool start() override {
        held_ = 0;
        return restart(ctx_.get());
    }
    // Whole blocks go in as soon as it is known that something follows them.
    bool update(ByteView data) override {
        while (!data.empty()) {
            if (held_ == kBlock) {
                if (!kernel_userspace::update(ctx_.get(), pending_)) return false;
                held_ = 0;
            }
            if (held_ == 0 && data.size() > kBlock) {
                Bulk bulk;
                const std::size_t size = std::min(bulk.size(), (data.size() - 1) / kBlock * kBlock);
                std::copy_n(data.begin(), size, bulk.begin());
                if (!kernel_userspace::update(ctx_.get(), std::span(bulk).first(size))) {
                    return false;
                }
                data = data.subspan(size);
                continue;
            }
            const std::size_t size = std::min(kBlock - held_, data.size());
            std::copy_n(data.begin(), size, pending_.begin() + static_cast<std::ptrdiff_t>(held_));
            held_ += size;
            data = data.subspan(size);
        }
        return true;
    }
    bool finish(std::uint8_t (&full)[kMaxIcv]) override {
        const Block& key = last_keys_[held_ == kBlock ? 0 : 1];
        if (held_ < kBlock) {
            std::fill(pending_.begin() + static_cast<std::ptrdiff_t>(held_), pending_.end(),
                      std::uint8_t{0});
            pending_[held_] = 0x80;
        }
        for (std::size_t i = 0; i < kBlock; ++i) {
            pending_[i] = static_cast<std::uint8_t>(pending_[i] ^ key[i]);
        }
        if (!kernel_userspace::update(ctx_.get(), pending_)) return false;
        std::copy(pending_.begin(), pending_.end(), full);
        return true;
    }

    using Bulk = std::array<std::uint8_t, 32 * kBlock>;
    CipherContext ctx_;                 // K1, and the chain
    std::array<Block, 2> last_keys_{};  // K2, K3
    Block pending_{};
    std::size_t held_ = 0;
};

/// What is covered is additional data of a GCM that encrypts nothing; the nonce is salt and IV.
class Gmac final : public Mac {
  public:
    static constexpr std::size_t kSalt = 4, kIv = 8;

    explicit Gmac(std::size_t tag) : Mac(kIv + tag), tag_(tag) {}
    ~Gmac() override { OPENSSL_cleanse(nonce_.data(), nonce_.size()); }
    Gmac(const Gmac&) = delete;
    Gmac& operator=(const Gmac&) = delete;

    bool set(const Algorithm& algorithm, const racoon_kernel_alg& alg) {
        std::copy_n(alg.key + alg.key_size - kSalt, kSalt, nonce_.begin());
        ctx_ = cipher_context(openssl_name(algorithm, alg.key_size), alg.key, true);
        return ctx_ != nullptr;
    }
    std::size_t iv_size() const override { return kIv; }
    void set_iv(ByteView iv) override { std::copy_n(iv.begin(), kIv, nonce_.begin() + kSalt); }

  private:
    bool start() override {
        return EVP_CipherInit_ex2(ctx_.get(), nullptr, nullptr, nonce_.data(), -1, nullptr) == 1;
    }
    bool update(ByteView data) override { return add_data(ctx_.get(), data); }
    bool finish(std::uint8_t (&full)[kMaxIcv]) override {
        int written = 0;
        std::uint8_t none[kBlock];
        std::copy_n(nonce_.begin() + kSalt, kIv, full);
        return EVP_CipherFinal_ex(ctx_.get(), none, &written) == 1 &&
               EVP_CIPHER_CTX_ctrl(ctx_.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(tag_),
                                   full + kIv) == 1;
    }

    CipherContext ctx_;
    std::array<std::uint8_t, kSalt + kIv> nonce_{};
    std::size_t tag_;
};

}  // namespace

bool Mac::compute(std::initializer_list<ByteView> parts, std::uint8_t* out) {
    std::uint8_t full[kMaxIcv];
    if (!start()) return false;
    for (const ByteView part : parts) {
        if (!part.empty() && !update(part)) return false;
    }
    if (!finish(full)) return false;
    std::memcpy(out, full, size_);
    return true;
}

bool same_secret(ByteView a, ByteView b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::unique_ptr<Mac> make_mac(const racoon_kernel_alg& alg, std::string* error) {
    const Algorithm* algorithm = find_integrity(alg, error);
    if (algorithm == nullptr) return nullptr;
    const std::size_t size = alg.icv_bits / 8;
    if (algorithm->method == Method::Xcbc) {
        auto xcbc = std::make_unique<Xcbc>(size);
        if (xcbc->set(alg)) return xcbc;
    } else if (algorithm->method == Method::Gmac) {
        auto gmac = std::make_unique<Gmac>(size);
        if (gmac->set(*algorithm, alg)) return gmac;
    } else {
        auto hmac = std::make_unique<Hmac>(size);
        if (hmac->set(algorithm->openssl_name, alg)) return hmac;
    }
    *error = std::string(algorithm->xfrm_name) + " is not in this OpenSSL";
    return nullptr;
}

}  // namespace racoon::kernel_userspace
