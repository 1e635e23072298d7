#include "aead.hpp"

#include <array>
#include <cstring>

#include "evp.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::size_t kEspHeader = 8;
constexpr std::size_t kIv = 8;

class Aead final : public Transform {
  public:
    std::string set(const racoon_kernel_alg& enc) {
        std::string error;
        const Algorithm* algorithm = find_encryption(enc, true, &error);
        if (algorithm == nullptr) return error;
        encrypts_ = algorithm->method != Method::Gmac;
        tag_ = enc.icv_bits / 8;
        std::memcpy(salt_.data(), enc.key + enc.key_size - salt_.size(), salt_.size());
        const std::string name = openssl_name(*algorithm, enc.key_size);
        seal_ = cipher_context(name, enc.key, true);
        open_ = cipher_context(name, enc.key, false);
        return seal_ && open_ ? "" : name + " is not in this OpenSSL";
    }
    ~Aead() override { wipe(salt_.data(), salt_.size()); }

    std::size_t iv_size() const override { return kIv; }
    std::size_t icv_size() const override { return tag_; }
    std::size_t block() const override { return 4; }

    bool seal(std::span<std::uint8_t> packet, std::uint64_t sequence, bool esn) override {
        // The sequence number never repeats under a key: it is the IV (RFC 4106 3.1).
        write_number(packet.subspan(kEspHeader, kIv), sequence);
        std::uint8_t* tag = packet.data() + packet.size() - tag_;
        int written = 0;
        std::uint8_t none[16];
        return process(seal_.get(), packet, sequence, esn) &&
               EVP_CipherFinal_ex(seal_.get(), none, &written) == 1 &&
               EVP_CIPHER_CTX_ctrl(seal_.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(tag_),
                                   tag) == 1;
    }

    bool open(std::span<std::uint8_t> packet, std::uint64_t sequence, bool esn) override {
        if (packet.size() < kEspHeader + kIv + tag_ + 4 || packet.size() > INT_MAX) return false;
        if ((packet.size() - kEspHeader - kIv - tag_) % 4 != 0) return false;
        std::uint8_t* tag = packet.data() + packet.size() - tag_;
        int written = 0;
        std::uint8_t none[16];
        return process(open_.get(), packet, sequence, esn) &&
               EVP_CIPHER_CTX_ctrl(open_.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag_),
                                   tag) == 1 &&
               EVP_CipherFinal_ex(open_.get(), none, &written) == 1;
    }

  private:
    // Nonce: salt and IV; additional data: SPI and the sequence number in 4 or 8 bytes (RFC 4106 4, 5).
    // GMAC has IV and payload behind them instead of encrypting it (RFC 4543 3.1, 3.3).
    bool process(EVP_CIPHER_CTX* ctx, std::span<std::uint8_t> packet, std::uint64_t sequence,
                 bool esn) {
        std::array<std::uint8_t, 12> nonce{};
        std::memcpy(nonce.data(), salt_.data(), salt_.size());
        std::memcpy(nonce.data() + salt_.size(), packet.data() + kEspHeader, kIv);
        std::array<std::uint8_t, 12> head{};
        std::memcpy(head.data(), packet.data(), 4);
        std::size_t size = 8;
        if (esn) {
            write_number(std::span(head).subspan(4, 8), sequence);
            size = 12;
        } else {
            std::memcpy(head.data() + 4, packet.data() + 4, 4);
        }
        const auto iv = packet.subspan(kEspHeader, kIv);
        const auto body = packet.subspan(kEspHeader + kIv, packet.size() - kEspHeader - kIv - tag_);
        if (EVP_CipherInit_ex2(ctx, nullptr, nullptr, nonce.data(), -1, nullptr) != 1 ||
            !add_data(ctx, ByteView(head).first(size))) {
            return false;
        }
        return encrypts_ ? update(ctx, body) : add_data(ctx, iv) && add_data(ctx, body);
    }

    CipherContext seal_;
    CipherContext open_;
    std::array<std::uint8_t, 4> salt_{};
    std::size_t tag_ = 16;
    bool encrypts_ = true;
};

}  // namespace

std::unique_ptr<Transform> make_aead(const racoon_kernel_alg& enc, std::string* error) {
    auto made = std::make_unique<Aead>();
    *error = made->set(enc);
    if (!error->empty()) return nullptr;
    return made;
}

}  // namespace racoon::kernel_userspace
