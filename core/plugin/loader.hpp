// The loader: finds modules, judges them without running their code, and maps those that pass.
//
//     RACOON_TRY(ModuleFile file, inspect_module(dir, "acme-otp", default_trust()));
//     RACOON_TRY(auto module, LoadedModule::load(std::move(file), shared));
//
// The order of the checks: note present, manifest parses, its name is the file's stem, ABI major, ABI
// minor, oldest host, platform, privileges, path trust; then dlopen, symbol, magic and size, manifest
// equal to the note, init, every registration declared and every declaration registered, self-test.
// Each failure is one line with both values, the remedy and a message id.
#pragma once

#include <racoon/plugin.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "plugin/manifest.hpp"
#include "plugin/module_context.hpp"
#include "plugin/path_trust.hpp"

namespace racoon::plugin {

/// A module's file after all checks that need none of its code.
struct ModuleFile {
    std::string name;
    std::string path;
    Manifest manifest;
    std::string manifest_text;  // bytes of the note
    std::string build_id;       // hexadecimal, "" without one
};

/// Reads a file's note and manifest; no trust, ABI or platform checks. For listings.
Result<ModuleFile> read_module(const std::string& dir, std::string_view name);
/// All checks before dlopen.
Result<ModuleFile> inspect_module(const std::string& dir, std::string_view name,
                                  const TrustPolicy& trust);
/// Would a host of this ABI and version load it? Before racoon 1.0 nothing is frozen, so the minor must
/// be the same; after it, any that is not younger than the module's min_host.
Status check_abi(const Manifest& manifest, AbiVersion host, std::string_view racoon_version);
/// Names of the module files in a folder, sorted; a folder that is missing has none.
std::vector<std::string> installed_modules(const std::string& dir);
/// Does the module offer a point of this zone?
bool serves_zone(const Manifest& manifest, Zone zone);

/// A mapped and initialised module. Its code stays mapped for the life of the process.
class LoadedModule {
  public:
    /// The registry in `shared` must already hold the module's manifest (add_module); on failure the
    /// caller removes it. Main thread.
    static Result<std::unique_ptr<LoadedModule>> load(ModuleFile file, HostShared& shared);
    ~LoadedModule();  // destroy(), if that was not called

    const ModuleFile& file() const { return file_; }
    const std::string& name() const { return file_.name; }
    ModuleContext& context() { return *context_; }
    bool started() const { return started_; }

    /// Builds the new configuration; then either commit() or rollback() must follow.
    Status configure(const conf::ModuleBlock* block);
    void commit();
    void rollback();
    Status start();
    void stop();
    void destroy();

  private:
    LoadedModule(ModuleFile file, HostShared& shared);
    Status map();
    Status init();
    Status self_test();

    ModuleFile file_;
    std::unique_ptr<ModuleContext> context_;
    racoon_plugin entry_{};  // copied, full size
    void* ctx_ = nullptr;
    void* pending_ = nullptr;
    bool initialised_ = false;
    bool configuring_ = false;
    bool started_ = false;
};

}  // namespace racoon::plugin
