// crypto-openssl as a module: it loads, offers what its manifest declares, and knows its answers.
#include <array>
#include <atomic>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

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

// Hashes are tagged [A], groups [W]: several workers use them while the main loop does.
TEST(CryptoOpensslModule, HashesAndGroupsMayBeUsedFromSeveralThreads) {
    FakeHost host;
    const auto plugin = LoadedPlugin::load("crypto-openssl", host);
    ASSERT_TRUE(plugin);
    const auto hash = plugin->find<racoon_hash>(RACOON_POINT_HASH, "sha256");
    const auto group = plugin->find<racoon_dh_group>(RACOON_POINT_DH_GROUP, "ecp256");
    std::atomic<int> wrong = 0;
    const auto work = [&] {
        std::array<std::uint8_t, 32> first{}, again{};
        std::array<std::uint8_t, 64> ours{}, theirs{};
        const racoon_span part = span_of("message");
        hash.table->hmac(hash.impl, span_of("key"), &part, 1, first.data());
        for (int i = 0; i < 20; ++i) {
            hash.table->hmac(hash.impl, span_of("key"), &part, 1, again.data());
            if (again != first) ++wrong;
            void* a = nullptr;
            void* b = nullptr;
            if (group.table->generate(group.impl, ours.data(), &a) ||
                group.table->generate(group.impl, theirs.data(), &b)) {
                ++wrong;
                continue;
            }
            std::array<std::uint8_t, 32> left{}, right{};
            if (group.table->compute(group.impl, a, {theirs.data(), theirs.size()}, left.data()) ||
                group.table->compute(group.impl, b, {ours.data(), ours.size()}, right.data()) ||
                left != right)
                ++wrong;
            group.table->free(group.impl, a);
            group.table->free(group.impl, b);
        }
    };
    std::array<std::thread, 4> threads;
    for (auto& thread : threads) thread = std::thread(work);
    work();
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
}

TEST(CryptoOpensslModule, LoadsAgainAfterDestroy) {
    for (int i = 0; i < 3; ++i) {
        FakeHost host;
        ASSERT_TRUE(LoadedPlugin::load("crypto-openssl", host));
    }
}

}  // namespace
}  // namespace racoon::test
