#include "plugin/manifest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace racoon::plugin {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string with(const std::string& more,
                 const std::string& provides = R"([{"point": "racoon.kernel/1", "key": "x"}])") {
    return R"({"name": "acme-otp", "version": "1.4.2", "summary": "one-time codes", "abi": "1.0",
              "provides": )" +
           provides + (more.empty() ? "" : ", " + more) + "}";
}

std::string error_of(const std::string& json) {
    const auto m = parse_manifest(json);
    return m ? "accepted" : m.error().text();
}

TEST(Manifest, ReadsEverything) {
    const auto m = parse_manifest(with(
        R"("vendor": "Acme", "license": "MIT", "min_host": "1.0", "platforms": ["linux"], "standard": true,
           "needs": ["racoon.hash/1:sha256"], "wants": ["racoon.log/1"], "privileges": ["net-admin"],
           "threads": false, "isolate": "yes", "max_inflight": 4,
           "helpers": [{"program": "/usr/lib/racoon/helper/x", "user": "nobody"}],
           "config": {"timeout": {"type": "duration", "min": 1, "max": 60, "default": "20 sec", "help": "h"}})",
        R"([{"point": "racoon.cipher/1", "key": "aes", "aliases": ["rijndael"], "ike": 7, "priority": -3,
             "key_bits": {"min": 128, "max": 256, "step": 64, "default": 192}, "block": 16, "weak": true}])"));
    ASSERT_TRUE(m) << m.error().text();
    EXPECT_EQ(m->name, "acme-otp");
    EXPECT_TRUE(m->standard);
    EXPECT_EQ(m->max_inflight, 4u);
    ASSERT_EQ(m->provides.size(), 1u);
    const Offer& o = m->provides[0];
    EXPECT_EQ(o.aliases, std::vector<std::string>{"rijndael"});
    EXPECT_EQ(o.priority, -3);
    EXPECT_EQ(o.ike, 7);
    EXPECT_TRUE(o.weak);
    EXPECT_EQ(o.key_bits->standard, 192);
    EXPECT_TRUE(o.key_bits->allows(256));
    EXPECT_FALSE(o.key_bits->allows(160));
    EXPECT_EQ(m->helpers[0].user, "nobody");
    EXPECT_EQ(m->config.at("timeout").type, ConfigType::Duration);
    EXPECT_EQ(m->config.at("timeout").max, 60);
}

TEST(Manifest, SaysWhereAndWhatWasFoundAndExpected) {
    EXPECT_THAT(error_of(with(R"("standard": "yes")")),
                AllOf(HasSubstr("standard"), HasSubstr("\"yes\""), HasSubstr("true or false")));
    EXPECT_THAT(error_of(with(R"("max_inflight": 0)")),
                AllOf(HasSubstr("max_inflight"), HasSubstr("found 0"), HasSubstr("1 to 65536")));
    EXPECT_THAT(error_of(with(R"("max_inflight": 18446744073709551615)")), HasSubstr("1 to 65536"));
    EXPECT_THAT(error_of(with(R"("min_host": "1")")),
                AllOf(HasSubstr("min_host"), HasSubstr("MAJOR.MINOR")));
    EXPECT_THAT(error_of(with(R"("min_host": "1.1")")), HasSubstr("at most abi (1.0)"));
    EXPECT_THAT(error_of(with(R"("needs": "racoon.log/1")")),
                AllOf(HasSubstr("needs"), HasSubstr("a list")));
    EXPECT_THAT(error_of(with(R"("needs": ["a", 5])")), HasSubstr("needs[1]"));
    EXPECT_THAT(error_of(with(R"("config": {"t": {"type": "tiem"}})")),
                AllOf(HasSubstr("config.t.type"), HasSubstr("tiem")));
    EXPECT_THAT(error_of(with(R"("helpers": [{"program": "bin/x", "user": "nobody"}])")),
                AllOf(HasSubstr("helpers[0].program"), HasSubstr("absolute")));
    EXPECT_THAT(error_of(with("", "[]")), AllOf(HasSubstr("provides"), HasSubstr("0 entries")));
    EXPECT_THAT(error_of(with("", R"([{"point": "racoon.cipher/1", "key": "aes", "ike": 7}])")),
                HasSubstr("provides[0].key_bits"));
    EXPECT_THAT(
        error_of(with("", R"([{"point": "racoon.hash/1", "key": "a", "ike": 1, "digest": 65}])")),
        AllOf(HasSubstr("digest"), HasSubstr("64")));
    EXPECT_THAT(error_of(with(
                    "", R"([{"point": "racoon.hash/1", "key": "a", "ike": 70000, "digest": 16}])")),
                HasSubstr("65535"));
    EXPECT_THAT(error_of(with("", R"([{"point": "p", "key": "a"}, {"point": "p", "key": "a"}])")),
                AllOf(HasSubstr("provides[1]"), HasSubstr("again")));
    EXPECT_THAT(error_of(R"({"name": "Acme"})"), HasSubstr("[a-z0-9-]"));
}

TEST(Manifest, RefusesUnknownKeysOfItsOwnAbiAndBearsThoseOfANewerOne) {
    EXPECT_THAT(error_of(with(R"("colour": "blue")")),
                AllOf(HasSubstr("colour"), HasSubstr("unknown key")));
    EXPECT_THAT(error_of(with("", R"([{"point": "p", "key": "a", "size": 1}])")),
                HasSubstr("provides[0].size"));
    const auto newer = parse_manifest(
        R"({"name": "x", "version": "1", "summary": "s", "abi": "1.9", "min_host": "1.0",
        "colour": "blue", "provides": [{"point": "p", "key": "a", "size": 1}]})");
    EXPECT_TRUE(newer) << "a plugin built with a newer SDK must stay readable";
}

TEST(Manifest, ReportsBrokenJsonWithItsPosition) {
    const auto m = parse_manifest("{\"name\": \"x\",\n oops}");
    ASSERT_FALSE(m);
    EXPECT_TRUE(m.error().offset().has_value());
    EXPECT_FALSE(parse_manifest(""));
    EXPECT_FALSE(parse_manifest("[]"));
    EXPECT_FALSE(parse_manifest(std::string("{\"name\": \"\xff\xfe\"}"))) << "not UTF-8";
}

TEST(Manifest, RefusesAKeyThatStandsTwice) {
    EXPECT_THAT(error_of(R"({"name": "a", "name": "b"})"),
                AllOf(HasSubstr("\"name\""), HasSubstr("twice")));
}

TEST(Manifest, SurvivesDeepNestingAndHugeNumbers) {
    std::string deep(100000, '[');
    EXPECT_FALSE(parse_manifest(deep));
    EXPECT_FALSE(parse_manifest(with("\"max_inflight\": 1e999")));
    EXPECT_FALSE(parse_manifest(with("\"max_inflight\": 1.5")));
}

}  // namespace
}  // namespace racoon::plugin
