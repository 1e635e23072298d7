// UDP sockets for IKE, and which addresses this host has.
//
//     RACOON_TRY(auto bound, net::open_udp({*IpAddr::parse("0.0.0.0"), 500}));
//     bound.fd, bound.local                          // the port is filled in when 0 was asked for
//
// Any thread. Opening a port below 1024 needs privileges: the keeper opens, the engine is handed
// the descriptors.
#pragma once

#include <vector>

#include "base/net_addr.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace racoon::net {

struct BoundSocket {
    UniqueFd fd;
    Endpoint local;
    bool natt = false;  // carries the non-ESP marker
};

/// A non-blocking socket bound to `local` (a wildcard address of its family is fine) that reports
/// the local address of each datagram. IPv6 sockets carry IPv6 only. Errors: Io; the text names
/// address and port, and for a port in use who to look for. `share`: beside sockets of the same port
/// that share_port() was called for.
Result<BoundSocket> open_udp(const Endpoint& local, bool share = false);

/// Lets another socket be bound that overlaps with this one, or no longer. For the moment in which one
/// set of sockets takes the place of another: otherwise two daemons could split the packets.
void share_port(int fd, bool on);

/// The address a bound socket has. Errors: Io.
Result<Endpoint> bound_endpoint(int fd);

/// Unicast addresses of all interfaces that are up, without duplicates. Errors: Io.
Result<std::vector<IpAddr>> local_addresses();

}  // namespace racoon::net
