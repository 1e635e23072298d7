#include "cipher.hpp"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <array>
#include <cstring>

#include "aead.hpp"
#include "evp.hpp"
#include "mac.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::size_t kEspHeader = 8;
constexpr std::size_t kNonce = 4;

// Encryption and integrity apart: encrypt, then authenticate. Either may be missing.
class Separate final : public Transform {
  public:
    std::string set(const racoon_kernel_alg& enc, const racoon_kernel_alg& auth);
    ~Separate() override { wipe(nonce_.data(), nonce_.size()); }

    std::size_t iv_size() const override { return iv_; }
    std::size_t icv_size() const override { return mac_ ? mac_->size() : 0; }
    std::size_t block() const override { return block_; }

    bool seal(std::span<std::uint8_t> packet, std::uint64_t sequence, bool esn) override {
        const std::span<std::uint8_t> covered = packet.first(packet.size() - icv_size());
        const std::span<std::uint8_t> iv = packet.subspan(kEspHeader, iv_);
        if (counter_) {
            // Unique under the key is what counts here (RFC 3686 3.1): the sequence number is.
            write_number(iv, sequence);
        } else if (seal_) {
            // Unpredictable, as CBC needs it (RFC 3602 3).
            if (RAND_bytes(iv.data(), static_cast<int>(iv_)) != 1) return false;
        }
        if (seal_ && !crypt(seal_.get(), iv, covered.subspan(kEspHeader + iv_))) return false;
        return !mac_ || compute(covered, sequence, esn, packet.data() + covered.size());
    }

    bool open(std::span<std::uint8_t> packet, std::uint64_t sequence, bool esn) override {
        if (packet.size() < kEspHeader + iv_ + icv_size()) return false;
        const std::span<std::uint8_t> covered = packet.first(packet.size() - icv_size());
        if (mac_) {
            std::array<std::uint8_t, kMaxIcv> expected{};
            if (!compute(covered, sequence, esn, expected.data())) return false;
            if (!same_secret(ByteView(expected).first(icv_size()), packet.last(icv_size())))
                return false;
        }
        const std::span<std::uint8_t> body = covered.subspan(kEspHeader + iv_);
        if (body.empty() || body.size() % block_ != 0) return false;
        return !open_ || crypt(open_.get(), packet.subspan(kEspHeader, iv_), body);
    }

  private:
    bool crypt(EVP_CIPHER_CTX* ctx, ByteView iv, std::span<std::uint8_t> data) {
        // Nonce, IV, and a block counter that begins at 1 (RFC 3686 4).
        std::array<std::uint8_t, 16> start{};
        std::memcpy(start.data() + (counter_ ? kNonce : 0), iv.data(), iv.size());
        if (counter_) {
            std::memcpy(start.data(), nonce_.data(), kNonce);
            start[15] = 1;
        }
        return EVP_CipherInit_ex2(ctx, nullptr, nullptr, start.data(), -1, nullptr) == 1 &&
               update(ctx, data);
    }
    // The ICV covers header, IV and ciphertext, and with ESN the upper half behind them
    // (RFC 4303 2.2.1).
    bool compute(ByteView covered, std::uint64_t sequence, bool esn, std::uint8_t* out) {
        std::array<std::uint8_t, 8> number{};
        write_number(number, sequence);
        return mac_->compute(covered, ByteView(number).first(esn ? 4 : 0), out);
    }

    CipherContext seal_;  // null: no encryption
    CipherContext open_;
    std::unique_ptr<Mac> mac_;  // null: no integrity
    std::array<std::uint8_t, kNonce> nonce_{};
    bool counter_ = false;
    std::size_t iv_ = 0;
    std::size_t block_ = 4;
};

std::string Separate::set(const racoon_kernel_alg& enc, const racoon_kernel_alg& auth) {
    std::string error;
    const Algorithm* algorithm = find_encryption(enc, false, &error);
    if (algorithm == nullptr) return error;
    const std::string mac = auth.xfrm_name;
    const bool authentic = !mac.empty() && mac != "digest_null";
    iv_ = algorithm->iv;
    block_ = algorithm->block;
    counter_ = algorithm->method == Method::Counter;
    if (!authentic && algorithm->method == Method::Null) return "neither encryption nor integrity";
    // Whoever flips a bit on the wire flips it in the plaintext (RFC 3686 7).
    if (!authentic && counter_) return std::string(enc.xfrm_name) + " without integrity";
    if (algorithm->method != Method::Null) {
        const std::string name = openssl_name(*algorithm, enc.key_size);
        if (counter_) std::memcpy(nonce_.data(), enc.key + enc.key_size - kNonce, kNonce);
        seal_ = cipher_context(name, enc.key, true);
        open_ = cipher_context(name, enc.key, false);
        if (!seal_ || !open_) return name + " is not in this OpenSSL";
    }
    if (authentic) mac_ = make_mac(auth, &error);
    // There is no place for its IV beside the cipher's; ESP has it as an AEAD (RFC 4543 4).
    if (mac_ && mac_->iv_size() != 0) return mac + " in ESP beside a cipher";
    return error;
}

}  // namespace

std::unique_ptr<Transform> make_transform(const racoon_kernel_alg& enc,
                                          const racoon_kernel_alg& auth, bool is_aead,
                                          std::string* error) {
    if (enc.key_size > sizeof(enc.key) || auth.key_size > sizeof(auth.key)) {
        *error = "key longer than its field";
        return nullptr;
    }
    if (is_aead) return make_aead(enc, error);
    auto separate = std::make_unique<Separate>();
    *error = separate->set(enc, auth);
    if (!error->empty()) return nullptr;
    return separate;
}

void write_number(std::span<std::uint8_t> out, std::uint64_t number) {
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<std::uint8_t>(number >> (8 * (out.size() - 1 - i)));
    }
}

void wipe(void* memory, std::size_t size) {
    OPENSSL_cleanse(memory, size);
}

}  // namespace racoon::kernel_userspace
