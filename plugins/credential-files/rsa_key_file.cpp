#include "rsa_key_file.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <optional>
#include <string_view>

namespace credential_files {
namespace {

bool is_blank(std::uint8_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool is_letter(std::uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_digit(std::uint8_t c) {
    return c >= '0' && c <= '9';
}

int hex_digit(std::uint8_t c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

int base64_digit(std::uint8_t c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (is_digit(c)) return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : -1;
}

Number without_leading_zeros(Number number) {
    while (!number.empty() && number[0] == 0) number = number.subspan(1);
    return number;
}

bool is_odd(Number number) {
    return !number.empty() && (number.back() & 1) != 0;
}

/// Of at most 64 bits.
std::uint64_t value_of(Number number) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : number) value = value << 8 | byte;
    return value;
}

struct Field {
    std::string_view name;
    Number RsaKey::*number;
};
constexpr std::array kFields = {
    Field{"Modulus", &RsaKey::n},         Field{"PublicExponent", &RsaKey::e},
    Field{"PrivateExponent", &RsaKey::d}, Field{"Prime1", &RsaKey::p},
    Field{"Prime2", &RsaKey::q},          Field{"Exponent1", &RsaKey::dp},
    Field{"Exponent2", &RsaKey::dq},      Field{"Coefficient", &RsaKey::qinv}};
constexpr std::size_t kFirstCrtField = 3;

std::optional<AddressPrefix> parse_address(std::string_view word) {
    AddressPrefix out;
    if (word == "any") return out;
    const std::size_t slash = word.find('/');
    const std::string address(word.substr(0, slash));
    if (address.size() >= INET6_ADDRSTRLEN) return std::nullopt;
    if (::inet_pton(AF_INET, address.c_str(), out.bytes.data()) == 1)
        out.family = 4;
    else if (::inet_pton(AF_INET6, address.c_str(), out.bytes.data()) == 1)
        out.family = 6;
    else
        return std::nullopt;
    const unsigned most = out.family == 4 ? 32 : 128;
    out.length = static_cast<std::uint8_t>(most);
    if (slash == std::string_view::npos) return out;
    const std::string_view digits = word.substr(slash + 1);
    if (digits.empty() || digits.size() > 3) return std::nullopt;
    unsigned length = 0;
    for (const char c : digits) {
        if (!is_digit(static_cast<std::uint8_t>(c))) return std::nullopt;
        length = length * 10 + static_cast<unsigned>(c - '0');
    }
    if (length > most) return std::nullopt;
    out.length = static_cast<std::uint8_t>(length);
    return out;
}

}  // namespace

/// Stops at the first error: whatever follows would be a guess.
class RsaKeyParser {
  public:
    RsaKeyParser(std::span<std::uint8_t> text, RsaUse use, RsaKeyFile& out)
        : text_(text), use_(use), out_(out) {}

    bool run() {
        for (skip_blank(); !at_end(); skip_blank())
            if (!statement()) return false;
        if (out_.keys_.empty()) {
            mark();
            return error(use_ == RsaUse::Private
                             ? "the file has no key, expected \": RSA { ... }\"; make one with "
                               "plainrsa-gen"
                             : "the file has no key, expected \": PUB 0s...\"");
        }
        return true;
    }

  private:
    struct Place {
        unsigned line = 1, column = 1;
    };

    bool at_end() const { return at_ == text_.size(); }
    std::uint8_t peek() const { return at_end() ? std::uint8_t{0} : text_[at_]; }
    void step() {
        if (text_[at_] == '\n') {
            ++here_.line;
            here_.column = 1;
        } else {
            ++here_.column;
        }
        ++at_;
    }
    void skip_blank() {
        for (; !at_end(); step()) {
            if (peek() == '#')
                while (!at_end() && peek() != '\n') step();
            if (at_end()) return;
            if (!is_blank(peek())) return;
        }
    }
    /// Errors and remarks are about this place until the next mark().
    void mark() { marked_ = here_; }

    bool error(std::string text) {
        out_.error_ = {marked_.line, marked_.column, std::move(text)};
        return false;
    }
    void remark(std::string text) {
        if (out_.remarks_.size() < kMaxRsaRemarks)
            out_.remarks_.push_back({marked_.line, marked_.column, std::move(text)});
    }

