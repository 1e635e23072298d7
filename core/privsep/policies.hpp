// Which policies the kernel must be told about when a configuration takes the place of another.
#pragma once

#include <functional>

#include "conf/config.hpp"
#include "privsep/kernel.hpp"

namespace racoon::privsep {

/// Forwarded packets of an inbound tunnel policy need a policy of their own on Linux; the keeper
/// adds it, as setkey does, under the inbound policy's number with the top bit set.
inline constexpr std::uint32_t kForwardBit = 0x80000000u;
inline PolicyId without_forward(PolicyId id) {
    return PolicyId{id.value & ~kForwardBit};
}

/// Removes what `after` no longer has, then adds what is new; one that changed is removed and
/// added. `done` gets the first failure, after all have been tried.
void change_policies(Kernel& kernel, const conf::Config& before, const conf::Config& after,
                     std::function<void(Status)> done);

}  // namespace racoon::privsep
