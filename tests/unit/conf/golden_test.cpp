// tests/conf: every file under valid/ loads, every file under invalid/ gives exactly the messages in
// the .expect beside it, and so does every file under warned/, which loads. RACOON_UPDATE_GOLDEN=1 rewrites the .expect files; read the difference.
#include <cstdlib>
#include <filesystem>
#include <set>

#include "conf/print.hpp"
#include "unit/conf/conf_test_support.hpp"

namespace racoon::conf {
namespace {

std::vector<std::filesystem::path> conf_files(const char* folder) {
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::directory_iterator(RACOON_SOURCE_DIR "/tests/conf/" +
                                                                 std::string(folder)))
        if (entry.path().extension() == ".conf") out.push_back(entry.path());
    std::sort(out.begin(), out.end());
    return out;
}

Loaded load_as_its_name(const std::filesystem::path& path) {
    FileBundle bundle;
    const std::string name = path.filename().string();
    bundle.files[name] = read_file(path.string());
    BundleFiles files(std::move(bundle));
    return {load(name, files, fake_catalog())};
}

void compare(const std::filesystem::path& path, const Loaded& loaded) {
    auto expect = path;
    expect.replace_extension(".expect");
    if (std::getenv("RACOON_UPDATE_GOLDEN") != nullptr)
        std::ofstream(expect, std::ios::binary) << loaded.text();
    else
        EXPECT_EQ(loaded.text(), read_file(expect.string()));
    for (const Diagnostic& d : loaded.result.diagnostics) {
        EXPECT_GT(d.where.line, 0) << d.message;
        EXPECT_EQ(d.line().find('\n'), std::string::npos) << "one line for a log";
        EXPECT_EQ(d.warning.has_value(), d.severity == Severity::Warning) << d.message;
    }
}

TEST(GoldenDiagnostics, EveryInvalidFileIsExplainedAsExpected) {
    const auto files = conf_files("invalid");
    EXPECT_GE(files.size(), 180u);
    for (const auto& path : files) {
        SCOPED_TRACE(path.filename().string());
        const Loaded loaded = load_as_its_name(path);
        EXPECT_FALSE(loaded.ok()) << "accepted, but it is in invalid/";
        EXPECT_FALSE(loaded.result.diagnostics.empty());
        compare(path, loaded);
    }
}

TEST(GoldenDiagnostics, EveryWarnedFileLoadsAndIsWarnedOfAsExpected) {
    std::set<Warning> told;
    for (const auto& path : conf_files("warned")) {
        SCOPED_TRACE(path.filename().string());
        const Loaded loaded = load_as_its_name(path);
        EXPECT_TRUE(loaded.ok()) << loaded.text();
        compare(path, loaded);
        for (const Diagnostic& d : loaded.result.diagnostics)
            if (d.warning) told.insert(*d.warning);
    }
    // Those about files need a disk: check_test.cpp, and those about keys their module.
    for (const Warning w :
         {Warning::MissingFile, Warning::UnsafeFile, Warning::UncheckedFile, Warning::KeyFileMode,
          Warning::PskLine, Warning::WeakRsaKey, Warning::WeakPsk, Warning::NotSupported})
        told.insert(w);
    for (const WarningInfo& info : warning_table())
        EXPECT_TRUE(told.contains(info.warning)) << info.name << " is in no file of warned/";
}

TEST(GoldenDiagnostics, NoExpectationIsLeftWithoutItsFile) {
    for (const char* folder : {"invalid", "warned"})
        for (const auto& entry : std::filesystem::directory_iterator(
                 RACOON_SOURCE_DIR "/tests/conf/" + std::string(folder))) {
            auto conf = entry.path();
            EXPECT_TRUE(std::filesystem::exists(conf.replace_extension(".conf"))) << entry.path();
        }
}

TEST(GoldenDiagnostics, EveryValidFileLoadsWithoutAnError) {
    const auto files = conf_files("valid");
    EXPECT_GE(files.size(), 5u);
    for (const auto& path : files) {
        const Loaded loaded = load_as_its_name(path);
        EXPECT_TRUE(loaded.ok()) << path << "\n" << loaded.text();
    }
}

}  // namespace
}  // namespace racoon::conf
