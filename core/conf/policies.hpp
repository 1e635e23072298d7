// What follows from a policy: the numbers under which kernel, keeper and engine know it, between which hosts
// its SAs are, and whether they can be negotiated at all.
//
//     assign_policy_ids(running.get(), *fresh);   // load() has done so already
#pragma once

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

}  // namespace racoon::conf
