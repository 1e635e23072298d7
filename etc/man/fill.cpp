// Writes a man page: fill TEMPLATE PAGE. The folders are those of this build; what the directives of
// racoon.conf(5) are comes from the parser's own table. Run by the build; not installed.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "base/build_config.hpp"
#include "conf/manual.hpp"

namespace {

/// @sysconfdir@ and the like.
void name_folders(std::string& page) {
    static constexpr std::pair<std::string_view, std::string_view> kFolders[] = {
        {"@sysconfdir@", RACOON_SYSCONFDIR},
        {"@moduledir@", RACOON_MODULE_DIR},
        {"@runstatedir@", RACOON_RUNSTATEDIR},
    };
    for (const auto& [word, folder] : kFolders)
        for (std::size_t at = 0; (at = page.find(word, at)) != page.npos; at += folder.size())
            page.replace(at, word.size(), folder);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: fill template page\n", stderr);
        return 1;
    }
    std::ifstream in(argv[1], std::ios::binary);
    std::string page{std::istreambuf_iterator<char>(in), {}};
    if (page.empty()) {
        std::fprintf(stderr, "%s: empty or unreadable\n", argv[1]);
        return 1;
    }
    if (page.find("\n.\\\" @directives ") != page.npos) {
        auto filled = racoon::conf::fill_manual(page);
        if (!filled) {
            std::fprintf(stderr, "%s: %s\n", argv[1], filled.error().text().c_str());
            return 1;
        }
        page = std::move(*filled);
    }
    name_folders(page);
    std::ofstream out(argv[2], std::ios::binary);
    out << page;
    return out.flush() ? 0 : 1;
}
