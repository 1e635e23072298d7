// crypto-openssl as a module: it loads, offers what its manifest declares, and knows its answers.
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/plugin_fixture.hpp"

namespace racoon::test {
namespace {

using Names = std::set<std::pair<std::string, std::string>>;

TEST(CryptoOpensslModule, ProvidesExactlyWhatItsManifestDeclares) {
    FakeHost host;
    const auto plugin = LoadedPlugin::load("crypto-openssl", host);
    ASSERT_TRUE(plugin);
    const auto manifest = nlohmann::json::parse(plugin->manifest());
    Names declared;
    Names provided;
    for (const auto& entry : manifest["provides"]) declared.emplace(entry["point"], entry["key"]);
    for (const auto& p : host.provided) provided.emplace(p.point, p.key);
    // Of "aes" there is a cipher and a transform, hence pairs.
    EXPECT_EQ(declared, provided);
    EXPECT_EQ(host.provided.size(), provided.size()) << "something was offered twice";
}

TEST(CryptoOpensslModule, PassesItsSelfTest) {
    FakeHost host;
    const auto plugin = LoadedPlugin::load("crypto-openssl", host);
    ASSERT_TRUE(plugin);
    racoon_error err{};
    err.struct_size = sizeof err;
    EXPECT_EQ(plugin->entry().self_test(plugin->ctx(), &err), RACOON_OK) << err.text;
}

TEST(CryptoOpensslModule, LoadsAgainAfterDestroy) {
    for (int i = 0; i < 3; ++i) {
        FakeHost host;
        ASSERT_TRUE(LoadedPlugin::load("crypto-openssl", host));
    }
}

}  // namespace
}  // namespace racoon::test
