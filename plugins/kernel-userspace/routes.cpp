#include "routes.hpp"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include <racoon/kernel_backend.hpp>

#include "netlink_messages.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::uint32_t kMarkPriority = 15000;
constexpr std::uint32_t kMiddlePriority = 20000;
constexpr std::int32_t kPrioritySpread = 4000;
constexpr std::uint32_t kHintPriority = 24001;
constexpr std::uint32_t kMainRule = 32766;  // the kernel's own rule for the main table
constexpr std::uint32_t kLastMetric = 0x7fffffff;
constexpr std::size_t kMessage = 1024;
constexpr const char* kHintTrouble = "a route that names the source of our own packets into a net";

int af(std::uint8_t family) {
    return family == 4 ? AF_INET : AF_INET6;
}
std::size_t address_size(std::uint8_t family) {
    return family == 4 ? 4 : 16;
}

bool in_net(const racoon_addr& net, unsigned prefix, const std::uint8_t* address) {
    for (unsigned bit = 0; bit < prefix; ++bit) {
        const unsigned mask = 0x80u >> (bit % 8);
        if (((net.bytes[bit / 8] ^ address[bit / 8]) & mask) != 0) return false;
    }
    return true;
}

// The kernel refuses a net with bits beyond its prefix.
void put_net(nlmsghdr* head, std::uint16_t type, const racoon_addr& net, unsigned prefix) {
    std::uint8_t bytes[16];
    std::memcpy(bytes, net.bytes, sizeof(bytes));
    for (unsigned bit = prefix; bit < 128; ++bit) {
        bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~(0x80u >> (bit % 8)));
    }
    mnl_attr_put(head, type, address_size(net.family), bytes);
}

void put_port(nlmsghdr* head, std::uint16_t type, std::uint16_t port) {
    const fib_rule_port_range range{port, port};
    if (port != 0) mnl_attr_put(head, type, sizeof(range), &range);
}

}  // namespace

bool Routes::talk(std::vector<std::uint8_t>& message, int* error) {
    auto* head = reinterpret_cast<nlmsghdr*>(message.data());
    head->nlmsg_seq = ++sequence_;
    head->nlmsg_flags = static_cast<std::uint16_t>(head->nlmsg_flags | NLM_F_REQUEST | NLM_F_ACK);
    *error = 0;
    if (::send(netlink_.get(), head, head->nlmsg_len, 0) < 0) {
        *error = errno;
        return false;
    }
    alignas(nlmsghdr) std::uint8_t buffer[8192];
    while (true) {
        const ssize_t n = ::recv(netlink_.get(), buffer, sizeof(buffer), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            *error = errno;
            return false;
        }
        const auto* answer = reinterpret_cast<const nlmsghdr*>(buffer);
        if (!is_whole(answer, static_cast<int>(n)) || answer->nlmsg_seq != sequence_) continue;
        if (answer->nlmsg_type != NLMSG_ERROR ||
            mnl_nlmsg_get_payload_len(answer) < sizeof(nlmsgerr)) {
            continue;
        }
        *error = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(answer))->error;
        return *error == 0;
    }
}

bool Routes::change_rule(bool add, const Rule& rule, int* error) {
    std::vector<std::uint8_t> message(kMessage);
    nlmsghdr* head = mnl_nlmsg_put_header(message.data());
    head->nlmsg_type = add ? RTM_NEWRULE : RTM_DELRULE;
    if (add) head->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
    auto* body = static_cast<fib_rule_hdr*>(mnl_nlmsg_put_extra_header(head, sizeof(fib_rule_hdr)));
    body->family = static_cast<std::uint8_t>(af(rule.family));
    body->action = rule.action;
    body->flags = rule.flags;
    mnl_attr_put_u32(head, FRA_PRIORITY, rule.priority);
    mnl_attr_put_u8(head, FRA_PROTOCOL, kRuleProtocol);
    mnl_attr_put_u32(head, FRA_TABLE, table_);  // with another action, only to know it by
    if (rule.action == FR_ACT_GOTO) mnl_attr_put_u32(head, FRA_GOTO, kMainRule);
    if (rule.mark != 0) {
        mnl_attr_put_u32(head, FRA_FWMARK, rule.mark);
        mnl_attr_put_u32(head, FRA_FWMASK, 0xffffffffu);
    }
    if (rule.selector != nullptr) {
        const racoon_selector& s = *rule.selector;
        body->dst_len = s.remote_prefix;
        if (s.remote_prefix != 0) put_net(head, FRA_DST, s.remote, s.remote_prefix);
        if (rule.unspecified_source) {
            const std::uint8_t zero[16] = {};
            body->src_len = static_cast<std::uint8_t>(address_size(rule.family) * 8);
            mnl_attr_put(head, FRA_SRC, address_size(rule.family), zero);
        } else {
            body->src_len = s.local_prefix;
            if (s.local_prefix != 0) put_net(head, FRA_SRC, s.local, s.local_prefix);
        }
        if (s.protocol != 0) mnl_attr_put_u8(head, FRA_IP_PROTO, s.protocol);
        put_port(head, FRA_SPORT_RANGE, s.local.port);
        put_port(head, FRA_DPORT_RANGE, s.remote.port);
    }
    return talk(message, error);
}

