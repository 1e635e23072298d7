// PluginHost: the modules of one process, from names to running and back.
//
//     PluginHost host(runtime, Zone::Engine, "/usr/lib/racoon/modules");
//     RACOON_TRY_STATUS(host.load(modules_of_conf));     // empty: those that are "standard"
//     … build the configuration with host.registry() as its Catalog …
//     RACOON_TRY_STATUS(host.configure(*config));        // all or none
//     host.commit();
//     RACOON_TRY_STATUS(host.start());
//
// Every module's facts are known in every process; its code is mapped only where it offers a point of
// that process's zone. Main thread only.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.hpp"
#include "plugin/loader.hpp"
#include "plugin/ops.hpp"
#include "plugin/registry.hpp"

namespace racoon::plugin {

/// How a module stands, for show-modules.
struct ModuleState {
    std::string name;
    std::string version;
    std::string state;  // "running", "loaded", "facts only", "failed"
    std::string error;  // of a failed optional module
};

class PluginHost {
  public:
    /// `runtime` must outlive the host. `dir`: absolute.
    PluginHost(Runtime& runtime, Zone zone, std::string dir);
    PluginHost(Runtime& runtime, Zone zone, std::string dir, TrustPolicy trust);
    ~PluginHost();
    PluginHost(const PluginHost&) = delete;
    PluginHost& operator=(const PluginHost&) = delete;

    /// Once. What is named must load, unless its block says optional; without names, and with the
    /// name "standard", those whose manifest says "standard" are loaded, and a broken one is an error
    /// too.
    Status load(const std::vector<conf::ModuleBlock>& blocks);
    /// Takes the facts alone and runs no code; a module that is not there is only warned of
    /// (`racoon -t --offline`, tests).
    Status load_facts(const std::vector<conf::ModuleBlock>& blocks);

    /// Offers the new configuration to every module; on the first refusal all are rolled back.
    Status configure(std::shared_ptr<const conf::Config> config);
    void commit();
    void rollback();
    /// In load order; on failure those that had started are stopped again.
    Status start();
    void stop();     // reverse order
    void destroy();  // stop, then the end of every module

    Registry& registry() { return registry_; }
    const Registry& registry() const { return registry_; }
    OpTable& ops() { return ops_; }
    const std::string& dir() const { return dir_; }
    std::vector<ModuleState> modules() const;
    /// Is this key of a module's block in racoon.conf secret by its manifest? Of a module that is not
    /// known, every key is.
    bool is_secret_key(std::string_view module, std::string_view key) const;

  private:
    struct Entry {
        ModuleFile file;
        bool optional = false;
        bool facts = false;                    // in the registry
        std::unique_ptr<LoadedModule> loaded;  // null: not of this zone
        std::string error;
    };
    Status collect(const std::vector<conf::ModuleBlock>& blocks);
    Status check_block(const conf::ModuleBlock& block) const;
    Status add_named(const conf::ModuleBlock& block);
    Status sort_and_check();
    Status load_one(Entry& entry);
    Status fail_or_skip(Entry& entry, const Error& why);
    void scan_installed();
    const conf::ModuleBlock* block_of(const conf::Config& config, const std::string& name) const;

    Runtime& runtime_;
    std::string dir_;
    TrustPolicy trust_;
    Registry registry_;
    OpTable ops_;
    HostShared shared_;
    std::shared_ptr<const conf::Config> config_;   // in force
    std::shared_ptr<const conf::Config> pending_;  // offered
    std::vector<Entry> entries_;                   // in load order
    bool facts_only_ = false;
    bool any_named_ = false;  // there is a `module` line
};

}  // namespace racoon::plugin
