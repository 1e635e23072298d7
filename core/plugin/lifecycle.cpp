#include "plugin/lifecycle.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "conf/load.hpp"
#include "log/log.hpp"
#include "plugin/callout.hpp"
#include "plugin/messages.hpp"
#include "plugin/services/services.hpp"

namespace racoon::plugin {

PluginHost::PluginHost(Runtime& runtime, Zone zone, std::string dir)
    : PluginHost(runtime, zone, std::move(dir), default_trust()) {}

PluginHost::PluginHost(Runtime& runtime, Zone zone, std::string dir, TrustPolicy trust)
    : runtime_(runtime),
      dir_(std::move(dir)),
      trust_(std::move(trust)),
      registry_(zone),
      ops_(runtime_),
      shared_{runtime_, registry_, ops_} {
    while (dir_.size() > 1 && dir_.back() == '/') dir_.pop_back();
}

PluginHost::~PluginHost() {
    destroy();
}

Status PluginHost::check_block(const conf::ModuleBlock& block) const {
    // Promises of the configuration that this racoon cannot keep must not be passed over.
    if (block.isolate)
        return refuse(
            kMsgConfigKey, Errc::Unsupported,
            fmt::format("{}: module \"{}\": found \"isolate on\", expected off: this racoon runs "
                        "modules in its own processes only",
                        block.where.text(), block.name));
    if (!block.sha256.empty())
        return refuse(
            kMsgConfigKey, Errc::Unsupported,
            fmt::format("{}: module \"{}\": found a sha256 pin, which this racoon cannot check: "
                        "remove it; path trust still holds",
                        block.where.text(), block.name));
    return ok();
}

Status PluginHost::add_named(const conf::ModuleBlock& block) {
    const Status promised = check_block(block);
    if (!promised && !facts_only_) return promised;
    if (!promised) LOGW("", promised.error().text());
    for (const Entry& e : entries_)
        if (e.file.name == block.name)
            return refuse(kMsgDuplicate, Errc::Config,
                          fmt::format("{}: found module \"{}\" twice, expected once",
                                      block.where.text(), block.name));
    Entry& entry = entries_.emplace_back();
    entry.file.name = block.name;
    entry.optional = block.optional;
    auto file = inspect_module(dir_, block.name, trust_);
    if (file) {
        entry.file = std::move(*file);
        return ok();
    }
    const std::string where = block.where.line != 0 ? block.where.text() + ": " : std::string();
    return fail_or_skip(entry, Error(file.error().code(), fmt::format("{}module \"{}\": {}", where,
                                                                      log::escaped(block.name, 60),
                                                                      file.error().text())));
}

Status PluginHost::fail_or_skip(Entry& entry, const Error& why) {
    registry_.remove_module(entry.file.name);
    entry.facts = false;
    entry.loaded.reset();
    entry.error = why.text();
    if (!entry.optional && !facts_only_) return fail(why);
    LOGW("", why.text() + (facts_only_ ? " (its words cannot be judged)"
                                       : " (optional: going on without it)"));
    return ok();
}

Status PluginHost::collect(const std::vector<conf::ModuleBlock>& blocks) {
    if (!entries_.empty()) return fail(Errc::InvalidState, "modules are loaded once");
    any_named_ = !blocks.empty();
    bool standard = blocks.empty();  // an old configuration
    for (const conf::ModuleBlock& block : blocks) {
        if (block.name == conf::kStandardModules)
            standard = true;
        else
            RACOON_TRY_STATUS(add_named(block));
    }
    if (!standard) return ok();
    // Everything that is installed and says "standard"; a block of its own has settings for it.
    for (const std::string& name : installed_modules(dir_)) {
        const bool named = std::any_of(entries_.begin(), entries_.end(),
                                       [&](const Entry& e) { return e.file.name == name; });
        if (named) continue;
        const auto file = read_module(dir_, name);
        if (!file) {
            LOGW("", fmt::format("module \"{}\" is not considered: {}", name, file.error().text()));
            continue;
        }
        if (!file->manifest.standard) continue;
        conf::ModuleBlock block;
        block.name = name;
        RACOON_TRY_STATUS(add_named(block));
    }
    if (!entries_.empty()) return ok();
    const std::string none = fmt::format(
        "found no standard module in {}, expected some: install racoon's modules, or set path module",
        dir_);
    if (!facts_only_) return refuse(kMsgNeeds, Errc::NotFound, none);
    LOGW("", none + " (names of algorithms are judged without them)");
    return ok();
}

Status PluginHost::sort_and_check() {
    std::vector<const Manifest*> manifests;
    std::vector<std::size_t> usable;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        if (!entries_[i].error.empty()) continue;
        manifests.push_back(&entries_[i].file.manifest);
        usable.push_back(i);
    }
    RACOON_TRY(const std::vector<std::size_t> order, load_order(manifests));
    std::vector<Entry> sorted;
    for (const std::size_t i : order) sorted.push_back(std::move(entries_[usable[i]]));
    for (Entry& e : entries_)
        if (!e.error.empty()) sorted.push_back(std::move(e));
    entries_ = std::move(sorted);

    for (Entry& e : entries_) {
        if (!e.error.empty()) continue;
        const Status added = registry_.add_module(e.file.manifest);
        e.facts = static_cast<bool>(added);
        if (!added)
            RACOON_TRY_STATUS(fail_or_skip(
                e, Error(added.error().code(),
                         fmt::format("module \"{}\": {}", e.file.name, added.error().text()))));
    }
    return ok();
}

