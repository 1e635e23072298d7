#include "plugin/services/conf_value.hpp"

#include <charconv>

#include "base/net_addr.hpp"
#include "conf/nearest.hpp"
#include "log/log.hpp"
#include "plugin/messages.hpp"
#include "plugin/module_context.hpp"

namespace racoon::plugin {

namespace {

constexpr std::int64_t kMaxSeconds = std::int64_t{1} << 32;

std::string suggestion(const Manifest& manifest, std::string_view key) {
    std::string all;
    std::vector<std::string> names;
    for (const auto& [name, entry] : manifest.config) {
        names.push_back(name);
        all += (all.empty() ? "" : ", ") + name;
    }
    if (std::string meant = conf::did_you_mean(key, names); !meant.empty()) return meant;
    return all.empty() ? ": module \"" + manifest.name + "\" has no keys of its own"
                       : ", expected one of " + all;
}

Status in_range(const ConfigKey& key, std::int64_t v, const char* unit) {
    if ((!key.min || v >= *key.min) && (!key.max || v <= *key.max)) return ok();
    return fail(Errc::Config,
                "found " + std::to_string(v) + unit + ", expected " +
                    (key.min ? "at least " + std::to_string(*key.min) : std::string()) +
                    (key.min && key.max ? " and " : "") +
                    (key.max ? "at most " + std::to_string(*key.max) : std::string()));
}

Status check_value(const ConfigKey& key, const std::string& text) {
    // A secret is never repeated in a message.
    const std::string found = key.type == ConfigType::Secret
                                  ? "found something else"
                                  : "found \"" + log::escaped(text, 60) + "\"";
    switch (key.type) {
        case ConfigType::Flag:
            if (parse_flag(text)) return ok();
            return fail(Errc::Config, found + ", expected on or off");
        case ConfigType::Integer: {
            const auto v = parse_integer(text);
            if (!v) return fail(Errc::Config, found + ", expected a number");
            return in_range(key, *v, "");
        }
        case ConfigType::Duration: {
            const auto v = parse_duration_seconds(text);
            if (!v) return fail(Errc::Config, found + ", expected a time, as \"20 sec\"");
            return in_range(key, *v, " sec");
        }
        case ConfigType::Path:
            if (!text.empty() && text.front() == '/') return ok();
            return fail(Errc::Config, found + ", expected an absolute path");
        case ConfigType::Address:
            if (IpAddr::parse(text)) return ok();
            return fail(Errc::Config, found + ", expected an IP address");
        case ConfigType::Text:
        case ConfigType::Secret:
            break;
    }
    if (text.find('\0') == std::string::npos) return ok();
    return fail(Errc::Config, "found a NUL, expected text");
}

}  // namespace

std::optional<bool> parse_flag(const std::string& text) {
    if (text == "on" || text == "yes" || text == "true") return true;
    if (text == "off" || text == "no" || text == "false") return false;
    return std::nullopt;
}

std::optional<std::int64_t> parse_integer(const std::string& text) {
    const bool hex = text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    std::int64_t v = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = hex && text[2] != '-' ? std::from_chars(text.data() + 2, end, v, 16)
                                                     : std::from_chars(text.data(), end, v);
    if (error != std::errc() || stop != end) return std::nullopt;
    return v;
}

std::optional<std::int64_t> parse_duration_seconds(const std::string& text) {
    std::int64_t v = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, v);
    if (error != std::errc() || v < 0 || v > kMaxSeconds) return std::nullopt;
    std::string_view unit(stop, static_cast<std::size_t>(end - stop));
    while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
    std::int64_t factor = 0;
    if (unit.empty() || unit == "sec" || unit == "secs" || unit == "second" || unit == "seconds")
        factor = 1;
    if (unit == "min" || unit == "mins" || unit == "minute" || unit == "minutes") factor = 60;
    if (unit == "hour" || unit == "hours") factor = 3600;
    if (factor == 0 || v > kMaxSeconds / factor) return std::nullopt;
    return v * factor;
}

std::vector<conf::ModuleFinding> judge_section(const Manifest& manifest,
                                               const conf::ModuleBlock* block) {
    std::vector<conf::ModuleFinding> out;
    if (block)
        for (const auto& [name, value] : block->values) {
            const auto it = manifest.config.find(name);
            if (it == manifest.config.end()) {
                out.push_back({name, false,
                               "unknown key \"" + log::escaped(name, 60) + "\"" +
                                   suggestion(manifest, name)});
                continue;
            }
            const Status good = check_value(it->second, value.text);
            if (!good) out.push_back({name, true, name + ": " + good.error().text()});
        }
    for (const auto& [name, key] : manifest.config)
        if (key.required && !key.preset && (!block || !block->values.contains(name)))
            out.push_back({"", false,
                           "module \"" + manifest.name + "\" needs key \"" + name +
                               "\": add it to its block"});
    return out;
}

Status check_section(const Manifest& manifest, const conf::ModuleBlock* block) {
    std::string text;
    for (const conf::ModuleFinding& f : judge_section(manifest, block)) {
        if (!text.empty()) text += '\n';
        if (block) {
            const auto value = block->values.find(f.key);
            text +=
                (value == block->values.end() ? block->where : value->second.where).text() + ": ";
        }
        text += f.text;
    }
    return text.empty() ? ok() : refuse(kMsgConfigKey, Errc::Config, text);
}

}  // namespace racoon::plugin
