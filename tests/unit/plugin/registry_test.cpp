#include "plugin/registry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace racoon::plugin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Manifest module(const std::string& name, const std::string& provides,
                const std::string& more = {}) {
    auto m = parse_manifest(R"({"name": ")" + name +
                            R"(", "version": "1", "summary": "s", "abi": "1.0", "provides": )" +
                            provides + more + "}");
    EXPECT_TRUE(m) << m.error().text();
    return std::move(*m);
}

const std::string kHash =
    R"([{"point": "racoon.hash/1", "key": "sha256", "aliases": ["sha2_256"], "ike": 4, "digest": 32)";

racoon_status digest(void*, const racoon_span*, std::size_t, std::uint8_t*) noexcept {
    return RACOON_OK;
}
racoon_status hmac(void*, racoon_span, const racoon_span*, std::size_t, std::uint8_t*) noexcept {
    return RACOON_OK;
}
const racoon_hash kTable = {sizeof(racoon_hash), digest, hmac};

TEST(Registry, FindsByNameAndAliasWithTheFactsOfTheManifest) {
    Registry r(Zone::Both);
    ASSERT_TRUE(r.add_module(module("a", kHash + "}]")));
    ASSERT_TRUE(r.bind("a", "racoon.hash/1", "sha256", &kTable, &r));
    r.finish();
    const conf::HashInfo* h = r.hash("sha2_256");
    ASSERT_NE(h, nullptr);
    EXPECT_EQ(h->name, "sha256");
    EXPECT_EQ(h->digest_size, 32u);
    EXPECT_EQ(h->impl, &r);
    EXPECT_NE(h->table, &kTable) << "the table is copied";
    EXPECT_EQ(h->table->digest, digest);
    EXPECT_THAT(r.names(conf::Kind::Hash), ElementsAre("sha256", "sha2_256"));
    EXPECT_TRUE(r.has(conf::Kind::Hash, "sha2_256"));
    EXPECT_FALSE(r.has(conf::Kind::Cipher, "sha256"));
}

TEST(Registry, PrefersByConfigurationThenPriorityThenLoadOrder) {
    const auto who = [](bool prefer, const std::string& priority_of_b) {
        Registry r(Zone::Both);
        EXPECT_TRUE(r.add_module(module("a", kHash + "}]")));
        EXPECT_TRUE(r.add_module(module("b", kHash + priority_of_b + "}]")));
        if (prefer) r.prefer("racoon.hash/1", "sha256", "a");
        r.finish();
        return r.hash("sha256")->module;
    };
    EXPECT_EQ(who(false, ""), "a");
    EXPECT_EQ(who(false, R"(, "priority": 5)"), "b");
    EXPECT_EQ(who(true, R"(, "priority": 5)"), "a");
}

