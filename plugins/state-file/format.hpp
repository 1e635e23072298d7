// One line of the state file. Each says one thing and carries its own check, so that a line that was cut
// off or overwritten costs itself alone:
//
//     +736120353020…=0a0b0c… 9c1185a5c5e9fc54      a record: key and value in hex, check
//     -736120353020… 08985907b541d342              it is gone
//
// The check is FNV-1a, 64 bits, of what stands before the blank: against accidents, not against people,
// who cannot write to the file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace racoon::state_file {

inline constexpr std::size_t kMaxKey = 255;
inline constexpr std::size_t kMaxValue = 16384;
/// Sign, key, "=", value, blank, check.
inline constexpr std::size_t kMaxLine = 1 + 2 * kMaxKey + 1 + 2 * kMaxValue + 1 + 16;

/// Key and value are bytes, within their limits. Without the line's end.
std::string saved_line(std::string_view key, std::string_view value);
std::string removed_line(std::string_view key);

struct Line {
    bool saved = false;  // else removed
    std::string key, value;
};
/// Empty: the line is damaged, or none of ours. `line` has no line's end.
std::optional<Line> read_line(std::string_view line);

/// Overwrites the characters, which may have been keys.
void wipe(std::string& text);

}  // namespace racoon::state_file
