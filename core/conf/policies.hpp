// assign_policy_ids(): the numbers under which policies are known to kernel, keeper and engine.
//
//     assign_policy_ids(running.get(), *fresh);   // load() has done so already
#pragma once

#include "conf/config.hpp"

namespace racoon::conf {

/// Gives every policy of `fresh` its PolicyId and its templates their ReqId. A policy that is the
/// same in `previous` keeps both; others get numbers never used before. An `out` policy and the `in`
/// and `fwd` policies that mirror it share one ReqId, which no other policy has: the kernel
/// suppresses acquires of policies that share one. `unique:N` keeps its N.
/// Depends on its two arguments alone, so keeper and engine arrive at equal numbers.
void assign_policy_ids(const Config* previous, Config& fresh);

}  // namespace racoon::conf
