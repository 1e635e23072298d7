// The modules of this tree under the same rules as a vendor's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "plugin/lifecycle.hpp"
#include "support/fake_runtime.hpp"
#include "support/log_capture.hpp"

namespace racoon::plugin {
namespace {

std::vector<conf::ModuleBlock> all_modules() {
    std::vector<conf::ModuleBlock> out;
    std::istringstream names(RACOON_TREE_MODULES);
    for (std::string name; std::getline(names, name, ' ');) {
        conf::ModuleBlock block;
        block.name = name;
        out.push_back(block);
    }
    return out;
}

struct InTree : testing::TestWithParam<Zone> {
    test::LogCapture log;
    test::FakeRuntime runtime;
    PluginHost host{runtime, GetParam(), std::string(RACOON_BUILD_DIR) + "/lib/racoon/modules"};
};

TEST_P(InTree, EveryModulePassesTheLoaderAndTakesItsDefaults) {
    const auto blocks = all_modules();
    ASSERT_FALSE(blocks.empty());
    const Status loaded = host.load(blocks);
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(host.modules().size(), blocks.size());
    auto config = std::make_shared<conf::Config>();
    config->modules = blocks;
    const Status configured = host.configure(config);
    ASSERT_TRUE(configured) << configured.error().text();
    host.commit();
    host.destroy();
    EXPECT_EQ(runtime.timers(), 0u) << "a destroyed module leaves no timer";
    EXPECT_TRUE(runtime.watched().empty());
}

INSTANTIATE_TEST_SUITE_P(Zones, InTree, testing::Values(Zone::Engine, Zone::Keeper, Zone::Both),
                         [](const auto& zone) { return std::string(zone_name(zone.param)); });

}  // namespace
}  // namespace racoon::plugin
