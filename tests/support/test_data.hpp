// Data from outside: captures, vectors. RACOON_TEST_DATA names the folder; without it "../shared"
// beside the sources is tried. A clone without the data passes; CI must have it.
//
//     const auto data = test_data("vectors/pcap");
//     if (!data) return;     // said why, and failed if this is CI
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <optional>
#include <string>

namespace racoon::test {

inline std::optional<std::filesystem::path> test_data(const std::string& name) {
    const char* folder = std::getenv("RACOON_TEST_DATA");
    const std::filesystem::path base =
        folder ? folder : std::filesystem::path(RACOON_SOURCE_DIR) / ".." / "shared";
    const auto path = base / name;
    if (std::filesystem::exists(path)) return path;
    const std::string message =
        path.string() + " is not there: nothing was tested (RACOON_TEST_DATA names the folder)";
    if (std::getenv("CI")) {
        ADD_FAILURE() << message;
    } else {
        std::printf("%s\n", message.c_str());
    }
    return {};
}

inline std::string read_text(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace racoon::test
