// What a log line looks like, and how bytes from outside are made harmless in it.
#include <ctime>
#include <fmt/format.h>

#include "log/log.hpp"

namespace racoon::log {

namespace {

/// "core/log/log.cpp" of whatever folder the compiler was run in.
std::string_view short_path(std::string_view file) {
    auto slash = file.rfind('/');
    if (slash == std::string_view::npos || slash == 0) return file;
    const auto before = file.rfind('/', slash - 1);
    return before == std::string_view::npos ? file : file.substr(before + 1);
}

/// The last guard, for what came here without escaped(): a file's name, a plugin's text, or lines of an
/// engine that somebody else controls. Nothing begins a line or speaks to a terminal but we.
std::string on_one_line(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        const auto byte = static_cast<std::uint8_t>(c);
        if ((byte >= 0x20 && byte != 0x7f) || c == '\t')
            out.push_back(c);
        else
            out += fmt::format("\\x{:02x}", byte);
    }
    return out;
}

}  // namespace

std::string escaped(ByteView bytes, std::size_t max) {
    std::string out;
    out.reserve(std::min(bytes.size(), max));
    for (const std::uint8_t byte : bytes) {
        // A backslash is escaped too: what was sent as text "\x0a" must not look like a newline.
        const bool plain = byte >= 0x20 && byte < 0x7f && byte != '\\';
        if (out.size() + (plain ? 1 : 4) > max) return out + "…";
        if (plain)
            out.push_back(static_cast<char>(byte));
        else
            out += fmt::format("\\x{:02x}", byte);
    }
    return out;
}

std::string escaped(std::string_view text, std::size_t max) {
    return escaped(as_bytes(text), max);
}

std::string format_message(const Line& line, bool with_location) {
    std::string out;
    if (!line.peer.empty()) out += fmt::format("[{}] ", on_one_line(line.peer));
    out += level_name(line.level);
    out += ": ";
    if (with_location && !line.file.empty())
        out += fmt::format("{}:{}: ", on_one_line(short_path(line.file)), line.line);
    out += on_one_line(line.text);
    return out;
}

std::string format_line(const Line& line, std::int64_t wall_seconds, bool with_location) {
    const auto seconds = static_cast<std::time_t>(wall_seconds);
    std::tm local{};
    localtime_r(&seconds, &local);
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}: {}", local.tm_year + 1900,
                       local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec,
                       format_message(line, with_location));
}

std::vector<Line> split_lines(const Line& line) {
    std::vector<Line> out;
    std::string_view rest = line.text;
    while (true) {
        const auto end = rest.find('\n');
        Line one{line.level, line.peer, std::string(rest.substr(0, end)), line.file, line.line};
        if (!one.text.empty() || (out.empty() && end == std::string_view::npos))
            out.push_back(std::move(one));
        if (end == std::string_view::npos) return out;
        rest.remove_prefix(end + 1);
    }
}

}  // namespace racoon::log
