// Catalog: which algorithms, methods and backends exist, and what the parser and the engine need to
// know of each. Facts come from the modules' manifests, so they are known without running a module's
// code; `table` is null where the module is not loaded in this process (the keeper loads no ciphers,
// and `racoon -t --offline` none at all).
//
//     const CipherInfo* aes = catalog.cipher("rijndael");   // by name or alias
//     if (!aes) … catalog.module_offering(Kind::Cipher, "camellia") … catalog.names(Kind::Cipher)
//
// Pointers stay valid as long as the catalog. Main thread only; the tables are const.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <racoon/plugin.h>

#include "base/bytes.hpp"

namespace racoon::conf {

enum class Kind : std::uint8_t {
    Cipher,
    Hash,
    Group,
    AuthMethod,
    EspEncryption,
    EspIntegrity,
    Compression,
    Kernel,
    Credential,
    Natt
};

/// Key lengths in bits. min == max: a fixed length, never written on the wire. `standard` is ours where
/// racoon.conf says none, `absent` the peer's where its phase 1 transform says none; 0: it must say one.
struct KeyBits {
    std::uint16_t min = 0, max = 0, step = 0, standard = 0, absent = 0;
    bool fixed() const { return min == max; }
    bool allows(unsigned bits) const {
        return bits >= min && bits <= max && (step == 0 ? bits == min : (bits - min) % step == 0);
    }
};

struct CipherInfo {
    std::string name;          // racoon.conf's word
    std::uint16_t ike_id = 0;  // RFC 2409 appendix A, class 1
    KeyBits key;
    std::size_t block = 0;  // bytes
    bool weak = false;
    std::string module;
    const racoon_cipher* table = nullptr;
    void* impl = nullptr;
};

struct HashInfo {
    std::string name;
    std::uint16_t ike_id = 0;     // class 2
    std::size_t digest_size = 0;  // bytes; also the size of its PRF's output
    bool weak = false;
    std::string module;
    const racoon_hash* table = nullptr;
    void* impl = nullptr;
    const racoon_prf* prf = nullptr;  // null: HMAC of the hash
    void* prf_impl = nullptr;
};

struct GroupInfo {
    std::string name;
    std::uint16_t number = 0;                      // class 4
    std::size_t public_size = 0, secret_size = 0;  // bytes
    unsigned strength = 0;                         // bits
    bool weak = false;
    std::string module;
    const racoon_dh_group* table = nullptr;
    void* impl = nullptr;
};

enum class CredentialKind : std::uint8_t { None, Psk, Key };

struct AuthMethodInfo {
    std::string name;
    std::uint16_t number = 0;  // on the wire, class 3
    CredentialKind credential = CredentialKind::None;
    std::string module;
    const racoon_auth_method* table = nullptr;
    void* impl = nullptr;
};

enum class TransformKind : std::uint8_t { Encryption, Aead, Integrity, Compression };

struct TransformInfo {
    std::string name;
    TransformKind kind = TransformKind::Encryption;
    std::uint8_t esp_id = 0;       // encryption, aead (RFC 2407 4.4.4); compression: IPComp id
    std::uint8_t ah_id = 0;        // integrity (4.4.3); 0: not for AH
    std::uint16_t attribute = 0;   // integrity: Authentication Algorithm (4.5); 0: none (non_auth)
    KeyBits key;                   // encryption, aead
    std::uint16_t key_bytes = 0;   // integrity
    std::uint16_t salt_bytes = 0;  // aead, taken from KEYMAT behind the key
    std::uint16_t icv_bytes = 0;
    std::uint16_t block = 0, iv_bytes = 0;
    std::string xfrm_name;
    std::uint16_t pfkey_id = 0;
    bool weak = false;
    std::string module;
};

/// A dialect of NAT traversal.
struct NattInfo {
    std::string name;  // "rfc3947"
    std::string module;
    bool spoken = false;    // else only recognised, for the log
    bool ike_port = false;  // nobody moves to the NAT-T port; ESP has the non-IKE marker
    std::uint8_t natd_payload = 0, natoa_payload = 0;
    std::uint16_t udp_tunnel_mode = 0, udp_transport_mode = 0;
    std::vector<Bytes> vendor_ids;  // an initiator sends them all, a responder the peer's
    const racoon_natt* table = nullptr;
    void* impl = nullptr;
};

struct ModuleBlock;  // config.hpp

/// Something wrong with the settings of a module.
struct ModuleFinding {
    std::string key;        // the setting; empty: one is missing
    bool in_value = false;  // the key is right, its value is not
    std::string text;       // what was found, what was expected
};

class Catalog {
  public:
    virtual ~Catalog() = default;

    /// By racoon.conf name or alias; null: no loaded module has it.
    virtual const CipherInfo* cipher(std::string_view name) const = 0;
    virtual const HashInfo* hash(std::string_view name) const = 0;
    virtual const GroupInfo* group(std::string_view name) const = 0;
    virtual const AuthMethodInfo* auth_method(std::string_view name) const = 0;
    /// Encryption or aead; integrity; compression.
    virtual const TransformInfo* esp_encryption(std::string_view name) const = 0;
    virtual const TransformInfo* esp_integrity(std::string_view name) const = 0;
    virtual const TransformInfo* compression(std::string_view name) const = 0;
    /// Every Diffie-Hellman group that is loaded in this process.
    virtual std::vector<const GroupInfo*> groups() const { return {}; }
    /// Every dialect of NAT traversal that is loaded in this process, the preferred first.
    virtual std::vector<const NattInfo*> natt() const { return {}; }
    virtual bool has(Kind kind, std::string_view name) const = 0;
    /// Judges a module's settings by its manifest: all that is wrong. Of a module that is not known,
    /// nothing.
    virtual std::vector<ModuleFinding> check_module(const ModuleBlock&) const { return {}; }

    /// Every known word of a kind with its aliases, for suggestions.
    virtual std::vector<std::string> names(Kind kind) const = 0;
    /// The installed module that would provide a word if it were loaded.
    virtual std::optional<std::string> module_offering(Kind kind, std::string_view name) const = 0;
};

}  // namespace racoon::conf
