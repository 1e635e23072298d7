// -C --json: the same as -C, as JSON.
#include "control/config_json.hpp"

#include <gmock/gmock.h>

#include <filesystem>

#include "unit/conf/conf_test_support.hpp"

namespace racoon::control {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Json json_of(const std::string& text, const conf::PrintOptions& options = {}) {
    const conf::Loaded loaded = conf::load_text(text, {}, {.offline = true});
    EXPECT_TRUE(loaded.ok()) << loaded.text();
    const auto json = config_json(loaded.config(), options);
    EXPECT_TRUE(json) << json.error().text();
    return json ? *json : Json();
}

/// What is printed has each default in it, and is not judged by what a file may hold.
TEST(ConfigJson, HasNoBoundOfItsOwn) {
    std::string text;
    for (int i = 0; i < 25'000; ++i)
        text +=
            conf::remote_text("10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256));
    EXPECT_EQ(json_of(text)["remote"].size(), 25'000u);
}

TEST(ConfigJson, HasSectionsWithTheWordsOfTheFile) {
    const Json json =
        json_of(conf::remote_text("\"hq\"", "remote_address 192.0.2.1 [501]; passive on;") +
                conf::sainfo_text("address 10.1.0.0/16 any address 10.2.0.0/16[80] tcp"));
    const Json& remote = json["remote"][0];
    EXPECT_EQ(remote["name"], "hq");
    EXPECT_EQ(remote["remote_address"], Json::parse(R"({"address": "192.0.2.1", "port": 501})"));
    EXPECT_EQ(remote["exchange_mode"], Json::parse(R"(["main"])"));
    EXPECT_EQ(remote["passive"], true);
    EXPECT_EQ(remote["nonce_size"], 16);
    EXPECT_EQ(remote["proposal"][0]["encryption_algorithm"],
              Json::parse(R"({"name": "aes", "bits": 256})"));
    EXPECT_EQ(remote["proposal"][0]["lifetime"], 28800);
    const Json& sainfo = json["sainfo"][0];
    EXPECT_EQ(sainfo["local"]["value"], "10.1.0.0/16");
    EXPECT_EQ(sainfo["remote"]["port"], 80);
    EXPECT_EQ(sainfo["remote"]["protocol"], "tcp");
    EXPECT_EQ(sainfo["authentication_algorithm"], Json::parse(R"(["hmac_sha256"])"));
    EXPECT_EQ(json["padding"]["maximum_length"], 20);
}

TEST(ConfigJson, WhatMayBeRepeatedIsAListAndKeepsItsOrder) {
    const Json json =
        json_of("listen { isakmp 192.0.2.1; }\n" +
                conf::remote_text("anonymous",
                                  "peers_identifier fqdn \"a\"; peers_identifier fqdn \"b\";"));
    EXPECT_EQ(json["listen"]["isakmp"].size(), 1u);
    EXPECT_EQ(json["remote"][0]["peers_identifier"][1]["value"], "b");
    EXPECT_FALSE(json.contains("sainfo"));
}

TEST(ConfigJson, SecretsAreNotShown) {
    const std::string text =
        "ldapcfg { bind_dn \"cn=x\"; bind_pw \"hunter2\"; }\n"
        "radiuscfg { auth \"r.example\" \"hunter2\"; }\n"
        "module \"acme-otp\" { pin \"hunter2\"; server \"otp.example\"; }\n";
    conf::PrintOptions options;
    options.secret_key = [](std::string_view, std::string_view key) { return key == "pin"; };
    const Json json = json_of(text, options);
    EXPECT_EQ(json["radiuscfg"]["auth"][0]["host"], "r.example");
    EXPECT_EQ(json["module"][0]["server"], "otp.example");
    EXPECT_THAT(dump_json(json), Not(HasSubstr("hunter2")));
    const conf::Loaded loaded = conf::load_text(text, {}, {.offline = true});
    EXPECT_THAT(conf::print(loaded.config(), options), Not(HasSubstr("hunter2")));
    // A module that is not known may hold secrets under any name.
    EXPECT_THAT(conf::print(loaded.config()), Not(HasSubstr("otp.example")));
}

TEST(ConfigJson, EveryValidFileCanBeWritten) {
    for (const auto& entry :
         std::filesystem::directory_iterator(RACOON_SOURCE_DIR "/tests/conf/valid")) {
        SCOPED_TRACE(entry.path());
        json_of(conf::read_file(entry.path().string()));
    }
}

}  // namespace
}  // namespace racoon::control