    /// What stands here, for a message. Only words that cannot be a piece of a key are shown.
    std::string found() const {
        if (at_end()) return "found the end of the file";
        std::size_t end = at_;
        bool hex = true;
        while (end < text_.size() && end - at_ < 40 &&
               (is_letter(text_[end]) || is_digit(text_[end]) ||
                std::strchr(".:/-_@%", text_[end]) != nullptr) &&
               text_[end] != 0) {
            hex = hex && hex_digit(text_[end]) >= 0;
            ++end;
        }
        std::string_view word = view(at_, end);
        if (word.size() > 1 && word.ends_with(':') && !word.ends_with("::")) word.remove_suffix(1);
        if (word.empty()) {
            const std::uint8_t c = peek();
            if (c > 0x20 && c < 0x7f) return std::string("found \"") + static_cast<char>(c) + "\"";
            return "found a byte that is no text";
        }
        if (hex || word.size() > 32 || word.starts_with("0s") || word.starts_with("0x"))
            return "found digits";
        return "found \"" + std::string(word) + "\"";
    }
    std::string_view view(std::size_t from, std::size_t to) const {
        return {reinterpret_cast<const char*>(text_.data()) + from, to - from};
    }

    std::string_view letters_and_digits() {
        const std::size_t from = at_;
        while (!at_end() && (is_letter(peek()) || is_digit(peek()))) step();
        return view(from, at_);
    }

    // [source] [destination] : RSA { … } | PUB …
    bool statement() {
        RsaKey key;
        std::array<AddressPrefix, 2> addresses{};
        std::size_t count = 0;
        for (;; skip_blank()) {
            mark();
            if (at_end()) return error(found() + ", expected \": RSA { ... }\" or \": PUB ...\"");
            if (peek() == ':' && !next_is(':')) break;
            if (count == addresses.size()) return error(found() + ", expected \":\"");
            if (!address(addresses[count])) return false;
            ++count;
        }
        key.destination = addresses[count == 2 ? 1 : 0];
        if (count == 2) key.source = addresses[0];
        step();
        skip_blank();
        mark();
        key.line = here_.line;
        key.column = here_.column;
        if (out_.keys_.size() == kMaxRsaKeys)
            return error("more than " + std::to_string(kMaxRsaKeys) + " keys in one file");
        const Place start = here_;
        const std::size_t start_at = at_;
        const std::string_view word = letters_and_digits();
        if (word == "RSA") return block(key);
        if (word == "PUB") return public_key(key);
        here_ = start;
        at_ = start_at;
        if (word == "PSK")
            return error("found \"PSK\", expected RSA or PUB; pre-shared keys belong into psk.txt");
        return error(found() + ", expected RSA or PUB");
    }

    bool next_is(std::uint8_t c) const { return at_ + 1 < text_.size() && text_[at_ + 1] == c; }

    bool address(AddressPrefix& out) {
        const std::size_t from = at_;
        std::size_t end = at_;
        while (end < text_.size() && end - from < 64 &&
               (is_letter(text_[end]) || hex_digit(text_[end]) >= 0 || text_[end] == '.' ||
                text_[end] == ':' || text_[end] == '/'))
            ++end;
        auto parsed = parse_address(view(from, end));
        if (!parsed) {  // "192.0.2.1: RSA" and "192.0.2.1:RSA"
            const std::size_t colon = view(from, end).rfind(':');
            if (colon != std::string_view::npos && colon != 0) {
                end = from + colon;
                parsed = parse_address(view(from, end));
            }
        }
        if (!parsed)
            return error(found() +
                         ", expected an address, an address with a prefix length, any, or \":\"");
        out = *parsed;
        while (at_ < end) step();
        return true;
    }

    bool block(RsaKey& key) {
        skip_blank();
        mark();
        if (peek() != '{') return error(found() + ", expected \"{\" after RSA");
        step();
        std::array<Place, kFields.size()> places{};
        for (skip_blank(); peek() != '}'; skip_blank())
            if (!field(key, places)) return false;
        mark();
        step();
        return finish_block(key, places);
    }

