// The algorithms that setkey has words for, with the lengths of their keys. Numbers are PF_KEY's as KAME
// and Linux give them; where a system has another, its dialect knows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace racoon::setkey {

enum class AlgorithmKind : std::uint8_t { Encryption, Authentication, Compression };

struct Algorithm {
    std::string_view name;
    AlgorithmKind kind;
    std::uint8_t number;     // SADB_EALG_…, SADB_AALG_…, SADB_X_CALG_…
    std::uint16_t min_bits;  // of the key; 0 and 0: there is none
    std::uint16_t max_bits;
    std::uint16_t step_bits;         // lengths between the two; 0: any whole byte
    std::string_view shown;          // how a dump names it
    bool alias = false;              // another word for the same; dumps use the other
    std::uint32_t sa_flags = 0;      // it is a form of another algorithm: SADB_X_EXT_DERIV, _IV4B
    std::string_view obsolete = {};  // what to write instead

    bool takes(std::size_t bits) const;
    std::string lengths() const;  // "128, 192 or 256 bits"
};

/// Null: there is no such word.
const Algorithm* find_algorithm(AlgorithmKind kind, std::string_view name);
/// For a dump; null: not known. Flags tell the forms of DES apart.
const Algorithm* find_algorithm(AlgorithmKind kind, std::uint8_t number, std::uint32_t sa_flags);
/// `word` with its likely correction: "; did you mean "hmac-sha1"?", or why it is not there.
std::string unknown_algorithm(AlgorithmKind kind, std::string_view word);

}  // namespace racoon::setkey
