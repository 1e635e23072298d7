#include "setkey/parser.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "support/test_data.hpp"

namespace racoon::setkey {
namespace {

class FixedNames final : public conf::PolicyNames {
  public:
    Result<std::vector<IpAddr>> host(std::string_view name, Family family) override {
        if (name != "gw.example" && name != "two.example")
            return fail(Errc::NotFound, "Name or service not known");
        std::vector<IpAddr> out;
        if (family != Family::V6) out.push_back(*IpAddr::parse("192.0.2.9"));
        if (family != Family::V6 && name == "two.example")
            out.push_back(*IpAddr::parse("192.0.2.10"));
        if (family != Family::V4) out.push_back(*IpAddr::parse("2001:db8::9"));
        return out;
    }
    std::optional<std::uint16_t> service(std::string_view name) override {
        if (name == "zabbix-agent") return 10050;
        return std::nullopt;
    }
    std::optional<std::uint8_t> protocol(std::string_view name) override {
        if (name == "eigrp") return 88;
        return std::nullopt;
    }
};

struct Read {
    std::vector<Command> commands;
    std::string messages;
};
Read read(std::string text) {
    Read out;
    conf::Sources sources;
    conf::Diagnostics diagnostics(sources);
    FixedNames names;
    Parser parser(sources, sources.add("s", std::move(text)), diagnostics, &names);
    Command command;
    for (Parser::Got got; (got = parser.next(command)) != Parser::Got::End;)
        if (got == Parser::Got::Command) out.commands.push_back(command);
    for (const conf::Diagnostic& d : diagnostics.take()) out.messages += d.line() + "\n";
    return out;
}
Command one(const std::string& text) {
    Read r = read(text);
    EXPECT_EQ(r.messages, "") << text;
    EXPECT_EQ(r.commands.size(), 1u) << text;
    return r.commands.empty() ? Command{} : r.commands.front();
}
std::string refused(const std::string& text) {
    Read r = read(text);
    EXPECT_TRUE(r.commands.empty()) << text;
    return r.messages;
}

TEST(SetkeyParser, ReadsAnSaWithAllItsOptions) {
    const Command c = one(
        "add 192.0.2.1 192.0.2.2 esp 0x10001 -m tunnel -r 32 -u 100 -f zero-pad -f nocyclic-seq "
        "-lh 3600 -ls 2880 -bh 1000 -bs 800 -ctx 1 1 \"system_u:object_r\" "
        "-E aes-cbc 0x000102030405060708090a0b0c0d0e0f -A hmac-sha1 \"this is the test key\";");
    EXPECT_EQ(c.verb, Verb::Add);
    EXPECT_EQ(c.src.addr().text(), "192.0.2.1");
    EXPECT_EQ(c.spi, 0x10001u);
    EXPECT_EQ(c.sa.mode, Mode::Tunnel);
    EXPECT_EQ(c.sa.replay, 32);
    EXPECT_EQ(c.sa.reqid, 100u);
    EXPECT_EQ(c.sa.flags, kFlagZeroPad);
    EXPECT_EQ(c.sa.hard_seconds, 3600u);
    EXPECT_EQ(c.sa.soft_bytes, 800u);
    ASSERT_TRUE(c.sa.label);
    EXPECT_EQ(c.sa.label->label, "system_u:object_r");
    EXPECT_EQ(c.sa.encryption->name, "aes-cbc");
    EXPECT_EQ(to_hex(c.sa.encryption_key), "000102030405060708090a0b0c0d0e0f");
    EXPECT_EQ(as_text(c.sa.authentication_key), "this is the test key");
}

TEST(SetkeyParser, PutsAZeroBeforeAnOddHexDigit) {
    const Command c = one("add ::1 ::2 esp 256 -E des-cbc 0x123456789abcdef;");
    EXPECT_EQ(to_hex(c.sa.encryption_key), "0123456789abcdef");
}

TEST(SetkeyParser, KnowsEveryAlgorithmOfTheReferenceWithItsKeyLengths) {
    const std::map<std::string, std::vector<int>> encryption = {{"des-cbc", {64}},
                                                                {"3des-cbc", {192}},
                                                                {"null", {0}},
                                                                {"blowfish-cbc", {40, 448}},
                                                                {"cast128-cbc", {40, 128}},
                                                                {"des-deriv", {64}},
                                                                {"twofish-cbc", {0, 256}},
                                                                {"aes-cbc", {128, 192, 256}},
                                                                {"rijndael-cbc", {256}},
                                                                {"aes-ctr", {160, 224, 288}},
                                                                {"camellia-cbc", {128, 192, 256}}};
    const std::map<std::string, std::vector<int>> authentication = {{"hmac-md5", {128}},
                                                                    {"hmac-sha1", {160}},
                                                                    {"keyed-md5", {128}},
                                                                    {"keyed-sha1", {160}},
                                                                    {"hmac-sha256", {256}},
                                                                    {"hmac-sha2-256", {256}},
                                                                    {"hmac-sha384", {384}},
                                                                    {"hmac-sha2-384", {384}},
                                                                    {"hmac-sha512", {512}},
                                                                    {"hmac-sha2-512", {512}},
                                                                    {"hmac-ripemd160", {160}},
                                                                    {"aes-xcbc-mac", {128}},
                                                                    {"null", {0}}};
    const auto hex = [](int bits) {
        return bits == 0 ? std::string()
                         : "0x" + std::string(static_cast<std::size_t>(bits / 4), '5');
    };
    for (const auto& [name, lengths] : encryption)
        for (const int bits : lengths) {
            one("add 10.0.0.1 10.0.0.2 esp 256 -E " + name + " " + hex(bits) + ";");
            EXPECT_NE(refused("add 10.0.0.1 10.0.0.2 esp 256 -E " + name + " " + hex(520) + ";"),
                      "");
        }
    for (const auto& [name, lengths] : authentication)
        for (const int bits : lengths)
            one("add 10.0.0.1 10.0.0.2 ah 256 -A " + name + " " + hex(bits) + ";");
    one("add 10.0.0.1 10.0.0.2 esp-old 256 -E des-32iv 0x0011223344556677;");
    one("add 10.0.0.1 10.0.0.2 tcp 0x1000 -A tcp-md5 \"secret\";");
    for (const char* name : {"deflate", "lzs", "oui"})
        one(std::string("add 10.0.0.1 10.0.0.2 ipcomp 0x100 -C ") + name + ";");
    EXPECT_NE(one("add 10.0.0.1 10.0.0.2 ipcomp 2 -C deflate -R;").sa.flags & kFlagRawCpi, 0u);
}

TEST(SetkeyParser, ReadsEveryCommand) {
    const Read r = read(
        "flush; flush esp; dump ah; spdflush; spddump;\n"
        "get 10.0.0.1 10.0.0.2 esp 0x1; delete -4n 10.0.0.1 10.0.0.2 ah 256;\n"
        "deleteall 10.0.0.1 10.0.0.2 esp; getspi 10.0.0.1 10.0.0.2 esp 0 -m tunnel -u 3;\n"
        "update 10.0.0.1 10.0.0.2 esp 256 -E null;\n"
        "spdadd 10.0.0.0/8[any] 10.1.0.0/16[80] tcp -P out prio def + 10 ipsec "
        "esp/transport//require;\n"
        "spdupdate ::/0 ::/0 any -P in discard; spddelete ::/0 ::/0 any -P in;\n"
        "spdadd tagged \"voip\" -P out none; exit; quit; bye;");
    EXPECT_EQ(r.messages, "");
    std::vector<Verb> verbs;
    for (const Command& c : r.commands) verbs.push_back(c.verb);
    EXPECT_EQ(verbs, (std::vector<Verb>{Verb::Flush, Verb::Flush, Verb::Dump, Verb::SpdFlush,
                                        Verb::SpdDump, Verb::Get, Verb::Delete, Verb::DeleteAll,
                                        Verb::GetSpi, Verb::Update, Verb::SpdAdd, Verb::SpdUpdate,
                                        Verb::SpdDelete, Verb::SpdAdd, Verb::Exit, Verb::Exit,
                                        Verb::Exit}));
}

TEST(SetkeyParser, ReadsThePolicyLanguage) {
    using Action = conf::WrittenPolicy::Action;
    Command c = one(
        "spdadd 10.0.0.0/8 10.1.0.0/16 any -P fwd priority high -5 ipsec "
        "ipcomp/transport//use esp/tunnel/192.0.2.1[4500]-192.0.2.2[4501]/unique:7 ah/transport/;");
    EXPECT_EQ(c.policy.direction, conf::Direction::Forward);
    EXPECT_EQ(c.policy.priority, 0x40000000 - 5);
    ASSERT_EQ(c.policy.rules.size(), 3u);
    EXPECT_EQ(c.policy.rules[1].unique, 7u);
    EXPECT_EQ(c.policy.rules[1].from.text(), "192.0.2.1[4500]");
    EXPECT_EQ(c.policy.rules[1].to.port, 4501);
    EXPECT_EQ(c.policy.rules[2].level, conf::Level::Default);
    for (const auto& [word, action] : std::map<std::string, Action>{{"none", Action::None},
                                                                    {"discard", Action::Discard},
                                                                    {"bypass", Action::Bypass},
                                                                    {"entrust", Action::Entrust}})
        EXPECT_EQ(one("spdadd ::1 ::2 any -P out " + word + ";").policy.action, action);
    one("spdadd ::1 ::2 any -P out ipsec esp/transport/me-any/require;");
    EXPECT_NE(refused("spdadd ::1 ::2 any -P in ipsec esp/transport/me-any/require;"), "");
    EXPECT_EQ(one("spdadd ::1 ::2 icmp6 135,0 -P out none;").upper.icmp,
              std::pair(std::uint8_t{135}, std::uint8_t{0}));
    EXPECT_EQ(one("spdadd 10.0.0.1 10.0.0.2 gre 0.0.1.2 -P out none;").upper.gre_key, 0x102u);
    EXPECT_EQ(one("spdadd 10.0.0.1 10.0.0.2 gre 258 -P out none;").upper.gre_key, 0x102u);
    EXPECT_EQ(one("spdadd 10.0.0.1[zabbix-agent] 10.0.0.2 eigrp -P out none;").upper.protocol, 88);
    EXPECT_EQ(refused("spdadd 10.0.0.1 10.0.0.2 tcp 1,2 -P out none;"),
              "s:1:30: expected \"-P\", found \"1\": only icmp, icmp6, mh and gre can be narrowed "
              "further\n")
        << "the original wrote what it found over the ports";
    EXPECT_EQ(refused("spdadd ::1 ::2 any -P out if_id 7 none;"),
              "s:1:27: \"if_id\" is beyond PF_KEY, which setkey speaks; write the policy in "
              "racoon.conf, or in a file that \"policy file\" names there\n");
}

TEST(SetkeyParser, LooksNamesOfHostsUpWhereTheyMayStand) {
    EXPECT_EQ(one("add gw.example 192.0.2.2 esp 256 -E null;").src.addresses.size(), 2u);
    EXPECT_EQ(one("spdadd -4 gw.example 10.0.0.0/8 any -P out none;").src.addr().text(),
              "192.0.2.9");
    EXPECT_NE(refused("add -n gw.example 192.0.2.2 esp 256 -E null;").find("not a numeric address"),
              std::string::npos);
    EXPECT_EQ(refused("add nowhere.example 192.0.2.2 esp 256 -E null;"),
              "s:1:5: \"nowhere.example\" is no address, and no host of this name was found: Name "
              "or service not known\n");
    EXPECT_NE(
        refused("spdadd -4 two.example 10.0.0.0/8 any -P out none;").find("several addresses"),
        std::string::npos);
    EXPECT_NE(refused("spdadd 10.0.0.0/8 10.1.0.0/16 any -P out ipsec "
                      "esp/tunnel/gw.example-192.0.2.2/require;"),
              "")
        << "the ends of a tunnel are numeric";
}

TEST(SetkeyParser, ChecksRangesThatTheOriginalLetThrough) {
    EXPECT_EQ(refused("add 10.0.0.1 10.0.0.2 esp 255 -E null;"),
              "s:1:27: SPIs from 0 to 255 are reserved (RFC 4303 2.1); take one from 256 on\n");
    EXPECT_EQ(refused("add 10.0.0.1 10.0.0.2 esp 0x100000000 -E null;"),
              "s:1:27: an SPI has 32 bits: 4294967295 is the largest\n");
    EXPECT_NE(refused("spdadd 10.0.0.0/33 10.0.0.2 any -P out none;"), "");
    EXPECT_NE(refused("add 10.0.0.1 ::1 esp 256 -E null;"), "")
        << "the original sent nothing and said nothing";
    EXPECT_NE(refused("add 10.0.0.1 10.0.0.2 esp-old 256 -r 4 -E null;"), "");
    EXPECT_NE(refused("add 10.0.0.1 10.0.0.2 esp 256 -A hmac-md5 \"1234123412341234\";"), "");
    EXPECT_NE(refused("delete 10.0.0.1 10.0.0.2 esp 256 -m tunnel;"), "");
}

TEST(SetkeyParser, TakesThePortsOfUdpEncapsulation) {
    Command c = one("add 10.0.0.1 10.0.0.2[4510] esp-udp 10.9.9.9 256 -E null;");
    EXPECT_EQ(c.src.port, 4500);
    EXPECT_EQ(c.dst.port, 4510);
    ASSERT_TRUE(c.original_address);
    EXPECT_EQ(c.original_address->text(), "10.9.9.9");
}

TEST(SetkeyParser, SaysWhatToWriteInsteadAndGoesOn) {
    EXPECT_EQ(refused("fluhs;"), "s:1:1: unknown command \"fluhs\"; did you mean \"flush\"?\n");
    const Read r = read("add 10.0.0.1 10.0.0.2 esp 256 -E aes-cbd 0x00;\nflush\nspdflush;\n");
    EXPECT_EQ(r.messages,
              "s:1:34: unknown algorithm \"aes-cbd\"; did you mean \"aes-cbc\"?\n"
              "s:3:1: expected \";\" after the command, found \"spdflush\"\n");
    ASSERT_EQ(r.commands.size(), 1u);
    EXPECT_EQ(r.commands[0].verb, Verb::SpdFlush);
}

TEST(SetkeyParser, NeverRepeatsAKey) {
    for (const char* text : {"add 10.0.0.1 10.0.0.2 ah 256 -A hmac-md5 hunter2hunter2xx;",
                             "add 10.0.0.1 10.0.0.2 ah 256 -A hmac-md5 \"hunter2\";",
                             "add 10.0.0.1 10.0.0.2 ah 256 -A hmac-md5 0xhunter2;"}) {
        const std::string told = refused(text);
        EXPECT_NE(told, "");
        EXPECT_EQ(told.find("hunter2"), std::string::npos) << told;
    }
}

TEST(SetkeyCorpus, EveryFileIsReadAsTheOriginalDoes) {
    // What the original refuses, and the lines of the errors.
    const std::map<std::string, std::string> refusals = {
        {"013.conf", "4 7"},              // underscores in names of hosts
        {"023.conf", "3 4"},              // aes-gcm-16
        {"026.conf", "157 164 201 202"},  // rc5-cbc
        {"029.conf", "5 7"},              // 256 in an address
        {"044.conf", "1 3"},              // a backslash
        {"053.conf", "6"},                // hip
    };
    const auto folder = test::test_data("corpus/setkey");
    if (!folder) return;
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
        ++files;
        const std::string name = entry.path().filename();
        std::ifstream in(entry.path(), std::ios::binary);
        std::ostringstream text;
        text << in.rdbuf();
        conf::Sources sources;
        conf::Diagnostics diagnostics(sources);
        FixedNames names;
        Parser parser(sources, sources.add(name, text.str()), diagnostics, &names);
        Command command;
        while (parser.next(command) != Parser::Got::End) continue;
        std::string lines, told;
        int last = 0;
        for (const conf::Diagnostic& d : diagnostics.take()) {
            if (d.severity != conf::Severity::Error) continue;
            told += d.line() + "\n";
            if (static_cast<int>(d.where.line) == last) continue;
            last = static_cast<int>(d.where.line);
            lines += (lines.empty() ? "" : " ") + std::to_string(last);
        }
        const auto refusal = refusals.find(name);
        EXPECT_EQ(lines, refusal == refusals.end() ? "" : refusal->second) << name << "\n" << told;
    }
    std::printf("corpus/setkey: %zu files, %zu of them refused\n", files, refusals.size());
    EXPECT_GE(files, 38u);
}

}  // namespace
}  // namespace racoon::setkey
