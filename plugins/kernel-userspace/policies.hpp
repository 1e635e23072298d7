// The policies of the data process: which one is for a packet. What was found for a flow is remembered until
// the policies change.
#pragma once

#include <cstdint>
#include <vector>

#include <racoon/plugin/kernel.h>

#include "packet.hpp"

namespace racoon::kernel_userspace {

struct Policy : racoon_kernel_policy {
    explicit Policy(const racoon_kernel_policy& policy) : racoon_kernel_policy(policy) {}
    mutable std::int64_t used = -1;  // when a packet met it last; -1: never
};

class Policies {
  public:
    static constexpr std::size_t kMost = 1u << 15;

    bool full() const { return policies_.size() >= kMost; }
    void insert(const racoon_kernel_policy& policy);
    /// False: there is none of that number.
    bool erase(std::uint32_t id);
    const std::vector<Policy>& all() const { return policies_; }

    /// The first of that direction that covers the packet; null: none. Worth nothing after a change.
    const Policy* find(bool outbound, const racoon_addr& local, const racoon_addr& remote,
                       const Flow& flow) const;
    /// Where policies decide by ports, or want transport mode, a fragment alone says too little.
    bool wants_whole(const Flow& fragment) const;

  private:
    const Policy* look_up(bool outbound, const racoon_addr& local, const racoon_addr& remote,
                          const Flow& flow) const;

    std::vector<Policy> policies_;  // by priority, then age
    // What look_up found for a flow; worth nothing once the policies have changed.
    struct Known {
        std::uint64_t generation = 0;
        bool outbound = false;
        bool ports_known = false;
        std::uint8_t protocol = 0;
        racoon_addr local{};
        racoon_addr remote{};
        const Policy* policy = nullptr;
    };
    static constexpr std::size_t kKnown = 1024;
    mutable std::vector<Known> known_ = std::vector<Known>(kKnown);
    std::uint64_t generation_ = 1;
};

}  // namespace racoon::kernel_userspace
