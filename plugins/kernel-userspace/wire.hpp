// The sockets towards the peers: ESP in IP and in UDP, many packets in one system call. Source, traffic
// class and hop limit go with each message; the kernel writes the outer header. Packets with AH and
// of bundles have theirs already, and leave just as they are, through the socket of AH.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "bytes.hpp"
#include "handover.hpp"
#include "outer.hpp"

namespace racoon::kernel_userspace {

class Wire {
  public:
    class Sink {
      public:
        virtual ~Sink() = default;
        /// A packet from the SPI on, in memory that may be overwritten.
        virtual void received(const Outer& outer, std::span<std::uint8_t> esp) = 0;
        /// A packet with AH or IPComp from its IP header on, in such memory.
        virtual void received_packet(std::span<std::uint8_t> packet) = 0;
        /// Packets to `peer` may have so many bytes with their IP header.
        virtual void path_mtu(const racoon_addr& peer, std::uint32_t mtu) = 0;
    };
    /// ESP, AH and IPComp; those of IPv6 may be -1.
    struct Raw {
        int esp4 = -1;
        int esp6 = -1;
        int ah4 = -1;
        int ah6 = -1;
        int comp4 = -1;
        int comp6 = -1;
    };
    Wire(Sink& sink, const Raw& raw);
    /// A bound UDP socket, which is closed here, takes that place instead of another; -1: nothing does.
    void set_udp(std::uint8_t place, int fd);
    /// Of that place, or -1.
    int udp(std::uint8_t place) const { return sockets_[kFirstUdp + place].fd; }

    /// Memory for the next packet, until it is given to add() or the next one is asked for.
    std::span<std::uint8_t> room(std::size_t size);
    /// `packet` is in the memory that room() gave; it leaves with the next flush() at the latest.
    void add(const Outer& outer, ByteView packet);
    void flush();

    /// Reads one batch. `fd` is one of the sockets.
    void receive(int fd);
    /// What ICMP and the kernel's own routes said about packets of this socket. The last MTU among it, or 0.
    std::uint32_t read_errors(int fd);

    std::uint64_t lost() const { return lost_; }
    /// Came with more headers than the kernel could tell of.
    std::uint64_t unreadable() const { return unreadable_; }

  private:
    static constexpr std::size_t kArena = 1 << 17;  // stays in a processor's cache
    static constexpr std::size_t kBurst = 64;       // messages in one call
    struct Queued {
        Outer outer;
        std::size_t at;
        std::size_t size;
    };
    struct Socket {
        int fd = -1;
        racoon_addr bound{};     // of UDP
        std::size_t marker = 0;  // bytes before ESP that is received there
        int dont_fragment = -1;  // as the socket is set; -1: not known
    };
    struct Burst;

    Socket* socket_for(const Outer& outer);
    Socket* socket_of(int fd);
    void set_dont_fragment(Socket& socket, bool on);
    std::size_t put(Burst& burst, std::size_t first) const;
    void send(Socket& socket, Burst& burst);
    bool send_one(Socket& socket, void* message);
    bool send_split(Socket& socket, const Queued& packet, std::size_t mtu);
    void parse(int fd, void* message, std::span<std::uint8_t> packet);
    void parse_whole6(const Outer& outer, std::uint8_t protocol, void* message,
                      std::span<std::uint8_t> packet);

    Sink& sink_;
    enum Place : std::size_t { kEsp4, kEsp6, kAh4, kAh6, kComp4, kComp6, kFirstUdp };
    std::array<Socket, kFirstUdp + kMostUdp> sockets_{};
    std::vector<std::uint8_t> arena_;
    std::size_t used_ = 0;
    std::vector<Queued> queue_;
    bool segments_ = true;     // this kernel cuts datagrams itself
    std::uint32_t split_ = 0;  // packets that were fragmented here
    std::uint64_t lost_ = 0;
    std::uint64_t unreadable_ = 0;
};

}  // namespace racoon::kernel_userspace
