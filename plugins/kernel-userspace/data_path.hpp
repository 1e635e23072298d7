// What the data process does, without its descriptors: commands, packets from the TUN device and
// packets from the wire go in; packets, messages to the keeper and a deadline come out.
//
//     DataPath path(output);
//     path.command(frame, now);
//     path.from_tun(packet, now);
//     path.from_wire({src, dst, traffic_class}, esp, now);
//     if (path.next_deadline() <= now) path.advance(now);
//
// Not thread-safe; `now` is monotonic nanoseconds.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include <racoon/plugin/kernel.h>

#include "bytes.hpp"
#include "esp.hpp"
#include "packet.hpp"
#include "protocol.hpp"

namespace racoon::kernel_userspace {

inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
/// How long an acquire that nobody answers keeps others of its policy back, as in Linux.
inline constexpr std::int64_t kAcquireNs = 30'000'000'000;
inline constexpr std::size_t kMaxSas = 1u << 17;
inline constexpr std::size_t kMaxPolicies = 1u << 15;
inline constexpr std::size_t kHeldPerPolicy = 8;
inline constexpr std::size_t kHeldInAll = 1024;

struct Outer {
    racoon_addr src{};  // with ports: ESP in UDP
    racoon_addr dst{};
    std::uint8_t traffic_class = 0;
};

class Output {
  public:
    virtual ~Output() = default;
    virtual void to_tun(ByteView packet) = 0;
    virtual void to_wire(const Outer& outer, ByteView esp) = 0;
    virtual void to_keeper(ByteView frame) = 0;
};

/// Why packets were not passed on; for the log.
struct Drops {
    std::uint64_t malformed = 0;
    std::uint64_t no_policy = 0;
    std::uint64_t no_sa = 0;
    std::uint64_t replayed = 0;
    std::uint64_t forged = 0;
    std::uint64_t not_selected = 0;  // decapsulated, but outside the SA's selector or every policy
    std::uint64_t held_too_many = 0;
};

class DataPath {
  public:
    explicit DataPath(Output& output) : output_(output) {}

    void command(ByteView frame, std::int64_t now);
    void from_tun(ByteView packet, std::int64_t now);
    /// `esp` begins with the SPI and is decrypted in place.
    void from_wire(const Outer& outer, std::span<std::uint8_t> esp, std::int64_t now);
    void advance(std::int64_t now);
    std::int64_t next_deadline() const {
        return deadlines_.empty() ? kNever : deadlines_.begin()->at;
    }
    const Drops& drops() const { return drops_; }
    std::size_t held() const { return held_.size(); }

  private:
    using SaKey = std::array<std::uint8_t, 21>;  // family, SPI, destination
    struct Sa {
        racoon_kernel_sa facts{};  // keys wiped
        std::unique_ptr<EspSa> esp;
        std::uint32_t state = 1;
        std::uint64_t serial = 0;
        std::uint64_t bytes = 0;
        std::uint64_t packets = 0;
        racoon_addr told{};  // where the core knows its packets to come from now
        std::int64_t last_used = -1;
        std::int64_t soft_at = kNever;
        std::int64_t hard_at = kNever;
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
    struct Held {
        std::uint32_t policy_id;
        Bytes packet;
    };

    static SaKey key_of(const racoon_addr& dst, std::uint32_t spi);
    void set_sa(const Frame& frame, std::int64_t now);
    void delete_sa(const Frame& frame);
    void move_sa(const Frame& frame);
    void follow(Sa& sa, const Outer& outer);
    void query_sa(const Frame& frame, std::int64_t now);
    void set_policy(const Frame& frame);
    void delete_policy(const Frame& frame);
    void acquire_done(const Frame& frame, std::int64_t now);
    void reply(std::uint32_t number, racoon_status status, ByteView body);
    void refuse(std::uint32_t number, racoon_status status, std::string_view text);

    const racoon_kernel_policy* policy_for(bool outbound, const racoon_addr& local,
                                           const racoon_addr& remote, const Flow& flow) const;
    Sa* sa_for(const racoon_kernel_policy& policy, const Flow& flow);
    bool admits(const Sa& sa, const Flow& flow) const;
    void protect(Sa& sa, ByteView packet, const Flow& flow, std::int64_t now);
    void acquire(const racoon_kernel_policy& policy, const Flow& flow, std::int64_t now);
    void hold(std::uint32_t policy_id, ByteView packet);
    void release(std::uint32_t policy_id, std::int64_t now, bool send);
    void count(Sa& sa, std::size_t bytes, std::int64_t now);
    void end_sa(const SaKey& key, bool tell);
    void tell(std::uint32_t type, const Sa& sa);

    Output& output_;
    std::map<SaKey, Sa> sas_;
    std::multimap<std::uint32_t, SaKey> outbound_;  // by request id
    std::set<Deadline> deadlines_;
    std::vector<racoon_kernel_policy> policies_;  // by priority, then age
    std::map<std::uint32_t, Acquire> acquires_;   // by policy id
    std::deque<Held> held_;                       // oldest first
    std::uint64_t serial_ = 0;
    std::uint64_t tokens_ = 0;
    Drops drops_;
};

}  // namespace racoon::kernel_userspace
