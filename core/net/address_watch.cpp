#include "net/address_watch.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#ifdef __linux__
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#endif

namespace racoon::net {

namespace {

// Addresses come in bursts, and an IPv6 address is usable only when it was tried for duplicates.
constexpr auto kPause = std::chrono::milliseconds(500);

Result<UniqueFd> open_routing_socket() {
#ifdef __linux__
    UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
    if (!fd.valid()) return fail_os("routing socket", errno);
    sockaddr_nl local{};
    local.nl_family = AF_NETLINK;
    local.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0)
        return fail_os("binding the routing socket", errno);
#else
    UniqueFd fd(::socket(PF_ROUTE, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) return fail_os("routing socket", errno);
#endif
    return fd;
}

}  // namespace

AddressWatch::AddressWatch(loop::EventLoop& loop, UniqueFd fd, Handler changed)
    : loop_(loop), fd_(std::move(fd)), changed_(std::move(changed)) {}

AddressWatch::~AddressWatch() {
    loop_.unwatch(watch_);
    if (pausing_) loop_.cancel(pause_);
}

Result<std::unique_ptr<AddressWatch>> AddressWatch::make(loop::EventLoop& loop, Handler changed) {
    RACOON_TRY(UniqueFd fd, open_routing_socket());
    const int raw = fd.get();
    std::unique_ptr<AddressWatch> out(new AddressWatch(loop, std::move(fd), std::move(changed)));
    RACOON_TRY(out->watch_,
               loop.watch(raw, loop::kReadable, [w = out.get()](unsigned) { w->readable(); }));
    return out;
}

/// Messages that were lost (ENOBUFS) are changes, too.
void AddressWatch::readable() {
    std::array<std::uint8_t, 8192> buffer;
    for (;;) {
        const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
        if (n < 0 && (errno == EINTR || errno == ENOBUFS)) continue;
        if (n <= 0) break;
    }
    if (std::exchange(pausing_, true)) return;
    pause_ = loop_.arm(kPause, [this] {
        pausing_ = false;
        changed_();
    });
}

}  // namespace racoon::net
