// The Registry as the configuration's Catalog.
#include <algorithm>

#include <racoon/plugin.h>

#include "plugin/natt_info.hpp"
#include "plugin/registry.hpp"

namespace racoon::plugin {

namespace {

using conf::Kind;

struct KindPoint {
    std::string_view point;
    std::string_view kinds[2];  // of esp-transform
};

KindPoint point_of(Kind kind) {
    switch (kind) {
        case Kind::Cipher:
            return {RACOON_POINT_CIPHER, {}};
        case Kind::Hash:
            return {RACOON_POINT_HASH, {}};
        case Kind::Group:
            return {RACOON_POINT_DH_GROUP, {}};
        case Kind::AuthMethod:
            return {RACOON_POINT_AUTH_METHOD, {}};
        case Kind::EspEncryption:
            return {RACOON_POINT_ESP_TRANSFORM, {"encryption", "aead"}};
        case Kind::EspIntegrity:
            return {RACOON_POINT_ESP_TRANSFORM, {"integrity", ""}};
        case Kind::Compression:
            return {RACOON_POINT_ESP_TRANSFORM, {"compression", ""}};
        case Kind::Kernel:
            return {RACOON_POINT_KERNEL, {}};
        case Kind::Credential:
            return {RACOON_POINT_CREDENTIAL, {}};
        case Kind::Natt:
            return {RACOON_POINT_NATT, {}};
    }
    return {};
}

bool is_of(const Offer& offer, Kind kind) {
    const KindPoint p = point_of(kind);
    if (offer.point != p.point) return false;
    return p.kinds[0].empty() || offer.kind == p.kinds[0] ||
           (!p.kinds[1].empty() && offer.kind == p.kinds[1]);
}

conf::TransformInfo make_transform(const Provider& p) {
    const Offer& o = p.offer;
    conf::TransformInfo info;
    info.name = o.key;
    info.kind = o.kind == "aead"          ? conf::TransformKind::Aead
                : o.kind == "integrity"   ? conf::TransformKind::Integrity
                : o.kind == "compression" ? conf::TransformKind::Compression
                                          : conf::TransformKind::Encryption;
    info.esp_id = static_cast<std::uint8_t>(o.esp.value_or(0));
    info.ah_id = static_cast<std::uint8_t>(o.ah.value_or(0));
    info.attribute = o.attribute.value_or(0);
    info.key = o.key_bits.value_or(conf::KeyBits{});
    info.key_bytes = static_cast<std::uint16_t>(o.key_bytes);
    info.salt_bytes = static_cast<std::uint16_t>(o.salt);
    info.icv_bytes = static_cast<std::uint16_t>(o.icv);
    info.block = static_cast<std::uint16_t>(o.block);
    info.iv_bytes = static_cast<std::uint16_t>(o.iv);
    info.xfrm_name = o.xfrm;
    info.pfkey_id = static_cast<std::uint16_t>(o.pfkey);
    info.weak = o.weak;
    info.module = p.module;
    return info;
}

}  // namespace

std::vector<const Provider*> Registry::of_kind(Kind kind) const {
    std::vector<const Provider*> out;
    for (const Provider* p : active_)
        if (is_of(p->offer, kind)) out.push_back(p);
    return out;
}

template <typename Info, typename Make>
void Registry::fill(Words<Info>& words, Kind kind, Make make) {
    words.by_word.clear();
    words.infos.clear();
    const std::vector<const Provider*> providers = of_kind(kind);
    std::vector<const Info*> made;
    for (const Provider* p : providers) {
        words.infos.push_back(make(*p));
        made.push_back(&words.infos.back());
        words.by_word.emplace(p->offer.key, made.back());
    }
    // A name wins over another algorithm's alias.
    for (std::size_t i = 0; i < providers.size(); ++i)
        for (const std::string& alias : providers[i]->offer.aliases)
            words.by_word.emplace(alias, made[i]);
}

void Registry::build_infos() {
    fill(ciphers_, Kind::Cipher, [](const Provider& p) {
        conf::CipherInfo info;
        info.name = p.offer.key;
        info.ike_id = p.offer.ike.value_or(0);
        info.key = p.offer.key_bits.value_or(conf::KeyBits{});
        info.block = p.offer.block;
        info.weak = p.offer.weak;
        info.module = p.module;
        info.table = p.as<racoon_cipher>();
        info.impl = p.impl;
        return info;
    });
    fill(hashes_, Kind::Hash, [this](const Provider& p) {
        conf::HashInfo info;
        info.name = p.offer.key;
        info.ike_id = p.offer.ike.value_or(0);
        info.digest_size = p.offer.digest;
        info.weak = p.offer.weak;
        info.module = p.module;
        info.table = p.as<racoon_hash>();
        info.impl = p.impl;
        const Provider* prf = find(RACOON_POINT_PRF, p.offer.key);
        // A PRF replaces HMAC only at the size that the rest of the core takes from the hash.
        if (prf && prf->offer.digest == p.offer.digest) {
            info.prf = prf->as<racoon_prf>();
            info.prf_impl = prf->impl;
        }
        return info;
    });
    fill(groups_, Kind::Group, [](const Provider& p) {
        conf::GroupInfo info;
        info.name = p.offer.key;
        info.number = p.offer.ike.value_or(0);
        info.public_size = p.offer.public_size;
        info.secret_size = p.offer.secret_size;
        info.strength = p.offer.strength;
        info.weak = p.offer.weak;
        info.module = p.module;
        info.table = p.as<racoon_dh_group>();
        info.impl = p.impl;
        return info;
    });
    fill(auth_methods_, Kind::AuthMethod, [](const Provider& p) {
        conf::AuthMethodInfo info;
        info.name = p.offer.key;
        info.number = p.offer.ike.value_or(0);
        info.credential = p.offer.credential == "psk"   ? conf::CredentialKind::Psk
                          : p.offer.credential == "key" ? conf::CredentialKind::Key
                                                        : conf::CredentialKind::None;
        info.module = p.module;
        info.table = p.as<racoon_auth_method>();
        info.impl = p.impl;
        return info;
    });
    fill(esp_encryption_, Kind::EspEncryption, make_transform);
    fill(esp_integrity_, Kind::EspIntegrity, make_transform);
    fill(compression_, Kind::Compression, make_transform);
    fill(natt_, Kind::Natt, [](const Provider& p) {
        return natt_info(p.offer.key, p.module, p.offer.ike_port, p.as<racoon_natt>(), p.impl);
    });
}

const conf::CipherInfo* Registry::cipher(std::string_view name) const {
    return ciphers_.find(name);
}
const conf::HashInfo* Registry::hash(std::string_view name) const {
    return hashes_.find(name);
}
const conf::GroupInfo* Registry::group(std::string_view name) const {
    return groups_.find(name);
}
const conf::AuthMethodInfo* Registry::auth_method(std::string_view name) const {
    return auth_methods_.find(name);
}
const conf::TransformInfo* Registry::esp_encryption(std::string_view name) const {
    return esp_encryption_.find(name);
}
const conf::TransformInfo* Registry::esp_integrity(std::string_view name) const {
    return esp_integrity_.find(name);
}
const conf::TransformInfo* Registry::compression(std::string_view name) const {
    return compression_.find(name);
}

std::vector<const conf::NattInfo*> Registry::natt() const {
    std::vector<const conf::NattInfo*> out;
    for (const conf::NattInfo& info : natt_.infos)
        if (info.table != nullptr) out.push_back(&info);
    return out;
}

bool Registry::natt_on_ike_port() const {
    return std::any_of(natt_.infos.begin(), natt_.infos.end(),
                       [](const conf::NattInfo& info) { return info.ike_port; });
}

std::vector<const conf::GroupInfo*> Registry::groups() const {
    std::vector<const conf::GroupInfo*> out;
    for (const conf::GroupInfo& info : groups_.infos)
        if (info.table != nullptr) out.push_back(&info);
    return out;
}

bool Registry::has(Kind kind, std::string_view name) const {
    const std::vector<const Provider*> providers = of_kind(kind);
    return std::any_of(providers.begin(), providers.end(), [&](const Provider* p) {
        return p->offer.key == name || std::find(p->offer.aliases.begin(), p->offer.aliases.end(),
                                                 name) != p->offer.aliases.end();
    });
}

std::vector<std::string> Registry::names(Kind kind) const {
    std::vector<std::string> out;
    for (const Provider* p : of_kind(kind)) {
        out.push_back(p->offer.key);
        out.insert(out.end(), p->offer.aliases.begin(), p->offer.aliases.end());
    }
    return out;
}

std::optional<std::string> Registry::module_offering(Kind kind, std::string_view name) const {
    for (const Manifest& m : installed_)
        for (const Offer& o : m.provides)
            if (is_of(o, kind) && (o.key == name || std::find(o.aliases.begin(), o.aliases.end(),
                                                              name) != o.aliases.end()))
                return m.name;
    return std::nullopt;
}

}  // namespace racoon::plugin
