// Listener: the IKE sockets on the loop. Reads and writes in batches (recvmmsg, sendmmsg), tells
// each datagram's local address from the packet information, and answers from the address that was
// asked.
//
//     auto listener = net::Listener::make(loop, [&](const net::Datagram& d) { … });
//     listener->add(std::move(bound));
//     listener->send(Datagram{local, remote, bytes});    // queued; leaves with the batch
//
// Dropped and counted, never handed on: truncated datagrams, source port 0, sources that are no
// unicast address, keepalives (one byte FF), on NAT-T sockets what has no non-ESP marker, and on others what begins
// with a non-IKE marker: ESP of the first drafts that no kernel took.
// Main thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/unique_function.hpp"
#include "loop/event_loop.hpp"
#include "net/datagram.hpp"
#include "net/socket.hpp"

namespace racoon::net {

struct SocketCounters {
    Endpoint local;
    bool natt = false;
    std::uint64_t received = 0, sent = 0;
    std::uint64_t bad_source = 0, truncated = 0, keepalives = 0, not_ike = 0;
    std::uint64_t receive_errors = 0;
    std::uint64_t send_dropped = 0;  // the queue was full or the system refused
};

class Listener {
  public:
    using Handler = UniqueFunction<void(const Datagram&)>;

    static std::unique_ptr<Listener> make(loop::EventLoop& loop, Handler handler);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    Status add(BoundSocket socket);
    /// Sends what is queued and closes the socket that is bound to `local`; false: there is none. Not
    /// from within the handler.
    bool remove(const Endpoint& local);
    /// Sends from `local`: by the socket bound to it, else by the wildcard socket of its port, else
    /// by any socket of its family. Errors: NotFound, no socket fits. A datagram that the system
    /// refuses is counted: the peer sees a lost packet, and retransmission is the remedy.
    Status send(const Datagram& datagram);
    /// Sends what is queued now; else it leaves at the end of the batch or of the loop's round.
    void flush();

    std::vector<SocketCounters> counters() const;
    /// Addresses and ports of the sockets.
    std::vector<Endpoint> endpoints() const;
    /// Those that carry the marker.
    std::vector<Endpoint> natt_endpoints() const;

  private:
    struct Impl;
    explicit Listener(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace racoon::net
