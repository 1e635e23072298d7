// What is printed of a file without warnings can be read again without any: -C shows what may stand in
// racoon.conf, so it must not be something that racoon frowns at.
#include <filesystem>

#include "conf/print.hpp"
#include "unit/conf/conf_test_support.hpp"

namespace racoon::conf {
namespace {

LoadOptions offline() {
    LoadOptions out;
    out.offline = true;
    return out;
}

TEST(PrintClean, DpdOfWhichNothingWasWrittenIsNotWarnedOf) {
    for (const char* dpd : {"", "dpd off;", "dpd_delay 20;", "dpd_delay 20; dpd_retry 3;"}) {
        const Loaded first =
            load_text(remote_text("192.0.2.1", dpd) + sainfo_text("anonymous"), {}, offline());
        ASSERT_EQ(first.lines(), "") << dpd;
        const std::string printed = print(first.config());
        EXPECT_EQ(load_text(printed, {}, offline()).lines(), "") << printed;
    }
}

TEST(PrintClean, CleanFilesStayClean) {
    std::size_t clean = 0;
    for (const char* folder : {"valid", "howto"})
        for (const auto& entry : std::filesystem::directory_iterator(
                 RACOON_SOURCE_DIR "/tests/conf/" + std::string(folder))) {
            if (entry.path().extension() != ".conf") continue;
            const Loaded first = load_text(read_file(entry.path().string()), {}, offline());
            if (!first.ok() || !first.result.diagnostics.empty()) continue;
            ++clean;
            EXPECT_EQ(load_text(print(first.config()), {}, offline()).lines(), "") << entry.path();
        }
    EXPECT_GE(clean, 3u);
}

}  // namespace
}  // namespace racoon::conf
