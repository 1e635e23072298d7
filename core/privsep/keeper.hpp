// Keeper: the privileged side. Answers the engine's operations after checking each against its own
// parse of the configuration, forwards what the kernel tells, and leads a change of configuration.
//
//     Keeper keeper(loop, host, options, hooks);
//     RACOON_TRY_STATUS(keeper.configure(parsed));            // first configuration: no engine yet
//     RACOON_TRY_STATUS(keeper.open_kernel());
//     keeper.attach(std::move(channel));                      // sends Start; hooks.ready follows
//     …
//     keeper.reconfigure(parsed, [](Status s) { … });         // both processes or neither
//     keeper.shutdown([] { … });                              // engine's deletes, then our SAs
//
// It parses nothing that came from the network. Main thread only; loop and host outlive it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "conf/config.hpp"
#include "conf/file_source.hpp"
#include "net/socket.hpp"
#include "plugin/lifecycle.hpp"
#include "privsep/channel.hpp"
#include "privsep/desk.hpp"
#include "privsep/protocol.hpp"

namespace racoon::privsep {

/// A configuration with what the engine needs to parse it again.
struct ParsedConfig {
    conf::ConfigPtr config;
    conf::FileBundle files;
    std::string path;
    log::Level level = log::Level::Info;  // of both processes' log lines
};

/// What the owner is told. Calls come from the loop.
struct KeeperHooks {
    std::function<void(Status)> ready;             // the engine has started, or cannot
    std::function<void()> serving;                 // sockets and control socket are in use
    std::function<void(const std::string&)> lost;  // the engine has gone without being asked
    /// The engine's control socket asks for a reload; answer with reload_done(token).
    std::function<void(std::uint64_t token)> reload;
    std::function<void()> shutdown;  // the same for the end
};

struct KeeperOptions {
    /// What Start carries besides the configuration.
    bool location = false;
    std::uint32_t uid = 0, gid = 0;
    bool change_ids = false;
    std::string chroot;
    Family family = Family::None;  // of the addresses that host names are taken for; None: both
    bool restore = false;          // -B
};

/// What a new configuration changes at the sockets; carried out when it comes into force.
struct SocketChange {
    std::vector<net::BoundSocket> added;
    std::vector<Endpoint> closed;
    UniqueFd control;            // a new control socket, if valid
    bool close_control = false;  // there is none any more
};

class Keeper {
  public:
    Keeper(loop::EventLoop& loop, plugin::PluginHost& host, KeeperOptions options,
           KeeperHooks hooks);
    ~Keeper();
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;

    /// The first configuration. The modules of `host` have been configured with it and started.
    void configure(ParsedConfig parsed);
    const ParsedConfig& parsed() const;
    /// Opens the backend that the configuration names and installs its policies; `done` may be
    /// called before this returns.
    void open_kernel(std::function<void(Status)> done);
    /// Tells the backend about an IKE socket.
    Status bind_socket(int fd, Family family, bool natt);
    /// One with `natt` is about to be closed.
    Status release_socket(const Endpoint& local);

    /// Serves an engine, which is sent the configuration at once. What an earlier engine had under
    /// way is forgotten; its SAs stay in the kernel.
    void attach(std::unique_ptr<Channel> channel);
    /// After hooks.ready: sockets, and the listening control socket if valid. hooks.serving
    /// follows.
    void hand_over(std::vector<net::BoundSocket> sockets, UniqueFd control);
    /// To an engine that serves: sockets that have become possible.
    void add_sockets(std::vector<net::BoundSocket> sockets);
    bool attached() const;
    /// The engine has all that it needs, and says so.
    bool serving() const;

    /// The modules of the host must have been offered the configuration (PluginHost::configure);
    /// they are committed or rolled back here. The engine has prepared itself and the kernel has taken
    /// the new policies before anything is in force; a failure on the way leaves everything as it was.
    /// Busy: another change is under way.
    void reconfigure(ParsedConfig parsed, SocketChange sockets, std::function<void(Status)> done);
    /// `notes`: what the user should know of a reload that went well.
    void reload_done(std::uint64_t token, const Status& status, const std::string& notes = {});

    /// Lets the engine send its deletes, waits for it at most `limit`, and closes the backend,
    /// which removes our policies and SAs.
    void shutdown(Duration limit, std::function<void()> done);

    DeskCounters counters() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace racoon::privsep
