// racoon.work/1
#include "plugin/callout.hpp"
#include "plugin/module_context.hpp"
#include "plugin/services/services.hpp"

namespace racoon::plugin {

namespace {

racoon_status submit(void* host, void (*job)(void*) noexcept,
                     void (*done)(void*, racoon_status) noexcept, void* arg,
                     std::uint64_t* token) noexcept {
    if (!host || !job || !done || !token) return RACOON_INVALID_ARGUMENT;
    ModuleContext& m = ModuleContext::of(host);
    if (!*m.open) return RACOON_STATE;
    auto id = std::make_shared<std::uint64_t>(0);
    auto submitted = m.shared.runtime.submit(
        [name = m.name, job, arg] {
            const Callout call(name, "job", Callout::Budget::None);
            job(arg);
        },
        // After shut() the plugin's context is gone: better lose the argument than use it.
        [&m, open = m.open, id, done, arg](bool ran) {
            if (!*open) return;
            m.jobs.erase(*id);
            const Callout call(m.name, "job's done");
            done(arg, ran ? RACOON_OK : RACOON_CANCELLED);
        });
    if (!submitted) return submitted.error().code() == Errc::Busy ? RACOON_BUSY : RACOON_INTERNAL;
    *id = *submitted;
    m.jobs.insert(*id);
    *token = *id;
    return RACOON_OK;
}

void cancel(void* host, std::uint64_t token) noexcept {
    if (!host) return;
    ModuleContext& m = ModuleContext::of(host);
    if (m.jobs.contains(token)) m.shared.runtime.cancel_work(token);
}

constexpr racoon_work_service kTable = {sizeof(racoon_work_service), submit, cancel};

}  // namespace

const racoon_work_service* work_service() {
    return &kTable;
}

}  // namespace racoon::plugin
