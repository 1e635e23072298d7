// Small texts that the parts of print() share. Not for other users.
#pragma once

#include <string>
#include <string_view>

#include "conf/config.hpp"

namespace racoon::conf::text {

inline const char* on_off(bool b) {
    return b ? "on" : "off";
}
/// A text that was read from a quoted string, so it holds no quotes.
inline std::string quote(std::string_view s) {
    return "\"" + std::string(s) + "\"";
}
/// "192.0.2.1 [500]"
inline std::string endpoint(const Endpoint& e) {
    return e.addr.text() + " [" + std::to_string(e.port) + "]";
}

/// print_access.cpp: `mode_cfg`, `radiuscfg` and `ldapcfg` blocks; with their secrets, or without.
std::string remote_access(const Config& config, bool secrets);

/// print_sections.cpp: a section's `warnings` block; empty when it has none.
std::string warnings(const std::vector<WarningChoice>& choices);

}  // namespace racoon::conf::text
