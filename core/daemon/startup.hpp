// From the command line to a running daemon, and the two other lives of this program: the test of a
// configuration and the engine's process.
#pragma once

#include "daemon/options.hpp"

namespace racoon::daemon {

/// Exit statuses.
int run_daemon(const Options& options, char** argv);
int run_test(const Options& options);
/// The process that spawn_engine() started.
int run_engine(char** argv);
int list_modules(const Options& options);
int explain_trust(const Options& options);

}  // namespace racoon::daemon
