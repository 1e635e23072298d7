// What the data process does, without its descriptors: commands, packets from the TUN device and
// packets from the wire go in; packets, messages to the keeper and a deadline come out.
//
//     DataPath path(output);
//     path.command(frame, now);
//     path.from_tun(packet, now);
//     path.path_mtu(peer, 1400, now);
//     path.from_wire({src, dst, traffic_class}, esp, now);
//     path.from_wire_packet(packet_with_ah, now);
//     if (path.next_deadline() <= now) path.advance(now);
//
// Not thread-safe; `now` is monotonic nanoseconds.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <vector>

#include <racoon/plugin/kernel.h>

#include "bytes.hpp"
#include "outer.hpp"
#include "packet.hpp"
#include "path_mtu.hpp"
#include "policies.hpp"
#include "protocol.hpp"
#include "reassembly.hpp"
#include "sa.hpp"

namespace racoon::kernel_userspace {

/// How long an acquire that nobody answers keeps others for the same SAs back, as in Linux.
inline constexpr std::int64_t kAcquireNs = 30'000'000'000;
inline constexpr std::size_t kMaxAcquires = 1u << 14;
inline constexpr std::size_t kMaxSas = 1u << 17;
inline constexpr std::size_t kHeldPerPolicy = 8;  // and hosts, where its SAs are theirs
inline constexpr std::size_t kHeldInAll = 1024;

class Output {
  public:
    virtual ~Output() = default;
    virtual void to_tun(ByteView packet, const Flow& flow) = 0;
    /// Memory for a packet of that size, until it goes to_wire or the next one is asked for.
    virtual std::span<std::uint8_t> wire_room(std::size_t size) = 0;
    /// ESP from its SPI on, or a whole packet.
    virtual void to_wire(const Outer& outer, ByteView packet) = 0;
    virtual void to_keeper(ByteView frame) = 0;
};

/// Why packets were not passed on; for the log.
struct Drops {
    std::uint64_t malformed = 0;
    std::uint64_t no_policy = 0;
    std::uint64_t no_sa = 0;
    std::uint64_t replayed = 0;
    std::uint64_t forged = 0;
    std::uint64_t too_big = 0;       // and may not be fragmented: its sender was told
    std::uint64_t has_options = 0;   // that cannot go with the new header, or that AH cannot cover
    std::uint64_t not_selected = 0;  // decapsulated, but outside the SA's selector or every policy
    std::uint64_t held_too_many = 0;
};

class DataPath {
  public:
    explicit DataPath(Output& output) : output_(output) {}

    void command(ByteView frame, std::int64_t now);
    void from_tun(ByteView packet, std::int64_t now);
    /// TCP of more than one packet, to be cut into those with at most `segment` bytes of payload each. Its
    /// checksum is not looked at.
    void from_tun_large(ByteView packet, std::size_t segment, std::int64_t now);
    /// Packets to `peer` may have so many bytes with their outer header. False: known.
    bool path_mtu(const racoon_addr& peer, std::uint32_t mtu, std::int64_t now) {
        return path_mtus_.learn(peer, mtu, now);
    }
    /// `esp` begins with the SPI and is decrypted in place.
    void from_wire(const Outer& outer, std::span<std::uint8_t> esp, std::int64_t now);
    /// A packet with AH or IPComp in it, from the IP header on; it is changed in place.
    void from_wire_packet(std::span<std::uint8_t> packet, std::int64_t now);
    void advance(std::int64_t now);
    std::int64_t next_deadline() const {
        return deadlines_.empty() ? kNever : deadlines_.begin()->at;
    }
    const Drops& drops() const { return drops_; }
    std::size_t held() const { return held_.size(); }

  private:
    using SaKey = std::array<std::uint8_t, 22>;  // family, protocol, SPI, destination
    struct KeyHash {
        std::size_t operator()(const SaKey& key) const;
    };
    struct Deadline {
        std::int64_t at;
        std::uint64_t serial;
        bool hard;
        SaKey key;
        bool operator<(const Deadline& o) const {
            return at != o.at ? at < o.at : serial != o.serial ? serial < o.serial : hard < o.hard;
        }
    };
    struct Acquire {
        std::uint64_t token;
        std::int64_t ends;
    };
    /// The SAs that are wanted: a policy's, and without a tunnel in it those of two hosts.
    struct Wanted {
        std::uint32_t policy_id = 0;
        SaKey src{}, dst{};
        friend bool operator<(const Wanted& a, const Wanted& b) {
            return std::tie(a.policy_id, a.src, a.dst) < std::tie(b.policy_id, b.src, b.dst);
        }
        friend bool operator==(const Wanted& a, const Wanted& b) {
            return a.policy_id == b.policy_id && a.src == b.src && a.dst == b.dst;
        }
    };
    struct Held {
        Wanted wanted;
        Bytes packet;
    };

