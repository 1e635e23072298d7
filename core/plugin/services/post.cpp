// racoon.post/1
#include "plugin/callout.hpp"
#include "plugin/module_context.hpp"
#include "plugin/services/services.hpp"

namespace racoon::plugin {

namespace {

racoon_status post(void* host, void (*callback)(void*) noexcept, void* arg) noexcept {
    if (!host || !callback) return RACOON_INVALID_ARGUMENT;
    ModuleContext& m = ModuleContext::of(host);
    m.shared.runtime.post([&m, open = m.open, callback, arg] {
        if (!*open) return;
        const Callout call(m.name, "posted callback");
        callback(arg);
    });
    return RACOON_OK;
}

constexpr racoon_post_service kTable = {sizeof(racoon_post_service), post};

}  // namespace

const racoon_post_service* post_service() {
    return &kTable;
}

}  // namespace racoon::plugin
