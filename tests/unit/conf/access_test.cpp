// `mode_cfg`, `radiuscfg` and `ldapcfg`: values, defaults, bounds.
#include "unit/conf/conf_test_support.hpp"

namespace racoon::conf {
namespace {

TEST(ModeCfg, HasRacoonsDefaults) {
    EXPECT_FALSE(load_text("").config().mode_cfg.has_value());
    const Loaded l = load_text("mode_cfg { }");
    ASSERT_TRUE(l.ok()) << l.text();
    const ModeCfg& m = *l.config().mode_cfg;
    EXPECT_EQ(m.pool(), 0u);
    EXPECT_EQ(m.banner, "/etc/motd");
    EXPECT_EQ(m.auth_source, AuthSource::System);
    EXPECT_EQ(m.conf_source, ConfSource::Local);
    EXPECT_EQ(m.accounting, Accounting::None);
    EXPECT_EQ(m.auth_throttle, 1u);
    EXPECT_FALSE(m.save_passwd);
    EXPECT_EQ(load_text("mode_cfg { network4 10.0.0.1; }").config().mode_cfg->pool(), 255u);
}

TEST(ModeCfg, ListsAppendOverSeveralDirectivesAndBlocks) {
    const Loaded l = load_text(
        "mode_cfg { dns4 10.0.0.1; dns4 10.0.0.2; }\nmode_cfg { dns4 10.0.0.3; wins4 10.0.0.4; "
        "split_network include 10.0.0.0/8; split_network include 172.16.0.0/12; }");
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(l.config().mode_cfg->dns4.size(), 3u);
    EXPECT_EQ(l.config().mode_cfg->nbns4.at(0).text(), "10.0.0.4");
    EXPECT_EQ(l.config().mode_cfg->split_networks.at(1).text(), "172.16.0.0/12");
}

TEST(ModeCfg, RefusesOneServerMoreThanThereIsRoomFor) {
    // Older racoons wrote such entries behind the end of an array.
    const auto servers = [](const std::string& word, int n) {
        std::string text = "mode_cfg { " + word + " ";
        for (int i = 1; i <= n; ++i) text += (i > 1 ? ", 10.0.0." : "10.0.0.") + std::to_string(i);
        return text + "; }";
    };
    EXPECT_TRUE(load_text(servers("dns4", 3)).ok());
    EXPECT_FALSE(load_text(servers("dns4", 4)).ok());
    EXPECT_FALSE(load_text(servers("dns4", 59)).ok());
    EXPECT_TRUE(load_text(servers("wins4", 4)).ok());
    EXPECT_FALSE(load_text(servers("wins4", 5)).ok());
    EXPECT_FALSE(load_text(servers("nbns4", 40)).ok());
}

TEST(ModeCfg, BoundsEveryOtherListToo) {
    std::string nets = "mode_cfg { split_network include 10.0.0.0/8";
    std::string names = "mode_cfg { split_dns \"a\"";
    for (int i = 0; i < 100'000; ++i) {
        nets += ",10.0.0.0/8";
        names += ",\"a\"";
    }
    EXPECT_FALSE(load_text(nets + "; }").ok());
    EXPECT_FALSE(load_text(names + "; }").ok());
}

TEST(ModeCfg, OneKindOfSplitNetworkAtATimeTheLastOneCounts) {
    const Loaded l = load_text(
        "mode_cfg { split_network include 10.0.0.0/8; split_network local_lan 192.168.0.0/16; }");
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(l.config().mode_cfg->split, Split::LocalLan);
    EXPECT_NE(l.lines().find("split_network is of one kind"), std::string::npos);
}

TEST(ModeCfg, NumbersOutOfRangeAreErrorsAndNotZero) {
    for (const char* wrong : {"pool_size 4294967296;", "pool_size 16777217;", "pfs_group 70000;",
                              "auth_throttle 100000;"})
        EXPECT_FALSE(load_text("mode_cfg { " + std::string(wrong) + " }").ok()) << wrong;
}

TEST(RadiusCfg, TakesThePortWithAndWithoutBrackets) {
    const Loaded l = load_text(
        "radiuscfg { auth \"a\" \"s\"; auth \"b\" 1645 \"s\"; acct \"c\" [1813] \"t\"; retries 0; }");
    ASSERT_TRUE(l.ok()) << l.text();
    const RadiusCfg& r = *l.config().radius;
    EXPECT_EQ(r.auth.at(0).port, 0);
    EXPECT_EQ(r.auth.at(1).port, 1645);
    EXPECT_EQ(r.acct.at(0).port, 1813);
    EXPECT_EQ(r.acct.at(0).secret, "t");
    EXPECT_EQ(r.timeout, 3u);
    EXPECT_EQ(r.retries, 0u);
}

TEST(RadiusCfg, TakesFiveServersOfEachKind) {
    std::string text = "radiuscfg { ";
    for (int i = 0; i < 5; ++i) text += "auth \"a\" \"s\"; acct \"a\" \"s\"; ";
    EXPECT_TRUE(load_text(text + "}").ok());
    EXPECT_FALSE(load_text(text + "acct \"a\" \"s\"; }").ok());
}

TEST(LdapCfg, HasRacoonsDefaults) {
    const Loaded l = load_text("ldapcfg { base \"dc=example\"; }");
    ASSERT_TRUE(l.ok()) << l.text();
    const LdapCfg& c = *l.config().ldap;
    EXPECT_EQ(c.version, 3);
    EXPECT_EQ(c.host, "localhost");
    EXPECT_EQ(c.port, 389);
    EXPECT_EQ(c.attr_addr, "racoon-address");
    EXPECT_FALSE(c.timeout.has_value());
    EXPECT_FALSE(c.subtree);
}

TEST(LdapCfg, TheServerTemplatesSpellingIsAcceptedWithWarnings) {
    const Loaded l = load_text("ldap_cfg { host ldap.example.org; version 2; }");
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(l.config().ldap->host, "ldap.example.org");
    EXPECT_NE(l.lines().find("\"ldap_cfg\" is an old spelling; write \"ldapcfg\""),
              std::string::npos);
    EXPECT_NE(l.lines().find("write \"ldap.example.org\""), std::string::npos);
}

TEST(RemoteAccess, FormatCharactersAreOnlyText) {
    const Loaded l = load_text(
        "mode_cfg { default_domain \"%n%s%x{}\"; banner \"{0}%n\"; split_dns \"%s%n\"; }\n"
        "ldapcfg { base \"%n{}\"; }\nradiuscfg { auth \"%s%s\" \"%n\"; }\n" +
        remote_text("\"%n%s{}\"", "xauth_login \"%n%n\"; my_identifier fqdn \"%s%n{}\";"));
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(l.config().mode_cfg->default_domain, "%n%s%x{}");
    EXPECT_EQ(l.config().remotes.at(0).my_identifier.value, "%s%n{}");
}

}  // namespace
}  // namespace racoon::conf
