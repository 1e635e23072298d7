#include "setkey/print.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "setkey/parser.hpp"
#include "setkey/requests.hpp"
#include "setkey/script.hpp"

namespace racoon::setkey {
namespace {

using namespace pfkey;

std::vector<Message> asked(const std::string& text, bool forward = true) {
    std::vector<Message> out;
    const ScriptResult result =
        run_script(text, {"s"}, nullptr, false, [&](const Command& c, const conf::Location&) {
            for (Message& m : requests_of(c, linux_dialect(), forward)) out.push_back(std::move(m));
        });
    for (const std::string& m : result.messages) ADD_FAILURE() << m;
    return out;
}

struct InUtc : ::testing::Test {
    void SetUp() override {
        ::setenv("TZ", "UTC", 1);
        ::tzset();
    }
};

// The columns that scripts cut out; written from the reference, not from our own output.
TEST_F(InUtc, SetkeyPrintsAnSaAsScriptsReadIt) {
    Message m = asked(
                    "add 192.0.2.1 192.0.2.2 esp 0x10001 -m tunnel -r 4 -u 100 -lh 3600 -ls 2880 "
                    "-E aes-cbc 0x000102030405060708090a0b0c0d0e0f -A hmac-md5 "
                    "0x101112131415161718191a1b1c1d1e1f;")
                    .at(0);
    m.current = Lifetime{3, 252, 1700000000, 1700000007};
    m.seq = 0;
    m.pid = 4711;
    EXPECT_EQ(print_sa(m, {false, 1700000010}),
              "192.0.2.1 192.0.2.2 \n"
              "\tesp mode=tunnel spi=65537(0x00010001) reqid=100(0x00000064)\n"
              "\tE: aes-cbc  00010203 04050607 08090a0b 0c0d0e0f\n"
              "\tA: hmac-md5  10111213 14151617 18191a1b 1c1d1e1f\n"
              "\tseq=0x00000000 replay=4 flags=0x00000040 state=mature\n"
              "\tcreated: Nov 14 22:13:20 2023\tcurrent: Nov 14 22:13:30 2023\n"
              "\tdiff: 10(s)\thard: 3600(s)\tsoft: 2880(s)\n"
              "\tlast: Nov 14 22:13:27 2023\thard: 0(s)\tsoft: 0(s)\n"
              "\tcurrent: 252(bytes)\thard: 0(bytes)\tsoft: 0(bytes)\n"
              "\tallocated: 3\thard: 0\tsoft: 0\n"
              "\tsadb_seq=0 pid=4711 refcnt=0\n");
    const Message natt = asked("add 192.0.2.1[4500] 192.0.2.2[61000] esp-udp 256 -E null;").at(0);
    EXPECT_EQ(print_sa(natt, {false, 0}).substr(0, 60),
              "192.0.2.1[4500] 192.0.2.2[61000] \n\tesp-udp mode=any spi=256(");
    EXPECT_NE(
        print_sa(asked("add ::1 ::2 ipcomp 300 -C deflate;").at(0), {}).find("\tC: deflate\n"),
        std::string::npos);
    // No command makes one, but racoon does.
    m.sa->encrypt = 20;
    EXPECT_NE(print_sa(m, {}).find("\tE: aes-gcm-16  00010203"), std::string::npos);
}

TEST_F(InUtc, SetkeyPrintsAPolicyAsScriptsReadIt) {
    auto all = asked(
        "spdadd 192.168.1.0/24 192.168.2.1[80] tcp -P in prio high - 5 ipsec "
        "esp/tunnel/192.0.2.1-192.0.2.2/unique:7 ah/transport//require;");
    ASSERT_EQ(all.size(), 2u) << "in means fwd, too";
    Message& m = all[0];
    m.current = Lifetime{0, 0, 1700000000, 0};
    m.hard = Lifetime{};
    m.policies[0].id = 8;
    m.pid = 4711;
    m.reserved = 1;
    EXPECT_EQ(print_policy(m, {}),
              "192.168.1.0/24[any] 192.168.2.1[80] tcp\n"
              "\tin prio high - 5 ipsec\n"
              "\tesp/tunnel/192.0.2.1-192.0.2.2/unique:7\n"
              "\tah/transport//require\n"
              "\tcreated: Nov 14 22:13:20 2023  lastused:                     \n"
              "\tlifetime: 0(s) validtime: 0(s)\n"
              "\tspid=8 seq=0 pid=4711\n"
              "\trefcnt=1\n");
    EXPECT_EQ(all[1].policies[0].dir, kDirFwd);
    EXPECT_EQ(all[1].policies[0].requests[0].level, kLevelRequire)
        << "the copy's unique becomes require";
    m.policies[0].requests[0].reqid = 16385;
    EXPECT_NE(print_policy(m, {}).find("/unique#16385\n"), std::string::npos);
    m.policies[0].id = 11;
    EXPECT_EQ(print_policy(m, {}).substr(0, 37), "(per-socket policy) \n\tin(socket) prio");
}

TEST(SetkeyRequests, SayPrioritiesAsLinuxCountsThem) {
    const auto priority = [](const std::string& prio) {
        return asked("spdadd ::1 ::2 any -P out " + prio + " none;").at(0).policies[0].priority;
    };
    EXPECT_EQ(priority(""), 0x80000000u);
    EXPECT_EQ(priority("prio 10"), 0x80000000u - 10);
    EXPECT_EQ(priority("prio -10"), 0x80000000u + 10);
    EXPECT_EQ(priority("prio low"), 0xc0000000u);
    EXPECT_EQ(priority("prio high + 1"), 0x3fffffffu);
}

TEST(SetkeyRequests, SendWhatTheKernelAsksFor) {
    EXPECT_EQ(asked("spdadd ::1 ::2 any -P in none;", false).size(), 1u) << "-k: as written";
    EXPECT_EQ(asked("spddelete ::1 ::2 any -P in;").size(), 2u);
    const Message icmp = asked("spdadd ::1 ::2 icmp6 135,1 -P out none;").at(0);
    EXPECT_EQ(icmp.src->addr.port, 135);
    EXPECT_EQ(icmp.dst->addr.port, 1);
    const Message gre = asked("spdadd 10.0.0.1 10.0.0.2 gre 1.2.3.4 -P out none;").at(0);
    EXPECT_EQ(gre.src->addr.port, 0x102);
    EXPECT_EQ(gre.dst->addr.port, 0x304);
    EXPECT_NE(print_policy(gre, {}).find("gre 1.2.3.4\n"), std::string::npos);
    const Message null =
        asked("add ::1 ::2 esp 256 -E null -A hmac-md5 \"1234123412341234\";").at(0);
    ASSERT_TRUE(null.encrypt_key) << "Linux wants the key even where it is empty";
    EXPECT_EQ(null.encrypt_key->bits, 0);
    const Message soft = asked("add ::1 ::2 esp 256 -lh 10 -E null;").at(0);
    EXPECT_TRUE(soft.soft) << "one lifetime alone is refused by Linux";
    EXPECT_EQ(asked("getspi ::1 ::2 esp 0x300;").at(0).range, (SpiRange{0x300, 0x300}));
    EXPECT_EQ(asked("getspi ::1 ::2 ipcomp 0;").at(0).range, (SpiRange{0x100, 0xffff}));
    EXPECT_EQ(asked("flush ah;").at(0).satype, kSaAh);
}

TEST(SetkeyScript, CarriesOutWhatStandsBeforeTheFirstError) {
    int run = 0;
    const auto execute = [&](const Command&, const conf::Location&) { ++run; };
    const std::string text = "flush; spdflush;\nspdad ::1 ::2 any -P out none;\nflush;\noops;\n";
    const ScriptResult result = run_script(text, {"f"}, nullptr, false, execute);
    EXPECT_TRUE(result.failed);
    EXPECT_EQ(run, 2);
    ASSERT_EQ(result.messages.size(), 1u);
    EXPECT_EQ(result.messages[0], "f:2:1: unknown command \"spdad\"; did you mean \"spdadd\"?");
    EXPECT_EQ(run_script(text, {"f"}, nullptr, true, execute).messages.size(), 2u)
        << "a check tells all";
    EXPECT_EQ(run, 2);
    EXPECT_TRUE(run_script("exit; flush;", {"f"}, nullptr, false, execute).left);
    EXPECT_EQ(run, 2);
}

TEST(SetkeyScript, WhatIsTypedGoesOnBehindAMistakeAndIsCountedOn) {
    std::vector<std::string> places;
    const auto execute = [&](const Command&, const conf::Location& where) {
        places.push_back(where.text());
    };
    const ScriptResult result =
        run_script(" flush;\nspdad; flush;\n", {"input", 7, 20, true}, nullptr, false, execute);
    EXPECT_EQ(places, (std::vector<std::string>{"input:7:21", "input:8:8"}));
    ASSERT_EQ(result.messages.size(), 1u);
    EXPECT_EQ(result.messages[0].substr(0, 10), "input:8:1:");
}

TEST(SetkeyScript, ACommandIsWholeWithItsSemicolon) {
    EXPECT_EQ(whole_commands("add ::1 ::2 ah 256 -A hmac-md5 \"a;b\" # c;\n"), 0u);
    EXPECT_EQ(whole_commands("flush;\n"), 6u);
    EXPECT_EQ(whole_commands("flush; spdflush; add ::1\n"), 16u);
}

}  // namespace
}  // namespace racoon::setkey
