// racoon.crypto/1: the hashes of the loaded modules. Lookups are good from any thread, since the
// registry is complete before a module can be used.
#include "plugin/callout.hpp"
#include "plugin/module_context.hpp"
#include "plugin/services/services.hpp"

namespace racoon::plugin {

namespace {

struct Found {
    const Provider* provider = nullptr;
    const racoon_hash* table = nullptr;
};

// Also checks the room: a caller learns the size with an empty buffer.
racoon_status find_hash(void* host, const char* name, racoon_buffer* out, Found& found) {
    if (!host || !name || !out) return RACOON_INVALID_ARGUMENT;
    found.provider = ModuleContext::of(host).shared.registry.find(RACOON_POINT_HASH, name);
    if (!found.provider || !found.provider->table) return RACOON_NOT_FOUND;
    found.table = found.provider->as<racoon_hash>();
    out->size = found.provider->offer.digest;
    if (out->capacity < out->size || !out->data) return RACOON_BUFFER_TOO_SMALL;
    return RACOON_OK;
}

racoon_status hash(void* host, const char* name, const racoon_span* parts, std::size_t count,
                   racoon_buffer* out) noexcept {
    Found f;
    if (const racoon_status s = find_hash(host, name, out, f); s != RACOON_OK) return s;
    const Callout call(f.provider->module, "digest", Callout::Budget::None);
    return known_status(f.table->digest(f.provider->impl, parts, count, out->data));
}

racoon_status hmac(void* host, const char* name, racoon_span key, const racoon_span* parts,
                   std::size_t count, racoon_buffer* out) noexcept {
    Found f;
    if (const racoon_status s = find_hash(host, name, out, f); s != RACOON_OK) return s;
    const Callout call(f.provider->module, "hmac", Callout::Budget::None);
    return known_status(f.table->hmac(f.provider->impl, key, parts, count, out->data));
}

constexpr racoon_crypto_service kTable = {sizeof(racoon_crypto_service), hash, hmac};

}  // namespace

const racoon_crypto_service* crypto_service() {
    return &kTable;
}

}  // namespace racoon::plugin
