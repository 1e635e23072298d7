#include "psk_file.hpp"

#include <algorithm>

namespace credential_files {
namespace {

// isspace() of the C locale, whatever the locale is.
bool is_space(std::uint8_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

int hex_digit(std::uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::string_view text_of(std::span<const std::uint8_t> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Decodes the digits behind "0x" into the place where they stand. What is wrong, or null.
const char* decode_hex(std::span<std::uint8_t> key, std::span<const std::uint8_t>& out) {
    const std::span<std::uint8_t> digits = key.subspan(2);
    if (digits.empty()) return "no hex digits after 0x";
    if (digits.size() % 2 != 0) return "an odd number of hex digits after 0x";
    for (const std::uint8_t c : digits)
        if (hex_digit(c) < 0)
            return "a character that is no hex digit after 0x (a trailing blank?)";
    for (std::size_t i = 0; i < digits.size() / 2; ++i)
        key[i] =
            static_cast<std::uint8_t>(hex_digit(digits[2 * i]) << 4 | hex_digit(digits[2 * i + 1]));
    out = key.first(digits.size() / 2);
    return nullptr;
}

}  // namespace

void PskIndex::remark(unsigned line, const char* text) {
    if (remarks_.size() < kMaxRemarks) remarks_.push_back({line, text});
}

PskIndex PskIndex::parse(std::span<std::uint8_t> text) {
    PskIndex index;
    unsigned number = 0;
    while (!text.empty()) {
        const auto newline = std::find(text.begin(), text.end(), std::uint8_t{'\n'});
        const auto size = static_cast<std::size_t>(newline - text.begin());
        const bool last = newline == text.end();
        if (index.entries_.size() == kMaxEntries) {
            index.remark(number + 1,
                         "too many entries: this line and all that follow are not read");
            break;
        }
        index.add_line(text.first(size), ++number);
        text = text.subspan(last ? size : size + 1);
    }
    return index;
}

void PskIndex::add_line(std::span<std::uint8_t> line, unsigned number) {
    if (line.empty() || line[0] == '#') return;
    const auto id_end = std::find_if(line.begin(), line.end(), is_space);
    const auto key_start = std::find_if_not(id_end, line.end(), is_space);
    const std::span<std::uint8_t> id(line.begin(), id_end);
    const std::span<std::uint8_t> key(key_start, line.end());
    if (id.empty()) {
        if (!key.empty()) remark(number, "skipped: the identifier must stand in the first column");
        return;
    }
    if (key.empty()) return remark(number, "skipped: no key after the identifier");

    PskEntry entry{number, text_of(id), key, nullptr};
    if (line.size() > kMaxLine) {
        entry.problem = "the line is longer than 1023 bytes";
    } else if (std::find(line.begin(), line.end(), std::uint8_t{0}) != line.end()) {
        entry.problem = "a NUL character; write keys that are no text in hex, as 0x...";
    } else if (key.size() >= 2 && key[0] == '0' && key[1] == 'x') {
        entry.problem = decode_hex(key, entry.key);
    } else if (key.back() == '\r') {
        // As racoon takes it, but hardly what anybody wants.
        remark(number,
               "the key ends in a carriage return, which is part of it; remove it (DOS text)");
    }
    if (entry.problem) {
        entry.key = {};
        remark(number, entry.problem);
    }
    entries_.push_back(entry);
    if (entry.id == "*") {
        if (wildcard_ == kNone) wildcard_ = entries_.size() - 1;
    } else {
        first_.emplace(entry.id, entries_.size() - 1);  // keeps the first
    }
}

const PskEntry* PskIndex::find(std::string_view id) const {
    const auto literal = first_.find(id);
    const std::size_t at = std::min(literal == first_.end() ? kNone : literal->second, wildcard_);
    return at == kNone ? nullptr : &entries_[at];
}

}  // namespace credential_files
