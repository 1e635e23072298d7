// Of what the active backend lacks, the log names each section that asks for it.
#include "privsep/kernel_serves.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <racoon/plugin.h>

namespace racoon::privsep {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr std::uint64_t kAll = RACOON_CAP_UDP_ENCAP | RACOON_CAP_ESN | RACOON_CAP_ESP_FRAG;

conf::Config asking() {
    conf::Config config;
    conf::Remote remote;
    remote.name = "hq";
    remote.where = {"a.conf", 7, 1};
    remote.nat_traversal = conf::Offer::Force;
    remote.esp_frag = 900;
    config.remotes.push_back(remote);
    remote.name = "other";
    remote.nat_traversal = conf::Offer::Off;
    config.remotes.push_back(remote);
    conf::SaInfo info;
    info.where = {"a.conf", 20, 1};
    info.esn = true;
    config.sainfos.push_back(info);
    info.esn = false;
    config.sainfos.push_back(info);
    return config;
}

TEST(KernelServes, NothingIsSaidOfWhatTheBackendHas) {
    EXPECT_THAT(without_effect(asking(), kAll, "xfrm"), IsEmpty());
    EXPECT_THAT(without_effect(conf::Config{}, 0, "pfkey"), IsEmpty());
}

TEST(KernelServes, NatTraversalIsNamedWhereItIsAskedFor) {
    const auto told = without_effect(asking(), kAll & ~RACOON_CAP_UDP_ENCAP, "pfkey");
    EXPECT_THAT(told, ElementsAre(AllOf(StartsWith("a.conf:7:1: nat_traversal has no effect"),
                                        HasSubstr("\"hq\""), HasSubstr("pfkey"))));
}

TEST(KernelServes, SoAreEsnAndTheSizeOfFragments) {
    EXPECT_THAT(without_effect(asking(), kAll & ~RACOON_CAP_ESN, "pfkey"),
                ElementsAre(StartsWith("a.conf:20:1: esn has no effect")));
    EXPECT_THAT(without_effect(asking(), kAll & ~RACOON_CAP_ESP_FRAG, "xfrm"),
                ElementsAre(StartsWith("a.conf:7:1: esp_frag has no effect in remote \"hq\"")));
}

}  // namespace
}  // namespace racoon::privsep
