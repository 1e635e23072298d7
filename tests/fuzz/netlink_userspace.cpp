// fuzz: racoon_userspace_netlink
// What the kernel tells kernel-userspace by netlink: rules and routes, and tables of the packet filter. And a table
// made of any policies, whose messages lie one behind the other without a gap.
#include <libmnl/libmnl.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "guard_messages.hpp"
#include "netlink_messages.hpp"

namespace {

using namespace racoon::kernel_userspace;

void read_all(std::vector<std::uint8_t>& bytes) {
    int left = static_cast<int>(bytes.size());
    const auto* head = reinterpret_cast<const nlmsghdr*>(bytes.data());
    for (; is_whole(head, left); head = mnl_nlmsg_next(head, &left)) {
        facts_of_rule(head);
        facts_of_route(head);
        guard_table_number(table_told(head));
        guard_table_number(table_lost(head));
    }
}

void write_table(const std::uint8_t* data, std::size_t size) {
    std::vector<GuardRule> rules;
    for (; size >= sizeof(racoon_selector) + 1; data += sizeof(racoon_selector) + 1) {
        GuardRule rule;
        std::memcpy(&rule.selector, data, sizeof(racoon_selector));
        racoon_selector& s = rule.selector;
        s.local.family = s.remote.family = s.local.family % 2 == 0 ? 4 : 6;
        const unsigned most = s.local.family == 4 ? 32 : 128;
        s.local_prefix = static_cast<std::uint8_t>(s.local_prefix % (most + 1));
        s.remote_prefix = static_cast<std::uint8_t>(s.remote_prefix % (most + 1));
        rule.admits = data[sizeof(racoon_selector)] % 2 == 0;
        rules.push_back(rule);
        size -= sizeof(racoon_selector) + 1;
    }
    GuardBatch batch = put_guard({guard_table_name(7), "racoon0", {500, 4500}}, rules, 1);
    int left = static_cast<int>(batch.bytes.size());
    const auto* head = reinterpret_cast<const nlmsghdr*>(batch.bytes.data());
    std::uint32_t sequence = 1;
    for (; is_whole(head, left); head = mnl_nlmsg_next(head, &left))
        if (head->nlmsg_seq != sequence++) std::abort();
    if (left != 0 || sequence != batch.last + 2) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // As aligned as what is received.
    std::vector<std::uint8_t> bytes(data, data + size);
    read_all(bytes);
    write_table(data, size);
    return 0;
}
