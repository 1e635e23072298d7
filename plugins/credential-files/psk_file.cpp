#include "psk_file.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <string>

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

/// Decodes the digits behind "0x" into the place where they stand. What is wrong, and where in the key;
/// or null.
const char* decode_hex(std::span<std::uint8_t> key, std::span<const std::uint8_t>& out,
                       std::size_t& at) {
    const std::span<std::uint8_t> digits = key.subspan(2);
    if (digits.empty()) return "found no hex digits after 0x, expected an even number of them";
    const auto wrong =
        std::find_if(digits.begin(), digits.end(), [](std::uint8_t c) { return hex_digit(c) < 0; });
    if (wrong != digits.end()) {
        at = static_cast<std::size_t>(wrong - key.begin());
        return std::all_of(wrong, digits.end(), is_space)
                   ? "found a blank after the hex digits, expected the end of the line; remove it"
                   : "found a character that is no hex digit, expected 0-9 and a-f after 0x; write a "
                     "key that is text without 0x";
    }
    if (digits.size() % 2 != 0)
        return "found an odd number of hex digits after 0x, expected an even number";
    for (std::size_t i = 0; i < digits.size() / 2; ++i)
        key[i] =
            static_cast<std::uint8_t>(hex_digit(digits[2 * i]) << 4 | hex_digit(digits[2 * i + 1]));
    out = key.first(digits.size() / 2);
    return nullptr;
}

/// Addresses are looked up as the resolver prints them; another spelling never matches.
bool is_other_spelling(std::string_view id) {
    in6_addr address{};
    char printed[INET6_ADDRSTRLEN];
    if (id.size() >= sizeof printed || id.find(':') == std::string_view::npos) return false;
    const std::string text(id);
    return ::inet_pton(AF_INET6, text.c_str(), &address) == 1 &&
           ::inet_ntop(AF_INET6, &address, printed, sizeof printed) && text != printed;
}

bool is_ipv4(std::string_view text) {
    in_addr address{};
    return ::inet_pton(AF_INET, std::string(text).c_str(), &address) == 1;
}

