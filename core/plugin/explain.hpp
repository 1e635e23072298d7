// What the installed modules add to `racoonctl explain`: themselves, their keys in racoon.conf, and
// every algorithm, method and backend that they provide. From the manifests; no module's code runs.
#pragma once

#include <string>
#include <vector>

#include "conf/explain.hpp"

namespace racoon::plugin {

/// Topics "module.NAME", "NAME.KEY", "cipher.aes", …; known names that nothing provides are there
/// too, and say so.
std::vector<conf::Topic> module_topics(const std::string& dir);

}  // namespace racoon::plugin
