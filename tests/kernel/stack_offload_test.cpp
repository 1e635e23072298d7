// kernel-xfrm asks for ESP by a network device, on devices that cannot do it.
#include "stack_fixture.hpp"

namespace racoon::test {
namespace {

struct OffloadStack : Stack, ::testing::WithParamInterface<const char*> {
    void SetUp() override {
        for (FakeHost* h : {&a, &b}) h->set("offload", GetParam());
        Stack::SetUp();
    }
};
INSTANTIATE_TEST_SUITE_P(Offload, OffloadStack, ::testing::Values("crypto", "packet"));

TEST_P(OffloadStack, WhatADeviceCannotDoTheKernelDoes) {
    for (const Family& f : {kV4, kV6}) {
        policies(f);
        install(f);
        net.captured();
        EXPECT_EQ(ping(f.inner[1], "-c 3 -i 0.2 -W 5"), 0) << in_kernel(0);
        expect_only_esp();
    }
    // Of the one it depends on the kernel's modules whether it is refused, of the other it is sure; it is said once.
    const auto said = a.log.find("no offload of ESP");
    EXPECT_TRUE(said != std::string::npos || std::string(GetParam()) == "crypto") << a.log;
    if (said != std::string::npos) {
        EXPECT_EQ(a.log.find("no offload of ESP", said + 1), std::string::npos) << a.log;
    }
}

}  // namespace
}  // namespace racoon::test
