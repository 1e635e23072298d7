// RSA keys for plainrsa-gen: made, read from PEM, and written as racoon's plain RSA key files have
// them. OpenSSL does all arithmetic.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"

struct evp_pkey_st;

namespace racoon::rsagen {

class Key {
  public:
    /// Errors: Crypto.
    static Result<Key> generate(unsigned bits, std::uint64_t exponent);
    /// A private key (PKCS#1, PKCS#8; not encrypted) or a public one. Errors: Io; Malformed, no key;
    /// Unsupported: encrypted, not RSA, or one that racoon would refuse.
    static Result<Key> read_pem(const std::string& path);

    bool is_private() const { return is_private_; }
    /// The public key as a comment, then `: RSA { … }`; of a public key the line `: PUB 0s…` alone.
    /// Errors: Crypto.
    Result<Secret> text() const;

  private:
    struct Free {
        void operator()(evp_pkey_st* key) const;
    };
    using Handle = std::unique_ptr<evp_pkey_st, Free>;
    Key(Handle key, bool is_private) : key_(std::move(key)), is_private_(is_private) {}
    static Result<Key> checked(Handle key, bool is_private, const std::string& path);

    Handle key_;
    bool is_private_;
};

}  // namespace racoon::rsagen
