// JSON without exceptions: the one place that knows nlohmann_json.
//
//     RACOON_TRY(Json request, parse_json(text));
//     std::string command = text_of(request, "command");     // "" if absent or of another type
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.hpp"

namespace racoon::control {

using Json = nlohmann::ordered_json;

/// Malformed with the byte offset for anything but one well-formed value at most 64 levels deep.
Result<Json> parse_json(std::string_view text);
/// One line; bytes that are not UTF-8 are replaced.
std::string dump_json(const Json& value);
/// Indented by two.
std::string pretty_json(const Json& value);

/// Members with a default for "absent or of another type".
std::string text_of(const Json& object, const char* key, std::string_view otherwise = {});
std::int64_t number_of(const Json& object, const char* key, std::int64_t otherwise = 0);
bool flag_of(const Json& object, const char* key, bool otherwise = false);
/// The member if it is an object or array, else an empty object.
const Json& member_of(const Json& object, const char* key);

}  // namespace racoon::control
