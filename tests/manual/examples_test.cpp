// Every example of racoon.conf(5) is taken from the page and read.
#include <sstream>
#include <vector>

#include "manual/programs.hpp"

namespace racoon::manual {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Example {
    std::string kind;  // "racoon.conf", "policies", "psk.txt", "syntax"; "": no mark
    int line = 0;
    std::string text;
};

std::string unescaped(const std::string& line) {
    std::string out;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] != '\\') {
            out += line[i];
        } else if (++i < line.size() && line[i] == 'e') {
            out += '\\';
        }  // "\&" is nothing
    }
    return out;
}

/// The displays of a page, each with the mark in the line before it.
std::vector<Example> examples(const std::string& page) {
    static const std::string kMark = ".\\\" @example ";
    std::vector<Example> out;
    std::istringstream in(page);
    std::string mark;
    int number = 0;
    for (std::string line; std::getline(in, line);) {
        ++number;
        if (line.rfind(".Bd", 0) == 0) {
            Example one{mark, number, {}};
            for (; std::getline(in, line) && line != ".Ed"; ++number)
                one.text += unescaped(line) + "\n";
            ++number;
            out.push_back(one);
        }
        mark = line.rfind(kMark, 0) == 0 ? line.substr(kMark.size(), line.size() - kMark.size() - 1)
                                         : "";
    }
    return out;
}

class Examples : public ManualTest {
  protected:
    static std::vector<Example> of_page() {
        return examples(content(RACOON_BUILD_DIR "/etc/man/racoon.conf.5"));
    }
    void expect_good(const Ran& ran) {
        EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
        std::istringstream lines(ran.out);
        // Files that an example names are not here, and what this release cannot do yet may be shown.
        for (std::string line; std::getline(lines, line);) {
            if (line.find(": warning: ") == line.npos || line.find("[missing_file]") != line.npos ||
                line.find("[not_supported]") != line.npos)
                continue;
            ADD_FAILURE() << line;
        }
    }
};

TEST_F(Examples, AllOfThemSayWhatTheyAre) {
    const auto all = of_page();
    EXPECT_GE(all.size(), 8u);
    for (const Example& e : all)
        EXPECT_THAT(e.kind, ::testing::AnyOf("racoon.conf", "policies", "psk.txt", "syntax"))
            << "line " << e.line;
}

TEST_F(Examples, ConfigurationsAreAcceptedWithoutAWarning) {
    std::size_t count = 0;
    for (const Example& e : of_page()) {
        if (e.kind != "racoon.conf") continue;
        SCOPED_TRACE(e.text);
        expect_good(run("racoon -t --offline" + std::string(kModules) + "-f " +
                        file("racoon.conf", e.text)));
        ++count;
    }
    EXPECT_GE(count, 6u);
}

TEST_F(Examples, PolicyFilesAreAccepted) {
    for (const Example& e : of_page()) {
        if (e.kind != "policies") continue;
        SCOPED_TRACE(e.text);
        const std::string conf = "policy file \"" + file("policies.conf", e.text) + "\";\n";
        const Ran ran = run("racoon -t --offline" + std::string(kModules) + "-C -f " +
                            file("racoon.conf", conf));
        EXPECT_EQ(ran.status, 0) << ran.err;
        EXPECT_THAT(ran.out, HasSubstr("-P out "));
        EXPECT_THAT(ran.out, HasSubstr("-P in "));
        EXPECT_THAT(ran.out, HasSubstr(" ipsec "));
    }
}

TEST_F(Examples, KeyFilesAreAccepted) {
    for (const Example& e : of_page()) {
        if (e.kind != "psk.txt") continue;
        SCOPED_TRACE(e.text);
        const std::string conf =
            "module \"crypto-openssl\"; module \"auth-psk\"; module \"credential-files\"; "
            "module \"kernel-sim\";\npath pre_shared_key \"" +
            file("psk.txt", e.text) +
            "\";\nremote 192.0.2.2 { exchange_mode main; proposal { encryption_algorithm aes 256; "
            "hash_algorithm sha256; authentication_method pre_shared_key; dh_group 14; } }\n"
            "sainfo anonymous { encryption_algorithm aes 256; authentication_algorithm hmac_sha256; "
            "compression_algorithm deflate; }\n";
        const Ran ran =
            run("racoon -t" + std::string(kModules) + "-f " + file("racoon.conf", conf));
        EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
        EXPECT_THAT(ran.out, Not(HasSubstr("psk.txt:"))) << ran.out;
    }
}

TEST_F(Examples, TheSampleConfigurationIsAccepted) {
    expect_good(run("racoon -t --offline" + std::string(kModules) +
                    "-f " RACOON_SOURCE_DIR "/etc/racoon.conf"));
}

}  // namespace
}  // namespace racoon::manual
