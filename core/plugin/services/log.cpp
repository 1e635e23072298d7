// racoon.log/1
#include "log/log.hpp"

#include <algorithm>
#include <mutex>

#include "log/rate_limit.hpp"
#include "plugin/module_context.hpp"
#include "plugin/services/services.hpp"

namespace racoon::plugin {

namespace {

constexpr std::size_t kMaxLine = 2048;

// Modules are asked on behalf of strangers, and a stranger must not be able to fill the log through them.
// What begins alike has one cause. Debug levels, which somebody chose, are left alone.
constexpr std::size_t kCauseLength = 24;
constexpr unsigned kBurst = 20;
constexpr auto kInterval = std::chrono::milliseconds(200);

log::RateLimit::Pass may_write(const std::string& module, std::string_view text) {
    static std::mutex lock;
    static log::RateLimit limit(kBurst, kInterval);
    const std::lock_guard guard(lock);
    return limit.allow(module, text.substr(0, kCauseLength), monotonic_now());
}

// An unknown level, from a newer plugin, is the most talkative one.
log::Level level_of(std::uint32_t level) {
    return static_cast<log::Level>(
        std::clamp<std::uint32_t>(level, RACOON_LOG_ERROR, RACOON_LOG_DEBUG2));
}

std::int32_t enabled(void*, std::uint32_t level) noexcept {
    return log::enabled(level_of(level)) ? 1 : 0;
}

void write(void* host, std::uint32_t level, const char* text, std::size_t size) noexcept {
    if (!host || (!text && size != 0) || !log::enabled(level_of(level))) return;
    const std::string& module = ModuleContext::of(host).name;
    const std::string_view said(text, size);
    std::string note;
    if (level_of(level) < log::Level::Debug) {
        const auto pass = may_write(module, said);
        if (!pass) return;
        note = pass.note();
    }
    log::write(level_of(level), "", module + ": " + log::escaped(said, kMaxLine) + note, __FILE__,
               __LINE__);
}

constexpr racoon_log_service kTable = {sizeof(racoon_log_service), enabled, write};

}  // namespace

const racoon_log_service* log_service() {
    return &kTable;
}

}  // namespace racoon::plugin
