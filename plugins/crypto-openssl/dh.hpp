// Diffie-Hellman groups (racoon.dh-group/1): MODP (RFC 2409 section 6, RFC 3526, RFC 5114), ECP (RFC
// 5903, RFC 6932) and Curve25519 (RFC 8031). Groups are constant after load(), so all calls may come
// from any thread at once.
#pragma once

#include <span>

#include "algorithms.hpp"

namespace crypto_openssl {

using View = std::span<const std::uint8_t>;

class DhGroup {
  public:
    DhGroup(const char* key, std::size_t public_size, std::size_t secret_size)
        : key_(key), public_size_(public_size), secret_size_(secret_size) {}
    virtual ~DhGroup() = default;
    DhGroup(const DhGroup&) = delete;
    DhGroup& operator=(const DhGroup&) = delete;

    const char* key() const { return key_; }
    std::size_t public_size() const { return public_size_; }
    std::size_t secret_size() const { return secret_size_; }

    virtual bool load() = 0;
    /// What makes a peer's value safe to use, as far as a comparison or the curve equation tells.
    /// That is all of it, except where is_member() says more.
    virtual bool acceptable(View peer_public) const = 0;
    /// The key pair with this private value, for known answers; null when it is out of range.
    virtual Key import(View private_value) const = 0;
    /// Our public value in the form of the wire.
    virtual bool public_of(const EVP_PKEY& pair, std::uint8_t* out) const = 0;

    Key generate() const;
    /// Checks peer_public; secret_out has secret_size() bytes.
    racoon_status compute(EVP_PKEY& pair, View peer_public, std::uint8_t* secret_out) const;

  protected:
    /// An EVP_PKEY of this group with the peer's value, which has been found acceptable.
    virtual Key peer_key(View peer_public) const = 0;
    /// The part of the check that takes an exponentiation: compute() has it, on a worker.
    virtual bool is_member(View) const { return true; }
    virtual bool is_usable(View) const { return true; }  // the secret
    /// Initialised from parameters_, unless the group has none.
    virtual KeyCtx keygen_context() const;
    virtual bool prepare_keygen(EVP_PKEY_CTX&) const { return true; }
    /// Group parameters without a key: what key generation starts from.
    Key parameters_;

  private:
    const char* key_;
    std::size_t public_size_;
    std::size_t secret_size_;
};

std::unique_ptr<DhGroup> make_modp_group(const char* key, unsigned bits);
/// A group with a subgroup of prime order (RFC 5114), by OpenSSL's name of it.
std::unique_ptr<DhGroup> make_subgroup(const char* key, unsigned bits, const char* name);
std::unique_ptr<DhGroup> make_curve25519(const char* key);
std::unique_ptr<DhGroup> make_ecp_group(const char* key, int curve, std::size_t field_size);

class DhGroups {
  public:
    DhGroups();
    const char* load();
    void offer(std::vector<Offer>& out);
    /// Null when there is none of that name.
    const DhGroup* find(const char* key) const;

  private:
    std::vector<std::unique_ptr<DhGroup>> list_;
};

extern const racoon_dh_group kDhTable;

}  // namespace crypto_openssl
