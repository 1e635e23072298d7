#include "xfrm/socket.hpp"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace racoon::xfrm {
namespace {
constexpr std::size_t kBuffer = 65536;
constexpr int kEventBuffer = 2 << 20;  // a rekeying of thousands of SAs at once
constexpr int kGroups[] = {XFRMNLGRP_ACQUIRE, XFRMNLGRP_EXPIRE,  XFRMNLGRP_SA,
                           XFRMNLGRP_POLICY,  XFRMNLGRP_MAPPING, XFRMNLGRP_MIGRATE};
}  // namespace

int RequestSocket::open() {
    socket_ = mnl_socket_open2(NETLINK_XFRM, SOCK_CLOEXEC);
    if (socket_ == nullptr) return errno;
    if (mnl_socket_bind(socket_, 0, MNL_SOCKET_AUTOPID) < 0) return errno;
    port_ = mnl_socket_get_portid(socket_);
    // The kernel answers within the call; if it ever does not, the loop must not hang.
    const timeval patience{2, 0};
    ::setsockopt(mnl_socket_get_fd(socket_), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    buffer_.resize(kBuffer);
    return 0;
}

void RequestSocket::close() {
    if (socket_ != nullptr) mnl_socket_close(socket_);
    socket_ = nullptr;
}

int RequestSocket::transact(Request& request, const std::function<void(const Message&)>& answer) {
    if (socket_ == nullptr) return EBADF;
    request.number(++sequence_, port_);
    const std::vector<std::uint8_t>& bytes = request.bytes();
    if (mnl_socket_sendto(socket_, bytes.data(), bytes.size()) < 0) return errno;
    while (true) {
        const ssize_t n = mnl_socket_recvfrom(socket_, buffer_.data(), buffer_.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        int result = -1;
        split_datagram({buffer_.data(), static_cast<std::size_t>(n)}, [&](const Message& m) {
            if (m.sequence != sequence_) return true;
            if (m.type == NLMSG_ERROR) {
                result = read_error(m).value_or(EBADMSG);
                return false;
            }
            if (m.type == NLMSG_DONE) {  // of a dump
                result = 0;
                return false;
            }
            if (answer) answer(m);
            return true;
        });
        if (result >= 0) return result;
    }
}

int EventSocket::open() {
    socket_ = mnl_socket_open2(NETLINK_XFRM, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket_ == nullptr) return errno;
    if (mnl_socket_bind(socket_, 0, MNL_SOCKET_AUTOPID) < 0) return errno;
    for (int group : kGroups) {
        if (mnl_socket_setsockopt(socket_, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
            return errno;
        }
    }
    const int size = kEventBuffer;
    if (::setsockopt(fd(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0) {
        ::setsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    }
    buffer_.resize(kBuffer);
    return 0;
}

void EventSocket::close() {
    if (socket_ != nullptr) mnl_socket_close(socket_);
    socket_ = nullptr;
}

int EventSocket::fd() const {
    return mnl_socket_get_fd(socket_);
}

EventSocket::Got EventSocket::receive(ByteView* datagram) {
    while (true) {
        const ssize_t n = mnl_socket_recvfrom(socket_, buffer_.data(), buffer_.size());
        if (n >= 0) {
            *datagram = {buffer_.data(), static_cast<std::size_t>(n)};
            return Got::Datagram;
        }
        if (errno == EINTR) continue;
        if (errno == EAGAIN) return Got::Nothing;
        if (errno == ENOBUFS || errno == ENOSPC) return Got::Overrun;
        return Got::Broken;
    }
}

}  // namespace racoon::xfrm
