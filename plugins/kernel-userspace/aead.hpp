// AES-GCM (RFC 4106) and, without encryption, AES-GMAC (RFC 4543).
#pragma once

#include <memory>
#include <string>

#include "cipher.hpp"

namespace racoon::kernel_userspace {

std::unique_ptr<Transform> make_aead(const racoon_kernel_alg& enc, std::string* error);

}  // namespace racoon::kernel_userspace
