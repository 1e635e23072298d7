// Cheap stand-ins for the crypto of modules, through the same C tables: a 32-byte hash that mixes but
// protects nothing, a CBC cipher of 16-byte blocks, Diffie-Hellman in the field of 2^61-1, and an auth
// method that compares HASH. A handshake costs microseconds, so thousands of tunnels fit in a test.
#pragma once

#include <racoon/plugin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include "base/bytes.hpp"
#include "conf/catalog.hpp"

namespace racoon::sim {

inline std::uint64_t mix(std::uint64_t x) {
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9;
    x ^= x >> 27;
    x *= 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

class MixHash {
  public:
    void add(const std::uint8_t* p, std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) {
            word_ = (word_ << 8) | p[i];
            if (++fill_ == 8) flush();
        }
        total_ += n;
    }
    void finish(std::uint8_t* out) {
        word_ ^= std::uint64_t{0x80} << 56;
        flush();
        state_[0] = mix(state_[0] ^ total_);
        for (std::size_t k = 0; k < 4; ++k) {
            const std::uint64_t v =
                mix(state_[k] ^ state_[(k + 1) % 4] ^ (k + 1) * 0x9e3779b97f4a7c15);
            for (std::size_t i = 0; i < 8; ++i)
                out[k * 8 + i] = static_cast<std::uint8_t>(v >> (8 * i));
        }
    }

  private:
    void flush() {
        for (std::size_t k = 0; k < 4; ++k)
            state_[k] = mix(std::rotl(state_[k], static_cast<int>(7 * k + 3)) + word_ +
                            (k + 1) * 0x9e3779b97f4a7c15);
        word_ = 0;
        fill_ = 0;
    }
    std::array<std::uint64_t, 4> state_{1, 2, 3, 4};
    std::uint64_t word_ = 0, total_ = 0;
    int fill_ = 0;
};

inline racoon_status mix_digest(void*, const racoon_span* parts, std::size_t n,
                                std::uint8_t* out) noexcept {
    MixHash h;
    for (std::size_t i = 0; i < n; ++i) h.add(parts[i].data, parts[i].size);
    h.finish(out);
    return RACOON_OK;
}
inline racoon_status mix_hmac(void*, racoon_span key, const racoon_span* parts, std::size_t n,
                              std::uint8_t* out) noexcept {
    MixHash h;
    const std::uint8_t size = static_cast<std::uint8_t>(key.size);
    h.add(&size, 1);
    h.add(key.data, key.size);
    for (std::size_t i = 0; i < n; ++i) h.add(parts[i].data, parts[i].size);
    h.finish(out);
    return RACOON_OK;
}
inline const racoon_hash kMixTable{sizeof(racoon_hash), mix_digest, mix_hmac};

// A two-word Feistel network: wrong keys and flipped bits give garbage, as with a real cipher.
struct FeistelKey {
    std::array<std::uint64_t, 4> k;
};
inline racoon_status feistel_key(void*, const std::uint8_t* key, std::size_t size,
                                 void** out) noexcept {
    auto* f = new FeistelKey{};
    std::uint8_t digest[32];
    MixHash h;
    h.add(key, size);
    h.finish(digest);
    std::memcpy(f->k.data(), digest, 32);
    *out = f;
    return RACOON_OK;
}
inline void feistel_free(void*, void* key) noexcept {
    delete static_cast<FeistelKey*>(key);
}
inline racoon_status feistel_crypt(void*, void* key, std::int32_t encrypt, std::uint8_t* iv,
                                   std::uint8_t* data, std::size_t size) noexcept {
    const auto& k = static_cast<FeistelKey*>(key)->k;
    for (std::size_t at = 0; at < size; at += 16) {
        std::uint64_t w[2], v[2];
        std::memcpy(w, data + at, 16);
        std::memcpy(v, iv, 16);
        if (encrypt) {
            w[0] ^= v[0];
            w[1] ^= v[1];
            for (std::size_t r = 0; r < 4; ++r) {
                w[0] ^= mix(w[1] + k[r]);
                std::swap(w[0], w[1]);
            }
            std::memcpy(iv, w, 16);
        } else {
            std::memcpy(iv, w, 16);
            for (std::size_t r = 4; r-- > 0;) {
                std::swap(w[0], w[1]);
                w[0] ^= mix(w[1] + k[r]);
            }
            w[0] ^= v[0];
            w[1] ^= v[1];
        }
        std::memcpy(data + at, w, 16);
    }
    return RACOON_OK;
}
inline const racoon_cipher kFeistelTable{sizeof(racoon_cipher), feistel_key, feistel_free,
                                         feistel_crypt};

constexpr std::uint64_t kPrime = (std::uint64_t{1} << 61) - 1;
inline std::uint64_t mul_mod(std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>(static_cast<Wide>(a) * b % kPrime);
}
inline std::uint64_t pow_mod(std::uint64_t base, std::uint64_t e) {
    std::uint64_t out = 1;
    for (base %= kPrime; e != 0; e >>= 1) {
        if (e & 1) out = mul_mod(out, base);
        base = mul_mod(base, base);
    }
    return out;
}
inline Bytes number_bytes(std::uint64_t v) {
    Writer w;
    w.u64(v);
    return std::move(w).take();
}
inline std::uint64_t bytes_number(ByteView b) {
    std::uint64_t v = 0;
    for (std::uint8_t x : b) v = (v << 8) | x;
    return v;
}
inline racoon_status small_check(void*, racoon_span v) noexcept {
    const std::uint64_t y = bytes_number({v.data, v.size});
    return v.size == 8 && y > 1 && y < kPrime - 1 ? RACOON_OK : RACOON_CRYPTO;
}
/// The same group with values as long as those of modp8192, for messages that do not fit a datagram.
inline constexpr std::uint32_t kLargeSize = 1024;
inline racoon_status large_check(void*, racoon_span v) noexcept {
    return v.size == kLargeSize ? small_check(nullptr, {v.data + kLargeSize - 8, 8})
                                : RACOON_CRYPTO;
}
inline const racoon_dh_group kLargeTable{sizeof(racoon_dh_group), nullptr, large_check, nullptr,
                                         nullptr};
// The engine only ever checks; keys are made by whoever plays the workers.
inline const racoon_dh_group kSmallTable{sizeof(racoon_dh_group), nullptr, small_check, nullptr,
                                         nullptr};

inline racoon_status psk_begin(void*, const racoon_auth_params*, void** session) noexcept {
    *session = nullptr;
    return RACOON_OK;
}
inline void psk_end(void*, void*) noexcept {}
inline std::uint32_t psk_recipe(void*, void*) noexcept {
    return RACOON_SKEYID_PSK;
}
inline racoon_status psk_out(void*, void*, racoon_span hash, racoon_op,
                             racoon_auth_out* out) noexcept {
    out->payload_type = 8;
    out->size = static_cast<std::uint32_t>(hash.size);
    std::memcpy(out->body, hash.data, hash.size);
    return RACOON_OK;
}
inline racoon_status psk_in(void*, void*, racoon_span expected, const racoon_payload* payloads,
                            std::size_t count, const racoon_identity*, racoon_op,
                            racoon_auth_verdict* out) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        if (payloads[i].type != 8) continue;
        const ByteView got(payloads[i].body.data, payloads[i].body.size);
        if (!equal_constant_time(got, {expected.data, expected.size})) return RACOON_DENIED;
        out->verdict = RACOON_AUTH_FULL;
        return RACOON_OK;
    }
    return RACOON_DENIED;
}
inline const racoon_auth_method kPskTable{
    sizeof(racoon_auth_method), psk_begin, psk_end, psk_recipe, psk_out, psk_in, nullptr};

