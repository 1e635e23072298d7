// Modules that are right, from names to running and back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "contract/module_dir.hpp"
#include "plugin/lifecycle.hpp"
#include "plugin/list_modules.hpp"
#include "support/fake_runtime.hpp"
#include "support/log_capture.hpp"

namespace racoon::plugin {
namespace {

using test::ModuleDir;
using testing::HasSubstr;

conf::ModuleBlock named(const std::string& name) {
    conf::ModuleBlock block;
    block.name = name;
    block.where = {"racoon.conf", 3, 1};
    return block;
}

std::shared_ptr<conf::Config> config_with(std::vector<conf::ModuleBlock> blocks) {
    auto config = std::make_shared<conf::Config>();
    config->modules = std::move(blocks);
    return config;
}

conf::ModuleBlock with_value(const std::string& name, const std::string& key,
                             const std::string& value) {
    conf::ModuleBlock block = named(name);
    block.values[key] = {value, {"racoon.conf", 4, 9}};
    return block;
}

struct Host : testing::Test {
    test::LogCapture log;
    ModuleDir dir;
    test::FakeRuntime runtime;
};

TEST_F(Host, LoadsAModuleAndResolvesItsNames) {
    dir.add("fine");
    PluginHost host(runtime, Zone::Engine, dir.path());
    const Status loaded = host.load({named("fine")});
    ASSERT_TRUE(loaded) << loaded.error().text();
    const conf::AuthMethodInfo* method = host.registry().auth_method("test_method");
    ASSERT_NE(method, nullptr);
    EXPECT_EQ(method->number, 65001);
    EXPECT_EQ(method->module, "fine");
    ASSERT_NE(method->table, nullptr);
    EXPECT_EQ(method->table->struct_size, sizeof(racoon_auth_method));
    EXPECT_EQ(method->table->skeyid_recipe(method->impl, nullptr), RACOON_SKEYID_PSK);
}

TEST_F(Host, FactsAloneNeedNoModuleToBeThere) {
    PluginHost none(runtime, Zone::Both, dir.path());
    EXPECT_TRUE(none.load_facts({}));
    PluginHost absent(runtime, Zone::Both, dir.path());
    EXPECT_TRUE(absent.load_facts({named("acme-otp")}));
    EXPECT_THAT(log.all(), HasSubstr("acme-otp"));
}

TEST_F(Host, FactsAloneStillJudgeAModulesSettings) {
    dir.add("fine");
    PluginHost good(runtime, Zone::Both, dir.path());
    const Status accepted = good.load_facts({named("fine")});
    EXPECT_TRUE(accepted) << accepted.error().text();
    PluginHost host(runtime, Zone::Both, dir.path());
    conf::ModuleBlock block = with_value("fine", "no_such_key", "1");
    block.values["neither_this"] = {};
    EXPECT_TRUE(host.load_facts({block}));
    const auto found = host.registry().check_module(block);
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].key, "neither_this");
    EXPECT_THAT(found[1].text, HasSubstr("unknown key \"no_such_key\""));
    EXPECT_TRUE(host.registry().check_module(named("acme-otp")).empty());
}

TEST_F(Host, KnowsTheFactsOfAModuleInTheOtherProcessWithoutItsCode) {
    dir.add("fine");
    PluginHost host(runtime, Zone::Keeper, dir.path());
    ASSERT_TRUE(host.load({named("fine")}));
    const conf::AuthMethodInfo* method = host.registry().auth_method("test_method");
    ASSERT_NE(method, nullptr);
    EXPECT_EQ(method->number, 65001);
    EXPECT_EQ(method->table, nullptr) << "an auth method has no business in the keeper";
    ASSERT_EQ(host.modules().size(), 1u);
    EXPECT_EQ(host.modules()[0].state, "facts only");
}

