// What is around an ESP packet on the wire.
#pragma once

#include <cstdint>

#include <racoon/plugin/kernel.h>

namespace racoon::kernel_userspace {

struct Outer {
    racoon_addr src{};  // with ports: ESP in UDP
    racoon_addr dst{};
    std::uint8_t traffic_class = 0;
    bool dont_fragment = false;
    std::uint8_t hop_limit = 64;  // or TTL; 0: as the kernel likes
};

}  // namespace racoon::kernel_userspace
