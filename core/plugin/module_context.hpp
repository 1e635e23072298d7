// ModuleContext: one loaded module as the services see it. A pointer to it is the `void* host` that
// every function of the host gets back from the plugin.
#pragma once

#include <racoon/plugin.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "conf/config.hpp"
#include "plugin/manifest.hpp"
#include "plugin/ops.hpp"
#include "plugin/registry.hpp"
#include "plugin/runtime.hpp"

namespace racoon::plugin {

class HelperSet;
struct ModuleContext;
/// The helper programs that a module has running (services/proc.cpp).
struct HelperSetDeleter {
    void operator()(HelperSet* set) const;
};
std::unique_ptr<HelperSet, HelperSetDeleter> make_helper_set(ModuleContext& module);

/// What all modules of a process share; outlives them.
struct HostShared {
    Runtime& runtime;
    Registry& registry;
    OpTable& ops;
    const conf::Config* config = nullptr;  // the one being configured or in force, for get_path
};

struct ModuleContext {
    ModuleContext(HostShared& s, const Manifest& m);
    ~ModuleContext();
    ModuleContext(const ModuleContext&) = delete;
    ModuleContext& operator=(const ModuleContext&) = delete;

    /// Cancels every timer, watch, job and helper that the module has left; its callbacks stop.
    void shut();

    HostShared& shared;
    const Manifest manifest;
    const std::string& name = manifest.name;
    racoon_host host;  // given to init

    bool in_init = false;
    std::optional<Error> provide_error;  // the first registration that was refused

    std::set<std::uint64_t> timers;
    std::set<std::uint64_t> watches;
    std::set<std::uint64_t> jobs;
    std::unique_ptr<HelperSet, HelperSetDeleter> helpers;
    /// False after shut(): posted calls that come later are dropped. Read on the main thread.
    std::shared_ptr<bool> open = std::make_shared<bool>(true);

    static ModuleContext& of(void* host) { return *static_cast<ModuleContext*>(host); }
};

/// What the plugin knows as racoon_section: the module's block, which may be absent.
struct Section {
    const conf::ModuleBlock* block = nullptr;
    const Manifest* manifest = nullptr;
    const racoon_section* opaque() const { return reinterpret_cast<const racoon_section*>(this); }
    static const Section* of(const racoon_section* s) {
        return reinterpret_cast<const Section*>(s);
    }
};

/// Holds a module's block against its manifest: known keys, types, ranges, required ones.
std::vector<conf::ModuleFinding> judge_section(const Manifest& manifest,
                                               const conf::ModuleBlock* block);
/// The same as an error, each in a line that begins with the place in racoon.conf.
Status check_section(const Manifest& manifest, const conf::ModuleBlock* block);

}  // namespace racoon::plugin
