// crypto-legacy: ciphers that nobody should choose any more, for peers that have nothing else. Loaded
// only where racoon.conf names the module.
#include <cstdio>
#include <new>
#include <openssl/err.h>

#include "cipher.hpp"
#include "racoon_manifest.h"

namespace {

using crypto_legacy::Cipher;
using crypto_legacy::Ciphers;

racoon_status fail(racoon_error* err, racoon_status status, const char* text, const char* name) {
    ERR_clear_error();
    err->status = status;
    std::snprintf(err->text, sizeof err->text, text, name);
    return status;
}

racoon_status init(const racoon_host* host, void** ctx, racoon_error* err) noexcept {
    auto ciphers = std::make_unique<Ciphers>();
    if (const char* missing = ciphers->load())
        return fail(err, RACOON_NOT_SUPPORTED,
                    "this OpenSSL has no %s: is its package complete (Debian: openssl or "
                    "openssl-provider-legacy)?",
                    missing);
    for (Cipher& cipher : ciphers->list()) {
        const racoon_status status = host->provide(host->ctx, RACOON_POINT_CIPHER, cipher.key(),
                                                   &crypto_legacy::kCipherTable, &cipher, err);
        if (status != RACOON_OK) return status;
    }
    // What phase 2 may negotiate is data in the manifest; the kernel does the work.
    static const racoon_esp_transform transform = {sizeof(racoon_esp_transform), 0};
    for (const char* key : {"des", "cast128", "blowfish"}) {
        const racoon_status status =
            host->provide(host->ctx, RACOON_POINT_ESP_TRANSFORM, key, &transform, nullptr, err);
        if (status != RACOON_OK) return status;
    }
    *ctx = ciphers.release();
    return RACOON_OK;
}

void destroy(void* ctx) noexcept {
    delete static_cast<Ciphers*>(ctx);
}

racoon_status self_test(void* ctx, racoon_error* err) noexcept {
    if (const char* wrong = static_cast<Ciphers*>(ctx)->self_test())
        return fail(err, RACOON_CRYPTO, "%s does not give its known answer", wrong);
    return RACOON_OK;
}

}  // namespace

RACOON_PLUGIN_ENTRY = {
    RACOON_PLUGIN_HEADER,
    OPENSSL_VERSION_TEXT,
    init,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    destroy,
    self_test,
};
