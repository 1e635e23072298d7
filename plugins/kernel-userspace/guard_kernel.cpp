#include "guard_kernel.hpp"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "netlink_messages.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr const char* kWhat = "the packet filter (nf_tables)";

bool bind_netlink(const Fd& fd, std::uint32_t* port) {
    sockaddr_nl own{};
    own.nl_family = AF_NETLINK;
    socklen_t size = sizeof(own);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof(own)) != 0 ||
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own), &size) != 0) {
        return false;
    }
    *port = own.nl_pid;
    return true;
}

// A transaction is one datagram. Beyond net.core.wmem_max with CAP_NET_ADMIN (not under `unshare -r`).
void make_room(const Fd& fd, std::size_t bytes) {
    const int size = static_cast<int>(bytes + 4096);
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
        ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/// True: the transaction has ended, with that error.
bool is_end(const nlmsghdr* answer, const GuardBatch& batch, std::uint32_t first, int* error) {
    const std::uint32_t at = answer->nlmsg_seq - first;
    if (answer->nlmsg_type != NLMSG_ERROR || at > batch.last - first ||
        mnl_nlmsg_get_payload_len(answer) < sizeof(nlmsgerr)) {
        return false;
    }
    *error = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(answer))->error;
    return *error != 0 || answer->nlmsg_seq == batch.last;
}

}  // namespace

bool Guard::is_missing(const Failure& failure) {
    switch (failure.os_errno) {
        case EPROTONOSUPPORT:  // no netlink of netfilter
        case EAFNOSUPPORT:     // no tables for both families
        case EOPNOTSUPP:       // no nf_tables
        case EPROTOTYPE:
        case ENOENT:  // no chain or expression of a kind that is needed
            return true;
        default:
            return false;
    }
}

bool Guard::open(Failure* failure) {
    if (netlink_) return true;
    Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
    // The kernel answers within the call; if it ever does not, the loop must not hang.
    const timeval patience{2, 0};
    if (fd && bind_netlink(fd, &port_) &&
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0) {
        netlink_ = std::move(fd);
        return true;
    }
    *failure = failure_of(kWhat, errno);
    return false;
}

bool Guard::talk(const GuardBatch& batch, Failure* failure) {
    const std::uint32_t first = sequence_ + 1;
    sequence_ = batch.last + 1;  // with its end
    make_room(netlink_, batch.bytes.size());
    int error = 0;
    if (::send(netlink_.get(), batch.bytes.data(), batch.bytes.size(), 0) < 0) error = errno;
    std::vector<std::uint8_t> buffer(65536);
    for (bool ended = error != 0; !ended;) {
        const ssize_t n = ::recv(netlink_.get(), buffer.data(), buffer.size(), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            error = n < 0 ? errno : ENODATA;
            break;
        }
        int left = static_cast<int>(n);
        const auto* head = reinterpret_cast<const nlmsghdr*>(buffer.data());
        for (; !ended && is_whole(head, left); head = mnl_nlmsg_next(head, &left))
            ended = is_end(head, batch, first, &error);
    }
    if (error == 0) return true;
    *failure = failure_of(kWhat, error);
    if (error == EAGAIN || error == ENOBUFS) netlink_ = Fd();  // late answers must not be others'
    return false;
}

bool Guard::put(const GuardTable& table, const std::vector<GuardRule>& rules, Failure* failure) {
    return open(failure) && talk(put_guard(table, rules, sequence_ + 1), failure);
}

bool Guard::remove(const std::string& name, Failure* failure) {
    return open(failure) && talk(remove_guard(name, sequence_ + 1), failure);
}

std::vector<std::uint32_t> Guard::tables() {
    std::vector<std::uint32_t> found;
    Failure ignored;
    if (!open(&ignored)) return found;
    Bytes request = list_guards(++sequence_);
    int error = 0;
    each_answer(
        netlink_.get(), request,
        [&](const nlmsghdr* answer) {
            if (const auto number = guard_table_number(table_told(answer)))
                found.push_back(*number);
        },
        &error);
    return found;
}

int Guard::watch(Failure* failure) {
    Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER));
    const int group = NFNLGRP_NFTABLES;
    std::uint32_t port = 0;
    if (fd && bind_netlink(fd, &port) &&
        ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) == 0) {
        watched_ = std::move(fd);
        return watched_.get();
    }
    *failure = failure_of("news of the packet filter", errno);
    return -1;
}

bool Guard::lost(const std::string& name) {
    bool lost = false;
    std::vector<std::uint8_t> buffer(65536);
    while (true) {
        const ssize_t n = ::recv(watched_.get(), buffer.data(), buffer.size(), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == ENOBUFS) {  // what was lost may have been anything
            lost = true;
            continue;
        }
        if (n <= 0) return lost;
        int left = static_cast<int>(n);
        const auto* head = reinterpret_cast<const nlmsghdr*>(buffer.data());
        for (; is_whole(head, left); head = mnl_nlmsg_next(head, &left))
            lost = lost || (head->nlmsg_pid != port_ && table_lost(head) == name);
    }
}

}  // namespace racoon::kernel_userspace
