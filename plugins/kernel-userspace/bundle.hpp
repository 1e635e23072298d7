// Puts a packet into the SAs of a bundle, one after the other, with every IP header made here: AH covers what
// stands in it.
//
//     Wrapping wrapping{layers, dont_fragment, id};
//     if (wrap(wrapping, &packet) == Wrapped::Done) send(packet);
#pragma once

#include "packet.hpp"
#include "sa.hpp"

namespace racoon::kernel_userspace {

enum class Wrapped : std::uint8_t { Done, HasOptions, TooLong, Exhausted };

struct Wrapping {
    const Layers& layers;
    bool dont_fragment = false;
    std::uint16_t id = 0;     // of new IPv4 headers, and of one without
    Sa* exhausted = nullptr;  // whose sequence numbers are used up
};

/// `packet` is a whole IP packet, and what goes out when it is Done.
Wrapped wrap(Wrapping& wrapping, Bytes* packet);

}  // namespace racoon::kernel_userspace