    // Name: 0x…
    bool field(RsaKey& key, std::array<Place, kFields.size()>& places) {
        mark();
        if (at_end()) return error("found the end of the file, expected \"}\"");
        const std::string what = found();
        const std::string_view name = letters_and_digits();
        const auto known = std::find_if(kFields.begin(), kFields.end(),
                                        [&](const Field& f) { return f.name == name; });
        if (known == kFields.end())
            return error(what +
                         ", expected Modulus, PublicExponent, PrivateExponent, Prime1, "
                         "Prime2, Exponent1, Exponent2, Coefficient or \"}\"");
        const std::string label(known->name);
        if (!(key.*known->number).empty()) return error("found " + label + " twice, expected once");
        skip_blank();
        mark();
        if (peek() != ':') return error(found() + ", expected \":\" after " + label);
        step();
        skip_blank();
        mark();
        places[static_cast<std::size_t>(known - kFields.begin())] = here_;
        Number digits;
        if (!hex(digits, label)) return false;
        digits = without_leading_zeros(digits);
        if (digits.empty()) return error(label + " is zero");
        if (digits.size() > kMaxModulusBits / 8)
            return error(label + " is longer than " + std::to_string(kMaxModulusBits) + " bits");
        key.*known->number = digits;
        return true;
    }

    // 0x…, decoded in place. An odd number of digits is a number all the same.
    bool hex(Number& out, const std::string& label) {
        if (peek() != '0' || !next_is('x'))
            return error(label + ": " + found() + ", expected hex digits after 0x");
        step();
        step();
        const std::size_t from = at_;
        while (!at_end() && hex_digit(peek()) >= 0) step();
        const std::size_t count = at_ - from;
        if (count == 0) return error(label + ": no hex digits after 0x");
        if (!ends_here()) {
            mark();
            return error(label + ": found a character that is no hex digit");
        }
        std::size_t size = 0;
        std::size_t i = 0;
        if (count % 2 != 0) text_[from + size++] = digit_at(from + i++);
        for (; i < count; i += 2)
            text_[from + size++] =
                static_cast<std::uint8_t>(digit_at(from + i) << 4 | digit_at(from + i + 1));
        out = text_.subspan(from, size);
        return true;
    }
    std::uint8_t digit_at(std::size_t at) const {
        return static_cast<std::uint8_t>(hex_digit(text_[at]));
    }
    bool ends_here() const {
        return at_end() || is_blank(peek()) || peek() == '#' || peek() == '}';
    }

    bool public_key(RsaKey& key) {
        skip_blank();
        mark();
        if (use_ == RsaUse::Private) {
            marked_ = {key.line, key.column};
            return error("found a public key, expected the private one, \": RSA { ... }\"");
        }
        Number bytes;
        if (peek() == '0' && next_is('s')) {
            if (!base64(bytes)) return false;
        } else if (peek() == '0' && next_is('x')) {
            if (!hex(bytes, "PUB")) return false;
        } else {
            return error(found() + ", expected the key in base64 after 0s, or in hex after 0x");
        }
        // RFC 3110 section 2.
        std::size_t length = bytes.empty() ? 0 : bytes[0];
        std::size_t head = 1;
        if (length == 0 && bytes.size() >= 3) {
            length = static_cast<std::size_t>(bytes[1]) << 8 | bytes[2];
            head = 3;
        }
        if (length == 0 || bytes.size() <= head + length)
            return error("PUB: " + std::to_string(bytes.size()) +
                         " bytes, expected the exponent's length, the exponent and the modulus; "
                         "was the line cut?");
        key.e = without_leading_zeros(bytes.subspan(head, length));
        key.n = without_leading_zeros(bytes.subspan(head + length));
        if (!check_modulus(key.n) || !check_exponent(key.e)) return false;
        out_.keys_.push_back(key);
        return true;
    }

    // 0s…, decoded in place.
    bool base64(Number& out) {
        step();
        step();
        const std::size_t from = at_;
        std::size_t size = 0;
        std::uint32_t bits = 0;
        std::size_t count = 0;
        for (; base64_digit(peek()) >= 0 && !at_end(); step()) {
            bits = (bits << 6 | static_cast<std::uint32_t>(base64_digit(peek()))) & 0xffffff;
            // The byte lands on a digit that has been read.
            if (++count % 4 != 1)
                text_[from + size++] =
                    static_cast<std::uint8_t>(bits >> (6 - 2 * ((count - 1) % 4)) & 0xff);
        }
        std::size_t padding = 0;
        for (; peek() == '=' && padding < 2; step()) ++padding;
        if (!ends_here()) {
            mark();
            return error("PUB: found a character that is no base64 digit");
        }
        if (count % 4 == 1 || (padding != 0 && (count + padding) % 4 != 0))
            return error("PUB: the base64 text is incomplete; was the line cut?");
        out = text_.subspan(from, size);
        return true;
    }

