// What a gateway gives to dialling-in clients, and whom it asks about them: `mode_cfg`, `radiuscfg`
// and `ldapcfg` as they stand in racoon.conf. Part of Config.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/net_addr.hpp"

namespace racoon::conf {

enum class AuthSource : std::uint8_t { System, Radius, Pam, Ldap };
enum class GroupSource : std::uint8_t { System, Ldap };
enum class ConfSource : std::uint8_t { Local, Radius, Ldap };
enum class Accounting : std::uint8_t { None, System, Radius, Pam };
enum class Split : std::uint8_t { None, Include, LocalLan };

struct ModeCfg {
    static constexpr std::size_t kMaxDns = 3;
    static constexpr std::size_t kMaxNbns = 4;

    std::optional<IpAddr> network4;  // the pool's first address
    std::optional<IpAddr> netmask4;
    std::optional<std::uint32_t> pool_size;
    std::vector<IpAddr> dns4, nbns4;
    Split split = Split::None;  // what split_networks are
    std::vector<Prefix> split_networks;
    std::vector<std::string> split_dns;
    std::string default_domain;
    std::string banner = "/etc/motd";
    AuthSource auth_source = AuthSource::System;
    std::vector<std::string> auth_groups;
    GroupSource group_source = GroupSource::System;
    ConfSource conf_source = ConfSource::Local;
    Accounting accounting = Accounting::None;
    std::uint32_t pfs_group = 0;
    bool save_passwd = false;
    std::uint32_t auth_throttle = 1;  // seconds; 0: none

    /// Addresses to give away: what is written, else 255 behind network4, else none.
    std::uint32_t pool() const { return pool_size.value_or(network4 ? 255u : 0u); }
};

struct RadiusServer {
    std::string host;
    std::uint16_t port = 0;  // 0: the service's own
    std::string secret;
};
struct RadiusCfg {
    static constexpr std::size_t kMaxServers = 5;  // of each kind
    std::vector<RadiusServer> auth, acct;
    std::uint32_t timeout = 3;  // seconds
    std::uint32_t retries = 3;
};

struct LdapCfg {
    std::uint8_t version = 3;
    std::string uri;  // when set, host and port do not count
    std::string host = "localhost";
    std::uint16_t port = 389;
    std::string base;
    bool subtree = false;
    std::string bind_dn, bind_pw;  // empty: anonymous
    std::string attr_user = "cn";
    std::string attr_addr = "racoon-address";
    std::string attr_mask = "racoon-netmask";
    std::string attr_group = "cn";
    std::string attr_member = "member";
    std::optional<std::uint32_t> timeout;  // seconds; unset: the library's own
    std::uint32_t debug = 0;
};

}  // namespace racoon::conf