TEST_F(Host, LoadsTheStandardModulesWhenNoneIsNamed) {
    dir.add("fine").add("fine-standard");
    PluginHost host(runtime, Zone::Both, dir.path());
    const Status loaded = host.load({});
    ASSERT_TRUE(loaded) << loaded.error().text();
    ASSERT_EQ(host.modules().size(), 1u);
    EXPECT_EQ(host.modules()[0].name, "fine-standard");
}

TEST_F(Host, PassesOverABrokenFileThatNobodyNamed) {
    dir.add("fine-standard").add("no-note");
    PluginHost host(runtime, Zone::Both, dir.path());
    EXPECT_TRUE(host.load({}));
    EXPECT_EQ(log.count("no-note"), 1u) << log.all();
}

TEST_F(Host, PrefersTheProviderOfHigherPriorityAndListsTheOther) {
    dir.add("fine").add("fine-two");
    PluginHost host(runtime, Zone::Both, dir.path());
    ASSERT_TRUE(host.load({named("fine"), named("fine-two")}));
    EXPECT_EQ(host.registry().auth_method("test_method")->module, "fine-two");
    ASSERT_EQ(host.registry().shadowed().size(), 1u);
    EXPECT_EQ(host.registry().shadowed()[0]->module, "fine");
}

TEST_F(Host, GoesOnWithoutAnOptionalModuleThatFails) {
    dir.add("fine").add("init-fails");
    conf::ModuleBlock optional = named("init-fails");
    optional.optional = true;
    PluginHost host(runtime, Zone::Both, dir.path());
    const Status loaded = host.load({optional, named("fine")});
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(log.count("no entropy here"), 1u);
    EXPECT_EQ(host.registry().auth_method("test_method")->module, "fine");
}

TEST_F(Host, RefusesAModuleThatIsNamedTwice) {
    dir.add("fine");
    PluginHost host(runtime, Zone::Both, dir.path());
    const Status loaded = host.load({named("fine"), named("fine")});
    ASSERT_FALSE(loaded);
    EXPECT_THAT(loaded.error().text(), HasSubstr("[PLG-0030]"));
}

TEST_F(Host, RefusesPromisesThatItCannotKeep) {
    dir.add("fine");
    conf::ModuleBlock isolated = named("fine");
    isolated.isolate = true;
    conf::ModuleBlock pinned = named("fine");
    pinned.sha256 = "00";
    for (const auto& block : {isolated, pinned}) {
        PluginHost host(runtime, Zone::Both, dir.path());
        EXPECT_FALSE(host.load({block})) << "a setting for safety must not be passed over";
    }
}

TEST_F(Host, GivesAModuleItsValuesAndDefaults) {
    dir.add("fine");
    PluginHost host(runtime, Zone::Both, dir.path());
    ASSERT_TRUE(host.load({named("fine")}));
    ASSERT_TRUE(host.configure(config_with({named("fine")})));
    host.commit();
    EXPECT_EQ(log.count("fine: limit is 07"), 1u) << log.all();
    ASSERT_TRUE(host.configure(config_with({with_value("fine", "limit", "42")})));
    host.commit();
    EXPECT_EQ(log.count("fine: limit is 42"), 1u) << log.all();
}

TEST_F(Host, RefusesBadValuesWithTheirPlace) {
    dir.add("fine");
    PluginHost host(runtime, Zone::Both, dir.path());
    ASSERT_TRUE(host.load({named("fine")}));
    const auto error = [&](const char* key, const char* value) {
        const Status s = host.configure(config_with({with_value("fine", key, value)}));
        return s ? std::string("accepted") : s.error().text();
    };
    EXPECT_THAT(error("limit", "100"), testing::AllOf(HasSubstr("racoon.conf:4:9"),
                                                      HasSubstr("100"), HasSubstr("at most 99")));
    EXPECT_THAT(error("limit", "many"),
                testing::AllOf(HasSubstr("racoon.conf:4:9"), HasSubstr("a number")));
    EXPECT_THAT(error("limt", "5"),
                testing::AllOf(HasSubstr("racoon.conf:4:9"), HasSubstr("did you mean \"limit\"")));
    EXPECT_THAT(error("limit", "13"),
                testing::AllOf(HasSubstr("racoon.conf:4:9"), HasSubstr("expected luck")))
        << "the plugin's own refusal must be shown at the key's place";
}

