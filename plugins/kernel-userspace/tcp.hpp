// TCP segments (RFC 9293) as the data path sees them: what a SYN says of the segment size, and one large
// packet of the TUN device cut into those that fit.
#pragma once

#include <cstdint>
#include <optional>

#include "packet.hpp"

namespace racoon::kernel_userspace {

inline constexpr std::uint8_t kProtoTcp = 6;
inline constexpr std::size_t kTcpHeader = 20;

namespace tcp_flag {
inline constexpr std::uint8_t kFin = 0x01;
inline constexpr std::uint8_t kSyn = 0x02;
inline constexpr std::uint8_t kPush = 0x08;
inline constexpr std::uint8_t kAck = 0x10;
inline constexpr std::uint8_t kReduced = 0x80;  // CWR (RFC 3168)
}  // namespace tcp_flag

/// Bytes before the payload, IP header included; nothing: no whole TCP header is there.
std::optional<std::size_t> tcp_payload_at(ByteView packet, const Flow& flow);

bool is_syn(ByteView packet, const Flow& flow);
/// Lowers the maximum segment size that a SYN announces (RFC 9293 3.7.1) to what fits into packets of `mtu`
/// bytes, and mends the checksum by the difference. False: nothing was to be changed.
bool clamp_segment_size(std::span<std::uint8_t> packet, const Flow& flow, std::size_t mtu);

/// Cuts one large packet: TCP segmentation as a network card would do it.
class TcpSegments {
  public:
    static constexpr std::size_t kMostHead = 160;

    /// Nothing: it is no TCP, has no payload, or `size` (of a segment's payload) is 0.
    static std::optional<TcpSegments> cut(ByteView packet, const Flow& flow, std::size_t size);

    std::size_t head_size() const { return head_size_; }
    std::size_t payload_size() const { return size_; }
    /// The next one: its headers in `head`, which is overwritten by the call after, and its payload, a view
    /// into the packet. False: that was all.
    bool next(ByteView* head, ByteView* payload);

  private:
    TcpSegments(ByteView packet, const Flow& flow, std::size_t head_size, std::size_t size)
        : packet_(packet), flow_(flow), head_size_(head_size), size_(size) {}

    ByteView packet_;
    Flow flow_;
    std::size_t head_size_;
    std::size_t size_;
    std::size_t done_ = 0;
    std::uint16_t number_ = 0;
    std::uint8_t head_[kMostHead] = {};
};

}  // namespace racoon::kernel_userspace
