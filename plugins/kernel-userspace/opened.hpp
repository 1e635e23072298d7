// What an SA says of a packet that it was given to open.
#pragma once

#include <cstdint>

namespace racoon::kernel_userspace {

enum class Opened : std::uint8_t {
    Packet,  // and what follows the header is told
    Dummy,   // traffic flow padding (RFC 4303 2.6): nothing to deliver
    Replayed,
    Forged,       // ICV wrong, or too short to be anything
    Malformed,    // authentic, but the padding or the content is nonsense
    Unsupported,  // AH only: a header of which nobody can say what the ICV covers
};

}  // namespace racoon::kernel_userspace
