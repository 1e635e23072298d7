// The nets of this host's own interfaces, as the kernel has them at the moment.
#pragma once

#include <vector>

#include "base/net_addr.hpp"

namespace racoon::privsep {

/// Empty where they cannot be told.
std::vector<Prefix> local_nets();

}  // namespace racoon::privsep
