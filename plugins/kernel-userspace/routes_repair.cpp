// What a run that was killed has left, and what others take away while we run.
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

#include "netlink_messages.hpp"
#include "routes.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::size_t kRequest = 256;

nlmsghdr* begin_dump(std::vector<std::uint8_t>& message, std::uint16_t type,
                     std::uint32_t sequence) {
    message.assign(kRequest, 0);
    nlmsghdr* head = mnl_nlmsg_put_header(message.data());
    head->nlmsg_type = type;
    head->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    head->nlmsg_seq = sequence;
    return head;
}

std::uint8_t family_of_socket(std::uint8_t family) {
    return family == 4 ? AF_INET : AF_INET6;
}

}  // namespace

/// Which of `tables` have a route into a device: whoever made them is alive, since a killed one's device
/// has gone and taken its routes along.
bool Routes::lead_into_devices(std::uint8_t family, std::set<std::uint32_t>* tables, int* error) {
    std::vector<std::uint8_t> message;
    nlmsghdr* head = begin_dump(message, RTM_GETROUTE, ++sequence_);
    auto* body = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(head, sizeof(rtmsg)));
    body->rtm_family = family_of_socket(family);
    std::set<std::uint32_t> alive;
    const bool read = each_answer(
        netlink_.get(), message,
        [&](const nlmsghdr* answer) {
            if (answer->nlmsg_type != RTM_NEWROUTE) return;
            const RouteFacts route = facts_of_route(answer);
            if (route.device_index != 0 && tables->count(route.table) != 0)
                alive.insert(route.table);
        },
        error);
    *tables = alive;
    return read;
}

bool Routes::is_in_use(std::uint32_t table) {
    int error = 0;
    for (const std::uint8_t family : {std::uint8_t{4}, std::uint8_t{6}}) {
        std::set<std::uint32_t> alive{table};
        const bool read = lead_into_devices(family, &alive, &error);
        if (!read && (error == EAFNOSUPPORT || error == EOPNOTSUPP))
            continue;  // there may be no IPv6
        if (!read || !alive.empty()) return true;
    }
    return false;
}

/// Of this table, which is ours alone. `of_others`: and of any other run whose device has gone, since its
/// settings may have changed meanwhile.
bool Routes::remove_leftovers(bool of_others, int* error) {
    struct Left {
        std::uint32_t table;
        std::vector<std::uint8_t> rule;
    };
    *error = 0;
    int one = 0;
    const auto failed = [&] {
        if (*error == 0) *error = one;
    };
    for (const std::uint8_t family : {std::uint8_t{4}, std::uint8_t{6}}) {
        std::vector<std::uint8_t> message;
        nlmsghdr* head = begin_dump(message, RTM_GETRULE, ++sequence_);
        auto* body =
            static_cast<fib_rule_hdr*>(mnl_nlmsg_put_extra_header(head, sizeof(fib_rule_hdr)));
        body->family = family_of_socket(family);
        std::vector<Left> left;
        std::set<std::uint32_t> others;
        const bool read = each_answer(
            netlink_.get(), message,
            [&](const nlmsghdr* answer) {
                const RuleFacts rule = facts_of_rule(answer);
                if (answer->nlmsg_type != RTM_NEWRULE || !rule.ours) return;
                // Without a table: of a release that gave it to the rules into the device alone.
                const bool own = rule.table != 0 ? rule.table == table_ : rule.mark == mark_;
                if (!own && (!of_others || rule.table == 0)) return;
                if (!own) others.insert(rule.table);
                const auto* bytes = reinterpret_cast<const std::uint8_t*>(answer);
                left.push_back({rule.table, {bytes, bytes + answer->nlmsg_len}});
            },
            &one);
        if (!read) {
            if (one != EAFNOSUPPORT && one != EOPNOTSUPP) failed();  // there may be no IPv6
            continue;
        }
        std::set<std::uint32_t> alive = others;
        if (!others.empty() && !lead_into_devices(family, &alive, &one)) {
            failed();
            continue;
        }
        for (Left& rule : left) {  // it is deleted by sending it back
            if (alive.count(rule.table) != 0) continue;
            auto* again = reinterpret_cast<nlmsghdr*>(rule.rule.data());
            again->nlmsg_type = RTM_DELRULE;
            again->nlmsg_flags = 0;
            if (!talk(rule.rule, &one) && one != ENOENT) failed();
        }
        for (const std::uint32_t table : others) {
            int ignored = 0;
            if (alive.count(table) == 0) change_last_route(false, family, table, &ignored);
        }
    }
    return *error == 0;
}

std::size_t Routes::repair(Failure* failure) {
    std::size_t back = 0;
    int error = 0;
    const auto put = [&](bool done, const char* what) {
        if (done) ++back;
        // A device that is down takes no routes; they come when it is up.
        if (!done && error != EEXIST && error != ENETDOWN) *failure = failure_of(what, error);
    };
    for (const std::uint8_t family : families_) {
        put(restore_route(family, RTN_UNREACHABLE, &error), "last route of the table");
        put(restore_route(family, RTN_UNICAST, &error), "route into the device");
        put(change_rule(true, bypass_rule(family), &error), "routing rule of our own packets");
    }
    for (auto& [id, entry] : added_) {
        Rule rule = policy_rule(entry.policy);
        rule.selector = &entry.policy.selector;
        put(change_rule(true, rule, &error), "routing rule");
        repair_hint(entry);
    }
    return back;
}

// The address may have gone, and the kernel its route with it; or it has only come now.
void Routes::repair_hint(Added& entry) {
    int error = 0;
    const bool had = entry.source_hint;
    entry.source_hint = false;
    if (add_source_hint(entry, &error)) {
        change_rule(true, hint_rule(entry.policy), &error);
    } else if (had && error == 0) {
        remove_hint(entry);
    } else {
        entry.source_hint = had;  // of a device that is down, say
    }
}

}  // namespace racoon::kernel_userspace
