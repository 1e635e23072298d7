// racoon.clock/1
#include "plugin/module_context.hpp"
#include "plugin/services/services.hpp"

namespace racoon::plugin {

namespace {

std::int64_t monotonic_ns(void* host) noexcept {
    return ModuleContext::of(host).shared.runtime.now().time_since_epoch().count();
}
std::int64_t wall_ns(void* host) noexcept {
    return ModuleContext::of(host).shared.runtime.wall_ns();
}

constexpr racoon_clock_service kTable = {sizeof(racoon_clock_service), monotonic_ns, wall_ns};

}  // namespace

const racoon_clock_service* clock_service() {
    return &kTable;
}

}  // namespace racoon::plugin
