// Names of algorithms, methods and backends against the Catalog. A word that racoon or an installed
// module knows but no loaded module provides is a warning as long as something is left to offer.
#include <fmt/format.h>

#include <algorithm>

#include "conf/builder.hpp"
#include "conf/classic_words.hpp"
#include "conf/load.hpp"
#include "conf/nearest.hpp"
#include "conf/signposts.hpp"
#include "conf/token.hpp"

namespace racoon::conf {

std::string_view classic_words(Kind kind) {
    switch (kind) {
        case Kind::Cipher:
            return "des idea blowfish rc5 3des cast128 aes rijndael camellia twofish null_enc null rc4 "
                   "3idea des_iv64 des_iv32";
        case Kind::Hash:
            return "md5 sha1 tiger sha256 sha2_256 sha384 sha2_384 sha512 sha2_512";
        case Kind::Group:
            return "modp768 modp1024 ec2n155 ec2n185 modp1536 modp2048 modp3072 modp4096 modp6144 modp8192 "
                   "1 2 3 4 5 14 15 16 17 18 19 20 21 ecp256 ecp384 ecp521";
        case Kind::AuthMethod:
            return "pre_shared_key rsasig dsssig rsaenc rsarev gssapi_krb hybrid_rsa_server "
                   "hybrid_dss_server hybrid_rsa_client hybrid_dss_client xauth_psk_server "
                   "xauth_psk_client xauth_rsa_server xauth_rsa_client";
        case Kind::EspEncryption:
            return "des_iv64 des 3des rc5 idea cast128 blowfish 3idea des_iv32 rc4 null_enc null aes "
                   "rijndael twofish camellia aes_ctr aes_gcm_8 aes_gcm_12 aes_gcm_16";
        case Kind::EspIntegrity:
            return "hmac_md5 hmac_sha1 des_mac kpdk hmac_sha256 hmac_sha2_256 hmac_sha384 hmac_sha2_384 "
                   "hmac_sha512 hmac_sha2_512 non_auth";
        case Kind::Compression:
            return "oui deflate lzs";
        case Kind::Kernel:
            return "xfrm pfkey userspace";
        case Kind::Credential:
        case Kind::Natt:
            return {};
    }
    return {};
}

namespace {

/// "aes256": the whole word is looked up first, then name and trailing digits.
struct NameAndBits {
    std::string_view name;
    std::uint64_t bits = 0;
    bool has_bits = false;
    Span where;
    bool joined = false;  // by _, which racoon skipped: "aes_256"
};
NameAndBits split_digits(const Value& v) {
    NameAndBits out{v.text, 0, false, v.where};
    std::size_t n = v.text.size();
    while (n > 0 && is_digit(v.text[n - 1])) --n;
    if (n == 0 || n == v.text.size() || v.text.size() - n > 5) return out;
    out.name = v.text.substr(0, n);
    out.bits = parse_number(v.text.substr(n)).value;
    out.has_bits = true;
    out.where.offset += static_cast<std::uint32_t>(n);
    out.where.column += static_cast<std::uint32_t>(n);
    out.where.length -= static_cast<std::uint32_t>(n);
    if (n > 1 && out.name.back() == '_') {
        out.name.remove_suffix(1);
        out.joined = true;
    }
    return out;
}

}  // namespace

std::string Builder::add_module(std::string_view module) const {
    const bool any_named =
        std::any_of(in_.statements.begin(), in_.statements.end(),
                    [](const Statement& s) { return s.directive->word == Word::Module; });
    return fmt::format("; installed: {}; add: {}", module, module_lines(module, any_named));
}

void Builder::no_provider(Kind kind, std::string_view directive, const Value& v,
                          std::string_view name) {
    const auto classic = split_words(classic_words(kind));
    const auto offering = in_.catalog.module_offering(kind, name);
    const auto known = in_.catalog.names(kind);
    bool is_classic = false;
    for (const std::string& word : classic) is_classic = is_classic || word == name;
    if (offering) {
        missing_ = true;
        missing_where_ = v.where;
        missing_message_ = fmt::format("{} {}: no loaded module provides it{}", directive, name,
                                       add_module(*offering));
        return;
    }
    for (const std::string& word : known) is_classic = is_classic || word == name;
    if (is_classic) {
        missing_ = true;
        missing_where_ = v.where;
        // Where no module at all is installed, the text is judged alone: there is nothing to tell.
        missing_message_.clear();
        if (in_.offline && known.empty()) return;
        const Unserved* other = unserved(kind, name);
        missing_message_ =
            other ? fmt::format("{} {}: this release has no support for {}; write {}", directive,
                                name, other->what, other->instead)
                  : fmt::format("{} {}: no installed module provides it", directive, name);
        return;
    }
    std::vector<std::string> candidates = known;
    std::string listing;
    if (known.empty()) candidates = classic;
    // "aes_256", "aes-256", "aes-cbc-256": a known name, and a length that belongs behind a space.
    if (kind == Kind::Cipher || kind == Kind::EspEncryption) {
        std::size_t n = v.text.size();
        while (n > 0 && is_digit(v.text[n - 1])) --n;
        const std::string_view digits = v.text.substr(n);
        std::string_view stem = v.text.substr(0, n);
        while (!stem.empty() && (stem.back() == '_' || stem.back() == '-')) stem.remove_suffix(1);
        if (stem.ends_with("cbc")) stem.remove_suffix(3);
        while (!stem.empty() && (stem.back() == '_' || stem.back() == '-')) stem.remove_suffix(1);
        for (const std::string& word : known)
            if (word == stem && stem != v.text) {
                diagnostics_.error(
                    v.where, fmt::format("unknown {} {}; write \"{}{}{}\"", directive,
                                         quoted(v.text), stem, digits.empty() ? "" : " ", digits));
                return;
            }
    }
    auto close = nearest(v.text, candidates);
    if (is_digit(v.text.front())) close.reset();  // a number is not a mistyped other number
    const std::string text(v.text);
    for (const std::string& word : known)
        if (word == "hmac_" + text || "hmac_" + word == text) close = word;
    // What other daemons call it.
    if (kind == Kind::AuthMethod && !in_.catalog.auth_method(v.text)) {
        for (const std::string_view other :
             {"psk", "preshared", "secret", "shared_key", "presharedkey"})
            if (v.text == other) close = "pre_shared_key";
        for (const std::string_view other :
             {"rsa", "rsa_sig", "rsa-sig", "rsasign", "pubkey", "cert", "certificate", "x509"})
            if (v.text == other) close = "rsasig";
    }
    if (kind == Kind::Hash && (v.text == "sha2" || v.text == "sha-2" || v.text == "sha_2"))
        close = "sha256";
    const bool elsewhere =
        kind == Kind::Cipher ? in_.catalog.esp_encryption(v.text) != nullptr
                             : kind == Kind::EspEncryption && in_.catalog.cipher(v.text) != nullptr;
    if (elsewhere) {
        close.reset();
        diagnostics_.error(
            v.where, fmt::format("{} is for {} only; write one of {} here", v.text,
                                 kind == Kind::Cipher ? "sainfo sections" : "proposals of phase 1",
                                 fmt::join(known, ", ")));
        return;
    }
    std::vector<std::string> listed;
    for (const std::string& word : known)  // group 14 is modp2048
        if (!is_digit(word.front()) || word.find_first_not_of("0123456789") != word.npos)
            listed.push_back(word);
    if (kind == Kind::Kernel) listed.insert(listed.begin(), "auto");
    if (!close && !listed.empty() && listed.size() <= 24)
        listing = "; write one of " + fmt::format("{}", fmt::join(listed, ", "));
    if (kind == Kind::Group && (v.text == "22" || v.text == "23" || v.text == "24"))
        listing = fmt::format(
            ": nobody vouches for the structure of groups 22 to 24; write {} "
            "modp2048 or ecp256",
            directive);
    diagnostics_.error(
        v.where, fmt::format("unknown {} {}{}", directive, quoted(v.text),
                             close ? fmt::format("; did you mean \"{}\"?", *close) : listing));
}

bool Builder::key_length(const KeyBits& key, std::string_view name, const Value& v,
                         std::uint64_t bits, const Span& where, std::uint16_t& out) {
    (void)v;
    if (key.fixed()) {
        if (bits == key.min && bits != 0) {
            out = 0;
            return true;
        }
        diagnostics_.error(
            where, fmt::format("{} has no choice of key length; remove the {}", name, bits));
        return false;
    }
    if (bits > 65535 || !key.allows(static_cast<unsigned>(bits))) {
        std::string range = fmt::format("{} to {} in steps of {}", key.min, key.max, key.step);
        if (key.step > 0 && (key.max - key.min) / key.step <= 4) {
            std::vector<std::string> all;
            for (unsigned b = key.min; b <= key.max; b += key.step)
                all.push_back(std::to_string(b));
            range.clear();
            for (std::size_t i = 0; i < all.size(); ++i)
                range += (i == 0 ? "" : i + 1 == all.size() ? " or " : ", ") + all[i];
        }
        diagnostics_.error(where,
                           fmt::format("{} takes a key of {} bits, found {}", name, range, bits));
        return false;
    }
    out = static_cast<std::uint16_t>(bits);
    return true;
}

/// A warning as long as something is left to offer, or the text is judged alone.
void Builder::tell_missing(const Span& where, const std::string& message, bool something_left) {
    if (message.empty()) return;
    if (something_left || in_.offline)
        diagnostics_.warning(Warning::MissingModule, where, message);
    else
        diagnostics_.error(where, message);
}

void Builder::tell_joined(const Value& v, std::string_view name, std::uint64_t bits) {
    diagnostics_.warning(Warning::Deprecated, v.where,
                         fmt::format("{} is taken as {} with a key of {} bits; write \"{} {}\"",
                                     quoted(v.text), name, bits, name, bits));
}

const CipherInfo* Builder::cipher(const Value& v, std::uint16_t& key_bits) {
    const CipherInfo* found = in_.catalog.cipher(v.text);
    std::uint64_t bits = v.number;
    bool has_bits = v.has_number;
    Span where = v.number_where;
    std::string_view name = v.text;
    if (!found && !has_bits) {
        const NameAndBits parts = split_digits(v);
        if (parts.has_bits) {
            found = in_.catalog.cipher(parts.name);
            bool known = found != nullptr || in_.catalog.module_offering(Kind::Cipher, parts.name);
            for (const auto& w : split_words(classic_words(Kind::Cipher)))
                known = known || w == parts.name;
            if (known && !in_.catalog.module_offering(Kind::Cipher, v.text)) {
                name = parts.name;
                bits = parts.bits;
                has_bits = true;
                where = parts.where;
                if (parts.joined) tell_joined(v, parts.name, bits);
            }
        }
    }
    if (!found) {
        no_provider(Kind::Cipher, "encryption_algorithm", v, name);
        return nullptr;
    }
    key_bits = found->key.fixed() ? std::uint16_t{0} : found->key.standard;
    if (has_bits && !key_length(found->key, name, v, bits, where, key_bits)) return nullptr;
    return found;
}

const TransformInfo* Builder::esp_encryption(const Value& v, std::uint16_t& key_bits) {
    const TransformInfo* found = in_.catalog.esp_encryption(v.text);
    std::uint64_t bits = v.number;
    bool has_bits = v.has_number;
    Span where = v.number_where;
    std::string_view name = v.text;
    if (!found && !has_bits) {
        const NameAndBits parts = split_digits(v);
        if (parts.has_bits) {
            found = in_.catalog.esp_encryption(parts.name);
            bool known =
                found != nullptr || in_.catalog.module_offering(Kind::EspEncryption, parts.name);
            for (const auto& w : split_words(classic_words(Kind::EspEncryption)))
                known = known || w == parts.name;
            if (known && !in_.catalog.module_offering(Kind::EspEncryption, v.text)) {
                name = parts.name;
                bits = parts.bits;
                has_bits = true;
                where = parts.where;
                if (parts.joined) tell_joined(v, parts.name, bits);
            }
        }
    }
    if (!found) {
        no_provider(Kind::EspEncryption, "encryption_algorithm", v, name);
        return nullptr;
    }
    key_bits = found->key.fixed() ? std::uint16_t{0} : found->key.standard;
    if (has_bits && !key_length(found->key, name, v, bits, where, key_bits)) return nullptr;
    return found;
}

const HashInfo* Builder::hash(const Value& v) {
    if (v.has_number) {
        const std::string joined = fmt::format("{}{}", v.text, v.number);
        diagnostics_.error(
            v.number_where,
            in_.catalog.hash(joined)
                ? fmt::format("hash_algorithm takes one word: write \"{}\"", joined)
                : fmt::format("hash_algorithm takes no number; remove {}", v.number));
        return nullptr;
    }
    const HashInfo* found = in_.catalog.hash(v.text);
    if (!found) no_provider(Kind::Hash, "hash_algorithm", v, v.text);
    return found;
}

const AuthMethodInfo* Builder::auth_method(const Value& v) {
    if (v.has_number) {
        diagnostics_.error(
            v.number_where,
            fmt::format("authentication_method takes no number; remove {}", v.number));
        return nullptr;
    }
    const AuthMethodInfo* found = in_.catalog.auth_method(v.text);
    if (!found) no_provider(Kind::AuthMethod, "authentication_method", v, v.text);
    return found;
}

const GroupInfo* Builder::group(const Value& v, std::string_view directive) {
    const GroupInfo* found = in_.catalog.group(v.text);
    if (found) return found;
    if (v.text == "none") {
        diagnostics_.error(
            v.where, fmt::format("{} takes a group; for none, leave the line out", directive));
        return nullptr;
    }
    no_provider(Kind::Group, directive, v, v.text);
    return nullptr;
}

const TransformInfo* Builder::esp_integrity(const Value& v) {
    if (v.has_number) {
        diagnostics_.error(
            v.number_where,
            fmt::format("authentication_algorithm takes no number; remove {}", v.number));
        return nullptr;
    }
    const TransformInfo* found = in_.catalog.esp_integrity(v.text);
    if (!found) no_provider(Kind::EspIntegrity, "authentication_algorithm", v, v.text);
    return found;
}

const TransformInfo* Builder::compression(const Value& v) {
    const TransformInfo* found = in_.catalog.compression(v.text);
    if (!found) no_provider(Kind::Compression, "compression_algorithm", v, v.text);
    return found;
}

}  // namespace racoon::conf
