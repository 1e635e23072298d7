// Writes racoon.conf(5): fill TEMPLATE PAGE. Run by the build; not installed.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "conf/manual.hpp"

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: fill template page\n", stderr);
        return 1;
    }
    std::ifstream in(argv[1], std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const auto page = racoon::conf::fill_manual(text);
    if (text.empty() || !page) {
        std::fprintf(stderr, "%s: %s\n", argv[1],
                     page ? "empty or unreadable" : page.error().text().c_str());
        return 1;
    }
    std::ofstream out(argv[2], std::ios::binary);
    out << *page;
    return out.flush() ? 0 : 1;
}
