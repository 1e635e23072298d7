// auth-psk: authentication by pre-shared key (RFC 2409 section 5.4).
//
// The smallest complete auth-method. Whoever computes the right HASH_I or HASH_R has derived it
// from SKEYID, and so from the key; the method therefore sends the hash that the core gives it, and
// asks that the peer's HASH payload be the one that the core expects. It sees no key, no SKEYID, no
// g^xy.
#include <cstdint>
#include <cstring>
#include <new>

#include <racoon/plugin.h>

#include "racoon_manifest.h"

namespace {

constexpr std::uint32_t kPayloadHash = 8;  // RFC 2408 3.1

/// What init keeps for the calls that follow. It is the `impl` of every function of the table.
struct Plugin {
    void* host;
    const racoon_secret_service* secret;
};

// A session is what a method remembers between begin and end of one negotiation. This one has
// nothing to remember, but a null session would look like a failure.
racoon_status begin(void* impl, const racoon_auth_params*, void** session) noexcept {
    *session = impl;
    return RACOON_OK;
}

void end(void*, void*) noexcept {}

std::uint32_t skeyid_recipe(void*, void*) noexcept {
    return RACOON_SKEYID_PSK;
}

racoon_status auth_out(void*, void*, racoon_span hash, racoon_op, racoon_auth_out* out) noexcept {
    if (hash.size > sizeof out->body) return RACOON_BUFFER_TOO_SMALL;
    out->payload_type = kPayloadHash;
    out->size = static_cast<std::uint32_t>(hash.size);
    std::memcpy(out->body, hash.data, hash.size);
    return RACOON_OK;
}

racoon_status auth_in(void* impl, void*, racoon_span expected_hash, const racoon_payload* payloads,
                      std::size_t count, const racoon_identity*, racoon_op,
                      racoon_auth_verdict* out) noexcept {
    out->verdict = RACOON_AUTH_NONE;
    // Exactly one: with two, it would be open which of them counts.
    const racoon_payload* proof = nullptr;
    for (std::size_t i = 0; i < count; ++i) {
        if (payloads[i].type != kPayloadHash) continue;
        if (proof) return RACOON_DENIED;
        proof = &payloads[i];
    }
    if (!proof || expected_hash.size == 0) return RACOON_DENIED;
    // In constant time, and over the whole of both: a shorter payload is not a match of its length.
    const auto& plugin = *static_cast<const Plugin*>(impl);
    if (plugin.secret->equal(plugin.host, proof->body, expected_hash) != 1) return RACOON_DENIED;
    out->verdict = RACOON_AUTH_FULL;
    return RACOON_OK;
}

// Nothing here is ever pending.
void cancel(void*, void*, racoon_op) noexcept {}

const racoon_auth_method kMethod = {
    sizeof(racoon_auth_method), begin, end, skeyid_recipe, auth_out, auth_in, cancel};

racoon_status init(const racoon_host* host, void** ctx, racoon_error* err) noexcept {
    const auto* secret = static_cast<const racoon_secret_service*>(
        host->get_service(host->ctx, RACOON_SERVICE_SECRET));
    if (!secret) {
        std::strncpy(err->text, "this racoon has no service " RACOON_SERVICE_SECRET,
                     sizeof err->text - 1);
        return err->status = RACOON_NOT_SUPPORTED;
    }
    auto* plugin = new (std::nothrow) Plugin{host->ctx, secret};
    if (!plugin) return err->status = RACOON_NO_MEMORY;
    const racoon_status status =
        host->provide(host->ctx, RACOON_POINT_AUTH_METHOD, "pre_shared_key", &kMethod, plugin, err);
    if (status != RACOON_OK) {
        delete plugin;
        return status;
    }
    *ctx = plugin;
    return RACOON_OK;
}

void destroy(void* ctx) noexcept {
    delete static_cast<Plugin*>(ctx);
}

}  // namespace

// The one exported symbol. Null: nothing to configure, to start or to stop.
RACOON_PLUGIN_ENTRY = {
    RACOON_PLUGIN_HEADER,
    "auth-psk 1.0.0",
    init,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    destroy,
    nullptr,
};
