#include "dh.hpp"

#include <cstring>
#include <openssl/dh.h>
#include <openssl/obj_mac.h>

namespace crypto_openssl {

KeyCtx DhGroup::keygen_context() const {
    return KeyCtx(EVP_PKEY_CTX_new_from_pkey(nullptr, parameters_.get(), nullptr));
}

Key DhGroup::generate() const {
    const KeyCtx ctx = keygen_context();
    EVP_PKEY* pair = nullptr;
    if (!ctx || EVP_PKEY_keygen_init(ctx.get()) <= 0 || !prepare_keygen(*ctx) ||
        EVP_PKEY_keygen(ctx.get(), &pair) <= 0)
        return nullptr;
    return Key(pair);
}

racoon_status DhGroup::compute(EVP_PKEY& pair, View peer_public, std::uint8_t* secret_out) const {
    if (!acceptable(peer_public) || !is_member(peer_public)) return RACOON_PROTOCOL;
    const Key peer = peer_key(peer_public);
    KeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, &pair, nullptr));
    // The last argument leaves out OpenSSL's own check of the peer's value, an exponentiation of
    // full length that takes seven times as long as the derivation. acceptable() is the whole check
    // that a safe prime (where the subgroups are of order 1, 2, q and 2q) or a curve of cofactor 1
    // needs; groups with more subgroups have is_member().
    if (!peer || !ctx || EVP_PKEY_derive_init(ctx.get()) <= 0 ||
        EVP_PKEY_derive_set_peer_ex(ctx.get(), peer.get(), 0) <= 0)
        return crypto_failure();
    // g^xy keeps its leading zeros (RFC 2409 section 5).
    const bool modp = EVP_PKEY_is_a(&pair, "DH") || EVP_PKEY_is_a(&pair, "DHX");
    if (modp && EVP_PKEY_CTX_set_dh_pad(ctx.get(), 1) <= 0) return crypto_failure();
    std::size_t size = secret_size_;
    if (EVP_PKEY_derive(ctx.get(), secret_out, &size) <= 0 || size != secret_size_)
        return crypto_failure();
    return is_usable({secret_out, size}) ? RACOON_OK : RACOON_PROTOCOL;
}

DhGroups::DhGroups() {
    list_.push_back(make_modp_group("modp768", 768));
    list_.push_back(make_modp_group("modp1024", 1024));
    list_.push_back(make_modp_group("modp1536", 1536));
    list_.push_back(make_modp_group("modp2048", 2048));
    list_.push_back(make_modp_group("modp3072", 3072));
    list_.push_back(make_modp_group("modp4096", 4096));
    list_.push_back(make_modp_group("modp6144", 6144));
    list_.push_back(make_modp_group("modp8192", 8192));
    list_.push_back(make_ecp_group("ecp256", NID_X9_62_prime256v1, 32));
    list_.push_back(make_ecp_group("ecp384", NID_secp384r1, 48));
    list_.push_back(make_ecp_group("ecp521", NID_secp521r1, 66));
    list_.push_back(make_subgroup("modp1024s160", 1024, "dh_1024_160"));
    list_.push_back(make_subgroup("modp2048s224", 2048, "dh_2048_224"));
    list_.push_back(make_subgroup("modp2048s256", 2048, "dh_2048_256"));
    list_.push_back(make_ecp_group("brainpoolp224r1", NID_brainpoolP224r1, 28));
    list_.push_back(make_ecp_group("brainpoolp256r1", NID_brainpoolP256r1, 32));
    list_.push_back(make_ecp_group("brainpoolp384r1", NID_brainpoolP384r1, 48));
    list_.push_back(make_ecp_group("brainpoolp512r1", NID_brainpoolP512r1, 64));
    list_.push_back(make_curve25519("curve25519"));
}

const char* DhGroups::load() {
    for (auto& group : list_)
        if (!group->load()) return group->key();
    return nullptr;
}

void DhGroups::offer(std::vector<Offer>& out) {
    for (auto& group : list_)
        out.push_back({RACOON_POINT_DH_GROUP, group->key(), &kDhTable, group.get()});
}

const DhGroup* DhGroups::find(const char* key) const {
    for (const auto& group : list_)
        if (std::strcmp(group->key(), key) == 0) return group.get();
    return nullptr;
}

namespace {

const DhGroup& as_group(void* impl) {
    return *static_cast<const DhGroup*>(impl);
}

racoon_status table_generate(void* impl, std::uint8_t* public_out, void** private_key) noexcept {
    *private_key = nullptr;
    Key pair = as_group(impl).generate();
    if (!pair || !as_group(impl).public_of(*pair, public_out)) return crypto_failure();
    *private_key = pair.release();
    return RACOON_OK;
}

racoon_status table_check_public(void* impl, racoon_span peer) noexcept {
    if (as_group(impl).acceptable({peer.data, peer.size})) return RACOON_OK;
    ERR_clear_error();
    return RACOON_PROTOCOL;
}

racoon_status table_compute(void* impl, void* private_key, racoon_span peer,
                            std::uint8_t* secret_out) noexcept {
    const racoon_status status = as_group(impl).compute(*static_cast<EVP_PKEY*>(private_key),
                                                        {peer.data, peer.size}, secret_out);
    if (status != RACOON_OK) ERR_clear_error();
    return status;
}

void table_free(void*, void* private_key) noexcept {
    EVP_PKEY_free(static_cast<EVP_PKEY*>(private_key));  // clears the private value
}

}  // namespace

const racoon_dh_group kDhTable = {sizeof(racoon_dh_group), table_generate, table_check_public,
                                  table_compute, table_free};

}  // namespace crypto_openssl
