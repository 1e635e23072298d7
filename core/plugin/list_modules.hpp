// `racoon --list-modules [--json]`: what is installed, from the manifests alone; no module's code runs.
#pragma once

#include <string>

namespace racoon::plugin {

/// One line per module file: name, version, ABI, standard or not, what it provides; files that cannot
/// be loaded are listed with the reason.
std::string list_modules_text(const std::string& dir);
/// {"directory": …, "modules": [{"name", "version", …, "provides": […]} or {"name", "error"}]}
std::string list_modules_json(const std::string& dir);
/// `racoon --explain-trust NAME`: the walk from / to the module's file. `trusted` may be null.
std::string explain_trust(const std::string& dir, const std::string& name, bool* trusted = nullptr);

}  // namespace racoon::plugin
