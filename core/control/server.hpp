// Server: the control socket of the engine process. The keeper binds the socket and hands it over, so
// that this side needs no file access.
//
// Bounds: 16 clients, 64 KiB a request, one outstanding request each, 30 s without a request.
#pragma once

#include <memory>

#include "base/unique_fd.hpp"
#include "control/commands.hpp"
#include "loop/event_loop.hpp"

namespace racoon::control {

class Server {
  public:
    /// `listening` is a bound, listening Unix stream socket. Loop and engine must outlive the server.
    static Result<std::unique_ptr<Server>> make(loop::EventLoop& loop, UniqueFd listening,
                                                exchange::Engine& engine, Hooks hooks);
    ~Server();
    /// Accepts from another socket, or with an invalid one from none; clients that are connected stay.
    Status listen_on(UniqueFd listening);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

  private:
    struct Impl;
    explicit Server(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

}  // namespace racoon::control
