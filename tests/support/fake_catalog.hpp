// A Catalog for tests: the algorithms of the first modules, all "loaded", and a few that only exist in
// modules that are installed but not loaded (camellia: crypto-legacy; rsasig: auth-signature).
#pragma once

#include <map>

#include "conf/catalog.hpp"
#include "conf/classic_words.hpp"
#include "conf/schema.hpp"

namespace racoon::testing {

class FakeCatalog final : public conf::Catalog {
  public:
    FakeCatalog() {
        using conf::Kind;
        cipher("aes", 7, {128, 256, 64, 128}, 16, {"rijndael"});
        cipher("3des", 5, {192, 192, 0, 192}, 8, {});
        cipher("des", 1, {64, 64, 0, 64}, 8, {});
        hash("md5", 1, 16, {});
        hash("sha1", 2, 20, {});
        hash("sha256", 4, 32, {"sha2_256"});
        hash("sha384", 5, 48, {"sha2_384"});
        hash("sha512", 6, 64, {"sha2_512"});
        for (const auto& [name, number, bytes] : {std::tuple{"modp768", 1, 96},
                                                  {"modp1024", 2, 128},
                                                  {"modp1536", 5, 192},
                                                  {"modp2048", 14, 256},
                                                  {"modp3072", 15, 384},
                                                  {"modp4096", 16, 512},
                                                  {"modp6144", 17, 768},
                                                  {"modp8192", 18, 1024},
                                                  {"ecp256", 19, 64},
                                                  {"ecp384", 20, 96},
                                                  {"ecp521", 21, 132}})
            group(name, number, bytes);
        conf::AuthMethodInfo psk;
        psk.name = "pre_shared_key";
        psk.number = 1;
        psk.credential = conf::CredentialKind::Psk;
        psk.module = "auth-psk";
        methods_["pre_shared_key"] = psk;
        using conf::TransformKind;
        encryption("aes", 12, {128, 256, 64, 128}, TransformKind::Encryption, {"rijndael"});
        encryption("aes_gcm_16", 20, {128, 256, 64, 128}, TransformKind::Aead, {});
        encryption("3des", 3, {192, 192, 0, 192}, TransformKind::Encryption, {});
        encryption("des", 2, {64, 64, 0, 64}, TransformKind::Encryption, {});
        encryption("null_enc", 11, {0, 0, 0, 0}, TransformKind::Encryption, {"null"});
        integrity("hmac_md5", 2, 1, {});
        integrity("hmac_sha1", 3, 2, {});
        integrity("hmac_sha256", 5, 5, {"hmac_sha2_256"});
        integrity("hmac_sha384", 6, 6, {"hmac_sha2_384"});
        integrity("hmac_sha512", 7, 7, {"hmac_sha2_512"});
        integrity("non_auth", 0, 0, {});
        offers_[{Kind::Cipher, "camellia"}] = "crypto-legacy";
        offers_[{Kind::Cipher, "blowfish"}] = "crypto-legacy";
        offers_[{Kind::EspEncryption, "camellia"}] = "crypto-legacy";
        offers_[{Kind::EspEncryption, "blowfish"}] = "crypto-legacy";
        offers_[{Kind::AuthMethod, "rsasig"}] = "auth-signature";
        offers_[{Kind::Group, "curve25519"}] = "crypto-extra";
    }

    const conf::CipherInfo* cipher(std::string_view n) const override { return find(ciphers_, n); }
    const conf::HashInfo* hash(std::string_view n) const override { return find(hashes_, n); }
    const conf::GroupInfo* group(std::string_view n) const override { return find(groups_, n); }
    const conf::AuthMethodInfo* auth_method(std::string_view n) const override {
        return find(methods_, n);
    }
    const conf::TransformInfo* esp_encryption(std::string_view n) const override {
        return find(encryption_, n);
    }
    const conf::TransformInfo* esp_integrity(std::string_view n) const override {
        return find(integrity_, n);
    }
    const conf::TransformInfo* compression(std::string_view n) const override {
        return find(compression_, n);
    }
    bool has(conf::Kind kind, std::string_view n) const override {
        if (kind == conf::Kind::Kernel) return n == "xfrm" || n == "userspace";
        const auto all = names(kind);
        for (const std::string& name : all)
            if (name == n) return true;
        return false;
    }
    std::vector<std::string> names(conf::Kind kind) const override {
        switch (kind) {
            case conf::Kind::Cipher:
                return keys(ciphers_);
            case conf::Kind::Hash:
                return keys(hashes_);
            case conf::Kind::Group:
                return keys(groups_);
            case conf::Kind::AuthMethod:
                return keys(methods_);
            case conf::Kind::EspEncryption:
                return keys(encryption_);
            case conf::Kind::EspIntegrity:
                return keys(integrity_);
            case conf::Kind::Compression:
                return keys(compression_);
            case conf::Kind::Kernel:
                return {"xfrm", "userspace"};
            case conf::Kind::Credential:
                return {"files"};
            case conf::Kind::Natt:
                return {"rfc3947"};
        }
        return {};
    }
    std::optional<std::string> module_offering(conf::Kind kind,
                                               std::string_view name) const override {
        const auto found = offers_.find({kind, std::string(name)});
        if (found == offers_.end()) return std::nullopt;
        return found->second;
    }