nlmsghdr* Routes::begin_route(std::vector<std::uint8_t>& message, bool add, std::uint8_t family,
                              std::uint8_t type, unsigned prefix, std::uint32_t table) const {
    nlmsghdr* head = mnl_nlmsg_put_header(message.data());
    head->nlmsg_type = add ? RTM_NEWROUTE : RTM_DELROUTE;
    if (add) head->nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE;
    auto* body = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(head, sizeof(rtmsg)));
    body->rtm_family = static_cast<std::uint8_t>(af(family));
    body->rtm_dst_len = static_cast<std::uint8_t>(prefix);
    body->rtm_table = RT_TABLE_UNSPEC;
    body->rtm_protocol = RTPROT_STATIC;
    body->rtm_scope = family == 4 && type == RTN_UNICAST ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    body->rtm_type = type;
    mnl_attr_put_u32(head, RTA_TABLE, table);
    return head;
}

bool Routes::change_route(bool add, std::uint8_t family, const racoon_addr* net, unsigned prefix,
                          const racoon_addr* source, int* error) {
    std::vector<std::uint8_t> message(kMessage);
    nlmsghdr* head = begin_route(message, add, family, RTN_UNICAST, prefix, table_);
    mnl_attr_put_u32(head, RTA_OIF, device_index_);
    if (net != nullptr && prefix != 0) put_net(head, RTA_DST, *net, prefix);
    if (source != nullptr) mnl_attr_put(head, RTA_PREFSRC, address_size(family), source->bytes);
    return talk(message, error);
}

// The kernel takes the routes into the device away when it is set down or we are killed. What the rules
// lead here must not fall through to the main table then, in the clear.
bool Routes::change_last_route(bool add, std::uint8_t family, std::uint32_t table, int* error) {
    std::vector<std::uint8_t> message(kMessage);
    nlmsghdr* head = begin_route(message, add, family, RTN_UNREACHABLE, 0, table);
    mnl_attr_put_u32(head, RTA_PRIORITY, kLastMetric);
    return talk(message, error);
}

/// The table's first or last route, unless it is there: then EEXIST.
bool Routes::restore_route(std::uint8_t family, std::uint8_t type, int* error) {
    std::vector<std::uint8_t> message(kMessage);
    nlmsghdr* head = begin_route(message, true, family, type, 0, table_);
    head->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
    if (type == RTN_UNREACHABLE)
        mnl_attr_put_u32(head, RTA_PRIORITY, kLastMetric);
    else
        mnl_attr_put_u32(head, RTA_OIF, device_index_);
    return talk(message, error);
}

bool Routes::local_address_in(const racoon_addr& net, unsigned prefix, racoon_addr* found,
                              int* error) {
    std::vector<std::uint8_t> message(kMessage);
    nlmsghdr* head = mnl_nlmsg_put_header(message.data());
    head->nlmsg_type = RTM_GETADDR;
    head->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    head->nlmsg_seq = ++sequence_;
    auto* body = static_cast<ifaddrmsg*>(mnl_nlmsg_put_extra_header(head, sizeof(ifaddrmsg)));
    body->ifa_family = static_cast<std::uint8_t>(af(net.family));
    bool done = false;
    each_answer(
        netlink_.get(), message,
        [&](const nlmsghdr* answer) {
            if (done || answer->nlmsg_type != RTM_NEWADDR ||
                mnl_nlmsg_get_payload_len(answer) < sizeof(ifaddrmsg)) {
                return;
            }
            each_attribute(answer, sizeof(ifaddrmsg), [&](const nlattr* a) {
                const std::uint16_t wanted = net.family == 4 ? IFA_LOCAL : IFA_ADDRESS;
                const auto* bytes = static_cast<const std::uint8_t*>(mnl_attr_get_payload(a));
                if (done || mnl_attr_get_type(a) != wanted ||
                    mnl_attr_get_payload_len(a) != address_size(net.family) ||
                    !in_net(net, prefix, bytes)) {
                    return;
                }
                *found = {};
                found->family = net.family;
                std::memcpy(found->bytes, bytes, address_size(net.family));
                done = true;
            });
        },
        error);
    return done;
}

