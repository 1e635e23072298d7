// natt: the module of NAT traversal. It registers its dialects and has nothing else to do.
#include "dialects.hpp"
#include "racoon_manifest.h"

namespace {

racoon_status init(const racoon_host* host, void** ctx, racoon_error* err) noexcept {
    for (std::size_t i = 0; i < natt::count(); ++i) {
        const racoon_status status = host->provide(host->ctx, RACOON_POINT_NATT, natt::name(i),
                                                   &natt::table(), natt::impl(i), err);
        if (status != RACOON_OK) return status;
    }
    *ctx = nullptr;
    return RACOON_OK;
}

void destroy(void*) noexcept {}

}  // namespace

// Null: nothing to configure, to start or to stop.
RACOON_PLUGIN_ENTRY = {
    RACOON_PLUGIN_HEADER,
    "natt 1.0.0",
    init,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    destroy,
    nullptr,
};
