#include "route_watch.hpp"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cstddef>

#include "netlink_messages.hpp"

namespace racoon::kernel_userspace {
namespace {

// Of routes only those that go, and from our table: a router's own many thousands must not wake us. Each
// notification is a message of its own. What the program loads is in network order.
bool filter_routes(int fd, std::uint32_t table) {
    constexpr std::uint32_t kType = offsetof(nlmsghdr, nlmsg_type);
    constexpr std::uint32_t kTable = NLMSG_HDRLEN + offsetof(rtmsg, rtm_table);
    const std::uint32_t named = table < 256 ? table : std::uint32_t{RT_TABLE_COMPAT};
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, kType),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), 0, 2),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kTable),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, named, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffffu),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0;
}

}  // namespace

bool RouteWatch::open(std::uint32_t table, Failure* failure) {
    up_ = true;
    fd_ = Fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
    // The group of IPv6's rules has a number that no longer fits a mask.
    constexpr int kGroups[] = {RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE,
                               RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE};
    // Without a port of its own a socket is passed over where the kernel speaks by itself.
    sockaddr_nl own{};
    own.nl_family = AF_NETLINK;
    bool joined = fd_ && filter_routes(fd_.get(), table) &&
                  ::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&own), sizeof(own)) == 0;
    for (const int group : kGroups) {
        joined = joined && ::setsockopt(fd_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
                                        sizeof(group)) == 0;
    }
    if (joined) return true;
    *failure = failure_of("socket for routing messages", errno);
    fd_ = Fd();
    return false;
}

void RouteWatch::judge(const nlmsghdr* message, const Ours& ours, News* news) {
    switch (message->nlmsg_type) {
        case RTM_NEWLINK: {
            if (mnl_nlmsg_get_payload_len(message) < sizeof(ifinfomsg)) return;
            const auto* link = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
            if (static_cast<std::uint32_t>(link->ifi_index) != ours.device_index) return;
            const bool up = (link->ifi_flags & IFF_UP) != 0;
            if (up != up_) news->device = up ? Device::Up : Device::Down;
            if (up) news->lost = true;  // the kernel may have taken its routes away, without a word
            up_ = up;
            return;
        }
        case RTM_NEWADDR:
        case RTM_DELADDR:
            news->lost = true;  // a route with a source of ours may go, or be possible
            return;
        case RTM_DELROUTE:
            if (message->nlmsg_pid != ours.requests && facts_of_route(message).table == ours.table)
                news->lost = true;
            return;
        case RTM_DELRULE:
            if (message->nlmsg_pid != ours.requests && facts_of_rule(message).ours)
                news->lost = true;
            return;
        default:
            return;
    }
}

RouteWatch::News RouteWatch::read(const Ours& ours) {
    News news;
    alignas(nlmsghdr) std::uint8_t buffer[32768];
    while (true) {
        const ssize_t n = ::recv(fd_.get(), buffer, sizeof(buffer), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == ENOBUFS) {  // what was lost may have been anything
            news.lost = true;
            continue;
        }
        if (n <= 0) return news;
        int left = static_cast<int>(n);
        const auto* head = reinterpret_cast<const nlmsghdr*>(buffer);
        for (; is_whole(head, left); head = mnl_nlmsg_next(head, &left)) judge(head, ours, &news);
    }
}

}  // namespace racoon::kernel_userspace
