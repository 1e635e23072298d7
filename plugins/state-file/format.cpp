#include "format.hpp"

namespace racoon::state_file {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

std::string check_of(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (const char c : text) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3u;
    std::string out(16, '0');
    for (std::size_t i = 16; i-- > 0; hash >>= 4) out[i] = kDigits[hash & 15];
    return out;
}

void put_hex(std::string& out, std::string_view bytes) {
    for (const char c : bytes) {
        const auto b = static_cast<std::uint8_t>(c);
        out += kDigits[b >> 4];
        out += kDigits[b & 15];
    }
}

bool get_hex(std::string_view text, std::size_t most, std::string& out) {
    if (text.size() % 2 != 0 || text.size() / 2 > most) return false;
    out.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const std::size_t high = kDigits.find(text[i]);
        const std::size_t low = kDigits.find(text[i + 1]);
        if (high == std::string_view::npos || low == std::string_view::npos) return false;
        out += static_cast<char>(high << 4 | low);
    }
    return true;
}

std::string checked(std::string text) {
    const std::string check = check_of(text);
    text += ' ';
    text += check;
    return text;
}

}  // namespace

std::string saved_line(std::string_view key, std::string_view value) {
    std::string out;
    out.reserve(1 + 2 * key.size() + 1 + 2 * value.size() + 17);  // no copy of it is left behind
    out += '+';
    put_hex(out, key);
    out += '=';
    put_hex(out, value);
    return checked(std::move(out));
}

std::string removed_line(std::string_view key) {
    std::string out = "-";
    put_hex(out, key);
    return checked(std::move(out));
}

std::optional<Line> read_line(std::string_view line) {
    if (line.size() > kMaxLine || line.size() < 18 || line[line.size() - 17] != ' ')
        return std::nullopt;
    const std::string_view text = line.substr(0, line.size() - 17);
    if (check_of(text) != line.substr(line.size() - 16)) return std::nullopt;
    Line out;
    out.saved = text[0] == '+';
    if (!out.saved && text[0] != '-') return std::nullopt;
    const std::size_t equals = text.find('=');
    if (out.saved != (equals != std::string_view::npos)) return std::nullopt;
    const std::string_view key = text.substr(1, out.saved ? equals - 1 : std::string_view::npos);
    if (!get_hex(key, kMaxKey, out.key) || out.key.empty()) return std::nullopt;
    if (out.saved && !get_hex(text.substr(equals + 1), kMaxValue, out.value)) {
        wipe(out.value);
        return std::nullopt;
    }
    return out;
}

void wipe(std::string& text) {
    volatile char* at = text.data();
    for (std::size_t i = 0; i < text.size(); ++i) at[i] = 0;
    text.clear();
}

}  // namespace racoon::state_file
