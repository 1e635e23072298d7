// racoon.timer/1. A module can cancel its own timers only, and has a bounded number of them.
#include "plugin/callout.hpp"
#include "plugin/module_context.hpp"
#include "plugin/services/services.hpp"

namespace racoon::plugin {

namespace {

constexpr std::size_t kMaxTimers = 100000;  // a kernel backend has some per SA

racoon_status arm(void* host, std::int64_t delay_ns, void (*callback)(void*) noexcept, void* arg,
                  std::uint64_t* token) noexcept {
    if (!host || !callback || !token) return RACOON_INVALID_ARGUMENT;
    ModuleContext& m = ModuleContext::of(host);
    if (!*m.open) return RACOON_STATE;
    if (m.timers.size() >= kMaxTimers) return RACOON_BUSY;
    // The token is known only after arm() has returned; a timer never fires before that.
    auto id = std::make_shared<std::uint64_t>(0);
    *id = m.shared.runtime.arm(Duration(delay_ns), [&m, open = m.open, id, callback, arg] {
        if (!*open || m.timers.erase(*id) == 0) return;
        const Callout call(m.name, "timer callback");
        callback(arg);
    });
    m.timers.insert(*id);
    *token = *id;
    return RACOON_OK;
}

void cancel(void* host, std::uint64_t token) noexcept {
    if (!host) return;
    ModuleContext& m = ModuleContext::of(host);
    if (m.timers.erase(token) != 0) m.shared.runtime.cancel(token);
}

constexpr racoon_timer_service kTable = {sizeof(racoon_timer_service), arm, cancel};

}  // namespace

const racoon_timer_service* timer_service() {
    return &kTable;
}

}  // namespace racoon::plugin
