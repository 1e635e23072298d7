// crypto-openssl: the algorithms of phase 1 from OpenSSL 3, and the names of those that phase 2 may
// ask the kernel for.
#include <cstdio>
#include <new>

#include "algorithms.hpp"
#include "racoon_manifest.h"

namespace {

using crypto_openssl::Algorithms;
using crypto_openssl::Offer;

racoon_status fail(racoon_error* err, racoon_status status, const char* text, const char* name) {
    ERR_clear_error();
    err->status = status;
    std::snprintf(err->text, sizeof err->text, text, name);
    return status;
}

racoon_status init(const racoon_host* host, void** ctx, racoon_error* err) noexcept {
    auto algorithms = std::make_unique<Algorithms>();
    if (const char* missing = algorithms->load())
        return fail(err, RACOON_NOT_SUPPORTED,
                    "this OpenSSL has no %s: is the default provider enabled in openssl.cnf?",
                    missing);
    for (const Offer& offer : algorithms->offers()) {
        const racoon_status status =
            host->provide(host->ctx, offer.point, offer.key, offer.table, offer.impl, err);
        if (status != RACOON_OK) return status;
    }
    *ctx = algorithms.release();
    return RACOON_OK;
}

void destroy(void* ctx) noexcept {
    delete static_cast<Algorithms*>(ctx);
}

racoon_status self_test(void* ctx, racoon_error* err) noexcept {
    if (const char* wrong = static_cast<Algorithms*>(ctx)->self_test())
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