Status PluginHost::load_one(Entry& e) {
    for (const std::string& need : e.file.manifest.needs) {
        if (is_service(need) || registry_.offers(need)) continue;
        const std::size_t colon = need.find(':');
        const auto other = registry_.installed_offering(
            std::string_view(need).substr(0, colon),
            colon == std::string::npos ? std::string_view()
                                       : std::string_view(need).substr(colon + 1));
        const std::string remedy = other ? fmt::format("; installed: {}; add: {}", *other,
                                                       conf::module_lines(*other, any_named_))
                                         : std::string("; no installed module offers it");
        return fail_or_skip(
            e, Error(Errc::NotFound,
                     fmt::format("module \"{}\" needs {}, which no loaded module provides{} [{}]",
                                 e.file.name, log::escaped(need, 80), remedy, kMsgNeeds)));
    }
    if (!serves_zone(e.file.manifest, registry_.zone())) return ok();
    auto loaded = LoadedModule::load(e.file, shared_);
    if (!loaded)
        return fail_or_skip(
            e, Error(loaded.error().code(),
                     fmt::format("module \"{}\": {}", e.file.name, loaded.error().text())));
    e.loaded = std::move(*loaded);
    LOGD("", fmt::format("module \"{}\" {} loaded in the {} process", e.file.name,
                         e.file.manifest.version, zone_name(registry_.zone())));
    return ok();
}

void PluginHost::scan_installed() {
    std::vector<Manifest> others;
    for (const std::string& name : installed_modules(dir_)) {
        const bool enabled = std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) {
            return e.file.name == name && e.error.empty();
        });
        if (enabled) continue;
        if (auto file = read_module(dir_, name)) others.push_back(std::move(file->manifest));
    }
    registry_.set_installed(std::move(others));
}

Status PluginHost::load(const std::vector<conf::ModuleBlock>& blocks) {
    RACOON_TRY_STATUS(collect(blocks));
    scan_installed();
    RACOON_TRY_STATUS(sort_and_check());
    for (Entry& e : entries_)
        if (e.facts) RACOON_TRY_STATUS(load_one(e));
    registry_.finish();
    return ok();
}

Status PluginHost::load_facts(const std::vector<conf::ModuleBlock>& blocks) {
    facts_only_ = true;
    RACOON_TRY_STATUS(collect(blocks));
    scan_installed();
    RACOON_TRY_STATUS(sort_and_check());
    registry_.finish();
    return ok();
}

const conf::ModuleBlock* PluginHost::block_of(const conf::Config& config,
                                              const std::string& name) const {
    for (const conf::ModuleBlock& b : config.modules)
        if (b.name == name) return &b;
    return nullptr;
}

Status PluginHost::configure(std::shared_ptr<const conf::Config> config) {
    rollback();
    pending_ = config;  // our own hold on it outlasts a rollback below
    shared_.config = pending_.get();
    // Until hot loading exists, a new module takes a restart.
    for (const conf::ModuleBlock& b : config->modules) {
        if (b.name == conf::kStandardModules) continue;
        const bool known = std::any_of(entries_.begin(), entries_.end(),
                                       [&](const Entry& e) { return e.file.name == b.name; });
        if (!known) {
            rollback();
            return refuse(kMsgConfigure, Errc::Config,
                          fmt::format("{}: module \"{}\" is not loaded: restart needed",
                                      b.where.text(), log::escaped(b.name, 60)));
        }
    }
    for (Entry& e : entries_) {
        if (!e.error.empty()) continue;
        const conf::ModuleBlock* block = block_of(*config, e.file.name);
        const Status accepted =
            e.loaded ? e.loaded->configure(block) : check_section(e.file.manifest, block);
        if (accepted) continue;
        rollback();
        return fail(accepted.error());
    }
    return ok();
}

void PluginHost::commit() {
    if (!pending_) return;
    for (Entry& e : entries_)
        if (e.loaded) e.loaded->commit();
    config_ = std::exchange(pending_, nullptr);
    shared_.config = config_.get();
}

void PluginHost::rollback() {
    if (!pending_) return;
    for (Entry& e : entries_)
        if (e.loaded) e.loaded->rollback();
    pending_ = nullptr;
    shared_.config = config_.get();
}

Status PluginHost::start() {
    for (Entry& e : entries_) {
        if (!e.loaded) continue;
        const Status started = e.loaded->start();
        if (started) continue;
        if (e.optional) {
            LOGW("", started.error().text() + " (optional: going on without it)");
            e.error = started.error().text();
            continue;
        }
        stop();
        return fail(started.error());
    }
    return ok();
}

void PluginHost::stop() {
    for (auto it = entries_.rbegin(); it != entries_.rend(); ++it)
        if (it->loaded) it->loaded->stop();
}

void PluginHost::destroy() {
    rollback();
    stop();
    for (auto it = entries_.rbegin(); it != entries_.rend(); ++it)
        if (it->loaded) it->loaded->destroy();
}

std::vector<ModuleState> PluginHost::modules() const {
    std::vector<ModuleState> out;
    for (const Entry& e : entries_) {
        const char* state = !e.error.empty()      ? "failed"
                            : !e.loaded           ? "facts only"
                            : e.loaded->started() ? "running"
                                                  : "loaded";
        out.push_back({e.file.name, e.file.manifest.version, state, e.error});
    }
    return out;
}

bool PluginHost::is_secret_key(std::string_view module, std::string_view key) const {
    for (const Entry& entry : entries_) {
        if (entry.file.name != module) continue;
        const auto found = entry.file.manifest.config.find(std::string(key));
        return found == entry.file.manifest.config.end() ||
               found->second.type == ConfigType::Secret;
    }
    return true;
}

}  // namespace racoon::plugin
