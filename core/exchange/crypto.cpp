#include "exchange/crypto.hpp"

#include <array>
#include <utility>

#include "base/check.hpp"

namespace racoon::exchange {

namespace {

constexpr std::size_t kMaxParts = 12;

struct Parts {
    std::array<racoon_span, kMaxParts> spans{};
    std::size_t count = 0;
    explicit Parts(std::initializer_list<ByteView> parts) {
        RACOON_CHECK(parts.size() <= kMaxParts);
        for (ByteView v : parts) spans[count++] = {v.data(), v.size()};
    }
};

Failure failed(const std::string& name, std::string_view what, racoon_status status) {
    return fail(Errc::Crypto,
                name + ": " + std::string(what) + " failed with " + std::to_string(status));
}

}  // namespace

Result<Bytes> digest(const conf::HashInfo& hash, std::initializer_list<ByteView> parts) {
    if (hash.table == nullptr) return fail(Errc::Plugin, "hash " + hash.name + " is not loaded");
    const Parts p(parts);
    Bytes out(hash.digest_size);
    const racoon_status st = hash.table->digest(hash.impl, p.spans.data(), p.count, out.data());
    if (st != RACOON_OK) return failed(hash.name, "digest", st);
    return out;
}

Result<Secret> prf(const conf::HashInfo& hash, ByteView key,
                   std::initializer_list<ByteView> parts) {
    const Parts p(parts);
    Secret out(hash.digest_size);
    const racoon_span k{key.data(), key.size()};
    racoon_status st = RACOON_NOT_SUPPORTED;
    if (hash.prf != nullptr)
        st = hash.prf->compute(hash.prf_impl, k, p.spans.data(), p.count, out.span().data());
    else if (hash.table != nullptr)
        st = hash.table->hmac(hash.impl, k, p.spans.data(), p.count, out.span().data());
    if (st != RACOON_OK) return failed(hash.name, "prf", st);
    return out;
}

Result<CipherKey> CipherKey::make(const conf::CipherInfo& cipher, ByteView key) {
    if (cipher.table == nullptr)
        return fail(Errc::Plugin, "cipher " + cipher.name + " is not loaded");
    CipherKey out;
    out.info_ = &cipher;
    const racoon_status st = cipher.table->key_new(cipher.impl, key.data(), key.size(), &out.key_);
    if (st != RACOON_OK) return failed(cipher.name, "key setup", st);
    if (out.key_ == nullptr) return failed(cipher.name, "key setup", RACOON_INTERNAL);
    return out;
}

CipherKey& CipherKey::operator=(CipherKey&& other) noexcept {
    if (this != &other) {
        reset();
        info_ = std::exchange(other.info_, nullptr);
        key_ = std::exchange(other.key_, nullptr);
        encrypted_ = std::exchange(other.encrypted_, 0);
    }
    return *this;
}

void CipherKey::reset() {
    if (key_ != nullptr) info_->table->key_free(info_->impl, key_);
    key_ = nullptr;
}

Status CipherKey::encrypt(std::span<std::uint8_t> iv, std::span<std::uint8_t> data) const {
    encrypted_ += data.size();
    return crypt(true, iv, data);
}
Status CipherKey::decrypt(std::span<std::uint8_t> iv, std::span<std::uint8_t> data) const {
    return crypt(false, iv, data);
}

Status CipherKey::crypt(bool encrypt, std::span<std::uint8_t> iv,
                        std::span<std::uint8_t> data) const {
    if (key_ == nullptr) return fail(Errc::InvalidState, "no key");
    if (iv.size() != block() || data.size() % block() != 0)
        return fail(Errc::Malformed, std::to_string(data.size()) +
                                         " bytes are not whole blocks of " +
                                         std::to_string(block()));
    const racoon_status st = info_->table->crypt(info_->impl, key_, encrypt ? 1 : 0, iv.data(),
                                                 data.data(), data.size());
    if (st != RACOON_OK) return failed(info_->name, "crypt", st);
    return ok();
}

}  // namespace racoon::exchange
