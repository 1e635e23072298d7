#include "conf/address_hint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/net_addr.hpp"
#include "conf/token.hpp"

namespace racoon::conf {

namespace {

std::vector<std::string_view> split(std::string_view text, char at) {
    std::vector<std::string_view> out;
    for (;;) {
        const auto end = text.find(at);
        out.push_back(text.substr(0, end));
        if (end == text.npos) return out;
        text.remove_prefix(end + 1);
    }
}

bool all_digits(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

std::string v4_hint(const std::vector<std::string_view>& parts) {
    for (const std::string_view part : parts) {
        if (part.empty()) return ": two points stand together";
        if (part.size() > 1 && part[0] == '0')
            return fmt::format(": write {} without the leading 0",
                               part.substr(std::min(part.find_first_not_of('0'), part.size() - 1)));
        if (part.size() > 3 || parse_number(part).value > 255)
            return fmt::format(": {} is more than 255", part.substr(0, 20));
    }
    if (parts.size() != 4)
        return fmt::format(": an IPv4 address has four numbers, this has {}", parts.size());
    return {};
}

std::string v6_hint(std::string_view text) {
    const auto gap = text.find("::");
    if (gap != text.npos && text.find("::", gap + 1) != text.npos)
        return ": \"::\" stands in it once at most";
    std::size_t groups = 0;
    for (const std::string_view part : split(text, ':')) {
        groups += part.empty() ? 0 : 1;
        for (const char c : part)
            if (!is_hex(c) && c != '.' && c != '%')
                return fmt::format(": \"{}\" is no hexadecimal digit", c);
        if (part.size() > 4 && part.find('.') == part.npos)
            return fmt::format(": \"{}\" has more than four digits", part.substr(0, 20));
    }
    if (groups > 8) return fmt::format(": an IPv6 address has eight groups, this has {}", groups);
    if (groups < 8 && gap == text.npos)
        return fmt::format(": an IPv6 address has eight groups, this has {}; is a \"::\" missing?",
                           groups);
    return {};
}

}  // namespace

std::string address_hint(std::string_view text) {
    if (text.size() > 80) return {};
    const auto colon = text.rfind(':');
    if (colon != text.npos && text.find(':') == colon && all_digits(text.substr(colon + 1)) &&
        IpAddr::parse(text.substr(0, colon)))
        return fmt::format("; write \"{} [{}]\"", text.substr(0, colon), text.substr(colon + 1));
    const auto parts = split(text, '.');
    const bool numbers = parts.size() > 1 && std::all_of(parts.begin(), parts.end(), [](auto part) {
                             return part.empty() || all_digits(part);
                         });
    if (numbers) return v4_hint(parts);
    if (colon == text.npos) return {};
    // Two colons at least, or only what an IPv6 address is made of.
    const bool like_v6 =
        text.find(':') != colon ||
        std::all_of(text.begin(), text.end(), [](char c) { return is_hex(c) || c == ':'; });
    return like_v6 ? v6_hint(text) : std::string();
}

}  // namespace racoon::conf
