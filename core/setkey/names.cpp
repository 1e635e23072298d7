#include "setkey/names.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>

namespace racoon::setkey {

Result<std::vector<IpAddr>> SystemNames::host(std::string_view name, Family family) {
    addrinfo hints{};
    hints.ai_family = family == Family::V4 ? AF_INET : family == Family::V6 ? AF_INET6 : AF_UNSPEC;
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* list = nullptr;
    const int error = ::getaddrinfo(std::string(name).c_str(), nullptr, &hints, &list);
    if (error != 0) return fail(Errc::NotFound, ::gai_strerror(error));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, ::freeaddrinfo);
    std::vector<IpAddr> out;
    for (const addrinfo* at = list; at; at = at->ai_next) {
        const IpAddr found = Endpoint::from_sockaddr(at->ai_addr).addr;
        if (found.family != Family::None && std::find(out.begin(), out.end(), found) == out.end())
            out.push_back(found);
    }
    return out;
}

std::optional<std::uint16_t> SystemNames::service(std::string_view name) {
    const servent* found = ::getservbyname(std::string(name).c_str(), nullptr);
    if (!found) return std::nullopt;
    return ntohs(static_cast<std::uint16_t>(found->s_port));
}

std::optional<std::uint8_t> SystemNames::protocol(std::string_view name) {
    const protoent* found = ::getprotobyname(std::string(name).c_str());
    if (!found || found->p_proto < 0 || found->p_proto > 255) return std::nullopt;
    return static_cast<std::uint8_t>(found->p_proto);
}

}  // namespace racoon::setkey
