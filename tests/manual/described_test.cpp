// What the programs take is in their manual and in the shell's completion.
#include <regex>
#include <set>

#include "manual/programs.hpp"

namespace racoon::manual {
namespace {

using ::testing::HasSubstr;

class Described : public ManualTest {
  protected:
    /// Options in a usage text: "-x" as "x", "--long" as "-long".
    static std::set<std::string> options(const std::string& usage) {
        std::set<std::string> out;
        static const std::regex one(R"((?:^|[\s\[,])-(-[a-z][a-z-]+|[A-Za-z0-9](?![A-Za-z0-9])))");
        for (std::sregex_iterator i(usage.begin(), usage.end(), one), end; i != end; ++i)
            out.insert((*i)[1]);
        static const std::regex bundle(R"(\[-([A-Za-z0-9]{2,})\])");
        for (std::sregex_iterator i(usage.begin(), usage.end(), bundle), end; i != end; ++i)
            for (const char c : (*i)[1].str()) out.insert(std::string(1, c));
        return out;
    }
    static std::string page(const std::string& name) {
        return content(RACOON_SOURCE_DIR "/etc/man/" + name);
    }
    static std::string completion(const std::string& program) {
        return content(RACOON_SOURCE_DIR "/etc/completion/" + program + ".bash");
    }
    static void in_page(const std::string& text, const std::string& option) {
        const bool long_one = option[0] == '-';
        EXPECT_TRUE(std::regex_search(
            text, std::regex("Fl " + std::string(long_one ? "\\\\-" + option.substr(1) : option) +
                             "\\b")))
            << "-" << option;
    }
    static void in_completion(const std::string& text, const std::string& option) {
        EXPECT_TRUE(std::regex_search(text, std::regex("[ ']-" + option + "[ '\"]")))
            << "-" << option;
    }
    /// Commands of racoonctl and their short names, from its usage text.
    std::vector<std::pair<std::string, std::string>> commands() {
        const std::string usage = run("racoonctl --help").out;
        std::vector<std::pair<std::string, std::string>> out;
        static const std::regex line(R"(\n  ([a-z][a-z-]+)(?: \(([a-z]+)\))?(?=[ \n]))");
        for (std::sregex_iterator i(usage.begin(), usage.end(), line), end; i != end; ++i)
            out.emplace_back((*i)[1], (*i)[2]);
        return out;
    }
};

TEST_F(Described, EveryOptionOfRacoon) {
    const Ran usage = run("racoon --help");
    EXPECT_EQ(usage.status, 0);
    const auto all = options(usage.out);
    EXPECT_GE(all.size(), 18u) << usage.out;
    for (const std::string& option : all) {
        in_page(page("racoon.8"), option);
        in_completion(completion("racoon"), option);
    }
}

TEST_F(Described, EveryOptionOfRacoonctl) {
    const auto all = options(run("racoonctl --help").out);
    EXPECT_GE(all.size(), 5u);
    for (const std::string& option : all) {
        if (option == "n" || option == "w") continue;  // of establish-sa, below
        in_page(page("racoonctl.8"), option);
        in_completion(completion("racoonctl"), option);
    }
}

TEST_F(Described, EveryCommandOfRacoonctl) {
    const auto all = commands();
    EXPECT_GE(all.size(), 8u);
    for (const auto& [name, alias] : all) {
        EXPECT_THAT(page("racoonctl.8"),
                    HasSubstr("\n.It Cm " + name + (alias.empty() ? "" : " Pq Cm " + alias)));
        EXPECT_TRUE(std::regex_search(completion("racoonctl"), std::regex("[ ']" + name + "[ ']")))
            << name;
    }
}

TEST_F(Described, TheCompletionOfExplainKnowsItsWords) {
    const std::string script =
        file("complete.sh", ". " RACOON_SOURCE_DIR
                            "/etc/completion/racoonctl.bash\n"
                            "COMP_WORDS=(" RACOON_BUILD_DIR
                            "/sbin/racoonctl explain remote.nonce)\n"
                            "COMP_CWORD=2\n_racoonctl\necho \"${COMPREPLY[@]}\"\n");
    EXPECT_EQ(run("../sbin/racoonctl --help").status, 0);
    const int status = std::system(("bash " + script + " >" + (dir_ / "out").string()).c_str());
    EXPECT_EQ(status, 0);
    EXPECT_EQ(content(dir_ / "out"), "remote.nonce_size\n");
}

}  // namespace
}  // namespace racoon::manual
