// The guard as messages of nf_tables: one table, made anew in one transaction, so that there is no instant without it.
//
//     table inet racoon-7261 {
//         chain input {                                   # for this host, put together from its fragments (IPv4)
//             iifname "racoon0" return                    # out of SAs, and the data process has judged it
//             iiftype loopback return
//             ESP, AH, IPComp, UDP to our ports return    # which are for our own sockets
//             ICMPv6 of neighbour discovery return        # never protected, since it never is routed to our device
//             jump policies
//         }
//         chain forward { iifname "racoon0" return; jump policies }
//         chain policies { … return or drop }
//     }
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "bytes.hpp"
#include "guard.hpp"

struct nlmsghdr;

namespace racoon::kernel_userspace {

/// By the number of the routing table, which tells one run's from another's.
std::string guard_table_name(std::uint32_t table);
/// Nothing: it is no table of a guard.
std::optional<std::uint32_t> guard_table_number(std::string_view name);

struct GuardTable {
    std::string name;
    std::string device;               // whose packets have been judged
    std::set<std::uint16_t> ports{};  // of UDP, where IKE is listened for
};

/// A transaction. Its messages are numbered from `sequence` on, and `last` is the one that is acknowledged.
struct GuardBatch {
    Bytes bytes;
    std::uint32_t last = 0;
};
GuardBatch put_guard(const GuardTable& table, const std::vector<GuardRule>& rules,
                     std::uint32_t sequence);
/// There may be none.
GuardBatch remove_guard(const std::string& name, std::uint32_t sequence);
/// A request that tells all tables.
Bytes list_guards(std::uint32_t sequence);
/// The table of an answer to that, or of a message about something that has gone; empty: of neither.
std::string_view table_told(const nlmsghdr* message);
std::string_view table_lost(const nlmsghdr* message);

}  // namespace racoon::kernel_userspace
