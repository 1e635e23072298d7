#include "plugin/registry.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.hpp"
#include "log/log.hpp"
#include "plugin/messages.hpp"
#include "plugin/module_context.hpp"

namespace racoon::plugin {

namespace {

bool has_word(const Offer& offer, std::string_view word) {
    return offer.key == word ||
           std::find(offer.aliases.begin(), offer.aliases.end(), word) != offer.aliases.end();
}

// "racoon.hash/1:sha256" -> point and key; without a colon the key is empty.
std::pair<std::string_view, std::string_view> split_need(std::string_view need) {
    const std::size_t colon = need.find(':');
    if (colon == std::string_view::npos) return {need, {}};
    return {need.substr(0, colon), need.substr(colon + 1)};
}

bool meets(const Offer& offer, std::string_view need) {
    const auto [point, key] = split_need(need);
    return offer.point == point && (key.empty() || has_word(offer, key));
}

}  // namespace

Status Registry::add_module(const Manifest& manifest) {
    for (const Offer& offer : manifest.provides) {
        if (!find_point(offer.point))
            return refuse(
                kMsgManifest, Errc::Unsupported,
                fmt::format("found point \"{}\", expected one of those that racoon serves: "
                            "install a newer racoon, or an older {}",
                            log::escaped(offer.point, 60), manifest.name));
    }
    modules_.push_back(manifest);
    for (const Offer& offer : manifest.provides) {
        Provider& p = providers_.emplace_back();
        p.point = find_point(offer.point);
        p.module = manifest.name;
        p.offer = offer;
    }
    return ok();
}

void Registry::remove_module(std::string_view module) {
    std::erase_if(providers_, [&](const Provider& p) { return p.module == module; });
    std::erase_if(modules_, [&](const Manifest& m) { return m.name == module; });
}

std::vector<conf::ModuleFinding> Registry::check_module(const conf::ModuleBlock& block) const {
    for (const Manifest& m : modules_)
        if (m.name == block.name) return judge_section(m, &block);
    return {};
}

Status Registry::bind(std::string_view module, std::string_view point, std::string_view key,
                      const void* table, void* impl) {
    bool declared = false;
    for (Provider& p : providers_) {
        if (p.module != module || p.point->id != point || p.offer.key != key) continue;
        declared = true;
        if (p.bound && !p.point->by_kind)
            return refuse(
                kMsgDuplicate, Errc::Exists,
                fmt::format("found {} \"{}\" registered twice, expected once", point, key));
        RACOON_TRY(Table copy, copy_table(*p.point, table));
        p.bound = true;
        if (in_zone(p.point->zone, zone_)) {
            p.table = std::move(copy);
            p.impl = impl;
        }
    }
    if (declared) return ok();
    return refuse(kMsgUndeclared, Errc::Plugin,
                  fmt::format("found registration of {} \"{}\", expected only what the manifest's "
                              "\"provides\" declares: add it there",
                              log::escaped(point, 60), log::escaped(key, 60)));
}

std::vector<std::string> Registry::unbound(std::string_view module) const {
    std::vector<std::string> out;
    for (const Provider& p : providers_)
        if (p.module == module && !p.bound)
            out.push_back(fmt::format("{} \"{}\"", p.point->id, log::escaped(p.offer.key, 60)));
    return out;
}

void Registry::prefer(std::string_view point, std::string_view key, std::string_view module) {
    preferred_[fmt::format("{} {}", point, key)] = module;
}

bool Registry::comes_first(const Provider& a, const Provider& b) const {
    const auto preferred = [&](const Provider& p) {
        const auto it = preferred_.find(fmt::format("{} {}", p.point->id, p.offer.key));
        return it != preferred_.end() && it->second == p.module;
    };
    const bool pa = preferred(a);
    const bool pb = preferred(b);
    if (pa != pb) return pa;
    return a.offer.priority > b.offer.priority;  // else load order: the sort is stable
}

void Registry::finish() {
    std::vector<const Provider*> all;
    for (const Provider& p : providers_) all.push_back(&p);
    std::stable_sort(all.begin(), all.end(),
                     [this](const Provider* a, const Provider* b) { return comes_first(*a, *b); });
    active_.clear();
    shadowed_.clear();
    for (const Provider* p : all) {
        const bool taken = std::any_of(active_.begin(), active_.end(), [&](const Provider* q) {
            return q->point == p->point && q->offer.key == p->offer.key &&
                   q->offer.kind == p->offer.kind;
        });
        (taken ? shadowed_ : active_).push_back(p);
    }
    build_infos();
}

const Provider* Registry::find(std::string_view point, std::string_view key,
                               std::string_view kind) const {
    const Provider* by_alias = nullptr;
    for (const Provider* p : active_) {
        if (p->point->id != point || (!kind.empty() && p->offer.kind != kind)) continue;
        if (p->offer.key == key) return p;
        if (!by_alias && has_word(p->offer, key)) by_alias = p;
    }
    return by_alias;
}

std::vector<const Provider*> Registry::ranked(std::string_view point) const {
    std::vector<const Provider*> out;
    for (const Provider* p : active_)
        if (p->point->id == point) out.push_back(p);
    return out;
}

std::vector<const Provider*> Registry::shadowed() const {
    return shadowed_;
}

std::optional<std::string> Registry::installed_offering(std::string_view point,
                                                        std::string_view key) const {
    // The preferred one, not the first of the alphabet.
    const Manifest* found = nullptr;
    std::int32_t best = 0;
    for (const Manifest& m : installed_)
        for (const Offer& o : m.provides) {
            if (o.point != point || !(key.empty() || has_word(o, key))) continue;
            if (found && o.priority <= best) continue;
            found = &m;
            best = o.priority;
        }
    return found ? std::optional(found->name) : std::nullopt;
}

bool Registry::offers(std::string_view need) const {
    return std::any_of(providers_.begin(), providers_.end(),
                       [&](const Provider& p) { return meets(p.offer, need); });
}

Result<std::vector<std::size_t>> load_order(const std::vector<const Manifest*>& modules) {
    enum class Mark : std::uint8_t { New, Open, Done };
    std::vector<Mark> marks(modules.size(), Mark::New);
    std::vector<std::size_t> order;
    const auto depends = [&](std::size_t from, std::size_t to) {
        const auto wanted = [&](const std::string& need) {
            return std::any_of(modules[to]->provides.begin(), modules[to]->provides.end(),
                               [&](const Offer& o) { return meets(o, need); });
        };
        return from != to &&
               (std::any_of(modules[from]->needs.begin(), modules[from]->needs.end(), wanted) ||
                std::any_of(modules[from]->wants.begin(), modules[from]->wants.end(), wanted));
    };
    // Depth first with a path of our own: the number of modules comes from a file.
    struct Frame {
        std::size_t module;
        std::size_t next;
    };
    for (std::size_t root = 0; root < modules.size(); ++root) {
        if (marks[root] != Mark::New) continue;
        std::vector<Frame> path = {{root, 0}};
        marks[root] = Mark::Open;
        while (!path.empty()) {
            const std::size_t here = path.back().module;
            if (path.back().next == modules.size()) {
                marks[here] = Mark::Done;
                order.push_back(here);
                path.pop_back();
                continue;
            }
            const std::size_t to = path.back().next++;
            if (!depends(here, to) || marks[to] == Mark::Done) continue;
            if (marks[to] == Mark::Open) {
                std::string cycle;
                bool inside = false;
                for (const Frame& f : path) {
                    inside = inside || f.module == to;
                    if (inside) cycle += modules[f.module]->name + " needs ";
                }
                return refuse(kMsgCycle, Errc::Config,
                              "found modules that need each other: " + cycle + modules[to]->name);
            }
            marks[to] = Mark::Open;
            path.push_back({to, 0});
        }
    }
    return order;
}

}  // namespace racoon::plugin