    bool check_modulus(Number n) {
        const std::size_t bits = bit_length(n);
        if (bits < kMinModulusBits || bits > kMaxModulusBits)
            return error("a modulus of " + std::to_string(bits) + " bits, expected " +
                         std::to_string(kMinModulusBits) + " to " +
                         std::to_string(kMaxModulusBits));
        if (!is_odd(n)) return error("an even modulus: this is no RSA key");
        if (bits < 2048)
            remark("a modulus of " + std::to_string(bits) +
                   " bits is weak; make a new key with plainrsa-gen -b 3072");
        return true;
    }
    bool check_exponent(Number e) {
        if (bit_length(e) > kMaxExponentBits)
            return error("a public exponent of " + std::to_string(bit_length(e)) +
                         " bits, expected at most " + std::to_string(kMaxExponentBits));
        const std::uint64_t value = value_of(e);
        if (!is_odd(e) || value < 3)
            return error("public exponent " + std::to_string(value) +
                         ", expected an odd one, as 65537");
        if (value < 65537)
            remark("public exponent " + std::to_string(value) +
                   " is kept for old keys only; make a new key with plainrsa-gen -e 0x10001");
        return true;
    }

    bool finish_block(RsaKey& key, const std::array<Place, kFields.size()>& places) {
        // Here: at the closing brace.
        if (key.n.empty()) return error("found \"}\", expected Modulus before it");
        if (key.e.empty()) return error("found \"}\", expected PublicExponent before it");
        if (key.d.empty() && use_ == RsaUse::Private)
            return error("found \"}\", expected PrivateExponent before it");
        marked_ = places[0];
        if (!check_modulus(key.n)) return false;
        marked_ = places[1];
        if (!check_exponent(key.e)) return false;
        key.is_private = !key.d.empty();
        marked_ = {key.line, key.column};
        if (use_ == RsaUse::Public) {
            if (key.is_private)
                remark(
                    "a private key in a file of public keys; only its first line, \": PUB "
                    "0s...\", belongs to peers");
            key.is_private = false;
            key.d = key.p = key.q = key.dp = key.dq = key.qinv = {};
        }
        std::size_t present = 0;
        for (std::size_t i = kFirstCrtField; i < kFields.size(); ++i)
            present += (key.*kFields[i].number).empty() ? 0 : 1;
        if (present != 0 && present != kFields.size() - kFirstCrtField) {
            for (std::size_t i = kFirstCrtField; i < kFields.size(); ++i) {
                if ((key.*kFields[i].number).empty())
                    remark(std::string(kFields[i].name) +
                           " is missing: signing works without it, but slower");
                key.*kFields[i].number = {};
            }
        }
        out_.keys_.push_back(key);
        return true;
    }

    std::span<std::uint8_t> text_;
    RsaUse use_;
    RsaKeyFile& out_;
    std::size_t at_ = 0;
    Place here_, marked_;
};

RsaKeyFile RsaKeyFile::parse(std::span<std::uint8_t> text, RsaUse use) {
    RsaKeyFile file;
    file.good_ = RsaKeyParser(text, use, file).run();
    if (!file.good_) file.keys_.clear();
    return file;
}

int AddressPrefix::score(const racoon_addr& address) const {
    if (family == 0) return 0;
    if (family != address.family) return -1;
    const std::size_t whole = length / 8;
    if (!std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                    address.bytes))
        return -1;
    const unsigned rest = length % 8;
    if (rest != 0 && (bytes[whole] ^ address.bytes[whole]) >> (8 - rest) != 0) return -1;
    return length;
}

int score(const RsaKey& key, const racoon_addr& local, const racoon_addr& peer) {
    const int source = key.source.score(local);
    const int destination = key.destination.score(peer);
    return source < 0 || destination < 0 ? -1 : source + destination;
}

std::size_t bit_length(Number number) {
    number = without_leading_zeros(number);
    if (number.empty()) return 0;
    std::size_t bits = number.size() * 8;
    for (std::uint8_t top = 0x80; (number[0] & top) == 0; top = static_cast<std::uint8_t>(top >> 1))
        --bits;
    return bits;
}

}  // namespace credential_files
