// The cryptography of one SA: encryption, integrity or both (OpenSSL behind it). Keys are set once;
// per packet nothing is allocated.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <racoon/plugin/kernel.h>

#include "bytes.hpp"

namespace racoon::kernel_userspace {

class Transform {
  public:
    virtual ~Transform() = default;
    virtual std::size_t iv_size() const = 0;
    virtual std::size_t icv_size() const = 0;
    /// What the padded plaintext's size must be a multiple of; at least 4 (RFC 4303 2.4).
    virtual std::size_t block() const = 0;

    /// `packet` is ESP header (8 bytes), room for the IV, plaintext and room for the ICV; it is
    /// sealed in place. `sequence` is the whole number, also without ESN.
    virtual bool seal(std::span<std::uint8_t> packet, std::uint64_t sequence, bool esn) = 0;
    /// Checks the ICV and then decrypts in place. False: not authentic, or malformed.
    virtual bool open(std::span<std::uint8_t> packet, std::uint64_t sequence, bool esn) = 0;
};

/// Null: `error` says which algorithm or key length is not supported.
std::unique_ptr<Transform> make_transform(const racoon_kernel_alg& enc,
                                          const racoon_kernel_alg& auth, bool is_aead,
                                          std::string* error);

/// A number of at most 8 bytes, big-endian.
void write_number(std::span<std::uint8_t> out, std::uint64_t number);

/// Overwrites memory that held a key.
void wipe(void* memory, std::size_t size);

}  // namespace racoon::kernel_userspace
