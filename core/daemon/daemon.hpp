// Daemon: the keeper's process, from the first line of configuration to the last delete.
//
//     Daemon daemon(options, std::move(readiness));
//     return daemon.run();
//
// Order of the start: modules' names, modules, configuration, sockets, kernel backend and policies,
// engine, control socket, pid file; then the launcher may leave. A failure on the way ends it with
// one line that says what, why and what to do.
#pragma once

#include <memory>

#include "daemon/launcher.hpp"
#include "daemon/options.hpp"

namespace racoon::daemon {

class Daemon {
  public:
    Daemon(const Options& options, Readiness readiness);
    ~Daemon();
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    /// Until SIGTERM, SIGINT, a request over the control socket or a failure; the exit status.
    int run();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace racoon::daemon
