#include "handover.hpp"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace racoon::kernel_userspace {
namespace {

struct Note {
    std::uint8_t place = 0;
    iovec part{&place, 1};
    alignas(cmsghdr) std::uint8_t control[CMSG_SPACE(sizeof(int))] = {};
    msghdr head{};

    Note() {
        head.msg_iov = &part;
        head.msg_iovlen = 1;
    }
    Note(const Note&) = delete;
    Note& operator=(const Note&) = delete;
};

}  // namespace

bool make_handover(Fd* keeper, Fd* data, Failure* failure) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        *failure = {std::string("sockets between keeper and data process: ") + std::strerror(errno),
                    errno};
        return false;
    }
    *keeper = Fd(ends[0]);
    *data = Fd(ends[1]);
    return true;
}

bool hand_over(const Fd& keeper, std::uint8_t place, int fd, Failure* failure) {
    Note message;
    message.place = place;
    if (fd >= 0) {
        message.head.msg_control = message.control;
        message.head.msg_controllen = sizeof(message.control);
        cmsghdr* c = CMSG_FIRSTHDR(&message.head);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(fd));
        std::memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    if (::sendmsg(keeper.get(), &message.head, MSG_NOSIGNAL) == 1) return true;
    *failure = {std::string("handing the data process a socket: ") + std::strerror(errno), errno};
    return false;
}

std::optional<Handed> receive_handed(int data) {
    Note message;
    message.head.msg_control = message.control;
    message.head.msg_controllen = sizeof(message.control);
    if (::recvmsg(data, &message.head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1) return std::nullopt;
    Handed out;
    out.place = message.place;
    const cmsghdr* c = CMSG_FIRSTHDR(&message.head);
    if (c != nullptr && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof(out.fd))) {
        std::memcpy(&out.fd, CMSG_DATA(c), sizeof(out.fd));
    }
    if (out.place < kMostUdp) return out;
    if (out.fd >= 0) ::close(out.fd);
    return std::nullopt;
}

}  // namespace racoon::kernel_userspace
