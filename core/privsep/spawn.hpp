// Starting the engine's process: this program again, by descriptor, with the channel as
// descriptor 3.
//
// exec and not only fork: the new process has none of the keeper's memory (keys that were read
// since), a layout of its own, and no threads or loop to inherit, so that a dead engine can be
// replaced at any time. The descriptor of the program is opened once, so that an upgrade on disk
// changes nothing.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace racoon::privsep {

/// The first argument by which main() knows that it is an engine, and where its channel is.
inline constexpr const char* kEngineArgument = "--engine-process";
inline constexpr int kEngineChannelFd = 3;

/// The running program. Errors: Io.
Result<UniqueFd> open_self();

/// Returns the process id. Errors: Io. The child's standard input is /dev/null; output and error
/// stay the keeper's.
Result<pid_t> spawn_engine(const UniqueFd& program, UniqueFd channel);

/// Shows `title` in ps(1), as far as the space of the arguments allows; the name by which killall
/// and pidof know the program is not changed.
void set_process_title(char** argv, const std::string& title);

}  // namespace racoon::privsep
