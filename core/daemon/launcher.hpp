// Launcher: the process that was started stays until the daemon behind it can do its work, so that
// whoever started it may use sockets, control socket and pid file at once.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace racoon::daemon {

/// How the daemon tells its launcher. In the foreground there is none, and all of this does nothing
/// but print.
class Readiness {
  public:
    Readiness() = default;
    explicit Readiness(UniqueFd pipe) : pipe_(std::move(pipe)), piped_(true) {}
    /// Everything is open: the launcher leaves with 0.
    void ready();
    /// The launcher prints the text on standard error and leaves with 1.
    void failed(const std::string& text);

  private:
    UniqueFd pipe_;
    bool piped_ = false;
    bool told_ = false;
};

/// Forks; returns in the child, which is a session of its own in / with its standard streams on
/// /dev/null and no other descriptor open. The parent waits and ends. Errors: Io.
Result<Readiness> detach(const std::string& program);

/// Puts /dev/null in the place of standard input, so that no socket takes its number.
void close_stdin();

}  // namespace racoon::daemon
