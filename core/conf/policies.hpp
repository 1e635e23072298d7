// What follows from a policy: the numbers under which kernel, keeper and engine know it, between which hosts
// its SAs are, and whether they can be negotiated at all.
//
//     assign_policy_ids(running.get(), *fresh);   // load() has done so already
#pragma once

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "conf/config.hpp"

namespace racoon::conf {

/// Gives every policy of `fresh` its PolicyId and its templates their ReqId. A policy that is the
/// same in `previous` keeps both; others get numbers never used before. An `out` policy and the `in`
/// and `fwd` policies that mirror it (and have its if_id and its mark, or no mark) share one ReqId, which no other policy has: the kernel
/// suppresses acquires of policies that share one. `unique:N` keeps its N.
/// Depends on its two arguments alone, so keeper and engine arrive at equal numbers.
void assign_policy_ids(const Config* previous, Config& fresh);

/// The outer addresses of the SAs for this policy: those of its tunnel, else the selector's hosts. Family
/// None where the configuration leaves it open.
IpAddr peer_of(const Policy& policy);
IpAddr local_of(const Policy& policy);

/// "": its SAs can be negotiated in one quick mode; else why not: its templates lead to different peers
/// (nested tunnels), or two of them are of one protocol.
std::string why_not_negotiable(const Policy& policy);

/// Inbound ipsec policies, found by the outbound one whose answers they take: for the same traffic and if_id, and
/// its mark, or none: packets have no mark yet when they are opened.
class WaysBack {
  public:
    /// Until it is removed, `in` stays where it is and as it is.
    void add(const Policy& in);
    void remove(const Policy& in);
    /// Null: what comes back is taken unprotected.
    const Policy* of(const Policy& out) const;
    /// The same, with rules of the same protocols and modes between the same hosts.
    const Policy* with_rules_of(const Policy& out) const;

  private:
    using Key = std::tuple<TrafficSelector, std::uint32_t, Mark>;
    template <typename Fits>
    const Policy* find(const Policy& out, Fits fits) const;
    std::map<Key, std::vector<const Policy*>> all_;  // by number
};

}  // namespace racoon::conf