bool Routes::is_local(const racoon_addr& address) {
    racoon_addr found{};
    int error = 0;
    return local_address_in(address, address.family == 6 ? 128 : 32, &found, &error);
}

bool Routes::open(const std::string& device, std::uint32_t table, std::uint32_t mark,
                  Failure* failure) {
    table_ = table;
    mark_ = mark;
    device_index_ = ::if_nametoindex(device.c_str());
    if (device_index_ == 0) {
        *failure = failure_of("device " + device, errno);
        return false;
    }
    netlink_ = Fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!netlink_) {
        *failure = failure_of("rtnetlink socket", errno);
        return false;
    }
    int error = 0;
    if (!remove_leftovers(true, &error)) {
        *failure = failure_of("routing rules of an earlier run", error);
        return false;
    }
    families_.clear();
    no_ipv6_ = {};
    for (const std::uint8_t family : {std::uint8_t{4}, std::uint8_t{6}}) {
        const char* const what =
            !change_last_route(true, family, table_, &error)           ? "last route of the table"
            : !change_route(true, family, nullptr, 0, nullptr, &error) ? "route into the device"
            : !change_rule(true, bypass_rule(family), &error) ? "routing rule of our own packets"
                                                              : nullptr;
        if (what == nullptr) {
            families_.push_back(family);
            continue;
        }
        *failure = failure_of(std::string(what) + (family == 4 ? " (IPv4)" : " (IPv6)"), error);
        int ignored = 0;
        change_last_route(false, family, table_, &ignored);
        if (family == 4) return false;
        no_ipv6_ = *failure;  // a kernel without it is no failure
        change_route(false, family, nullptr, 0, nullptr, &ignored);
    }
    return true;
}

bool Routes::renew(const std::string& device, Failure* failure) {
    device_index_ = ::if_nametoindex(device.c_str());
    int error = ENODEV;
    for (const std::uint8_t family : families_) {
        if (device_index_ == 0 || !change_route(true, family, nullptr, 0, nullptr, &error)) {
            *failure = failure_of("route into " + device, error);
            return false;
        }
    }
    for (auto& [id, entry] : added_) add_source_hint(entry, &error);
    return true;
}

void Routes::close() {
    if (!netlink_) return;
    Failure ignored;  // what could not be removed is looked for once more
    while (!added_.empty()) {
        const std::uint32_t id = added_.begin()->first;
        if (!remove(id, &ignored)) added_.erase(id);
    }
    int error = 0;
    remove_leftovers(false, &error);
    for (const std::uint8_t family : families_) {
        change_route(false, family, nullptr, 0, nullptr, &error);
        change_last_route(false, family, table_, &error);
    }
    families_.clear();
    netlink_ = Fd();
}

std::uint32_t Routes::port() const {
    sockaddr_nl own{};
    socklen_t size = sizeof(own);
    const bool known = ::getsockname(netlink_.get(), reinterpret_cast<sockaddr*>(&own), &size) == 0;
    return known ? own.nl_pid : 0;
}

Routes::Rule Routes::bypass_rule(std::uint8_t family) const {
    Rule rule;
    rule.family = family;
    rule.action = FR_ACT_GOTO;
    rule.priority = kMarkPriority;
    rule.mark = mark_;
    return rule;
}

Routes::Rule Routes::policy_rule(const racoon_kernel_policy& policy) const {
    Rule rule;
    rule.family = policy.selector.local.family;
    rule.action = policy.action == RACOON_POLICY_IPSEC     ? FR_ACT_TO_TBL
                  : policy.action == RACOON_POLICY_DISCARD ? FR_ACT_BLACKHOLE
                                                           : FR_ACT_GOTO;
    const std::int32_t step = std::clamp(policy.priority, -kPrioritySpread, kPrioritySpread);
    rule.priority = static_cast<std::uint32_t>(static_cast<std::int32_t>(kMiddlePriority) - step);
    // An IPv6 packet without a source yet passes such a rule and is given one that fits it.
    if (rule.family == 6 && policy.selector.local_prefix != 0) rule.flags = FIB_RULE_FIND_SADDR;
    return rule;
}