TEST_F(Host, KeepsTheOldConfigurationWhenOneModuleRefuses) {
    dir.add("fine").add("cycle-b").add("fine-two");
    PluginHost host(runtime, Zone::Both, dir.path());
    ASSERT_TRUE(host.load({named("fine"), named("fine-two")}));
    EXPECT_FALSE(host.configure(
        config_with({with_value("fine", "limit", "5"), with_value("fine-two", "limit", "13")})));
    host.commit();
    EXPECT_EQ(log.count("limit is"), 0u) << "nothing may be committed: " << log.all();
}

TEST_F(Host, AsksForARestartWhenAReloadNamesANewModule) {
    dir.add("fine").add("fine-two");
    PluginHost host(runtime, Zone::Both, dir.path());
    ASSERT_TRUE(host.load({named("fine")}));
    const Status s = host.configure(config_with({named("fine"), named("fine-two")}));
    ASSERT_FALSE(s);
    EXPECT_THAT(s.error().text(),
                testing::AllOf(HasSubstr("fine-two"), HasSubstr("restart needed")));
}

TEST_F(Host, ReportsAStartThatFailsOnOneLine) {
    dir.add("start-fails");
    PluginHost host(runtime, Zone::Both, dir.path());
    ASSERT_TRUE(host.load({named("start-fails")}));
    const Status started = host.start();
    ASSERT_FALSE(started);
    EXPECT_THAT(started.error().text(),
                testing::AllOf(HasSubstr("[PLG-0027]"), HasSubstr("port taken")));
    EXPECT_EQ(started.error().text().find('\n'), std::string::npos) << "a plugin's text is escaped";
    EXPECT_EQ(started.error().os_errno(), 98);
}

TEST_F(Host, TellsWhichInstalledModuleWouldProvideAWord) {
    dir.add("fine").add("cycle-a");
    PluginHost host(runtime, Zone::Both, dir.path());
    ASSERT_TRUE(host.load({named("fine")}));
    EXPECT_EQ(host.registry().auth_method("a"), nullptr);
    EXPECT_EQ(host.registry().module_offering(conf::Kind::AuthMethod, "a"), "cycle-a");
    EXPECT_EQ(host.registry().module_offering(conf::Kind::AuthMethod, "nonesuch"), std::nullopt);
}

TEST_F(Host, ListsModulesWithoutRunningThem) {
    dir.add("fine").add("no-note").add("bad-magic");
    const std::string text = list_modules_text(dir.path());
    EXPECT_THAT(text, HasSubstr("auth-method: test_method"));
    EXPECT_THAT(text, HasSubstr("no manifest"));
    const auto json = nlohmann::json::parse(list_modules_json(dir.path()), nullptr, false);
    ASSERT_FALSE(json.is_discarded());
    ASSERT_EQ(json["modules"].size(), 3u);
    EXPECT_EQ(json["modules"][1]["name"], "fine");
    EXPECT_EQ(json["modules"][1]["provides"][0]["key"], "test_method");
    EXPECT_TRUE(json["modules"][2].contains("error"));
}

TEST_F(Host, ExplainsTrustStepByStep) {
    dir.add("fine", "fine", 0777);
    bool trusted = true;
    const std::string text = explain_trust(dir.path(), "fine", &trusted);
    EXPECT_FALSE(trusted);
    EXPECT_THAT(text, HasSubstr("ok  /: owned by uid 0"));
    EXPECT_THAT(text, HasSubstr("BAD " + dir.file("fine")));
}

}  // namespace
}  // namespace racoon::plugin
