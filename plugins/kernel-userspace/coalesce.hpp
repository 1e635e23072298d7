// Puts TCP segments that came out of a tunnel one after the other together again, so that the kernel takes
// dozens of packets in one go, as a network card's receive offload does it. Only segments whose checksum
// holds, which follow one another, and which differ in nothing else; what comes out could be cut into just
// what came in.
#pragma once

#include <array>
#include <cstdint>

#include "packet.hpp"

namespace racoon::kernel_userspace {

/// What goes before a packet on a TUN device with IFF_VNET_HDR, in host order (virtio 1.2, 5.1.6).
struct VnetHeader {
    std::uint8_t flags = 0;
    std::uint8_t gso_type = 0;
    std::uint16_t header_size = 0;
    std::uint16_t gso_size = 0;
    std::uint16_t checksum_start = 0;
    std::uint16_t checksum_offset = 0;
};
static_assert(sizeof(VnetHeader) == 10);

namespace vnet {
inline constexpr std::uint8_t kNeedsChecksum = 1;
inline constexpr std::uint8_t kChecksumValid = 2;
inline constexpr std::uint8_t kTcp4 = 1;
inline constexpr std::uint8_t kTcp6 = 4;
inline constexpr std::uint8_t kEcn = 0x80;
}  // namespace vnet

class Coalescer {
  public:
    class Sink {
      public:
        virtual ~Sink() = default;
        virtual void write(const VnetHeader& header, ByteView packet) = 0;
    };
    explicit Coalescer(Sink& sink) : sink_(sink) {}

    /// Passes the packet on, now or with those that follow it. Packets of one connection stay in order.
    void add(ByteView packet, const Flow& flow);
    /// Passes on what is waiting; to be called when nothing more has come.
    void flush();

  private:
    static constexpr std::size_t kConnections = 8;  // at a time
    struct Slot {
        Flow flow{};
        std::size_t head = 0;     // bytes of headers
        std::size_t size = 0;     // bytes in all; 0: unused
        std::size_t segment = 0;  // payload of each but the last
        std::size_t count = 0;
        std::uint32_t next = 0;  // sequence number
        std::uint64_t age = 0;
        std::array<std::uint8_t, 0xffff> bytes;
    };
    Slot* slot_of(const Flow& flow);
    static bool continues(const Slot& slot, ByteView packet, std::size_t head);
    void flush(Slot& slot);

    Sink& sink_;
    std::array<Slot, kConnections> slots_{};
    std::uint64_t age_ = 0;
};

}  // namespace racoon::kernel_userspace
