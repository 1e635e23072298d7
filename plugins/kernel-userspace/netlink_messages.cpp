#include "netlink_messages.hpp"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace racoon::kernel_userspace {

bool each_answer(int fd, std::vector<std::uint8_t>& request,
                 const std::function<void(const nlmsghdr*)>& each, int* error) {
    const auto* asked = reinterpret_cast<const nlmsghdr*>(request.data());
    *error = 0;
    if (::send(fd, request.data(), asked->nlmsg_len, 0) < 0) {
        *error = errno;
        return false;
    }
    std::vector<std::uint8_t> buffer(65536);
    while (true) {
        const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            *error = n < 0 ? errno : ENODATA;
            return false;
        }
        int left = static_cast<int>(n);
        const auto* head = reinterpret_cast<const nlmsghdr*>(buffer.data());
        for (; is_whole(head, left); head = mnl_nlmsg_next(head, &left)) {
            if (head->nlmsg_seq != asked->nlmsg_seq) continue;
            if (head->nlmsg_type == NLMSG_DONE) return true;
            if (head->nlmsg_type == NLMSG_ERROR) {
                if (mnl_nlmsg_get_payload_len(head) >= sizeof(nlmsgerr))
                    *error = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(head))->error;
                return *error == 0;
            }
            each(head);
        }
    }
}

RuleFacts facts_of_rule(const nlmsghdr* message) {
    RuleFacts facts;
    if (mnl_nlmsg_get_payload_len(message) < sizeof(fib_rule_hdr)) return facts;
    each_attribute(message, sizeof(fib_rule_hdr), [&](const nlattr* a) {
        const std::size_t size = mnl_attr_get_payload_len(a);
        const int type = mnl_attr_get_type(a);
        if (type == FRA_PROTOCOL && size == 1) facts.ours = mnl_attr_get_u8(a) == kRuleProtocol;
        if (size != 4) return;
        if (type == FRA_TABLE) facts.table = mnl_attr_get_u32(a);
        if (type == FRA_FWMARK) facts.mark = mnl_attr_get_u32(a);
        if (type == FRA_PRIORITY) facts.priority = mnl_attr_get_u32(a);
    });
    return facts;
}

RouteFacts facts_of_route(const nlmsghdr* message) {
    RouteFacts facts;
    if (mnl_nlmsg_get_payload_len(message) < sizeof(rtmsg)) return facts;
    const auto* route = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
    facts.table = route->rtm_table;
    each_attribute(message, sizeof(rtmsg), [&](const nlattr* a) {
        if (mnl_attr_get_payload_len(a) != 4) return;
        const int type = mnl_attr_get_type(a);
        if (type == RTA_TABLE) facts.table = mnl_attr_get_u32(a);
        if (type == RTA_OIF && route->rtm_type == RTN_UNICAST)
            facts.device_index = mnl_attr_get_u32(a);
        if (type == RTA_PRIORITY) facts.metric = mnl_attr_get_u32(a);
    });
    return facts;
}

}  // namespace racoon::kernel_userspace
