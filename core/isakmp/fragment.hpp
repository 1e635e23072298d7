// The fragment payload (type 132, Cisco's IKE fragmentation, which has no RFC): a piece of a whole ISAKMP
// message, alone in a datagram with a header of its own. Pieces are put together in exchange/reassembly.
//
//     ISAKMP header: cookies and exchange type of the whole message, message id 0, never encrypted
//     generic header, id (2 bytes), index from 1 (1 byte), flags (1 byte, 1: the last), data
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "isakmp/header.hpp"
#include "isakmp/payload_chain.hpp"

namespace racoon::isakmp {

inline constexpr std::size_t kFragmentHeaderSize = 4;  // id, index, flags
inline constexpr std::uint8_t kFragmentLast = 0x01;
/// Which all peers send, and most with every message.
inline constexpr std::uint16_t kFragmentId = 1;
/// Messages up to this size (bytes, ISAKMP header included) are sent whole.
inline constexpr std::size_t kWholeMessageSize = 552;
/// Bytes of the message in one piece: with headers and a non-ESP marker the datagram has 552.
inline constexpr std::size_t kFragmentDataSize = 512;
/// Indices have one byte; more than these are neither sent nor taken.
inline constexpr std::size_t kMaxFragments = 64;

struct Fragment {
    std::uint16_t id = 0;    // of the whole message; racoon and Cisco send 1
    std::uint8_t index = 0;  // 1, 2, …
    bool last = false;
    ByteView data;  // never empty

    /// Malformed without data or with index 0.
    static Result<Fragment> parse(const Payload& p);
    /// A datagram whose header names this payload first. The encryption flag, which
    /// ipsec-tools sets as in the whole message, means nothing here. Malformed when anything follows. `data` points into it.
    static Result<Fragment> parse_datagram(ByteView datagram);
    Bytes body() const;
};

/// A whole message in pieces, each a datagram. TooLong when kMaxFragments do not suffice.
Result<std::vector<Bytes>> split_message(ByteView message, std::uint16_t id = kFragmentId);

}  // namespace racoon::isakmp
