// Forms and old spellings of the whole grammar: what each gives in the model.
#include <set>

#include "conf/print.hpp"
#include "conf/schema.hpp"
#include "conf/token.hpp"
#include "unit/conf/conf_test_support.hpp"

namespace racoon::conf {
namespace {

TEST(Grammar, AValidFileHoldsEveryWordOfTheTable) {
    const std::string text = read_file(RACOON_SOURCE_DIR "/tests/conf/valid/whole_grammar.conf");
    ASSERT_TRUE(load_text(text).ok()) << load_text(text).text();
    Sources sources;
    Diagnostics diagnostics(sources);
    Lexer lexer(sources, sources.add("x", text), diagnostics, Lexer::Mode::Racoon);
    std::set<std::string_view> words;
    for (Token t = lexer.next(); !t.is(TokenKind::End); t = lexer.next())
        if (t.is(TokenKind::Word)) words.insert(t.text);
    for (const Directive& d : directives())
        if (d.standing == Standing::Works) {
            for (const std::string& word : split_words(d.keyword))
                EXPECT_TRUE(words.contains(word) || word == "include")
                    << context_name(d.context) << ": " << d.keyword;
        }
}

TEST(Grammar, ANetAHostAndAnAddressAreToldApart) {
    const Loaded l =
        load_text(remote_text("192.0.2.0/24 [501]") + remote_text("192.0.2.7/32") +
                  remote_text("vpn.example.org [502]") +
                  remote_text("\"vpn.example.org\"", "remote_address \"gateway\" [503];") +
                  remote_text("\"x\"", "remote_address gw.example.org;") +
                  remote_text("\"y\"", "remote_address \"192.0.2.9\";") +
                  remote_text("\"z\"", "remote_address 2001:db8::/32;"));
    ASSERT_TRUE(l.ok()) << l.text();
    const auto& r = l.config().remotes;
    EXPECT_EQ(r[0].name, "192.0.2.0/24[501]");
    EXPECT_EQ(r[0].net->text(), "192.0.2.0/24");
    EXPECT_FALSE(r[0].anonymous());
    EXPECT_EQ(r[1].name, "192.0.2.7[500]") << "a full prefix is an address";
    EXPECT_EQ(r[2].name, "vpn.example.org[502]");
    EXPECT_EQ(r[2].host, "vpn.example.org");
    EXPECT_EQ(r[2].port, 502);
    EXPECT_EQ(r[3].name, "vpn.example.org") << "in quotes it is a section's name, not a host";
    EXPECT_EQ(r[3].host, "gateway");
    EXPECT_EQ(r[4].host, "gw.example.org");
    EXPECT_EQ(r[5].address->text(), "192.0.2.9[500]");
    EXPECT_EQ(r[6].net->text(), "2001:db8::/32");
}

TEST(Grammar, AMistypedWordIsNoHostName) {
    EXPECT_NE(load_text(remote_text("anonymos")).lines().find("did you mean \"anonymous\"?"),
              std::string::npos);
    EXPECT_FALSE(load_text(remote_text("\"a\"", "remote_address 192.0.2.300;")).ok());
    EXPECT_FALSE(load_text(remote_text("\"a\"", "remote_address \"-x.example\";")).ok());
    EXPECT_FALSE(load_text(remote_text("\"a\"", "remote_address \"a b\";")).ok());
    EXPECT_FALSE(
        load_text(remote_text("\"a\"", "remote_address 192.0.2.1;") + remote_text("192.0.2.256"))
            .ok());
}

TEST(Grammar, ATemplateWithoutAddressServesItsChildren) {
    const Loaded l =
        load_text(remote_text("\"t\"", "start on; nonce_size 24;") +
                  "remote \"a\" inherit \"t\" { remote_address 192.0.2.1; }\n"
                  "remote \"b\" inherit \"a\" { remote_address 192.0.2.2; start off; }\n"
                  "remote 192.0.2.0/24 inherit \"t\" { }\n"
                  "remote \"c\" inherit 192.0.2.0/24 { remote_address 192.0.2.3 [4500]; }\n"
                  "remote anonymous inherit \"t\";\n");
    ASSERT_TRUE(l.ok()) << l.text();
    const auto& r = l.config().remotes;
    EXPECT_TRUE(r[0].anonymous());
    EXPECT_EQ(r[1].address->text(), "192.0.2.1[500]");
    EXPECT_EQ(r[2].address->text(), "192.0.2.2[500]") << "an inherited address is replaced";
    EXPECT_FALSE(r[2].start);
    EXPECT_TRUE(r[3].start);
    EXPECT_FALSE(r[4].net.has_value());
    EXPECT_EQ(r[4].address->port, 4500);
    EXPECT_EQ(r[5].nonce_size, 24);
}

TEST(Grammar, AnInheritedIpv6AddressIsWhole) {
    const Loaded l = load_text(remote_text("\"a\"", "remote_address 2001:db8:1:2:3:4:5:6 [501];") +
                               "remote \"b\" inherit \"a\";\n");
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(l.config().remotes.at(1).address->text(), "2001:db8:1:2:3:4:5:6[501]");
}

TEST(Grammar, PlainRsaKeysSendNoCertificates) {
    const Loaded l = load_text(
        remote_text("\"a\"",
                    "certificate_type plain_rsa \"gw.rsa\"; peers_certfile plain_rsa \"a.pub\"; "
                    "peers_certfile plain_rsa \"b.pub\"; peers_certfile dnssec;"));
    ASSERT_TRUE(l.ok()) << l.text();
    const Remote& r = l.config().remotes.at(0);
    EXPECT_FALSE(r.send_cert || r.send_cr || r.verify_cert);
    EXPECT_EQ(r.certificate->key, "gw.rsa");
    ASSERT_EQ(r.peers_certificates.size(), 3u);
    EXPECT_EQ(r.peers_certificates[1].file, "b.pub");
}

TEST(Grammar, ARangeThatIsANetIsThatNet) {
    const Loaded l = load_text(sainfo_text("address 10.0.0.0-10.0.0.255 any anonymous") +
                               sainfo_text("address 10.0.0.1-10.0.0.9 any anonymous"));
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_EQ(l.config().sainfos.at(0).local.selector->net.text(), "10.0.0.0/24");
    const auto& side = l.config().sainfos.at(1).local;
    EXPECT_FALSE(side.selector.has_value());
    EXPECT_EQ(side.literal->type, 7);
    EXPECT_EQ(side.literal->data, std::string("\x0a\0\0\x01\x0a\0\0\x09", 8));
    EXPECT_NE(print(l.config().sainfos.at(1)).find("address 10.0.0.1-10.0.0.9 any anonymous"),
              std::string::npos);
}

TEST(Grammar, PrefixesAreCheckedAgainstTheirFamily) {
    for (const char* wrong :
         {"address 10.0.0.0/33 any anonymous", "address 10.0.0.0/200 any anonymous",
          "address 2001:db8::/129 any anonymous"})
        EXPECT_FALSE(load_text(sainfo_text(wrong)).ok()) << wrong;
    EXPECT_FALSE(load_text(remote_text("192.0.2.0/33")).ok());
}

TEST(Grammar, GssIdBelongsToItsMethod) {
    const auto proposal = [](const std::string& inside) {
        return "remote \"a\" { exchange_mode main; proposal { encryption_algorithm aes; "
               "hash_algorithm sha1; dh_group 2; " +
               inside + " } }";
    };
    EXPECT_FALSE(load_text(proposal("gss_id \"x\"; authentication_method gssapi_krb;"), {},
                           {.offline = true})
                     .ok());
    EXPECT_FALSE(
        load_text(proposal("authentication_method pre_shared_key; gssapi_id \"x\";")).ok());
    EXPECT_TRUE(load_text(proposal("authentication_method gssapi_krb; gssapi_id \"x\";"), {},
                          {.offline = true})
                    .ok());
}

/// Spellings of older racoons: accepted, with a warning that holds `told`.
struct Old {
    const char* text;
    const char* told;
};
const Old kOldSpellings[] = {
    {"identifier address;\n", "use my_identifier in a remote section"},
    {"log debug4;\n", "write \"log debug2\""},
    {"log 0xff;\n", "write \"log debug2\""},
    {"listen { admin [0]; }\n", "remove \"admin\""},
    {"ldap_cfg { }\n", "write \"ldapcfg\""},
    {"remote 192.0.2.1 { support_mip6 on; R }\n", "write \"support_proxy\""},
    {"remote 192.0.2.1 { keepalive; R }\n", "\"keepalive\" has no effect"},
    {"remote 192.0.2.1 { identifier fqdn \"a.example\"; R }\n", "write \"my_identifier\""},
    {"remote 192.0.2.1 { my_identifier certname \"CN=x\"; R }\n", "write \"asn1dn\""},
    {"remote 192.0.2.1 { lifetime volume 100 MB; R }\n", "write \"byte\""},
    {"remote 192.0.2.1 { peers_certfile \"a.pem\"; R }\n", "write \"peers_certfile x509"},
    {"remote 192.0.2.1 { exchange_mode main; proposal { strength high; P } }\n",
     "\"strength\" has no effect"},
    {"sainfo anonymous { my_identifier address; S }\n", "\"my_identifier\" has no effect"},
    {"sainfo anonymous { identifier address; S }\n", "\"identifier\" has no effect"},
    {"sainfo anonymous { encryption_algorithm aes; authentication_algorithm hmac_sha1; "
     "compression_algorithm none; }\n",
     "write deflate"},
    {"timer { counter = 5; }\n", "\"=\" means nothing here"},
    {"sainfo (anonymous) { S }\n", "\"(\" means nothing here"},
};

TEST(Grammar, OldSpellingsAreAcceptedWithAWarningThatNamesTheNew) {
    for (const Old& old : kOldSpellings) {
        std::string text = old.text;
        const auto put = [&](const std::string& mark, const std::string& instead) {
            if (const auto at = text.find(mark); at != text.npos)
                text.replace(at + 1, mark.size() - 2, instead);
        };
        const std::string p =
            "encryption_algorithm aes; hash_algorithm sha1; "
            "authentication_method pre_shared_key; dh_group 2;";
        put(" R ", "exchange_mode main; proposal { " + p + " }");
        put(" P ", p);
        put(" S ",
            "encryption_algorithm aes; authentication_algorithm hmac_sha1; "
            "compression_algorithm deflate;");
        const Loaded l = load_text(text);
        EXPECT_TRUE(l.ok()) << text << l.text();
        EXPECT_NE(l.lines().find(old.told), std::string::npos) << text << l.lines();
    }
}

TEST(Grammar, SpellingsWithoutAReplacementAreExplained) {
    for (const auto& [text, told] :
         {std::pair{"algorithm_strength { }\n", "name the algorithms in proposal and sainfo"},
          {"static_sa x;\n", "setkey"},
          {"policy x { }\n", "write policies in setkey's syntax"},
          {"listen { admin [500]; }\n", "adminsock"},
          {"mode_cfg { split_net_type include; }\n", "write \"split_network include"},
          {"mode_cfg { split_net_tunnels 10.0.0.0/8; }\n", "write \"split_network include"},
          {"path logfile \"/x\";\n", "racoon -l FILE"},
          {"sainfo anonymous { encap tunnel; }\n", "chosen by the policy"}}) {
        const Loaded l = load_text(text);
        EXPECT_FALSE(l.ok()) << text;
        EXPECT_NE(l.lines().find(told), std::string::npos) << l.lines();
    }
}

TEST(Grammar, OtherUnknownCharactersAreErrorsAndNumbersAreNeverSilentlyZero) {
    for (const char* wrong :
         {"timer { counter @3; }", "timer { counter ?3; }", "log @debug;", "timer { counter -3; }",
          "timer { counter 99999999999999999999; }", "timer { interval 99999999999 sec; }"})
        EXPECT_FALSE(load_text(wrong).ok()) << wrong;
    const Loaded large = load_text("timer { counter 4294967296; }");
    EXPECT_EQ(large.config().timer.counter, 1000u);
    EXPECT_NE(large.lines().find("1000 is used [odd_value]"), std::string::npos) << large.lines();
    EXPECT_EQ(load_text("timer { counter 0x1F; }").config().timer.counter, 31u);
}

TEST(Grammar, ALifetimeInBytesStandsBesideOneInTime) {
    const auto remote = [](const std::string& of_section, const std::string& of_proposal) {
        return load_text("remote 192.0.2.1 { exchange_mode main; lifetime time 2 hours; " +
                         of_section +
                         " proposal { encryption_algorithm aes; hash_algorithm sha1; "
                         "authentication_method pre_shared_key; dh_group 2; " +
                         of_proposal + " } }\n");
    };
    const std::pair<const char*, std::uint64_t> amounts[] = {
        {"1 B", 1},        {"1024 bytes", 1}, {"1025 byte", 2},     {"3 KB", 3},
        {"5 MB", 5 << 10}, {"2 GB", 2 << 20}, {"1 TB", 1ull << 30}, {"100KB", 100}};
    for (const auto& [text, kilobytes] : amounts) {
        const Loaded l = remote(std::string("lifetime byte ") + text + ";", "");
        ASSERT_TRUE(l.ok()) << l.text();
        EXPECT_EQ(l.config().remotes[0].proposals[0].kilobytes, kilobytes) << text;
        EXPECT_EQ(l.config().remotes[0].proposals[0].lifetime, seconds(7200)) << text;
    }
    const Loaded own = remote("lifetime byte 5 MB;", "lifetime byte 7 MB;");
    ASSERT_TRUE(own.ok()) << own.text();
    EXPECT_EQ(own.config().remotes[0].proposals[0].kilobytes, 7u << 10) << "the proposal's own";
    const Loaded info = load_text(
        "sainfo anonymous { lifetime byte 500 GB; lifetime time 1 hour; encryption_algorithm aes; "
        "authentication_algorithm hmac_sha1; compression_algorithm deflate; }\n");
    ASSERT_TRUE(info.ok()) << info.text();
    EXPECT_EQ(info.config().sainfos[0].kilobytes, 500u << 20);
    EXPECT_EQ(info.config().sainfos[0].lifetime, seconds(3600));
    EXPECT_EQ(info.text().find("already set"), std::string::npos) << info.text();
}

TEST(Grammar, SwitchesTakeYesAndNo) {
    const Loaded l = load_text(remote_text("192.0.2.1", "passive yes; dpd no; send_cr no;"));
    ASSERT_TRUE(l.ok()) << l.text();
    EXPECT_TRUE(l.config().remotes.at(0).passive);
    EXPECT_FALSE(l.config().remotes.at(0).dpd.enabled);
    EXPECT_FALSE(l.config().remotes.at(0).send_cr);
}

TEST(Grammar, ADnIsCheckedForItsShape) {
    const auto with = [](const std::string& dn) {
        return load_text(remote_text("192.0.2.1", "peers_identifier asn1dn \"" + dn + "\";")).ok();
    };
    for (const char* good : {"C=XX", "C=XX, O=Example/CN=*", "CN=a\\,b, O=x", "~3000", "CN="})
        EXPECT_TRUE(with(good)) << good;
    for (const char* wrong : {"", "/C=XX", "C=XX, gateway", "=x", "~30zz", "~"})
        EXPECT_FALSE(with(wrong)) << wrong;
}

}  // namespace
}  // namespace racoon::conf
