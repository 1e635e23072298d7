// natt-legacy: the first two drafts of NAT traversal, which keep to the IKE port.
#include "dialects.hpp"
#include "racoon_manifest.h"

namespace {

racoon_status init(const racoon_host* host, void** ctx, racoon_error* err) noexcept {
    *ctx = nullptr;
    return natt::provide(host, natt::kFirstDrafts, err);
}

void destroy(void*) noexcept {}

}  // namespace

// Null: nothing to configure, to start or to stop.
RACOON_PLUGIN_ENTRY = {
    RACOON_PLUGIN_HEADER,
    "natt-legacy 1.0.0",
    init,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    destroy,
    nullptr,
};
