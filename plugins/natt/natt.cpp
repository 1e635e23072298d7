// natt: the module of NAT traversal. It registers its dialects and has nothing else to do.
#include "dialects.hpp"
#include "racoon_manifest.h"

namespace {

racoon_status init(const racoon_host* host, void** ctx, racoon_error* err) noexcept {
    *ctx = nullptr;
    return natt::provide(host, natt::kDialects, err);
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
