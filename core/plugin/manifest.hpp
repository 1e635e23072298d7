// The manifest of a module (plugin.json): what it is, what it offers, what it needs.
//
//     RACOON_TRY(Manifest m, parse_manifest(facts.manifest));
//     for (const Offer& o : m.provides) …  o.point, o.key, o.ike …
//
// Parsing is strict: an unknown key, a wrong type or a number out of range is an error that says
// where it stands, what was found and what was expected. Only a manifest of a newer ABI minor may
// hold keys that this racoon does not know.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "conf/catalog.hpp"

namespace racoon::plugin {

struct AbiVersion {
    std::uint16_t major = 0;
    std::uint16_t minor = 0;
    friend auto operator<=>(const AbiVersion&, const AbiVersion&) = default;
    std::string text() const { return std::to_string(major) + "." + std::to_string(minor); }
};

/// One entry of "provides". The numbers are those of the point's header (cipher.h, hash.h, …); what a
/// point does not use stays empty.
struct Offer {
    std::string point;  // "racoon.cipher/1"
    std::string key;    // racoon.conf name
    std::vector<std::string> aliases;
    std::int32_t priority = 0;  // more is preferred
    bool weak = false;

    std::optional<std::uint16_t> ike;        // phase 1 number of the attribute's value
    std::optional<std::uint16_t> esp;        // ESP transform, IPCOMP transform
    std::optional<std::uint16_t> ah;         // AH transform
    std::optional<std::uint16_t> attribute;  // authentication algorithm attribute (RFC 2407 4.5)
    std::optional<conf::KeyBits> key_bits;
    std::uint32_t key_bytes = 0;    // integrity: size of the key
    std::uint32_t block = 0;        // bytes
    std::uint32_t digest = 0;       // bytes
    std::uint32_t iv = 0;           // bytes
    std::uint32_t salt = 0;         // bytes
    std::uint32_t icv = 0;          // bytes
    std::uint32_t public_size = 0;  // bytes of a dh-group's public value
    std::uint32_t secret_size = 0;  // bytes of its secret
    std::uint32_t strength = 0;     // bits
    std::uint32_t pfkey = 0;        // number in PF_KEY
    std::string kind;               // esp-transform: encryption, aead, integrity, compression
    std::string xfrm;               // Linux crypto API name
    std::string hash;               // integrity: the hash it is made of
    std::string credential;         // auth-method: psk, key, none
    bool ike_port = false;          // natt: ESP comes to the IKE port
};

enum class ConfigType : std::uint8_t { Flag, Integer, Duration, Text, Secret, Path, Address };
std::string_view config_type_name(ConfigType type);

/// One key of the module's block in racoon.conf.
struct ConfigKey {
    ConfigType type = ConfigType::Text;
    std::optional<std::string> preset;  // default, as it would be written in racoon.conf
    std::optional<std::int64_t> min;    // Integer as it is; Duration in seconds
    std::optional<std::int64_t> max;
    bool required = false;
    std::string help;
};

/// A helper program that the keeper may start for the module, by its index.
struct Helper {
    std::string program;  // absolute; as parsed also a bare name, which read_module resolves
    std::string user;
};

struct Manifest {
    std::string name;
    std::string version;
    std::string vendor;
    std::string license;
    std::string summary;
    std::string url;
    std::string support;
    AbiVersion abi;
    AbiVersion min_host;
    std::vector<std::string> platforms;  // empty: any
    bool standard = false;
    bool threads = false;
    std::string isolate = "no";  // no, yes, never
    std::uint32_t max_inflight = 256;
    std::vector<Offer> provides;
    std::vector<std::string> needs;  // "racoon.hash/1" or "racoon.hash/1:sha256" or a service
    std::vector<std::string> wants;
    std::vector<std::string> privileges;
    std::vector<Helper> helpers;
    std::map<std::string, ConfigKey> config;
};

/// [a-z0-9-]{1,32}
bool is_module_name(std::string_view name);

/// Errors: Malformed, TooLong, Config; the text names the place ("provides[2].key_bits: found …").
Result<Manifest> parse_manifest(std::string_view json);

}  // namespace racoon::plugin
