// Files of real installations: each is accepted, or explained with file, line and column.
#include <algorithm>
#include <filesystem>
#include <map>

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

/// Whether racoon 0.9.1 takes each file, by "folder/name.conf" (the last but one column of the index).
std::map<std::string, bool> verdicts(const std::filesystem::path& index) {
    std::map<std::string, bool> out;
    std::ifstream in(index);
    for (std::string line; std::getline(in, line);) {
        std::vector<std::string> columns;
        std::istringstream cells(line);
        for (std::string cell; std::getline(cells, cell, '\t');) columns.push_back(cell);
        if (columns.size() >= 7 && (columns[6] == "yes" || columns[6] == "no"))
            out.emplace(columns[0], columns[6] == "yes");
    }
    return out;
}

/// Files that racoon 0.9.1 takes and we refuse, with what it made of them.
const std::map<std::string, std::string>& refused_on_purpose() {
    static const std::map<std::string, std::string> kFiles = {
        {"synthetic/015.conf", "skips characters that mean nothing: ? and +"},
        {"synthetic/017.conf", "takes numbers too large for it as others"},
        {"synthetic/023.conf", "skips characters that mean nothing: ?"},
    };
    return kFiles;
}

struct Judged {
    bool accepted = false;
    std::string first;  // diagnostic: the first error, else the first warning
};

Judged judge(const std::filesystem::path& path) {
    DiskFiles files;
    const LoadResult r = load(path.string(), files, fake_catalog(), {.offline = true});
    Judged out{r.config != nullptr, {}};
    bool any_error = false;
    for (const Diagnostic& d : r.diagnostics) {
        const bool error = d.severity == Severity::Error;
        if (error) {
            EXPECT_TRUE(d.where.line > 0 ||
                        d.message.find("more messages are not shown") != std::string::npos)
                << d.line();
        }
        if (out.first.empty() || (error && !any_error))
            out.first = std::to_string(d.where.line) + ":" + std::to_string(d.where.column) + ": " +
                        d.message;
        any_error = any_error || error;
    }
    EXPECT_EQ(any_error, !out.accepted) << "refused without a word, or accepted with an error";
    return out;
}

/// The table of a folder, and whether we take all that racoon takes.
void compare(const char* folder_name) {
    const auto folder = test::test_data(std::string("corpus/") + folder_name);
    const auto index = test::test_data("corpus/INDEX.tsv");
    if (!folder || !index) return;
    const auto original = verdicts(*index);
    std::size_t both = 0, neither = 0, only_we = 0, only_it = 0;
    for (const auto& path : sorted(*folder)) {
        const std::string name = std::string(folder_name) + "/" + path.filename().string();
        SCOPED_TRACE(name);
        const Judged ours = judge(path);
        const auto found = original.find(name);
        const bool theirs = found != original.end() && found->second;
        ++(theirs ? (ours.accepted ? both : only_it) : (ours.accepted ? only_we : neither));
        std::printf("%s\t%s\t%s\t%s\n", name.c_str(), theirs ? "accepts" : "refuses",
                    ours.accepted ? "accepted" : "refused", ours.first.c_str());
        if (theirs && !ours.accepted) {
            EXPECT_TRUE(refused_on_purpose().contains(name)) << ours.first;
        }
        if (!ours.accepted) {
            EXPECT_FALSE(ours.first.empty());
        }
    }
    std::printf("%s: both accept %zu, neither %zu; only we %zu, only racoon 0.9.1 %zu\n",
                folder_name, both, neither, only_we, only_it);
}

TEST(Corpus, EveryRealConfigurationThatRacoonAcceptsIsAccepted) {
    compare("racoon");
}
TEST(Corpus, EverySyntheticFileThatRacoonAcceptsIsAcceptedOrRefusedOnPurpose) {
    compare("synthetic");
}
TEST(Corpus, EveryHistoricFileThatRacoonAcceptsIsAccepted) {
    compare("kame-historic");
}
TEST(Corpus, EveryTemplateIsAcceptedOrExplained) {
    const auto folder = test::test_data("corpus/templates");
    if (!folder) return;
    for (const auto& path : sorted(*folder)) {
        SCOPED_TRACE(path);
        judge(path);
    }
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