bool is_address(std::string_view text) {
    in6_addr address{};
    if (text.size() >= INET6_ADDRSTRLEN) return false;
    return is_ipv4(text) || ::inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

/// What the habits of other files make of an identifier, which is compared as it stands. Null: nothing.
const char* why_odd(std::string_view id) {
    if (is_other_spelling(id))
        return "never looked up: write the address in its short form with lower case letters";
    const auto slash = id.find('/');
    if (slash != id.npos && is_address(id.substr(0, slash)))
        return "never looked up: a line is for one address, not for a net; write a line for each "
               "peer, or * for all";
    const auto bracket = id.find('[');
    if (bracket != id.npos && is_address(id.substr(0, bracket)))
        return "never looked up: write the address without its port";
    if (id.size() > 1 && id.back() == ':' && id.find(':') == id.size() - 1)
        return "never looked up: write the identifier without the colon behind it";
    for (const std::string_view all : {"any", "anonymous", "%any", "%any6", "0.0.0.0"})
        if (id == all)
            return "looked up only for a peer that calls itself so; for every peer write *";
    return nullptr;
}

/// The line of an ipsec.secrets: ": PSK", or "identifier : PSK".
bool is_of_ipsec_secrets(std::string_view id, std::string_view key) {
    if (id == ":") return true;
    if (!key.starts_with(':')) return false;
    key.remove_prefix(1);
    while (!key.empty() && is_space(static_cast<std::uint8_t>(key.front()))) key.remove_prefix(1);
    return key.starts_with("PSK");
}

constexpr std::size_t kEnoughText = 20;  // characters
constexpr std::size_t kEnoughHex = 16;   // bytes

/// Keys of manuals and samples, and what a guesser begins with. Shorter ones need no entry.
constexpr std::array<std::string_view, 6> kWellKnown = {
    "micropachycephalosaurus", "the-long-random-key",  "your-pre-shared-key-here",
    "thisisaverysecretkey",    "replace-this-key-now", "correct horse battery staple"};

char lower(std::uint8_t c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool same_text(std::span<const std::uint8_t> key, std::string_view text) {
    return key.size() == text.size() &&
           std::equal(key.begin(), key.end(), text.begin(),
                      [](std::uint8_t a, char b) { return lower(a) == b; });
}

/// Null: strong enough, as far as one can see.
const char* why_weak(const PskEntry& entry) {
    const auto& key = entry.key;
    if (std::all_of(key.begin(), key.end(), [&](std::uint8_t c) { return c == key[0]; }))
        return "the key is one character repeated; make one with: openssl rand -hex 32";
    if (entry.hex && key.size() < kEnoughHex)
        return "the key is shorter than 16 bytes and can be guessed; make one with: openssl rand "
               "-hex 32";
    if (!entry.hex && key.size() < kEnoughText)
        return "the key is shorter than 20 characters and can be guessed; make one with: openssl "
               "rand -hex 32";
    for (const std::string_view known : kWellKnown)
        if (same_text(key, known))
            return "the key is that of a manual, everybody knows it; make one with: openssl rand "
                   "-hex 32";
    if (text_of(key) == entry.id)
        return "the key is the identifier; make one with: openssl rand -hex 32";
    return nullptr;
}

}  // namespace

void PskIndex::remark(unsigned line, unsigned column, const char* text) {
    if (remarks_.size() < kMaxRemarks) remarks_.push_back({line, column, text});
}

PskIndex PskIndex::parse(std::span<std::uint8_t> text) {
    PskIndex index;
    unsigned number = 0;
    if (text_of(text).starts_with("\xef\xbb\xbf")) {  // else it belonged to the first identifier
        index.remark(1, 1,
                     "a byte order mark stands before the first line and is skipped; remove it");
        text = text.subspan(3);
    }
    while (!text.empty()) {
        const auto newline = std::find(text.begin(), text.end(), std::uint8_t{'\n'});
        const auto size = static_cast<std::size_t>(newline - text.begin());
        const bool last = newline == text.end();
        if (index.entries_.size() == kMaxEntries) {
            index.remark(number + 1, 1,
                         "too many entries: this line and all that follow are not read");
            break;
        }
        index.add_line(text.first(size), ++number);
        text = text.subspan(last ? size : size + 1);
    }
    return index;
}

/// What looks as if it were not meant to be part of a key that is text.
void PskIndex::odd_key(unsigned number, unsigned column, std::span<const std::uint8_t> key) {
    const std::string_view text = text_of(key);
    if (text.ends_with(' ') || text.ends_with('\t'))
        remark(number, column + static_cast<unsigned>(text.find_last_not_of(" \t")) + 1,
               "the key ends in a blank, which is part of it; remove it");
    const auto quote = text.front();
    if (text.size() > 1 && (quote == '"' || quote == '\'') && text.back() == quote)
        remark(number, column,
               "the quotes are part of the key; remove them, here and at the peer's");
    const auto comment = std::min(text.find(" #"), text.find("\t#"));
    if (comment != text.npos)
        remark(
            number, column + static_cast<unsigned>(comment) + 1,
            "found a comment behind the key, which is part of it; write it on a line of its own");
}

void PskIndex::add_line(std::span<std::uint8_t> line, unsigned number) {
    if (line.empty() || line[0] == '#') return;
    const auto id_end = std::find_if(line.begin(), line.end(), is_space);
    const auto key_start = std::find_if_not(id_end, line.end(), is_space);
    const std::span<std::uint8_t> id(line.begin(), id_end);
    const std::span<std::uint8_t> key(key_start, line.end());
    const auto column = [&](auto at) { return static_cast<unsigned>(at - line.begin()) + 1; };
    if (id.empty()) {
        if (!key.empty())
            remark(
                number, 1,
                "found a blank, expected the identifier in the first column: the line is skipped");
        return;
    }
    const std::string_view name = text_of(id);
    if (is_of_ipsec_secrets(name, text_of(key)))
        remark(
            number, 1,
            "the form of ipsec.secrets: here a line is the identifier, a blank and the key, without "
            "quotes");
    const auto colon = name.find(':');
    if (key.empty() && colon != name.npos && is_ipv4(name.substr(0, colon)))
        return remark(
            number, static_cast<unsigned>(colon) + 1,
            "found a colon after the identifier, expected a blank and the key: the line is "
            "skipped");
    if (key.empty())
        return remark(number, column(id_end),
                      "found no key after the identifier, expected one: the line is skipped");

    PskEntry entry{number, column(key_start), text_of(id), key, nullptr, false};
    if (line.size() > kMaxLine) {
        entry.problem = "found a line of more than 1023 bytes, which is the most";
        entry.column = kMaxLine + 1;
    } else if (const auto nul = std::find(line.begin(), line.end(), std::uint8_t{0});
               nul != line.end()) {
        entry.problem = "found a NUL character, expected text; write other keys in hex, as 0x...";
        entry.column = column(nul);
    } else if (key.size() >= 2 && key[0] == '0' && key[1] == 'x') {
        std::size_t at = 0;
        entry.problem = decode_hex(key, entry.key, at);
        entry.column += static_cast<unsigned>(at);
        entry.hex = true;
    } else if (key.size() >= 2 && key[0] == '0' && key[1] == 'X') {
        remark(number, entry.column,
               "the key is taken as text; write 0x in lower case if it is meant as hex");
    } else if (key.back() == '\r') {
        // As racoon takes it, but hardly what anybody wants.
        remark(number, column(line.end()) - 1,
               "the key ends in a carriage return, which is part of it; remove it (DOS text)");
    }
    if (!entry.problem && !entry.hex) odd_key(number, entry.column, key);
    if (entry.problem) {
        entry.key = {};
        remark(number, entry.column, entry.problem);
    }
    if (const char* odd = why_odd(entry.id)) remark(number, 1, odd);
    if (wildcard_ != kNone)
        remark(
            number, 1,
            "never looked at: a line with * stands before it and serves everybody; move it before "
            "that one");
    else if (first_.contains(entry.id))
        remark(number, 1, "never looked at: a line before it has the same identifier; remove one");
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

std::vector<PskRemark> PskIndex::weak_keys() const {
    std::vector<PskRemark> weak;
    for (const PskEntry& entry : entries_) {
        if (weak.size() == kMaxRemarks) break;
        if (entry.problem) continue;
        if (const char* why = why_weak(entry)) weak.push_back({entry.line, entry.column, why});
    }
    return weak;
}

}  // namespace credential_files
