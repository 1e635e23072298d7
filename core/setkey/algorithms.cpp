#include "setkey/algorithms.hpp"

#include <fmt/format.h>

#include <array>
#include <vector>

#include "conf/nearest.hpp"

namespace racoon::setkey {

namespace {

constexpr auto kE = AlgorithmKind::Encryption;
constexpr auto kA = AlgorithmKind::Authentication;
constexpr auto kC = AlgorithmKind::Compression;
constexpr std::uint32_t kIv4b = 0x10;   // SADB_X_EXT_IV4B
constexpr std::uint32_t kDeriv = 0x20;  // SADB_X_EXT_DERIV

constexpr std::array kAlgorithms = {
    Algorithm{"hmac-md5", kA, 2, 128, 128, 0, "hmac-md5"},
    Algorithm{"hmac-sha1", kA, 3, 160, 160, 0, "hmac-sha1"},
    Algorithm{"keyed-md5", kA, 249, 128, 128, 0, "keyed-md5"},
    Algorithm{"keyed-sha1", kA, 250, 160, 160, 0, "keyed-sha1"},
    Algorithm{"hmac-sha256", kA, 5, 256, 256, 0, "hmac-sha256"},
    Algorithm{"hmac-sha2-256", kA, 5, 256, 256, 0, "hmac-sha256", true},
    Algorithm{"hmac-sha384", kA, 6, 384, 384, 0, "hmac-sha384"},
    Algorithm{"hmac-sha2-384", kA, 6, 384, 384, 0, "hmac-sha384", true},
    Algorithm{"hmac-sha512", kA, 7, 512, 512, 0, "hmac-sha512"},
    Algorithm{"hmac-sha2-512", kA, 7, 512, 512, 0, "hmac-sha512", true},
    Algorithm{"hmac-ripemd160", kA, 8, 160, 160, 0, "hmac-ripemd160"},
    Algorithm{"aes-xcbc-mac", kA, 9, 128, 128, 0, "aes-xcbc-mac"},
    Algorithm{"tcp-md5", kA, 252, 8, 640, 0, "tcp-md5"},
    Algorithm{"null", kA, 251, 0, 0, 0, "null"},
    Algorithm{"des-cbc", kE, 2, 64, 64, 0, "des-cbc"},
    Algorithm{"des-deriv", kE, 2, 64, 64, 0, "des-deriv", false, kDeriv},
    Algorithm{"des-32iv", kE, 2, 64, 64, 0, "des-32iv", false, kIv4b},
    Algorithm{"3des-cbc", kE, 3, 192, 192, 0, "3des-cbc"},
    Algorithm{"null", kE, 11, 0, 0, 0, "null"},
    Algorithm{"simple", kE, 11, 0, 0, 0, "null", true, 0, "null"},
    Algorithm{"blowfish-cbc", kE, 7, 40, 448, 0, "blowfish-cbc"},
    Algorithm{"cast128-cbc", kE, 6, 40, 128, 0, "cast128-cbc"},
    Algorithm{"twofish-cbc", kE, 253, 0, 256, 0, "twofish-cbc"},
    Algorithm{"aes-cbc", kE, 12, 128, 256, 64, "aes-cbc"},
    Algorithm{"rijndael-cbc", kE, 12, 128, 256, 64, "aes-cbc", true},
    Algorithm{"aes-ctr", kE, 13, 160, 288, 64, "aes-ctr"},
    Algorithm{"camellia-cbc", kE, 22, 128, 256, 64, "camellia-cbc"},
    // Combined ones are for a key management daemon alone: no word, but dumps know them.
    Algorithm{"", kE, 14, 152, 280, 64, "aes-ccm-8"},
    Algorithm{"", kE, 15, 152, 280, 64, "aes-ccm-12"},
    Algorithm{"", kE, 16, 152, 280, 64, "aes-ccm-16"},
    Algorithm{"", kE, 18, 160, 288, 64, "aes-gcm-8"},
    Algorithm{"", kE, 19, 160, 288, 64, "aes-gcm-12"},
    Algorithm{"", kE, 20, 160, 288, 64, "aes-gcm-16"},
    Algorithm{"", kE, 23, 160, 288, 64, "aes-gmac"},
    Algorithm{"oui", kC, 1, 0, 0, 0, "oui"},
    Algorithm{"deflate", kC, 2, 0, 0, 0, "deflate"},
    Algorithm{"lzs", kC, 3, 0, 0, 0, "lzs"},
};

}  // namespace

bool Algorithm::takes(std::size_t bits) const {
    if (bits < min_bits || bits > max_bits) return false;
    return step_bits == 0 || (bits - min_bits) % step_bits == 0;
}

std::string Algorithm::lengths() const {
    if (max_bits == 0) return "no key";
    if (min_bits == max_bits) return fmt::format("{} bits ({} bytes)", min_bits, min_bits / 8);
    if (step_bits == 0)
        return fmt::format("{} to {} bits ({} to {} bytes)", min_bits, max_bits, min_bits / 8,
                           max_bits / 8);
    std::string out;
    for (unsigned bits = min_bits; bits <= max_bits; bits += step_bits)
        out += fmt::format("{}{}", out.empty() ? "" : bits == max_bits ? " or " : ", ", bits);
    return out + " bits";
}

const Algorithm* find_algorithm(AlgorithmKind kind, std::string_view name) {
    for (const Algorithm& a : kAlgorithms)
        if (a.kind == kind && a.name == name && !name.empty()) return &a;
    return nullptr;
}

const Algorithm* find_algorithm(AlgorithmKind kind, std::uint8_t number, std::uint32_t sa_flags) {
    const Algorithm* plain = nullptr;
    for (const Algorithm& a : kAlgorithms) {
        if (a.kind != kind || a.number != number || a.alias) continue;
        if (a.sa_flags != 0 && (sa_flags & a.sa_flags) != 0) return &a;
        if (a.sa_flags == 0) plain = &a;
    }
    return plain;
}

std::string unknown_algorithm(AlgorithmKind kind, std::string_view word) {
    if (word.starts_with("aes-gcm") || word.starts_with("aes-ccm") || word.starts_with("aes-gmac"))
        return "; setkey has no combined algorithms, which only a key management daemon should use";
    std::vector<std::string> words;
    for (const Algorithm& a : kAlgorithms) {
        if (a.kind == kind && !a.name.empty()) words.emplace_back(a.name);
        if (a.kind != kind && a.name == word) {
            if (a.kind == kC) return "; a compression algorithm goes with -C";
            return a.kind == kA ? "; an authentication algorithm goes with -A"
                                : "; an encryption algorithm goes with -E";
        }
    }
    return conf::did_you_mean(word, words);
}

}  // namespace racoon::setkey