    static SaKey key_of(const racoon_addr& dst, std::uint32_t protocol, std::uint32_t spi);
    static Wanted wanted(const racoon_kernel_policy& policy, const racoon_addr& src,
                         const racoon_addr& dst);
    static SaKey key_of(const Sa& sa) {
        return key_of(sa.facts.dst, sa.facts.protocol, sa.facts.spi);
    }

    // data_commands.cpp
    void set_sa(const Frame& frame, std::int64_t now);
    void delete_sa(const Frame& frame);
    void flush_sas(const Frame& frame);
    void move_sa(const Frame& frame);
    void query_sa(const Frame& frame, std::int64_t now);
    void set_policy(const Frame& frame);
    void query_policy(const Frame& frame, std::int64_t now);
    void delete_policy(const Frame& frame);
    void update_policy(const Frame& frame);
    void acquire_done(const Frame& frame, std::int64_t now);
    void reply(std::uint32_t number, racoon_status status, ByteView body);
    void refuse(std::uint32_t number, racoon_status status, std::string_view text);

    // data_path.cpp: from the device to the wire
    Sa* sa_for(const racoon_kernel_template& rule, const racoon_addr& src, const racoon_addr& dst,
               const Flow& flow);
    std::optional<Layers> layers_for(const racoon_kernel_policy& policy, const Flow& flow,
                                     bool* lacking);
    void outbound(ByteView packet, const Flow& flow, std::int64_t now);
    void protect(const Layers& layers, ByteView packet, const Flow& flow, std::int64_t now);
    bool transport_ready(const Layers& layers, const Flow& flow);
    std::size_t room_for(const Layers& layers, std::int64_t now) const;
    bool fits(const Layers& layers, ByteView packet, const Flow& flow, std::size_t size,
              std::int64_t now, bool* dont_fragment);
    std::size_t inner_mtu(const Layers& layers, const Flow& flow, std::int64_t now) const;
    bool cuts(const Layers& layers, const Flow& flow, std::size_t size, std::int64_t now) const;
    bool seal(const Layers& layers, ByteView head, ByteView body, const Flow& flow,
              bool dont_fragment, std::int64_t now);
    bool seal_bundle(const Layers& layers, ByteView head, ByteView body, bool dont_fragment,
                     std::int64_t now);
    void send(const Outer& outer, ByteView packet);
    void send_whole(ByteView packet, const Flow& flow, bool dont_fragment, std::int64_t now);

    // data_inbound.cpp: from the wire to the device
    Sa* inbound_sa(const Outer& outer, std::uint32_t protocol, std::uint32_t spi);
    void open_esp(const Outer& outer, std::span<std::uint8_t> esp, Layers& through,
                  std::int64_t now);
    void open_ah(std::span<std::uint8_t> packet, const Flow& flow, Layers& through,
                 std::int64_t now);
    void open_comp(std::span<std::uint8_t> packet, const Flow& flow, Layers& through,
                   std::int64_t now);
    bool open_next(std::span<std::uint8_t> packet, const Flow& flow, Layers& through,
                   std::int64_t now);
    Sa* uncompressed_tunnel(const Flow& flow);
    void opened(const Outer& outer, std::span<std::uint8_t> packet, std::uint8_t next,
                Layers& through, std::int64_t now);
    bool admits(const Layers& through, const Flow& flow, std::int64_t now) const;
    bool note(Opened opened);
    void follow(Sa& sa, const Outer& outer, std::int64_t now);

    // data_events.cpp: acquires, and the lives of SAs
    void acquire(const racoon_kernel_policy& policy, const Flow& flow, std::int64_t now);
    bool served(const racoon_kernel_policy& policy, const racoon_kernel_sa& newest) const;
    void hold(const Wanted& which, ByteView packet);
    void release(const Wanted& which, std::int64_t now, bool send);
    void forget(std::uint32_t policy_id);
    bool count(Sa& sa, std::size_t bytes, std::int64_t now);
    bool count(const Layers& layers, std::size_t bytes, std::int64_t now);
    void end_sa(const SaKey& key, bool tell);
    void tell(std::uint32_t type, const Sa& sa);
    void to_keeper(const racoon_kernel_event& event);

    Output& output_;
    std::unordered_map<SaKey, Sa, KeyHash> sas_;
    std::multimap<std::uint32_t, SaKey> outbound_;  // by request id
    std::set<SaKey> comp_tunnels_;                  // inbound ones
    std::set<Deadline> deadlines_;
    Policies policies_;
    std::map<Wanted, Acquire> acquires_;
    std::deque<Held> held_;  // oldest first
    Reassembly fragments_;
    PathMtus path_mtus_;
    PathSettings settings_;
    std::uint64_t serial_ = 0;
    std::uint64_t tokens_ = 0;
    std::uint32_t ids_ = 0;  // of packets that may be fragmented
    Drops drops_;
};

}  // namespace racoon::kernel_userspace
