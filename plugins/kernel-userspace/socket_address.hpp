// Addresses between this module and the sockets.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include <racoon/plugin/kernel.h>

namespace racoon::kernel_userspace {

union AnyAddress {
    sockaddr base;
    sockaddr_in v4;
    sockaddr_in6 v6;
};

inline racoon_addr address_of(const AnyAddress& a) {
    racoon_addr out{};
    if (a.base.sa_family == AF_INET) {
        out.family = 4;
        out.port = ntohs(a.v4.sin_port);
        std::memcpy(out.bytes, &a.v4.sin_addr, 4);
    } else if (a.base.sa_family == AF_INET6) {
        out.family = 6;
        out.port = ntohs(a.v6.sin6_port);
        std::memcpy(out.bytes, &a.v6.sin6_addr, 16);
    }
    return out;
}

inline socklen_t to_socket(const racoon_addr& a, AnyAddress* out) {
    *out = {};
    if (a.family == 4) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(a.port);
        std::memcpy(&out->v4.sin_addr, a.bytes, 4);
        return sizeof(out->v4);
    }
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(a.port);
    out->v6.sin6_scope_id = a.scope;
    std::memcpy(&out->v6.sin6_addr, a.bytes, 16);
    return sizeof(out->v6);
}

}  // namespace racoon::kernel_userspace
