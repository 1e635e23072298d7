// What is around a protected packet on the wire.
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
    std::uint16_t id = 0;         // IPv4's identification, which AH covers
    bool whole =
        false;  // to the wire: the packet has its IP header already, which is sent as it is
};

}  // namespace racoon::kernel_userspace
