// Which UDP sockets the daemon listens on.
#pragma once

#include <vector>

#include "conf/config.hpp"
#include "daemon/options.hpp"
#include "net/socket.hpp"

namespace racoon::daemon {

/// Those of the `listen` block, else one wildcard socket for each family. An address that cannot be
/// bound is an error with strict_address, else a warning, unless it was the last one. A missing
/// family of wildcard sockets is no error. Errors: Io.
Result<std::vector<net::BoundSocket>> open_ike_sockets(const conf::Config& config,
                                                       const Options& options);

}  // namespace racoon::daemon
