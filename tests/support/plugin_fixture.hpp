// A module of the build tree under a tiny host: what it provides can be called directly.
//
//     FakeHost host;
//     host.paths["pre_shared_key"] = dir + "/psk.txt";
//     auto crypto = LoadedPlugin::load("crypto-openssl", host);
//     auto sha256 = crypto->find<racoon_hash>(RACOON_POINT_HASH, "sha256");
//     sha256.table->digest(sha256.impl, …);
//
// Everything on one thread, except what a point's header tags [A] or [W].
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <racoon/plugin.h>

namespace racoon::test {

/// An operation that a module has completed.
struct Completion {
    racoon_op op;
    racoon_status status;
    std::vector<std::uint8_t> result;
};

/// What the module sees: log, clock, conf, secret, random, crypto and op services. hash and hmac
/// come from the hashes that the modules loaded under this host have provided.
class FakeHost {
  public:
    FakeHost();
    FakeHost(const FakeHost&) = delete;
    FakeHost& operator=(const FakeHost&) = delete;

    struct Provided {
        std::string point;
        std::string key;
        const void* table;
        void* impl;
    };

    std::vector<Provided> provided;
    std::map<std::string, std::string> paths;     // get_path: kind → path
    std::map<std::string, std::string> settings;  // typed getters, any section; durations in ns
    std::vector<std::string> log_lines;           // "WARNING: text"
    std::vector<Completion> completions;
    std::vector<std::string> missing_services;  // answered with null
    std::size_t secret_bytes = 0;               // allocated and not yet freed
    std::int64_t now_ns = 0;

    const racoon_host* abi() const { return &abi_; }
    const Provided* find(std::string_view point, std::string_view key) const;

  private:
    racoon_host abi_;
};

template <typename Table>
struct Point {
    const Table* table = nullptr;
    void* impl = nullptr;
    explicit operator bool() const { return table != nullptr; }
};

class LoadedPlugin {
  public:
    /// The module RACOON_BUILD_DIR/lib/racoon/modules/NAME.so after init; on failure null, with the
    /// reason as a test failure.
    static std::unique_ptr<LoadedPlugin> load(const std::string& name, FakeHost& host);
    static std::unique_ptr<LoadedPlugin> load_file(const std::string& file, FakeHost& host);
    ~LoadedPlugin();  // destroy(); what it provided leaves the host
    LoadedPlugin(const LoadedPlugin&) = delete;
    LoadedPlugin& operator=(const LoadedPlugin&) = delete;

    const racoon_plugin& entry() const { return *entry_; }
    void* ctx() const { return ctx_; }
    std::string_view manifest() const { return {entry_->manifest, entry_->manifest_size}; }

    /// False if the module did not provide it.
    template <typename Table>
    Point<Table> find(std::string_view point, std::string_view key) const {
        const FakeHost::Provided* p = host_.find(point, key);
        if (!p) return {};
        return {static_cast<const Table*>(p->table), p->impl};
    }

  private:
    LoadedPlugin(const racoon_plugin* entry, FakeHost& host) : entry_(entry), host_(host) {}
    const racoon_plugin* entry_;
    FakeHost& host_;
    void* ctx_ = nullptr;
    std::size_t first_provided_ = 0;
};

inline racoon_span span_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline racoon_span span_of(const std::vector<std::uint8_t>& bytes) {
    return {bytes.data(), bytes.size()};
}

}  // namespace racoon::test
