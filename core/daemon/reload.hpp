// Reading the configuration: at the start, for -t, and again on SIGHUP.
#pragma once

#include <functional>
#include <string>

#include "conf/load.hpp"
#include "daemon/ike_sockets.hpp"
#include "daemon/options.hpp"
#include "plugin/lifecycle.hpp"
#include "privsep/keeper.hpp"

namespace racoon::daemon {

/// The modules that a configuration names and where they lie.
struct WantedModules {
    std::string dir;  // absolute
    std::vector<conf::ModuleBlock> blocks;
    conf::ModuleScan scan;
};
/// Logs what is wrong. Errors: Config.
Result<WantedModules> wanted_modules(const Options& options);

/// Parses against the host's registry and logs every diagnostic. Errors: Config, with the first
/// one.
Result<privsep::ParsedConfig> read_config(const Options& options, const plugin::PluginHost& host,
                                          const conf::Config* previous);

/// `log`'s level, raised by each -d.
log::Level effective_level(const conf::Config& config, const Options& options);

/// What a running daemon has that follows its configuration.
struct Running {
    const Options& options;
    plugin::PluginHost& host;
    privsep::Keeper& keeper;
    IkeSockets& sockets;
    std::string& control_file;  // path of the control socket; "" when there is none
};

/// Reads the files again; nothing changes unless all of it is good. `done` gets what the user should
/// know of it, one line each, or every reason why nothing has changed; all have been logged. A module
/// that is not loaded, another module folder or kernel backend: "restart needed".
void reload(Running running, std::function<void(Result<std::string>)> done);

}  // namespace racoon::daemon
