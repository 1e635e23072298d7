// racoon.log/1
#include "log/log.hpp"

#include <algorithm>

#include "plugin/module_context.hpp"
#include "plugin/services/services.hpp"

namespace racoon::plugin {

namespace {

constexpr std::size_t kMaxLine = 2048;

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
    const std::string line =
        ModuleContext::of(host).name + ": " + log::escaped(std::string_view(text, size), kMaxLine);
    log::write(level_of(level), "", line, __FILE__, __LINE__);
}

constexpr racoon_log_service kTable = {sizeof(racoon_log_service), enabled, write};

}  // namespace

const racoon_log_service* log_service() {
    return &kTable;
}

}  // namespace racoon::plugin
