// Remote access: `mode_cfg`, `radiuscfg`, `ldapcfg`.
#include <fmt/format.h>

#include "conf/builder.hpp"

namespace racoon::conf {

namespace {

constexpr std::size_t kMaxNets = 1024;  // of one list; an attribute holds no more than 4681
constexpr std::size_t kMaxTexts = 1024;

}  // namespace

std::optional<IpAddr> Builder::ipv4(const Value& v, std::string_view word) {
    const auto a = address(v);
    if (!a) return std::nullopt;
    if (a->family == Family::V4) return a;
    diagnostics_.error(
        v.where, fmt::format("{} takes an IPv4 address, found {}", quoted(word), quoted(v.text)));
    return std::nullopt;
}

void Builder::addresses(const Statement& s, std::size_t most, std::vector<IpAddr>& out) {
    for (const Value& v : s.values) {
        const auto a = ipv4(v, s.directive->keyword);
        if (!a) continue;
        if (out.size() < most) {
            out.push_back(*a);
            continue;
        }
        diagnostics_.error(v.where, fmt::format("{} takes at most {} addresses in all, this is one "
                                                "too many",
                                                quoted(s.directive->keyword), most));
        return;
    }
}

void Builder::texts(const Statement& s, std::vector<std::string>& out) {
    for (const Value& v : s.values) {
        if (v.text.empty()) {
            diagnostics_.error(v.where, fmt::format("{} takes texts that are not empty",
                                                    quoted(s.directive->keyword)));
        } else if (out.size() >= kMaxTexts) {
            diagnostics_.error(v.where, fmt::format("{} takes at most {} texts in all",
                                                    quoted(s.directive->keyword), kMaxTexts));
            return;
        } else {
            out.emplace_back(v.text);
        }
    }
}

void Builder::split_network(const Statement& s, ModeCfg& m) {
    const Split kind = s.values[0].text == "include" ? Split::Include : Split::LocalLan;
    if (m.split != Split::None && m.split != kind && !m.split_networks.empty())
        diagnostics_.warning(
            Warning::Repeated, s.values[0].where,
            fmt::format("split_network is of one kind: the nets named before count "
                        "as {} too",
                        s.values[0].text));
    m.split = kind;
    for (std::size_t i = 1; i + 1 < s.values.size(); i += 2) {
        if (!ipv4(s.values[i], s.directive->keyword)) continue;
        const auto n = net(s.values[i], s.values[i + 1]);
        if (!n) continue;
        if (m.split_networks.size() >= kMaxNets) {
            diagnostics_.error(s.values[i].where,
                               fmt::format("split_network takes at most {} nets in all", kMaxNets));
            return;
        }
        m.split_networks.push_back(*n);
    }
}

void Builder::mode_cfg(const Statement& block) {
    offer_only(block, "no client is served");
    if (!config_->mode_cfg) config_->mode_cfg.emplace();
    for (const Statement& s : block.body)
        if (!s.broken) mode_cfg_statement(s, *config_->mode_cfg);
}

void Builder::mode_cfg_statement(const Statement& s, ModeCfg& m) {
    const Value& v = s.values[0];
    switch (s.directive->word) {
        case Word::Network4:
            if (const auto a = ipv4(v, s.directive->keyword)) m.network4 = a;
            break;
        case Word::Netmask4:
            if (const auto a = ipv4(v, s.directive->keyword)) m.netmask4 = a;
            break;
        case Word::PoolSize:
            if (const auto n = number(s)) m.pool_size = static_cast<std::uint32_t>(*n);
            break;
        case Word::Dns4:
            addresses(s, ModeCfg::kMaxDns, m.dns4);
            break;
        case Word::Nbns4:
            addresses(s, ModeCfg::kMaxNbns, m.nbns4);
            break;
        case Word::SplitNetwork:
            split_network(s, m);
            break;
        case Word::SplitDns:
            texts(s, m.split_dns);
            break;
        case Word::DefaultDomain:
            m.default_domain = std::string(v.text);
            break;
        case Word::Banner:
            m.banner = std::string(v.text);
            break;
        case Word::AuthSource:
            m.auth_source = v.text == "radius" ? AuthSource::Radius
                            : v.text == "pam"  ? AuthSource::Pam
                            : v.text == "ldap" ? AuthSource::Ldap
                                               : AuthSource::System;
            break;
        case Word::AuthGroups:
            texts(s, m.auth_groups);
            break;
        case Word::GroupSource:
            m.group_source = v.text == "ldap" ? GroupSource::Ldap : GroupSource::System;
            break;
        case Word::ConfSource:
            m.conf_source = v.text == "radius" ? ConfSource::Radius
                            : v.text == "ldap" ? ConfSource::Ldap
                                               : ConfSource::Local;
            break;
        case Word::Accounting:
            m.accounting = v.text == "system"   ? Accounting::System
                           : v.text == "radius" ? Accounting::Radius
                           : v.text == "pam"    ? Accounting::Pam
                                                : Accounting::None;
            break;
        case Word::PfsGroup:
            if (const auto n = number(s)) m.pfs_group = static_cast<std::uint32_t>(*n);
            break;
        case Word::SavePasswd:
            m.save_passwd = on(v);
            break;
        case Word::AuthThrottle:
            if (const auto n = number(s)) m.auth_throttle = static_cast<std::uint32_t>(*n);
            break;
        default:
            break;
    }
}

void Builder::radius_cfg(const Statement& block) {
    if (!config_->radius) config_->radius.emplace();
    RadiusCfg& r = *config_->radius;
    for (const Statement& s : block.body) {
        if (s.broken) continue;
        const Value& v = s.values[0];
        switch (s.directive->word) {
            case Word::AuthServer:
            case Word::AcctServer: {
                auto& list = s.directive->word == Word::AuthServer ? r.auth : r.acct;
                if (v.text.empty())
                    diagnostics_.error(v.where, "a RADIUS server has a name or an address");
                else if (v.has_number && (v.number == 0 || v.number > 65535))
                    diagnostics_.error(v.number_where,
                                       fmt::format("a port is 1 to 65535, found {}", v.number));
                else if (list.size() >= RadiusCfg::kMaxServers)
                    diagnostics_.error(
                        s.where, fmt::format("more than {} {} servers", RadiusCfg::kMaxServers,
                                             s.directive->keyword));
                else
                    list.push_back({std::string(v.text), static_cast<std::uint16_t>(v.number),
                                    std::string(s.values[1].text)});
                break;
            }
            case Word::Timeout:
                if (const auto n = number(s)) r.timeout = static_cast<std::uint32_t>(*n);
                break;
            case Word::Retries:
                if (const auto n = number(s)) r.retries = static_cast<std::uint32_t>(*n);
                break;
            default:
                break;
        }
    }
}

void Builder::ldap_cfg(const Statement& block) {
    if (!config_->ldap) config_->ldap.emplace();
    LdapCfg& l = *config_->ldap;
    for (const Statement& s : block.body) {
        if (s.broken) continue;
        const Value& v = s.values[0];
        const std::string text(v.text);
        switch (s.directive->word) {
            case Word::LdapVersion:
                if (const auto n = number(s)) l.version = static_cast<std::uint8_t>(*n);
                break;
            case Word::LdapUri:
                l.uri = text;
                break;
            case Word::LdapHost:
                if (v.kind == Value::Kind::Word)
                    diagnostics_.warning(
                        Warning::Deprecated, v.where,
                        fmt::format("older racoons take the host of ldapcfg in double "
                                    "quotes only: write {}",
                                    quoted(text)));
                l.host = text;
                break;
            case Word::LdapPort:
                if (const auto n = number(s)) l.port = static_cast<std::uint16_t>(*n);
                break;
            case Word::LdapBase:
                l.base = text;
                break;
            case Word::LdapSubtree:
                l.subtree = on(v);
                break;
            case Word::LdapBindDn:
                l.bind_dn = text;
                break;
            case Word::LdapBindPw:
                l.bind_pw = text;
                break;
            case Word::LdapAttrUser:
                l.attr_user = text;
                break;
            case Word::LdapAttrAddr:
                l.attr_addr = text;
                break;
            case Word::LdapAttrMask:
                l.attr_mask = text;
                break;
            case Word::LdapAttrGroup:
                l.attr_group = text;
                break;
            case Word::LdapAttrMember:
                l.attr_member = text;
                break;
            case Word::Timeout:
                if (const auto n = number(s)) l.timeout = static_cast<std::uint32_t>(*n);
                break;
            case Word::LdapDebug:
                if (const auto n = number(s)) l.debug = static_cast<std::uint32_t>(*n);
                break;
            default:
                break;
        }
    }
}

}  // namespace racoon::conf
