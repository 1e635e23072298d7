// setkey's policy lines, in files and as `policy` statements:
//
//     spdadd 10.1.0.0/16 10.2.0.0/16 any -P out prio def + 10 ipsec
//         esp/tunnel/192.0.2.1-192.0.2.2/require;
//
// Only numeric addresses: nothing is resolved. As setkey does on Linux, an `in` policy with a tunnel
// also gives the `fwd` policy, unless that is written too. `flush` and `spdflush` are accepted and mean
// nothing: racoon never touches policies of others.
#pragma once

#include <cstdint>
#include <vector>

#include "conf/config.hpp"
#include "conf/diagnostic.hpp"

namespace racoon::conf {

/// A whole file. What is in error is left out.
void parse_policy_file(const Sources& sources, std::uint32_t file, Diagnostics& diagnostics,
                       std::vector<Policy>& out);

/// `[spdadd] src dst upper -P …` without the semicolon.
void parse_policy_statement(const Sources& sources, const Span& text, Diagnostics& diagnostics,
                            std::vector<Policy>& out);

/// Keeps the first of several policies for the same traffic, direction and priority, as the kernel
/// does, with a warning for those that were written.
void drop_duplicate_policies(std::vector<Policy>& policies, Diagnostics& diagnostics);

}  // namespace racoon::conf
