// Client: one connection to the daemon's control socket.
#pragma once

#include <string>

#include "base/unique_fd.hpp"
#include "control/protocol.hpp"

namespace racoon::ctl {

class Client {
  public:
    /// The error names the path and what to do.
    static Result<Client> connect(const std::string& path);
    /// Blocks for the reply; its "result", or the daemon's error text.
    Result<control::Json> call(const std::string& command, const control::Json& args, bool dump);

  private:
    explicit Client(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

}  // namespace racoon::ctl
