// Test data from outside: RACOON_TEST_DATA/vectors, else ../shared/vectors beside the source tree.
//
//     const auto root = vectors_root();
//     if (!root) return report_absence();
//     const Json all = load_json(*root / "modp_groups.json");
#pragma once

#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "support/plugin_fixture.hpp"

namespace racoon::test {

using Json = nlohmann::json;

std::optional<std::filesystem::path> vectors_root();
/// Says what is missing. A failure where everything is installed (CI is set), else a pass.
void report_absence();
/// Plain or .gz; a failure and an empty array if it cannot be read.
Json load_json(const std::filesystem::path& file);
/// Hex text; a failure if it is none.
Bytes unhex(const std::string& hex);
inline Bytes unhex(const Json& value) {
    return unhex(value.get<std::string>());
}

/// Counts what was checked and what was skipped, and prints it. A reason must be given for each
/// skip.
class Tally {
  public:
    explicit Tally(std::string set) : set_(std::move(set)) {}
    ~Tally();
    void checked() { ++checked_; }
    void skip(const std::string& reason) { ++skipped_[reason]; }
    std::size_t checked_count() const { return checked_; }
    std::size_t skipped_count() const;

  private:
    std::string set_;
    std::size_t checked_ = 0;
    std::map<std::string, std::size_t> skipped_;
};

/// crypto-openssl and crypto-legacy, loaded once per test.
class Vectors : public testing::Test {
  protected:
    void SetUp() override {
        module_ = LoadedPlugin::load("crypto-openssl", host_);
        ASSERT_TRUE(module_);
        legacy_ = LoadedPlugin::load("crypto-legacy", host_);
        ASSERT_TRUE(legacy_);
    }
    Point<racoon_hash> hash(const std::string& name) {
        return module_->find<racoon_hash>(RACOON_POINT_HASH, name);
    }
    Point<racoon_cipher> cipher(const std::string& name) {
        return module_->find<racoon_cipher>(RACOON_POINT_CIPHER, name);  // in either
    }
    Point<racoon_dh_group> group(const std::string& name) {
        return module_->find<racoon_dh_group>(RACOON_POINT_DH_GROUP, name);
    }

    Bytes digest_of(const std::string& name, ByteView data);
    /// The whole HMAC, of the hash's size.
    Bytes hmac_of(const std::string& name, ByteView key, ByteView data);
    /// CBC; iv is replaced by the last ciphertext block.
    Bytes crypt(const std::string& name, ByteView key, bool encrypt, Bytes& iv, ByteView data);

    FakeHost host_;
    std::unique_ptr<LoadedPlugin> module_;
    std::unique_ptr<LoadedPlugin> legacy_;
};

}  // namespace racoon::test
