// The crypto of the catalog's tables as plain calls: hash, prf and CBC, straight through the table of
// the negotiated algorithm. A table answers a status; anything but RACOON_OK is Errc::Crypto.
//
//     RACOON_TRY(Secret skeyid_d, prf(*hash, skeyid.view(), {gxy, cookies, kOctet0}));
#pragma once

#include <initializer_list>
#include <memory>
#include <span>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "conf/catalog.hpp"

namespace racoon::exchange {

/// hash(parts…): digest_size bytes.
Result<Bytes> digest(const conf::HashInfo& hash, std::initializer_list<ByteView> parts);

/// prf(key, parts…) of RFC 2409 section 4: the PRF registered for the hash, else its HMAC.
Result<Secret> prf(const conf::HashInfo& hash, ByteView key, std::initializer_list<ByteView> parts);

/// A key schedule of a cipher; freed, and so wiped, with the object.
class CipherKey {
  public:
    CipherKey() = default;
    /// `key`: as many bytes as were negotiated.
    static Result<CipherKey> make(const conf::CipherInfo& cipher, ByteView key);
    CipherKey(CipherKey&& other) noexcept { *this = std::move(other); }
    CipherKey& operator=(CipherKey&& other) noexcept;
    CipherKey(const CipherKey&) = delete;
    CipherKey& operator=(const CipherKey&) = delete;
    ~CipherKey() { reset(); }

    bool valid() const { return key_ != nullptr; }
    std::size_t block() const { return info_ ? info_->block : 0; }
    /// CBC in place. `iv`: one block, replaced by the last ciphertext block. `data`: whole blocks.
    Status encrypt(std::span<std::uint8_t> iv, std::span<std::uint8_t> data) const;
    Status decrypt(std::span<std::uint8_t> iv, std::span<std::uint8_t> data) const;
    /// Bytes so far.
    std::uint64_t encrypted() const { return encrypted_; }

  private:
    void reset();
    Status crypt(bool encrypt, std::span<std::uint8_t> iv, std::span<std::uint8_t> data) const;
    const conf::CipherInfo* info_ = nullptr;
    void* key_ = nullptr;
    mutable std::uint64_t encrypted_ = 0;
};

}  // namespace racoon::exchange
