// AES-GCM (RFC 4106), ChaCha20-Poly1305 (RFC 7634, which puts a packet together in the same way) and,
// without encryption, AES-GMAC (RFC 4543).
#pragma once

#include <memory>
#include <string>

#include "cipher.hpp"

namespace racoon::kernel_userspace {

std::unique_ptr<Transform> make_aead(const racoon_kernel_alg& enc, std::string* error);

}  // namespace racoon::kernel_userspace
