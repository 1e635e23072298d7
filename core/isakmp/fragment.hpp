// The fragment payload (type 132): a piece of a whole ISAKMP message. Only the header is read here;
// pieces are put together elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "isakmp/payload_chain.hpp"

namespace racoon::isakmp {

inline constexpr std::size_t kFragmentHeaderSize = 4;  // id, index, flags
inline constexpr std::uint8_t kFragmentLast = 0x01;

struct Fragment {
    std::uint16_t id = 0;    // of the whole message; racoon and Cisco send 1
    std::uint8_t index = 0;  // 1, 2, …
    bool last = false;
    ByteView data;  // never empty

    /// Malformed without data or with index 0.
    static Result<Fragment> parse(const Payload& p);
    Bytes body() const;
};

}  // namespace racoon::isakmp