    /// deflate exists only where a test says so, as with most kernels.
    void provide_deflate() {
        conf::TransformInfo t;
        t.name = "deflate";
        t.kind = conf::TransformKind::Compression;
        t.esp_id = 2;
        compression_["deflate"] = t;
    }
    /// Every name that racoon.conf has ever known.
    void provide_everything() {
        using conf::Kind;
        provide_deflate();
        std::uint8_t number = 100;
        for (const auto& word : conf::split_words(conf::classic_words(Kind::Cipher)))
            if (!ciphers_.contains(word)) cipher(word.c_str(), number++, {40, 448, 8, 128}, 8, {});
        for (const auto& word : conf::split_words(conf::classic_words(Kind::Hash)))
            if (!hashes_.contains(word)) hash(word.c_str(), number++, 20, {});
        for (const auto& word : conf::split_words(conf::classic_words(Kind::AuthMethod)))
            if (!methods_.contains(word)) methods_[word].name = word;
        for (const auto& word : conf::split_words(conf::classic_words(Kind::EspEncryption)))
            if (!encryption_.contains(word))
                encryption(word.c_str(), number++, {40, 448, 8, 128},
                           conf::TransformKind::Encryption, {});
        for (const auto& word : conf::split_words(conf::classic_words(Kind::EspIntegrity)))
            if (!integrity_.contains(word)) integrity(word.c_str(), 0, number++, {});
        for (const auto& word : conf::split_words(conf::classic_words(Kind::Compression)))
            compression_[word].name = word;
    }

  private:
    template <typename T>
    using Table = std::map<std::string, T, std::less<>>;
    template <typename T>
    static const T* find(const Table<T>& table, std::string_view name) {
        const auto found = table.find(name);
        return found == table.end() ? nullptr : &found->second;
    }
    template <typename T>
    static std::vector<std::string> keys(const Table<T>& table) {
        std::vector<std::string> out;
        for (const auto& [name, unused] : table) out.push_back(name);
        return out;
    }
    void cipher(const char* name, std::uint16_t id, conf::KeyBits key, std::size_t block,
                std::vector<const char*> aliases) {
        conf::CipherInfo c;
        c.name = name;
        c.ike_id = id;
        c.key = key;
        c.block = block;
        c.module = "crypto-openssl";
        ciphers_[name] = c;
        for (const char* alias : aliases) ciphers_[alias] = c;
    }
    void hash(const char* name, std::uint16_t id, std::size_t size,
              std::vector<const char*> aliases) {
        conf::HashInfo h;
        h.name = name;
        h.ike_id = id;
        h.digest_size = size;
        h.module = "crypto-openssl";
        hashes_[name] = h;
        for (const char* alias : aliases) hashes_[alias] = h;
    }
    void group(const char* name, int number, int bytes) {
        conf::GroupInfo g;
        g.name = name;
        g.number = static_cast<std::uint16_t>(number);
        g.public_size = g.secret_size = static_cast<std::size_t>(bytes);
        g.module = "crypto-openssl";
        groups_[name] = g;
        groups_[std::to_string(number)] = g;
    }
    void encryption(const char* name, std::uint8_t id, conf::KeyBits key, conf::TransformKind kind,
                    std::vector<const char*> aliases) {
        conf::TransformInfo t;
        t.name = name;
        t.kind = kind;
        t.esp_id = id;
        t.key = key;
        t.module = "crypto-openssl";
        encryption_[name] = t;
        for (const char* alias : aliases) encryption_[alias] = t;
    }
    void integrity(const char* name, std::uint8_t ah, std::uint16_t attribute,
                   std::vector<const char*> aliases) {
        conf::TransformInfo t;
        t.name = name;
        t.kind = conf::TransformKind::Integrity;
        t.ah_id = ah;
        t.attribute = attribute;
        t.module = "crypto-openssl";
        integrity_[name] = t;
        for (const char* alias : aliases) integrity_[alias] = t;
    }

    Table<conf::CipherInfo> ciphers_;
    Table<conf::HashInfo> hashes_;
    Table<conf::GroupInfo> groups_;
    Table<conf::AuthMethodInfo> methods_;
    Table<conf::TransformInfo> encryption_, integrity_, compression_;
    std::map<std::pair<conf::Kind, std::string>, std::string> offers_;
};

}  // namespace racoon::testing
