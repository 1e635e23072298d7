// EngineProcess: the unprivileged side. Hosts the engine: feeds it datagrams, time and answers,
// carries out what it asks for (here or through the keeper), and serves the control socket.
//
//     EngineProcess engine(loop, std::move(channel), {.drop = drop_privileges});
//     loop.run();                              // until the keeper says Shutdown or goes away
//     return engine.exit_status();
//
// Everything it needs comes over the channel: configuration, sockets, the kernel's capabilities.
// After `drop` it opens no file. Main thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/unique_fd.hpp"
#include "exchange/engine.hpp"
#include "loop/event_loop.hpp"
#include "plugin/lifecycle.hpp"
#include "privsep/channel.hpp"
#include "privsep/protocol.hpp"
#include "privsep/sandbox.hpp"

namespace racoon::privsep {

/// What the control socket needs besides the engine. `done` of reload gets what changed, or why nothing
/// did.
struct ControlCalls {
    std::function<void(std::function<void(Result<std::string>)> done)> reload;
    std::function<void()> shutdown;
    const plugin::PluginHost* host = nullptr;
    const BackendList* backends = nullptr;
};

/// Serves a control socket as long as it lives.
class ControlService {
  public:
    virtual ~ControlService() = default;
    /// From another socket, or with an invalid one from none; clients that are connected stay.
    virtual Status listen_on(UniqueFd listening) = 0;
};

struct EngineOptions {
    /// Null: nobody serves the control socket.
    std::function<Result<std::unique_ptr<ControlService>>(loop::EventLoop&, UniqueFd listening,
                                                          exchange::Engine&, ControlCalls)>
        serve_control;
    /// Gives up privileges, after the modules are mapped. Null: nothing (one process, tests).
    std::function<Status(const Identity&)> drop;
    /// One process: the keeper's host, which serves both zones; its modules are configured by the
    /// keeper. Null: own host in the engine's zone.
    plugin::PluginHost* shared_host = nullptr;
    /// Log lines go to the keeper. Off in one process.
    bool forward_log = true;
    unsigned worker_threads = 0;
};

class EngineProcess {
  public:
    EngineProcess(loop::EventLoop& loop, std::unique_ptr<Channel> keeper, EngineOptions options);
    ~EngineProcess();
    EngineProcess(const EngineProcess&) = delete;
    EngineProcess& operator=(const EngineProcess&) = delete;

    /// Called when it is over; without it the loop is stopped.
    void on_end(std::function<void()> ended);
    /// 0 after an orderly Shutdown.
    int exit_status() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace racoon::privsep
