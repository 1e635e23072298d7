// The command line of plainrsa-gen.
//
//     plainrsa-gen [-b bits] [-e pubexp] [-f outfile] [-i pemfile]
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace racoon::rsagen {

inline constexpr unsigned kMinBits = 1024;
inline constexpr unsigned kMaxBits = 16384;
inline constexpr unsigned kGoodBits = 2048;
inline constexpr std::uint64_t kGoodExponent = 0x10001;

struct Arguments {
    unsigned bits = 3072;
    std::uint64_t exponent = kGoodExponent;
    std::string output;  // empty: standard output
    std::string input;   // empty: make a key instead of converting one
    bool help = false;
    std::vector<std::string> warnings;
};

/// Errors: Config, with what was found and expected.
Result<Arguments> parse_arguments(int argc, char** argv);

std::string usage(const std::string& program);

}  // namespace racoon::rsagen
