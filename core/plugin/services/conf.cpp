// racoon.conf/1: typed getters on the module's block, which check_section() has accepted, with the
// defaults of the manifest.
#include "plugin/module_context.hpp"
#include "plugin/services/conf_value.hpp"
#include "plugin/services/services.hpp"

namespace racoon::plugin {

namespace {

/// The text in force for a key; null if it is neither set nor has a default.
const std::string* value_of(void* host, const racoon_section* s, const char* key) {
    const Section* section = Section::of(s);
    const Manifest& manifest = ModuleContext::of(host).manifest;
    const auto declared = manifest.config.find(key);
    if (declared == manifest.config.end()) return nullptr;
    if (section && section->block) {
        const auto it = section->block->values.find(key);
        if (it != section->block->values.end()) return &it->second.text;
    }
    return declared->second.preset ? &*declared->second.preset : nullptr;
}

template <typename T, typename Parse>
racoon_status get(void* host, const racoon_section* s, const char* key, T* out, Parse parse) {
    if (!host || !key || !out) return RACOON_INVALID_ARGUMENT;
    const std::string* text = value_of(host, s, key);
    if (!text) return RACOON_NOT_FOUND;
    const auto value = parse(*text);
    if (!value) return RACOON_CONFIG;
    *out = *value;
    return RACOON_OK;
}

racoon_status get_flag(void* host, const racoon_section* s, const char* key,
                       std::int32_t* out) noexcept {
    return get(host, s, key, out, [](const std::string& text) -> std::optional<std::int32_t> {
        const auto flag = parse_flag(text);
        if (!flag) return std::nullopt;
        return *flag ? 1 : 0;
    });
}

racoon_status get_integer(void* host, const racoon_section* s, const char* key,
                          std::int64_t* out) noexcept {
    return get(host, s, key, out, parse_integer);
}

racoon_status get_duration_ns(void* host, const racoon_section* s, const char* key,
                              std::int64_t* out) noexcept {
    return get(host, s, key, out, [](const std::string& text) -> std::optional<std::int64_t> {
        const auto seconds = parse_duration_seconds(text);
        if (!seconds) return std::nullopt;
        return *seconds * 1'000'000'000;
    });
}

racoon_status get_text(void* host, const racoon_section* s, const char* key,
                       racoon_span* out) noexcept {
    if (!host || !key || !out) return RACOON_INVALID_ARGUMENT;
    const std::string* text = value_of(host, s, key);
    if (!text) return RACOON_NOT_FOUND;
    const ByteView bytes = as_bytes(*text);
    *out = {bytes.data(), bytes.size()};
    return RACOON_OK;
}

racoon_status get_path(void* host, const char* kind, racoon_span* out) noexcept {
    if (!host || !kind || !out) return RACOON_INVALID_ARGUMENT;
    const conf::Config* config = ModuleContext::of(host).shared.config;
    if (!config) return RACOON_NOT_FOUND;
    const auto it = config->paths.find(std::string_view(kind));
    if (it == config->paths.end()) return RACOON_NOT_FOUND;
    const ByteView bytes = as_bytes(it->second);
    *out = {bytes.data(), bytes.size()};
    return RACOON_OK;
}

constexpr racoon_conf_service kTable = {
    sizeof(racoon_conf_service), get_flag, get_integer, get_duration_ns, get_text, get_path};

}  // namespace

const racoon_conf_service* conf_service() {
    return &kTable;
}

}  // namespace racoon::plugin
