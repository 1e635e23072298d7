#include "plugin/list_modules.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "log/log.hpp"
#include "plugin/loader.hpp"

namespace racoon::plugin {

namespace {

// "racoon.cipher/1" -> "cipher"
std::string short_point(std::string_view point) {
    if (point.starts_with("racoon.")) point.remove_prefix(7);
    return log::escaped(point.substr(0, point.find('/')), 40);
}

// "cipher x2, hash x5": the keys are spelled out while they are few.
std::string provides_text(const Manifest& m) {
    std::vector<std::pair<std::string, std::vector<std::string>>> groups;
    for (const Offer& o : m.provides) {
        const std::string point = short_point(o.point);
        if (groups.empty() || groups.back().first != point) groups.push_back({point, {}});
        groups.back().second.push_back(log::escaped(o.key, 40));
    }
    std::string out;
    for (const auto& [point, keys] : groups) {
        if (!out.empty()) out += "; ";
        out += point + ":";
        for (const std::string& key : keys) out += " " + key;
    }
    return out;
}

std::string dump(const nlohmann::json& json) {
    // `replace` instead of the default: never throws, whatever bytes a manifest holds.
    return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string list_modules_text(const std::string& dir) {
    std::vector<std::array<std::string, 5>> rows = {
        {"NAME", "VERSION", "ABI", "STANDARD", "PROVIDES"}};
    for (const std::string& name : installed_modules(dir)) {
        const auto file = read_module(dir, name);
        if (!file) {
            rows.push_back({name, "-", "-", "-", "cannot be loaded: " + file.error().text()});
            continue;
        }
        const Manifest& m = file->manifest;
        rows.push_back({name, log::escaped(m.version, 20), m.abi.text(), m.standard ? "yes" : "no",
                        provides_text(m)});
    }
    if (rows.size() == 1) return fmt::format("no modules in {}\n", dir);
    std::array<std::size_t, 4> widths{};
    for (const auto& row : rows)
        for (std::size_t i = 0; i < widths.size(); ++i)
            widths[i] = std::max(widths[i], row[i].size());
    std::string out;
    for (const auto& row : rows)
        out += fmt::format("{:<{}}  {:<{}}  {:<{}}  {:<{}}  {}\n", row[0], widths[0], row[1],
                           widths[1], row[2], widths[2], row[3], widths[3], row[4]);
    return out;
}

std::string list_modules_json(const std::string& dir) {
    nlohmann::json modules = nlohmann::json::array();
    for (const std::string& name : installed_modules(dir)) {
        nlohmann::json entry;
        entry["name"] = name;
        const auto file = read_module(dir, name);
        if (!file) {
            entry["error"] = file.error().text();
            modules.push_back(std::move(entry));
            continue;
        }
        const Manifest& m = file->manifest;
        entry["file"] = file->path;
        entry["build_id"] = file->build_id;
        entry["version"] = m.version;
        entry["vendor"] = m.vendor;
        entry["license"] = m.license;
        entry["summary"] = m.summary;
        entry["abi"] = m.abi.text();
        entry["min_host"] = m.min_host.text();
        entry["standard"] = m.standard;
        entry["platforms"] = m.platforms;
        entry["privileges"] = m.privileges;
        entry["needs"] = m.needs;
        nlohmann::json provides = nlohmann::json::array();
        for (const Offer& o : m.provides) {
            nlohmann::json offer;
            offer["point"] = o.point;
            offer["key"] = o.key;
            offer["aliases"] = o.aliases;
            offer["priority"] = o.priority;
            offer["weak"] = o.weak;
            if (!o.kind.empty()) offer["kind"] = o.kind;
            provides.push_back(std::move(offer));
        }
        entry["provides"] = std::move(provides);
        modules.push_back(std::move(entry));
    }
    nlohmann::json root;
    root["directory"] = dir;
    root["modules"] = std::move(modules);
    return dump(root) + "\n";
}

std::string explain_trust(const std::string& dir, const std::string& name, bool* trusted) {
    if (trusted) *trusted = false;
    if (!is_module_name(name))
        return fmt::format("found module name \"{}\", expected [a-z0-9-], 1 to 32 characters\n",
                           log::escaped(name, 60));
    const TrustReport report = walk_trusted(fmt::format("{}/{}.so", dir, name), default_trust());
    if (trusted) *trusted = report.trusted;
    return report.text() + (report.trusted ? "trusted\n" : "not trusted: it will not be loaded\n");
}

}  // namespace racoon::plugin