// A method whose SKEYID is that of signatures, with the HASH in the place of one.
inline std::uint32_t sig_recipe(void*, void*) noexcept {
    return RACOON_SKEYID_SIGNATURE;
}
inline const racoon_auth_method kSigTable{
    sizeof(racoon_auth_method), psk_begin, psk_end, sig_recipe, psk_out, psk_in, nullptr};

/// The infos that a configuration of tests points to.
struct TestCatalog {
    conf::CipherInfo cipher;
    conf::HashInfo hash;
    conf::GroupInfo group;
    conf::GroupInfo other_group;
    conf::GroupInfo large_group;
    conf::AuthMethodInfo psk, signature;
    conf::TransformInfo aes, gcm, null, sha1, sha256, deflate;

    TestCatalog() {
        cipher.name = "aes";
        cipher.ike_id = 7;
        cipher.key = {128, 256, 64, 128};
        cipher.block = 16;
        cipher.table = &kFeistelTable;
        hash.name = "sha256";
        hash.ike_id = 4;
        hash.digest_size = 32;
        hash.table = &kMixTable;
        group.name = "small";
        group.number = 14;
        group.public_size = 8;
        group.secret_size = 8;
        group.table = &kSmallTable;
        other_group = group;
        other_group.name = "small2";
        other_group.number = 15;
        large_group = group;
        large_group.name = "large";
        large_group.number = 18;
        large_group.public_size = kLargeSize;
        large_group.table = &kLargeTable;
        psk.name = "pre_shared_key";
        psk.number = 1;
        psk.credential = conf::CredentialKind::Psk;
        psk.table = &kPskTable;
        signature.name = "rsasig";
        signature.number = 3;
        signature.credential = conf::CredentialKind::Key;
        signature.table = &kSigTable;
        aes.name = "aes";
        aes.esp_id = 12;
        aes.key = {128, 256, 64, 128};
        gcm.name = "aes_gcm_16";
        gcm.kind = conf::TransformKind::Aead;
        gcm.esp_id = 20;
        gcm.key = {128, 256, 64, 128};
        gcm.salt_bytes = 4;
        gcm.icv_bytes = 16;
        null.name = "null_enc";
        null.esp_id = 11;
        sha1.name = "hmac_sha1";
        sha1.kind = conf::TransformKind::Integrity;
        sha1.attribute = 2;
        sha1.ah_id = 3;
        sha1.key_bytes = 20;
        sha1.icv_bytes = 12;
        deflate.name = "deflate";
        deflate.kind = conf::TransformKind::Compression;
        deflate.esp_id = 2;
        sha256 = sha1;
        sha256.name = "hmac_sha256";
        sha256.attribute = 5;
        sha256.ah_id = 5;
        sha256.key_bytes = 32;
        sha256.icv_bytes = 16;
    }
};
inline const TestCatalog& catalog() {
    static const TestCatalog c;
    return c;
}

}  // namespace racoon::sim
