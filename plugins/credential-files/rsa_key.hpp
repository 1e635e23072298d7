// RSA with the numbers of a key file: consistency, signing, the public half. All arithmetic is
// OpenSSL's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <racoon/plugin/base.h>

#include "rsa_key_file.hpp"

struct evp_pkey_st;

namespace credential_files {

/// SubjectPublicKeyInfo; empty: OpenSSL has failed.
std::vector<std::uint8_t> public_key_der(Number n, Number e);

/// Usable from any thread.
class RsaPrivateKey {
  public:
    /// Copies the numbers, after p * q = n, e * d = 1 and the rest of it have been checked. Nothing:
    /// `why` says what does not fit, without numbers.
    static std::shared_ptr<const RsaPrivateKey> make(const RsaKey& key, std::string& why);
    ~RsaPrivateKey();
    RsaPrivateKey(const RsaPrivateKey&) = delete;
    RsaPrivateKey& operator=(const RsaPrivateKey&) = delete;

    /// PKCS#1 v1.5 around the hash alone, without DigestInfo, as IKE version 1 has it (RFC 2409
    /// section 5.1). The input must have a hash's length: this is not for signing anything else.
    /// Errors: RACOON_INVALID_ARGUMENT, RACOON_BUFFER_TOO_SMALL, RACOON_CRYPTO.
    racoon_status sign_bare_hash(racoon_span hash, racoon_buffer& out) const;

  private:
    explicit RsaPrivateKey(evp_pkey_st* key) : key_(key) {}
    evp_pkey_st* key_;
};

}  // namespace credential_files
