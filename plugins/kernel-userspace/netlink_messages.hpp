// Routing messages of netlink, as the files beside this one read them.
#pragma once

#include <libmnl/libmnl.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace racoon::kernel_userspace {

constexpr std::uint8_t kRuleProtocol = 114;  // marks our rules for the clean-up

/// As mnl_nlmsg_ok(), which takes a length of 2^31 bytes and more for a negative one.
inline bool is_whole(const nlmsghdr* head, int left) {
    return mnl_nlmsg_ok(head, left) && head->nlmsg_len <= static_cast<std::uint32_t>(left);
}

template <typename Each>
void each_attribute(const nlmsghdr* head, std::size_t skip, const Each& each) {
    const auto* end = static_cast<const std::uint8_t*>(mnl_nlmsg_get_payload_tail(head));
    const auto* a = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(head, skip));
    const auto left = [&] {
        return static_cast<int>(end - reinterpret_cast<const std::uint8_t*>(a));
    };
    for (; mnl_attr_ok(a, left()); a = mnl_attr_next(a)) each(a);
}

/// Sends a request for a dump and calls `each` for what comes. False: it broke off, with the system's number.
bool each_answer(int fd, std::vector<std::uint8_t>& request,
                 const std::function<void(const nlmsghdr*)>& each, int* error);

struct RuleFacts {
    bool ours = false;  // has our protocol number: this module's, though perhaps not this process's
    std::uint32_t table = 0;
    std::uint32_t mark = 0;
    std::uint32_t priority = 0;
};
RuleFacts facts_of_rule(const nlmsghdr* message);

struct RouteFacts {
    std::uint32_t table = 0;
    std::uint32_t device_index = 0;  // 0: it leads into none, but is unreachable, say
    std::uint32_t metric = 0;
};
RouteFacts facts_of_route(const nlmsghdr* message);

}  // namespace racoon::kernel_userspace
