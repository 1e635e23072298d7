// The values of a module's own keys, as they are written in racoon.conf.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace racoon::plugin {

std::optional<bool> parse_flag(const std::string& text);             // on, off, yes, no
std::optional<std::int64_t> parse_integer(const std::string& text);  // decimal, may be negative
/// "20", "20 sec", "5 min", "1 hour"; in seconds.
std::optional<std::int64_t> parse_duration_seconds(const std::string& text);

}  // namespace racoon::plugin
