#include "net/socket.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace racoon::net {

namespace {

Status set_option(int fd, int level, int name, int value, const char* what) {
    if (::setsockopt(fd, level, name, &value, sizeof value) != 0) return fail_os(what, errno);
    return ok();
}

Status prepare_v4(int fd) {
    RACOON_TRY_STATUS(set_option(fd, IPPROTO_IP, IP_PKTINFO, 1, "setsockopt IP_PKTINFO"));
#ifdef IP_MTU_DISCOVER
    // Certificates make messages larger than an MTU: let the stack fragment.
    RACOON_TRY_STATUS(set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT,
                                 "setsockopt IP_MTU_DISCOVER"));
#endif
    return ok();
}

Status prepare_v6(int fd) {
    RACOON_TRY_STATUS(set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1, "setsockopt IPV6_V6ONLY"));
    RACOON_TRY_STATUS(
        set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, "setsockopt IPV6_RECVPKTINFO"));
#ifdef IPV6_MTU_DISCOVER
    RACOON_TRY_STATUS(set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT,
                                 "setsockopt IPV6_MTU_DISCOVER"));
#endif
    return ok();
}

Failure bind_failure(const Endpoint& local, int err) {
    auto error = fail_os("cannot bind UDP " + local.text(), err);
    if (err == EADDRINUSE) {
        const std::string port = std::to_string(local.port);
        return fail(Errc::Io,
                    "cannot bind UDP " + local.text() +
                        ": the port is in use, probably by another IKE daemon (racoon, charon, "
                        "pluto, iked): stop it; `ss -ulpn sport = :" +
                        port + "` names it")
            .os(err);
    }
    if (err == EADDRNOTAVAIL)
        return fail(Errc::Io,
                    "cannot bind UDP " + local.text() +
                        ": no interface of this host has the address; correct the `listen` "
                        "block or configure the address first")
            .os(err);
    if (err == EACCES)
        return fail(Errc::Io, "cannot bind UDP " + local.text() +
                                  ": ports below 1024 need root or CAP_NET_BIND_SERVICE")
            .os(err);
    return error;
}

}  // namespace

void share_port(int fd, bool on) {
    const int value = on ? 1 : 0;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, sizeof value);
}

Result<BoundSocket> open_udp(const Endpoint& local, bool share) {
    const bool v6 = local.addr.family == Family::V6;
    UniqueFd fd(::socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return fail_os("socket for UDP " + local.text(), errno);
    RACOON_TRY_STATUS(v6 ? prepare_v6(fd.get()) : prepare_v4(fd.get()));
    // Room for a burst of first messages while a worker has the processor; the system may give
    // less.
    const int room = 1 << 20;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    // No SO_REUSEADDR that lasts: with UDP it would let two daemons share the port and split the packets.
    if (share) share_port(fd.get(), true);
    sockaddr_storage address{};
    const unsigned size = local.to_sockaddr(address);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
        return bind_failure(local, errno);
    RACOON_TRY(Endpoint bound, bound_endpoint(fd.get()));
    return BoundSocket{std::move(fd), bound, false};
}

Result<Endpoint> bound_endpoint(int fd) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        return fail_os("getsockname", errno);
    return Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&address));
}

Result<std::vector<IpAddr>> local_addresses() {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return fail_os("listing the addresses of this host", errno);
    std::vector<IpAddr> out;
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
        if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0) continue;
        if (entry->ifa_addr->sa_family != AF_INET && entry->ifa_addr->sa_family != AF_INET6)
            continue;
        const IpAddr addr = Endpoint::from_sockaddr(entry->ifa_addr).addr;
        if (addr.is_any() || addr.is_multicast()) continue;
        if (std::find(out.begin(), out.end(), addr) == out.end()) out.push_back(addr);
    }
    ::freeifaddrs(list);
    return out;
}

}  // namespace racoon::net
