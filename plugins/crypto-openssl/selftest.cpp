#include <cstring>
#include <string_view>

#include "algorithms.hpp"
#include "cipher.hpp"
#include "dh.hpp"
#include "hash.hpp"

namespace crypto_openssl {
namespace {

/// Only for the literals of vectors.inc.
Bytes unhex(std::string_view hex) {
    auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    Bytes out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        out.push_back(static_cast<std::uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
    return out;
}

racoon_span span_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

const Offer* find(const std::vector<Offer>& offers, const char* point, const char* key) {
    for (const Offer& offer : offers)
        if (!std::strcmp(offer.point, point) && !std::strcmp(offer.key, key)) return &offer;
    return nullptr;
}

bool cipher_right(const std::vector<Offer>& offers, const char* name, const char* key,
                  const char* iv, const char* plain, const char* cipher) {
    const Offer* offer = find(offers, RACOON_POINT_CIPHER, name);
    const Bytes key_bytes = unhex(key);
    void* handle = nullptr;
    if (!offer || kCipherTable.key_new(offer->impl, key_bytes.data(), key_bytes.size(), &handle))
        return false;
    const Bytes plaintext = unhex(plain);
    const Bytes ciphertext = unhex(cipher);
    Bytes data = plaintext;
    Bytes chain = unhex(iv);
    bool right =
        kCipherTable.crypt(offer->impl, handle, 1, chain.data(), data.data(), data.size()) ==
            RACOON_OK &&
        data == ciphertext &&
        std::memcmp(chain.data(), &ciphertext[ciphertext.size() - chain.size()], chain.size()) == 0;
    chain = unhex(iv);
    right = right &&
            kCipherTable.crypt(offer->impl, handle, 0, chain.data(), data.data(), data.size()) ==
                RACOON_OK &&
            data == plaintext;
    kCipherTable.key_free(offer->impl, handle);
    return right;
}

bool hash_right(const std::vector<Offer>& offers, const char* name, const char* digest,
                const char* mac) {
    const Offer* offer = find(offers, RACOON_POINT_HASH, name);
    if (!offer) return false;
    Bytes out(unhex(digest).size());
    const racoon_span abc[] = {span_of("a"), span_of("bc")};
    if (kHashTable.digest(offer->impl, abc, 2, out.data()) || out != unhex(digest)) return false;
    const racoon_span message[] = {span_of("what do ya want "), span_of("for nothing?")};
    return kHashTable.hmac(offer->impl, span_of("Jefe"), message, 2, out.data()) == RACOON_OK &&
           out == unhex(mac);
}

Bytes sha256(const Bytes& bytes) {
    Bytes out(32);
    if (!EVP_Digest(bytes.data(), bytes.size(), out.data(), nullptr, EVP_sha256(), nullptr))
        out.clear();
    return out;
}

bool dh_right(const DhGroups& groups, const char* name, const char* a, const char* b,
              const char* public_sha256, const char* secret_sha256) {
    const DhGroup* group = groups.find(name);
    if (!group) return false;
    const Key ours = group->import(unhex(a));
    const Key theirs = group->import(unhex(b));
    Bytes our_public(group->public_size());
    Bytes their_public(group->public_size());
    Bytes secret(group->secret_size());
    return ours && theirs && group->public_of(*ours, our_public.data()) &&
           sha256(our_public) == unhex(public_sha256) &&
           group->public_of(*theirs, their_public.data()) &&
           group->compute(*ours, their_public, secret.data()) == RACOON_OK &&
           sha256(secret) == unhex(secret_sha256) &&
           group->compute(*theirs, our_public, secret.data()) == RACOON_OK &&
           sha256(secret) == unhex(secret_sha256);
}

}  // namespace

const char* Algorithms::self_test() {
    const std::vector<Offer> all = offers();
#define CIPHER_VECTOR(name, key, iv, plain, cipher) \
    if (!cipher_right(all, name, key, iv, plain, cipher)) return name;
#define HASH_VECTOR(name, digest, mac) \
    if (!hash_right(all, name, digest, mac)) return name;
#define DH_VECTOR(name, a, b, public_sha256, secret_sha256) \
    if (!dh_right(*dh_groups_, name, a, b, public_sha256, secret_sha256)) return name;
#include "vectors.inc"
#undef CIPHER_VECTOR
#undef HASH_VECTOR
#undef DH_VECTOR
    return nullptr;
}

}  // namespace crypto_openssl