TEST(Registry, ANameWinsOverAnAlias) {
    Registry r(Zone::Both);
    ASSERT_TRUE(r.add_module(module(
        "a",
        R"([{"point": "racoon.hash/1", "key": "x", "aliases": ["y"], "ike": 1, "digest": 16, "priority": 9},
                                             {"point": "racoon.hash/1", "key": "y", "ike": 2, "digest": 20}])")));
    r.finish();
    EXPECT_EQ(r.hash("y")->ike_id, 2);
    EXPECT_EQ(r.find("racoon.hash/1", "y")->offer.ike, 2);
}

TEST(Registry, AnOlderModulesShorterTableIsFilledWithZeros) {
    struct {
        std::uint32_t struct_size;
        decltype(racoon_hash::digest) digest;
    } old_table = {sizeof old_table, digest};
    Registry r(Zone::Both);
    ASSERT_TRUE(r.add_module(module("a", kHash + "}]")));
    const Status s = r.bind("a", "racoon.hash/1", "sha256", &old_table, nullptr);
    ASSERT_FALSE(s) << "hmac is required, and must not be read behind the table's end";
    EXPECT_THAT(s.error().text(), HasSubstr("hmac"));
}

TEST(Registry, ANewerModulesLongerTableIsCut) {
    struct {
        racoon_hash known;
        void (*future)();
    } new_table = {kTable, nullptr};
    new_table.known.struct_size = sizeof new_table;
    Registry r(Zone::Both);
    ASSERT_TRUE(r.add_module(module("a", kHash + "}]")));
    ASSERT_TRUE(r.bind("a", "racoon.hash/1", "sha256", &new_table, nullptr));
    r.finish();
    EXPECT_EQ(r.hash("sha256")->table->struct_size, sizeof(racoon_hash));
}

TEST(Registry, TablesAreKeptOnlyInTheirZone) {
    const std::string cipher = R"([{"point": "racoon.cipher/1", "key": "aes", "ike": 7, "block": 16,
        "key_bits": {"min": 128, "max": 256, "step": 64, "default": 128}}])";
    const racoon_cipher table = {
        sizeof(racoon_cipher),
        [](void*, const std::uint8_t*, std::size_t, void**) noexcept { return racoon_status{0}; },
        [](void*, void*) noexcept {},
        [](void*, void*, std::int32_t, std::uint8_t*, std::uint8_t*, std::size_t) noexcept {
            return racoon_status{0};
        }};
    for (const Zone zone : {Zone::Engine, Zone::Keeper}) {
        Registry r(zone);
        ASSERT_TRUE(r.add_module(module("a", cipher)));
        ASSERT_TRUE(r.bind("a", "racoon.cipher/1", "aes", &table, nullptr));
        r.finish();
        ASSERT_NE(r.cipher("aes"), nullptr)
            << "the facts are needed to parse racoon.conf in either";
        EXPECT_EQ(r.cipher("aes")->table != nullptr, zone == Zone::Engine);
    }
}

TEST(Registry, EspTransformsOfOneNameAndDifferentKindsCoexist) {
    Registry r(Zone::Both);
    ASSERT_TRUE(r.add_module(module("a", R"([
        {"point": "racoon.esp-transform/1", "key": "null", "kind": "encryption", "esp": 11, "key_bits": {"min": 0, "max": 0}},
        {"point": "racoon.esp-transform/1", "key": "null", "kind": "integrity", "attribute": 0},
        {"point": "racoon.esp-transform/1", "key": "aes_gcm_16", "kind": "aead", "esp": 20, "salt": 4, "icv": 16,
         "key_bits": {"min": 128, "max": 256, "step": 64}}])")));
    const racoon_esp_transform table = {sizeof(racoon_esp_transform), 0};
    ASSERT_TRUE(r.bind("a", "racoon.esp-transform/1", "null", &table, nullptr));
    EXPECT_EQ(r.unbound("a").size(), 1u);
    ASSERT_TRUE(r.bind("a", "racoon.esp-transform/1", "aes_gcm_16", &table, nullptr));
    EXPECT_TRUE(r.unbound("a").empty());
    r.finish();
    EXPECT_EQ(r.esp_encryption("null")->kind, conf::TransformKind::Encryption);
    EXPECT_EQ(r.esp_integrity("null")->kind, conf::TransformKind::Integrity);
    EXPECT_EQ(r.esp_encryption("aes_gcm_16")->kind, conf::TransformKind::Aead);
    EXPECT_EQ(r.esp_encryption("aes_gcm_16")->salt_bytes, 4);
    EXPECT_EQ(r.compression("null"), nullptr);
}

TEST(LoadOrder, PutsWhatIsNeededFirst) {
    const Manifest a = module("a", kHash + "}]", R"(, "needs": ["racoon.kernel/1"])");
    const Manifest b = module("b", R"([{"point": "racoon.kernel/1", "key": "k"}])",
                              R"(, "wants": ["racoon.credential/1:c"])");
    const Manifest c = module("c", R"([{"point": "racoon.credential/1", "key": "c"}])",
                              R"(, "needs": ["racoon.log/1"])");
    EXPECT_EQ(*load_order({&a, &b, &c}), (std::vector<std::size_t>{2, 1, 0}));
    EXPECT_EQ(*load_order({&c, &a}), (std::vector<std::size_t>{0, 1})) << "otherwise as named";
}

}  // namespace
}  // namespace racoon::plugin
