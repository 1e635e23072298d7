// What stands where a key does is not shown under a message.
#include <gtest/gtest.h>

#include "conf/mask.hpp"
#include "conf_test_support.hpp"

namespace racoon::conf {
namespace {

TEST(Mask, HidesWhatStandsWhereAKeyDoes) {
    EXPECT_EQ(masked("pre_shared_key \"geheim\";"), "pre_shared_key \"******\";");
    EXPECT_EQ(masked("remote { pre_shared_key geheim; dh_group 99; }"),
              "remote { pre_shared_key ******; dh_group 99; }");
    EXPECT_EQ(masked("  Secret = 0sAbC= x"), "  Secret = *****= x") << "other programs' files";
    EXPECT_EQ(masked("bind_pw \"a b;c\"; port 1;"), "bind_pw \"*****\"; port 1;");
    EXPECT_EQ(masked("psk \"open"), "psk \"****") << "no closing quote";
    EXPECT_EQ(masked("auth \"radius.example.org\" [99999] \"geheim\";"),
              "auth \"radius.example.org\" [99999] \"******\";");
    EXPECT_EQ(masked("add ::1 ::2 esp 9 -E aes-cbc \"geheim\" -A hmac-sha1 0xabcd;"),
              "add ::1 ::2 esp 9 -E aes-cbc \"******\" -A hmac-sha1 ******;")
        << "a file of setkey's";
}

TEST(Mask, ShowsWhatIsNoKey) {
    for (const char* line :
         {"path pre_shared_key \"/etc/racoon/psk.txt\";", "authentication_method pre_shared_key;",
          "proposal { authentication_method pre_shared_key; dh_group 2; }", "secret", "",
          "peers_identifier fqdn \"secret.example.org\";"})
        EXPECT_EQ(masked(line), line);
}

TEST(Mask, IsUsedUnderMessages) {
    const auto result =
        load_text("remote anonymous { exchange_mode main; pre_shared_key \"geheim\"; }\n");
    ASSERT_FALSE(result.result.diagnostics.empty());
    for (const auto& d : result.result.diagnostics)
        EXPECT_EQ(d.text().find("geheim"), std::string::npos) << d.text();
    const std::string padding(120, ' ');
    const auto far = load_text("remote anonymous { psk" + padding + "geheim; }\n");
    ASSERT_FALSE(far.result.diagnostics.empty());
    for (const auto& d : far.result.diagnostics)
        EXPECT_EQ(d.source.find("geheim"), std::string::npos) << d.text();
}

}  // namespace
}  // namespace racoon::conf