bool Routes::shares_route(const racoon_kernel_policy& policy) const {
    for (const auto& [id, other] : added_) {
        const racoon_selector& a = other.policy.selector;
        const racoon_selector& b = policy.selector;
        if (id != policy.id && other.source_hint && a.remote_prefix == b.remote_prefix &&
            sdk::same_address(a.remote, b.remote)) {
            return true;
        }
    }
    return false;
}

bool Routes::add(const racoon_kernel_policy& policy, Failure* failure) {
    const std::uint8_t family = policy.selector.local.family;
    if (std::find(families_.begin(), families_.end(), family) == families_.end()) {
        *failure = {"this kernel has no IPv6 here: " + no_ipv6_.text, no_ipv6_.os_errno};
        return false;
    }
    Added& entry = added_[policy.id];
    entry.policy = policy;
    Rule rule = policy_rule(policy);
    rule.selector = &entry.policy.selector;
    int error = 0;
    if (!change_rule(true, rule, &error)) {
        *failure = failure_of("routing rule", error);
        take_back(rule, error);
        added_.erase(policy.id);
        return false;
    }
    add_hint(entry);
    return true;
}

bool Routes::replace(std::uint32_t old_id, const racoon_kernel_policy& policy, Failure* failure) {
    const auto at = added_.find(old_id);
    if (at == added_.end()) return add(policy, failure);
    const Added old = at->second;
    Rule was = policy_rule(old.policy);
    was.selector = &old.policy.selector;
    Rule rule = policy_rule(policy);
    rule.selector = &policy.selector;
    int error = 0;
    if (rule.action != was.action || rule.priority != was.priority) {
        if (!change_rule(true, rule, &error)) {
            *failure = failure_of("routing rule", error);
            take_back(rule, error);
            return false;
        }
        if (!change_rule(false, was, &error) && error != ENOENT) {
            *failure = failure_of("routing rule of the policy before", error);
            take_back(rule, error);
            return false;
        }
    }
    added_.erase(at);
    Added& entry = added_[policy.id];
    entry.policy = policy;
    entry.source_hint = old.source_hint && policy.action == RACOON_POLICY_IPSEC;
    if (!entry.source_hint) {
        if (old.source_hint)
            remove_hint(old);
        else
            add_hint(entry);
    }
    return true;
}

// Where the request was sent and its answer did not come, nobody knows what the kernel did.
void Routes::take_back(const Rule& rule, int error) {
    int ignored = 0;
    if (error != EEXIST) change_rule(false, rule, &ignored);
}

Routes::Rule Routes::hint_rule(const racoon_kernel_policy& policy) const {
    Rule rule = policy_rule(policy);
    rule.selector = &policy.selector;
    rule.priority = kHintPriority;
    rule.unspecified_source = true;
    return rule;
}

void Routes::add_hint(Added& entry) {
    int error = 0;
    if (add_source_hint(entry, &error)) change_rule(true, hint_rule(entry.policy), &error);
    if (error != 0 && error != EEXIST) trouble_(failure_of(kHintTrouble, error));
}

// A socket without an address gets one that the policy covers; this is comfort, not protection, and a net
// that holds no address of this host needs none.
bool Routes::add_source_hint(Added& entry, int* error) {
    const racoon_selector& s = entry.policy.selector;
    racoon_addr source{};
    const bool wanted =
        s.local.family == 4 && entry.policy.action == RACOON_POLICY_IPSEC && s.remote_prefix != 0;
    *error = 0;
    if (!wanted || !local_address_in(s.local, s.local_prefix, &source, error)) return false;
    entry.source_hint = change_route(true, 4, &s.remote, s.remote_prefix, &source, error);
    return entry.source_hint;
}

bool Routes::remove(std::uint32_t policy_id, Failure* failure) {
    const auto at = added_.find(policy_id);
    if (at == added_.end()) return true;
    int error = 0;
    Rule rule = policy_rule(at->second.policy);
    rule.selector = &at->second.policy.selector;
    if (!change_rule(false, rule, &error) && error != ENOENT) {
        *failure = failure_of("routing rule", error);
        return false;
    }
    const Added gone = at->second;
    added_.erase(at);
    if (gone.source_hint) remove_hint(gone);
    return true;
}

/// Of a policy that is no longer in added_.
void Routes::remove_hint(const Added& entry) {
    if (shares_route(entry.policy)) return;
    const racoon_selector& s = entry.policy.selector;
    int error = 0;
    change_rule(false, hint_rule(entry.policy), &error);
    change_route(false, s.remote.family, &s.remote, s.remote_prefix, nullptr, &error);
}

}  // namespace racoon::kernel_userspace
