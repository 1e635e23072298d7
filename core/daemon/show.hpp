// -C: the configuration in force, written out.
#pragma once

#include "conf/print.hpp"
#include "plugin/lifecycle.hpp"

namespace racoon::daemon {

/// Modules' secrets by their manifests. `host` must outlive the options.
conf::PrintOptions print_options(const plugin::PluginHost& host);
/// To standard output, as racoon.conf or as JSON. Errors: Malformed.
Status show_configuration(const conf::Config& config, const plugin::PluginHost& host, bool json);

}  // namespace racoon::daemon
