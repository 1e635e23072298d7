// Which UDP sockets the daemon listens on. The keeper holds each of them beside the engine's copy, so that
// a new engine gets the same ones and a reload opens only what is new.
//
//     RACOON_TRY(auto change, sockets.plan(*config, options));    // opens what is new
//     … hand change.added to the engine …
//     sockets.commit(std::move(change));                          // or drop it: nothing has changed
#pragma once

#include <vector>

#include "conf/config.hpp"
#include "daemon/options.hpp"
#include "net/socket.hpp"

namespace racoon::daemon {

/// A socket that the configuration asks for.
struct WantedSocket {
    Endpoint local;
    bool natt = false;
    bool wildcard = false;  // follows from an absent list, so that a missing family is no error
    conf::Location where;   // of the `listen` line
};

class IkeSockets {
  public:
    class Change {
      public:
        Change() = default;
        ~Change();
        Change(Change&&) = default;
        Change& operator=(Change&&) = default;
        /// Copies of the new ones, to be handed on. Errors: Io.
        Result<std::vector<net::BoundSocket>> added() const;
        /// Local addresses of those that are no longer wanted, and of the new ones, which go if nothing comes of it.
        std::vector<Endpoint> closed() const;
        std::vector<Endpoint> opened() const;

      private:
        friend class IkeSockets;
        struct One {
            WantedSocket wanted;
            net::BoundSocket socket;
        };
        std::vector<One> fresh_;
        std::vector<WantedSocket> kept_;
        std::vector<Endpoint> closed_;
        std::vector<int> shared_;  // descriptors that may be overlapped until it is over
    };

    /// Those of the `listen` block, else one wildcard socket for each family. An address that cannot be
    /// bound is an error with strict_address, and when it is new in a running daemon; else a warning,
    /// unless it was the last one. All that cannot be bound are told. Errors: Io, Config.
    Result<Change> plan(const conf::Config& config, const Options& options);
    void commit(Change change);

    /// Tries once more those that could not be bound: their address may have come. Copies of the ones that
    /// are there now. Errors: Io.
    Result<std::vector<net::BoundSocket>> bind_missing();

    /// Copies of all, for a new engine. Errors: Io.
    Result<std::vector<net::BoundSocket>> copies() const;
    bool empty() const { return held_.empty(); }

  private:
    std::vector<Change::One> held_;
    std::vector<WantedSocket> missing_;  // listed, and could not be bound
};

}  // namespace racoon::daemon
