// Routing by rule: what an outbound policy's selector covers goes into the TUN device through a table
// of our own, and the daemon's own packets, which carry a mark, never do. So a policy between the two
// hosts themselves does not loop, and no route of the administrator is touched. Behind the device the
// table ends in an unreachable route: without the device there is no traffic, rather than in the clear.
//
//     15000           marked packets → main table
//     16000 … 24000   per outbound policy, by its priority: to our table, to main (none), or nowhere
//     24001           packets without a source yet, so that ours has the route's
//
// All rules carry our protocol number and the number of our table, by which they are known again.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <racoon/plugin/kernel.h>

#include "devices.hpp"

struct nlmsghdr;

namespace racoon::kernel_userspace {

class Routes {
  public:
    ~Routes() { close(); }
    /// Gets told what fails without making a request fail.
    void on_trouble(std::function<void(const Failure&)> told) { trouble_ = std::move(told); }
    /// Removes what an earlier run left, then sets the marked packets' rule and default routes into
    /// the device. `device` must be up.
    bool open(const std::string& device, std::uint32_t table, std::uint32_t mark, Failure* failure);
    /// After the device was made anew: its routes again. The rules have stayed.
    bool renew(const std::string& device, Failure* failure);
    /// What somebody else has taken away comes again: how many rules and routes. The routes into a device
    /// that is down cannot; they come when it is up.
    std::size_t repair(Failure* failure);
    /// Removes all that it added.
    void close();
    bool add(const racoon_kernel_policy& policy, Failure* failure);
    /// Traffic meets the rule of the old policy or of the new one, which is for the same traffic; when it
    /// fails, the old one's has stayed.
    bool replace(std::uint32_t old_id, const racoon_kernel_policy& policy, Failure* failure);
    /// False: the rule is still there, and so is the policy.
    bool remove(std::uint32_t policy_id, Failure* failure);

    /// Whether this host has that address now.
    bool is_local(const racoon_addr& address);

    /// Whether a table leads into a device, so that whoever made it is alive. What cannot be read is in use.
    bool is_in_use(std::uint32_t table);

    std::uint32_t device_index() const { return device_index_; }
    /// The netlink port of our requests.
    std::uint32_t port() const;

  private:
    struct Rule {
        std::uint8_t family = 0;
        std::uint8_t action = 0;
        std::uint32_t priority = 0;
        std::uint32_t flags = 0;
        std::uint32_t mark = 0;
        const racoon_selector* selector = nullptr;
        bool unspecified_source = false;
    };
    struct Added {
        racoon_kernel_policy policy{};
        bool source_hint = false;
    };

    bool change_rule(bool add, const Rule& rule, int* error);
    bool put_rule(const Rule& rule, int* error);
    void add_hint(Added& entry);
    void remove_hint(const Added& entry);
    bool add_source_hint(Added& entry, int* error);
    nlmsghdr* begin_route(std::vector<std::uint8_t>& message, bool add, std::uint8_t family,
                          std::uint8_t type, unsigned prefix, std::uint32_t table) const;
    bool change_last_route(bool add, std::uint8_t family, std::uint32_t table, int* error);
    bool restore_route(std::uint8_t family, std::uint8_t type, int* error);
    bool change_route(bool add, std::uint8_t family, const racoon_addr* net, unsigned prefix,
                      const racoon_addr* source, int* error);
    bool local_address_in(const racoon_addr& net, unsigned prefix, racoon_addr* found, int* error);
    void take_back(const Rule& rule, int error);
    Rule bypass_rule(std::uint8_t family) const;
    Rule hint_rule(const racoon_kernel_policy& policy) const;
    bool remove_leftovers(bool of_others, int* error);
    bool lead_into_devices(std::uint8_t family, std::set<std::uint32_t>* tables, int* error);
    void repair_hint(Added& entry);
    bool talk(std::vector<std::uint8_t>& message, int* error);
    Rule policy_rule(const racoon_kernel_policy& policy) const;
    bool shares_route(const racoon_kernel_policy& policy) const;

    Fd netlink_;
    std::uint32_t sequence_ = 0;
    std::uint32_t device_index_ = 0;
    std::uint32_t table_ = 0;
    std::uint32_t mark_ = 0;
    std::vector<std::uint8_t> families_;
    std::function<void(const Failure&)> trouble_ = [](const Failure&) {};
    Failure no_ipv6_;  // why 6 is not among them
    std::map<std::uint32_t, Added> added_;
};

}  // namespace racoon::kernel_userspace
