// racoonctl's command line: words to a request (racoonctl(8), the same as racoon's).
#pragma once

#include <string>
#include <vector>

#include "control/protocol.hpp"

namespace racoon::ctl {

struct Command {
    std::string name;  // the long name, also for an alias
    control::Json args = control::Json::object();
};

/// `words`: the command and what follows it. Errors: InvalidState, "insufficient arguments" or too many;
/// NotFound for an unknown command; Malformed for a bad address or word.
Result<Command> parse_command(const std::vector<std::string>& words);

std::string usage();

}  // namespace racoon::ctl
