#include "plugin/module_context.hpp"

#include "base/build_config.hpp"
#include "log/log.hpp"
#include "plugin/callout.hpp"
#include "plugin/services/services.hpp"

namespace racoon::plugin {

namespace {

const void* get_service(void* host, const char* service) noexcept {
    if (!host || !service) return nullptr;
    return find_service(service, ModuleContext::of(host).shared.registry.zone());
}

racoon_status provide(void* host, const char* point, const char* key, const void* table, void* impl,
                      racoon_error* err) noexcept {
    if (!host || !point || !key) return RACOON_INVALID_ARGUMENT;
    ModuleContext& m = ModuleContext::of(host);
    if (!m.in_init) {
        return put_error(err, RACOON_STATE, "provide is for init only");
    }
    const Status bound = m.shared.registry.bind(m.name, point, key, table, impl);
    if (bound) return RACOON_OK;
    // Kept here too: a plugin that ignores the status must not get away with it.
    if (!m.provide_error) m.provide_error = bound.error();
    return put_error(err, RACOON_INVALID_ARGUMENT, bound.error().text());
}

}  // namespace

ModuleContext::ModuleContext(HostShared& s, const Manifest& m)
    : shared(s),
      manifest(m),
      host{sizeof(racoon_host), RACOON_ABI_MAJOR, RACOON_ABI_MINOR, RACOON_VERSION, this,
           get_service,         provide},
      helpers(make_helper_set(*this)) {}

ModuleContext::~ModuleContext() {
    shut();
}

void ModuleContext::shut() {
    *open = false;
    for (const std::uint64_t t : std::exchange(timers, {})) shared.runtime.cancel(t);
    for (const std::uint64_t w : std::exchange(watches, {})) shared.runtime.unwatch(w);
    for (const std::uint64_t j : std::exchange(jobs, {})) shared.runtime.cancel_work(j);
    helpers.reset();
}

}  // namespace racoon::plugin
