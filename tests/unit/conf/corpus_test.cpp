// Files of real installations: each is accepted, or explained with file, line and column.
#include <algorithm>
#include <filesystem>

#include "conf/policy_syntax.hpp"
#include "support/test_data.hpp"
#include "unit/conf/conf_test_support.hpp"

namespace racoon::conf {
namespace {

std::vector<std::filesystem::path> sorted(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.is_regular_file()) out.push_back(entry.path());
    std::sort(out.begin(), out.end());
    return out;
}

void run(const char* name, std::size_t at_least) {
    const auto folder = test::test_data(name);
    if (!folder) return;
    std::size_t accepted = 0, refused = 0, later = 0;
    for (const auto& path : sorted(*folder)) {
        SCOPED_TRACE(path);
        DiskFiles files;
        const LoadResult r = load(path.string(), files, fake_catalog(), {.offline = true});
        if (r.config) {
            ++accepted;
            continue;
        }
        bool only_later = true, any_error = false;
        for (const Diagnostic& d : r.diagnostics) {
            if (d.severity != Severity::Error) continue;
            any_error = true;
            EXPECT_TRUE(d.where.line > 0 ||
                        d.message.find("more messages are not shown") != std::string::npos)
                << d.line();
            only_later = only_later && d.message.find("not supported yet") != std::string::npos;
        }
        EXPECT_TRUE(any_error) << "refused without a word";
        ++(only_later ? later : refused);
    }
    std::printf(
        "%s: %zu accepted, %zu wait for directives to come, %zu refused for other reasons\n", name,
        accepted, later, refused);
    EXPECT_GE(accepted, at_least);
}

TEST(Corpus, EveryRealConfigurationIsAcceptedOrExplained) {
    run("corpus/racoon", 15);
}
TEST(Corpus, EverySyntheticFileIsAcceptedOrExplained) {
    run("corpus/synthetic", 0);
}
TEST(Corpus, EveryHistoricFileIsAcceptedOrExplained) {
    run("corpus/kame-historic", 0);
}
TEST(Corpus, EveryTemplateIsAcceptedOrExplained) {
    run("corpus/templates", 0);
}

TEST(Corpus, EveryRealPolicyFileIsReadOrExplained) {
    const auto folder = test::test_data("corpus/setkey");
    if (!folder) return;
    std::size_t clean = 0, policies = 0, explained = 0;
    for (const auto& path : sorted(*folder)) {
        SCOPED_TRACE(path);
        Sources sources;
        Diagnostics diagnostics(sources);
        std::vector<Policy> out;
        parse_policy_file(sources, sources.add(path.string(), read_file(path.string())),
                          diagnostics, out);
        policies += out.size();
        const bool errors = diagnostics.errors() > 0;
        ++(errors ? explained : clean);
        for (const Diagnostic& d : diagnostics.take()) EXPECT_GT(d.where.line, 0) << d.line();
    }
    std::printf("corpus/setkey: %zu files without an error, %zu with, %zu policies\n", clean,
                explained, policies);
    EXPECT_GE(clean, 25u);
}

}  // namespace
}  // namespace racoon::conf
