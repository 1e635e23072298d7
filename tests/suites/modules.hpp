// The crypto modules as the engine loads them, and configurations that name their algorithms.
//
//     Modules modules;                     // ASSERT_TRUE(modules.loaded())
//     const conf::CipherInfo* c = modules.catalog().cipher("camellia");
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "conf/catalog.hpp"
#include "loop/work_pool.hpp"
#include "plugin/lifecycle.hpp"
#include "simulation/world.hpp"

namespace racoon::test {

class Modules {
  public:
    Modules()
        : loop_(std::move(*loop::EventLoop::make())),
          workers_(std::make_unique<loop::WorkPool>(*loop_, 1, 16)),
          runtime_(plugin::make_loop_runtime(*loop_, *workers_)),
          host_(std::make_unique<plugin::PluginHost>(*runtime_, plugin::Zone::Engine,
                                                     RACOON_BUILD_DIR "/lib/racoon/modules")) {
        std::vector<conf::ModuleBlock> blocks(3);
        blocks[0].name = "crypto-openssl";
        blocks[1].name = "crypto-legacy";
        blocks[2].name = "auth-psk";
        status_ = host_->load(blocks);
    }
    ~Modules() { host_->destroy(); }
    Modules(const Modules&) = delete;
    Modules& operator=(const Modules&) = delete;

    testing::AssertionResult loaded() const {
        if (status_) return testing::AssertionSuccess();
        return testing::AssertionFailure() << status_.error().text();
    }
    const conf::Catalog& catalog() const { return host_->registry(); }

  private:
    std::unique_ptr<loop::EventLoop> loop_;
    std::unique_ptr<loop::WorkPool> workers_;
    std::unique_ptr<plugin::Runtime> runtime_;
    std::unique_ptr<plugin::PluginHost> host_;
    Status status_ = ok();
};

/// The algorithms of one kind, each once.
template <typename Find>
auto each_of(const conf::Catalog& catalog, conf::Kind kind, Find find) {
    std::map<std::string, decltype(find(std::string_view()))> by_name;
    for (const std::string& word : catalog.names(kind)) {
        const auto* info = find(std::string_view(word));
        by_name.emplace(info->name, info);
    }
    return by_name;
}

/// Every length in bits that a key may have; a fixed one as itself.
inline std::vector<std::uint16_t> lengths_of(const conf::KeyBits& key) {
    std::vector<std::uint16_t> out;
    for (unsigned bits = key.min; bits <= key.max; bits += key.step != 0 ? key.step : 1u)
        out.push_back(static_cast<std::uint16_t>(bits));
    return out;
}

}  // namespace racoon::test
