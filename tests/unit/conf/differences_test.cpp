// What a reload says about itself: which sections and policies came, went and changed.
#include "conf/differences.hpp"

#include "unit/conf/conf_test_support.hpp"

namespace racoon::conf {
namespace {

constexpr const char* kPolicy =
    "policy spdadd 10.0.1.0/24 10.0.2.0/24 any -P out ipsec esp/tunnel/192.0.2.1-192.0.2.2/require;\n";

std::string told(const std::string& before, const std::string& after) {
    const Loaded a = load_text(before), b = load_text(after);
    EXPECT_TRUE(a.ok()) << a.text();
    EXPECT_TRUE(b.ok()) << b.text();
    return differences(a.config(), b.config()).text();
}

TEST(Differences, TheSameTextElsewhereInTheFileIsNoChange) {
    const std::string one = remote_text("192.0.2.2"), two = remote_text("192.0.2.3");
    EXPECT_EQ(told(one + two + kPolicy, "# moved\n\n" + std::string(kPolicy) + two + one),
              "nothing changed");
}

TEST(Differences, CountsWhatWasAddedRemovedAndChanged) {
    const std::string before =
        remote_text("192.0.2.2") + remote_text("192.0.2.3") + sainfo_text("anonymous") + kPolicy;
    const std::string after = remote_text("192.0.2.2", "nonce_size 32;") +
                              remote_text("192.0.2.4") + remote_text("\"hq\"") +
                              sainfo_text("anonymous");
    EXPECT_EQ(told(before, after), "2 sections added, 1 removed, 1 changed; 1 policy removed");
}

TEST(Differences, SectionsOfOneNameAreToldApartByWhatTheyHold) {
    const std::string main = remote_text("anonymous", "nonce_size 16;"),
                      other = remote_text("anonymous", "nonce_size 32;");
    EXPECT_EQ(told(main + other, other + main), "nothing changed");
    EXPECT_EQ(told(main + other, main), "1 section removed");
    EXPECT_EQ(told(main + other, main + remote_text("anonymous", "nonce_size 24;")),
              "1 section changed");
}

TEST(Differences, AnInheritedSettingCountsWhereItTakesEffect) {
    const std::string child = "remote \"b\" inherit \"a\" { remote_address 192.0.2.9; }\n";
    EXPECT_EQ(told(remote_text("\"a\"") + child, remote_text("\"a\"", "passive on;") + child),
              "2 sections changed");
}

TEST(Differences, OtherSettingsAreOnlyNamed) {
    EXPECT_EQ(told("log info;\n", "log debug;\n"), "other settings changed");
}

TEST(Differences, APolicyWithAnotherTemplateIsAChangedOne) {
    std::string unique = kPolicy;
    unique.replace(unique.find("require"), 7, "unique");
    EXPECT_EQ(told(kPolicy, unique), "1 policy changed");
}

}  // namespace
}  // namespace racoon::conf
