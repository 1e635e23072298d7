// Routing by rule: what an outbound policy's selector covers goes into the TUN device through a table
// of our own, and the daemon's own packets, which carry a mark, never do. So a policy between the two
// hosts themselves does not loop, and no route of the administrator is touched. Behind the device the
// table ends in an unreachable route: without the device there is no traffic, rather than in the clear.
//
//     15000           marked packets → main table
//     16000 … 24000   per outbound policy, by its priority: to our table, to main (none), or nowhere
//     24001           packets without a source yet, so that ours has the route's
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <racoon/plugin/kernel.h>

#include "devices.hpp"

struct nlmsghdr;

namespace racoon::kernel_userspace {

class Routes {
  public:
    ~Routes() { close(); }
    /// Removes what an earlier run left, then sets the marked packets' rule and default routes into
    /// the device. `device` must be up.
    bool open(const std::string& device, std::uint32_t table, std::uint32_t mark, Failure* failure);
    /// After the device was made anew: its routes again. The rules have stayed.
    bool renew(const std::string& device, Failure* failure);
    /// Removes all that it added.
    void close();
    bool add(const racoon_kernel_policy& policy, Failure* failure);
    /// Traffic meets the rule of the old policy or of the new one, which is for the same traffic; when it
    /// fails, the old one's has stayed.
    bool replace(std::uint32_t old_id, const racoon_kernel_policy& policy, Failure* failure);
    void remove(std::uint32_t policy_id);

  private:
    struct Rule {
        std::uint8_t family = 0;
        std::uint8_t action = 0;
        std::uint32_t priority = 0;
        std::uint32_t table = 0;
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
    void add_hint(Added& entry);
    void remove_hint(const Added& entry);
    bool add_source_hint(Added& entry, int* error);
    nlmsghdr* begin_route(std::vector<std::uint8_t>& message, bool add, std::uint8_t family,
                          std::uint8_t type, unsigned prefix) const;
    bool change_last_route(bool add, std::uint8_t family, int* error);
    bool change_route(bool add, std::uint8_t family, const racoon_addr* net, unsigned prefix,
                      const racoon_addr* source, int* error);
    bool local_address_in(const racoon_addr& net, unsigned prefix, racoon_addr* found);
    void remove_leftovers();
    bool talk(std::vector<std::uint8_t>& message, int* error);
    Rule policy_rule(const racoon_kernel_policy& policy) const;
    bool shares_route(const racoon_kernel_policy& policy) const;

    Fd netlink_;
    std::uint32_t sequence_ = 0;
    std::uint32_t device_index_ = 0;
    std::uint32_t table_ = 0;
    std::uint32_t mark_ = 0;
    std::vector<std::uint8_t> families_;
    std::map<std::uint32_t, Added> added_;
};

}  // namespace racoon::kernel_userspace
