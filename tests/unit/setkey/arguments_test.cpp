#include "setkey/arguments.hpp"

#include <gtest/gtest.h>

namespace racoon::setkey {
namespace {

Result<Arguments> parse(std::vector<std::string> words) {
    words.insert(words.begin(), "setkey");
    std::vector<char*> argv;
    for (std::string& w : words) argv.push_back(w.data());
    argv.push_back(nullptr);
    return parse_arguments(static_cast<int>(words.size()), argv.data());
}

TEST(SetkeyArguments, TakesTheFormsThatScriptsUse) {
    using Action = Arguments::Action;
    EXPECT_EQ(parse({"-f", "/etc/ipsec.conf"})->action, Action::Script);
    EXPECT_EQ(parse({"-f", "/etc/ipsec.conf"})->file, "/etc/ipsec.conf");
    EXPECT_EQ(parse({"-c"})->action, Action::Stdin);
    EXPECT_TRUE(parse({"-DP"})->policies);
    EXPECT_EQ(parse({"-PD"})->action, Action::Dump);
    EXPECT_EQ(parse({"-FP"})->action, Action::Flush);
    EXPECT_EQ(parse({"-xx"})->watch, 2);
    EXPECT_EQ(parse({"-V"})->action, Action::Version);
    EXPECT_EQ(parse({"-h"})->action, Action::Help);
    EXPECT_EQ(parse({"-?"})->action, Action::Help);
    EXPECT_EQ(parse({"messages"})->action, Action::Decode);
    EXPECT_TRUE(parse({"-k", "-f", "x"})->kernel_policies);
    EXPECT_FALSE(parse({"-kr", "-f", "x"})->kernel_policies);
    const auto all = parse({"-aklPNrvpH", "-D"});
    ASSERT_TRUE(all);
    EXPECT_TRUE(all->dead && all->repeat && all->policies && all->hide_socket_policies &&
                all->verbose && all->ports && all->hex);
    EXPECT_TRUE(parse({"-n", "-f", "x"})->check_only);
}

TEST(SetkeyArguments, RefusesWhatHasNoMeaning) {
    for (const auto& words : std::vector<std::vector<std::string>>{
             {}, {"-d"}, {"-D", "-F"}, {"-f"}, {"-c", "x"}, {"-Z"}, {"-n"}})
        EXPECT_FALSE(parse(words));
    EXPECT_EQ(parse({"-Z"}).error().text(), "unknown option -Z");
}

TEST(SetkeyArguments, TakesTheStackToWorkOnByItsName) {
    EXPECT_EQ(parse({"-D"})->kernel, "auto");
    EXPECT_EQ(parse({"--kernel", "pfkey", "-D"})->kernel, "pfkey");
    EXPECT_EQ(parse({"-D", "--kernel=pfkey"})->kernel, "pfkey");
    EXPECT_FALSE(parse({"--kernel", "nonsense", "-D"}));
    EXPECT_FALSE(parse({"-D", "--kernel"}));
    EXPECT_EQ(parse({"--kernal", "-D"}).error().text(), "unknown option --kernal");
}

TEST(SetkeyArguments, TakeThePathAtWhichADaemonListens) {
    EXPECT_EQ(parse({"-D"})->socket, "");
    EXPECT_EQ(parse({"--socket", "/run/a.sock", "-D"})->socket, "/run/a.sock");
    EXPECT_EQ(parse({"-D", "--kernel=userspace", "--socket=/run/a.sock"})->socket, "/run/a.sock");
    for (const char* path : {"", "run/a.sock"})
        EXPECT_EQ(parse({"-D", "--socket", path}).error().text(),
                  "--socket takes an absolute path");
    EXPECT_FALSE(parse({"-D", "--socket"}));
}

}  // namespace
}  // namespace racoon::setkey
