#include "privsep/local_nets.hpp"

#include <ifaddrs.h>
#include <sys/socket.h>

namespace racoon::privsep {

std::vector<Prefix> local_nets() {
    std::vector<Prefix> out;
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return out;
    for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
        if (i->ifa_addr == nullptr || i->ifa_netmask == nullptr) continue;
        if (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6) continue;
        const IpAddr addr = Endpoint::from_sockaddr(i->ifa_addr).addr;
        const IpAddr mask = Endpoint::from_sockaddr(i->ifa_netmask).addr;
        unsigned length = 0;
        while (length < mask.bits() && (mask.bytes[length / 8] >> (7 - length % 8) & 1) != 0)
            ++length;
        if (const auto net = Prefix::make(addr, length); net && length != 0) out.push_back(*net);
    }
    ::freeifaddrs(list);
    return out;
}

}  // namespace racoon::privsep
