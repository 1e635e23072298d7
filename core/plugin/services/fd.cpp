// racoon.fd/1
#include "log/log.hpp"
#include "plugin/callout.hpp"
#include "plugin/module_context.hpp"
#include "plugin/services/services.hpp"

namespace racoon::plugin {

namespace {

constexpr std::size_t kMaxWatches = 4096;

racoon_status watch(void* host, std::int32_t fd, std::uint32_t events,
                    void (*callback)(void*, std::uint32_t) noexcept, void* arg,
                    std::uint64_t* token) noexcept {
    constexpr std::uint32_t kKnown = RACOON_FD_READ | RACOON_FD_WRITE;
    if (!host || fd < 0 || !callback || !token || (events & kKnown) == 0 || (events & ~kKnown) != 0)
        return RACOON_INVALID_ARGUMENT;
    ModuleContext& m = ModuleContext::of(host);
    if (!*m.open) return RACOON_STATE;
    if (m.watches.size() >= kMaxWatches) return RACOON_BUSY;
    auto watching =
        m.shared.runtime.watch(fd, events, [&m, open = m.open, callback, arg](unsigned ready) {
            if (!*open) return;
            const Callout call(m.name, "fd callback");
            callback(arg, ready);
        });
    if (!watching) {
        LOGE("", m.name + ": cannot watch a descriptor: " + watching.error().text());
        return RACOON_IO;
    }
    m.watches.insert(*watching);
    *token = *watching;
    return RACOON_OK;
}

void unwatch(void* host, std::uint64_t token) noexcept {
    if (!host) return;
    ModuleContext& m = ModuleContext::of(host);
    if (m.watches.erase(token) != 0) m.shared.runtime.unwatch(token);
}

constexpr racoon_fd_service kTable = {sizeof(racoon_fd_service), watch, unwatch};

}  // namespace

const racoon_fd_service* fd_service() {
    return &kTable;
}

}  // namespace racoon::plugin
