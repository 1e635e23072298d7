// An IPsec stack as a pure model: SAs, policies, acquires and lifetimes, without keys being used,
// packets, sockets or clocks. It behaves as Linux does where IKE can see it: larval SAs die after
// 30 s, an acquire is suppressed while one with the same template and request id is under way, and
// lifetimes are reported softly once and then end the SA.
//
//     Model model(seed);
//     model.listen([](const racoon_kernel_event& e) { … });
//     model.policy_add(policy);
//     model.send(now, {local, remote, protocol, 0, 0, 100});    // a packet leaves this host
//     if (model.next_deadline() <= now) model.advance(now);
//
// Times are monotonic nanoseconds of any clock. Events come out of `send`, `receive` and `advance`
// after the model has settled, so a listener may call back into it. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include <racoon/plugin/kernel.h>

namespace racoon::kernel_sim {

inline constexpr std::int64_t kLarvalLifetimeNs = 30'000'000'000;  // net.core.xfrm_acq_expires
inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
inline constexpr std::size_t kMaxSas = 1u << 20;
inline constexpr std::size_t kMaxPolicies = 1u << 18;
inline constexpr std::size_t kMaxAcquires = 1u << 16;

/// A packet as policies see it, from this host's side in both directions.
struct Packet {
    racoon_addr local{};
    racoon_addr remote{};
    std::uint8_t protocol = 0;
    std::uint32_t bytes = 0;
    std::uint32_t mark = 0;
    std::uint32_t if_id = 0;  // of the XFRM interface that it goes through
};

enum class Verdict : std::uint8_t {
    NoPolicy,  // passes in the clear
    Bypass,    // a policy says so, or its level is `use` and there is no SA yet
    Discarded,
    Protected,   // `spi` tells by what
    Acquired,    // dropped; an acquire event was sent
    Suppressed,  // dropped; a negotiation is already under way
};
struct Sent {
    Verdict verdict = Verdict::NoPolicy;
    std::uint32_t policy_id = 0;
    std::uint32_t spi = 0;
};

class Model {
  public:
    using Listener = std::function<void(const racoon_kernel_event&)>;

    /// The seed decides the SPIs that spi_get hands out.
    explicit Model(std::uint64_t seed = 1) : random_(seed) {}

    void listen(Listener listener) { listener_ = std::move(listener); }
    void clear();

    racoon_status spi_get(std::int64_t now, const racoon_kernel_spi_request& request,
                          std::uint32_t* spi);
    racoon_status sa_update(std::int64_t now, const racoon_kernel_sa& sa);
    racoon_status sa_add(std::int64_t now, const racoon_kernel_sa& sa);
    racoon_status sa_delete(const racoon_kernel_sa_id& id);
    racoon_status sa_move(const racoon_kernel_sa_id& id, const racoon_addr& peer);
    racoon_status sa_query(std::int64_t now, const racoon_kernel_sa_id& id,
                           racoon_kernel_sa_info* out) const;
    std::vector<racoon_kernel_sa_info> sa_dump(std::int64_t now) const;
    racoon_status policy_add(const racoon_kernel_policy& policy);
    racoon_status policy_delete(std::uint32_t policy_id);
    racoon_status policy_update(std::uint32_t old_id, const racoon_kernel_policy& policy);
    std::vector<racoon_kernel_policy> policy_dump() const;
    racoon_status acquire_done(std::uint64_t token);

    /// A packet leaves this host: finds its policy and SA, counts, raises acquires and byte expiry.
    Sent send(std::int64_t now, const Packet& packet);
    /// A protected packet arrives with this SPI. False: no such inbound SA.
    bool receive(std::int64_t now, const racoon_kernel_sa_id& id, std::uint32_t bytes);
    /// Traffic for a policy, whatever its selector. 0: no such outbound policy, or suppressed.
    std::uint64_t acquire(std::int64_t now, std::uint32_t policy_id);
    /// Somebody else deletes an SA: gone, and reported as SA_DELETED.
    bool delete_by_others(const racoon_kernel_sa_id& id);

    void advance(std::int64_t now);
    /// When advance has something to do; kNever: nothing is timed. May be early, never late.
    std::int64_t next_deadline() const;

    /// As installed, keys included; null: none, or still larval.
    const racoon_kernel_sa* find(const racoon_kernel_sa_id& id) const;
    std::size_t sa_count() const { return sas_.size(); }
    std::size_t policy_count() const { return policies_.size(); }
    std::size_t acquire_count() const { return acquires_.size(); }

  private:
    // family, protocol, SPI, destination
    using SaKey = std::array<std::uint8_t, 22>;
    // what an acquire is suppressed by: family, protocol, mode, request id, both end points, mark, if_id
    using AcquireKey = std::array<std::uint8_t, 51>;
    enum class Due : std::uint8_t { Soft, Hard };
    struct Entry {
        racoon_kernel_sa sa{};
        std::uint64_t serial = 0;
        std::uint32_t state = 0;
        std::uint64_t bytes = 0;
        std::uint64_t packets = 0;
        std::int64_t last_used = -1;
        std::int64_t soft_at = kNever;
        std::int64_t hard_at = kNever;
    };
    struct Deadline {
        std::int64_t at;
        std::uint64_t serial;
        SaKey key;
        Due due;
        bool operator<(const Deadline& o) const {
            return at != o.at ? at < o.at : serial != o.serial ? serial < o.serial : due < o.due;
        }
    };
    struct Acquire {
        std::uint64_t token;
        std::int64_t ends;
    };

    static SaKey key_of(const racoon_addr& dst, std::uint32_t protocol, std::uint32_t spi);
    static AcquireKey acquire_key(const racoon_kernel_template& t, const Packet& packet,
                                  const racoon_kernel_mark& mark, std::uint32_t if_id);
    racoon_status install(std::int64_t now, const racoon_kernel_sa& sa);
    void schedule(const SaKey& key, const Entry& entry);
    void settle_acquires_of(const racoon_kernel_sa& sa);
    Entry* outbound_sa(const racoon_kernel_policy& policy, const racoon_kernel_template& t,
                       const Packet& packet);
    const racoon_kernel_policy* outbound_policy(const Packet& packet) const;
    std::uint64_t begin_acquire(std::int64_t now, const racoon_kernel_policy& policy,
                                const racoon_kernel_template& t, const Packet& packet);
    void erase(std::map<SaKey, Entry>::iterator at);
    bool count(std::int64_t now, Entry& entry, std::uint32_t bytes);
    void queue_sa_event(std::uint32_t type, const racoon_kernel_sa& sa);
    void flush_events();
    racoon_kernel_sa_info describe(std::int64_t now, const Entry& entry) const;
    std::uint32_t draw();

    std::map<SaKey, Entry> sas_;
    std::multimap<std::uint32_t, SaKey> outbound_by_reqid_;
    std::set<Deadline> deadlines_;
    std::vector<racoon_kernel_policy> policies_;  // by priority, then age
    std::map<AcquireKey, Acquire> acquires_;
    std::map<std::uint64_t, AcquireKey> acquire_tokens_;
    std::vector<racoon_kernel_event> events_;
    Listener listener_;
    std::uint64_t random_;
    std::uint64_t serial_ = 0;
    std::uint64_t tokens_ = 0;
};

/// Whether an address of the packet lies in a selector's network.
bool covers(const racoon_selector& selector, const Packet& packet);

}  // namespace racoon::kernel_sim
