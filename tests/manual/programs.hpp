// Runs the built programs and reads files, for the tests of the manual.
#pragma once

#include <gmock/gmock.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace racoon::manual {

struct Ran {
    int status = -1;
    std::string out, err;
};

inline std::string content(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// A test with a folder of its own.
class ManualTest : public ::testing::Test {
  protected:
    ManualTest()
        : dir_(std::filesystem::temp_directory_path() /
               ("racoon-manual-" + std::to_string(::getpid()))) {
        std::filesystem::remove_all(dir_);
        std::filesystem::create_directories(dir_);
    }
    ~ManualTest() override { std::filesystem::remove_all(dir_); }

    /// A shell command line; "racoon" and "racoonctl" at its start are the built ones.
    Ran run(const std::string& command) {
        const std::string out = (dir_ / "out").string(), err = (dir_ / "err").string();
        const int status =
            std::system((RACOON_BUILD_DIR "/sbin/" + command + " >" + out + " 2>" + err).c_str());
        return {WIFEXITED(status) ? WEXITSTATUS(status) : 256, content(out), content(err)};
    }
    std::string file(const std::string& name, const std::string& text, unsigned mode = 0600) {
        const auto path = dir_ / name;
        std::ofstream(path, std::ios::binary) << text;
        std::filesystem::permissions(path, static_cast<std::filesystem::perms>(mode));
        return path.string();
    }
    static constexpr const char* kModules =
        " --module-path " RACOON_BUILD_DIR "/lib/racoon/modules ";

    std::filesystem::path dir_;
};

}  // namespace racoon::manual
