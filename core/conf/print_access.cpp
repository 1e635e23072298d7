// `mode_cfg`, `radiuscfg` and `ldapcfg` as racoon.conf.
#include <fmt/format.h>

#include "conf/print.hpp"
#include "conf/print_text.hpp"

namespace racoon::conf::text {

namespace {

template <typename List, typename Text>
void list(std::string& out, std::string_view directive, const List& items, Text item) {
    if (items.empty()) return;
    out += fmt::format("    {} ", directive);
    for (std::size_t i = 0; i < items.size(); ++i) out += (i == 0 ? "" : ", ") + item(items[i]);
    out += ";\n";
}

const char* name(AuthSource s) {
    switch (s) {
        case AuthSource::System:
            return "system";
        case AuthSource::Radius:
            return "radius";
        case AuthSource::Pam:
            return "pam";
        case AuthSource::Ldap:
            return "ldap";
    }
    return "";
}

const char* name(ConfSource s) {
    return s == ConfSource::Radius ? "radius" : s == ConfSource::Ldap ? "ldap" : "local";
}

const char* name(Accounting a) {
    switch (a) {
        case Accounting::None:
            return "none";
        case Accounting::System:
            return "system";
        case Accounting::Radius:
            return "radius";
        case Accounting::Pam:
            return "pam";
    }
    return "";
}

std::string mode_cfg(const ModeCfg& m) {
    const auto address = [](const IpAddr& a) { return a.text(); };
    const auto string = [](const std::string& s) { return quote(s); };
    std::string out = "mode_cfg {\n";
    if (m.network4) out += fmt::format("    network4 {};\n", m.network4->text());
    if (m.netmask4) out += fmt::format("    netmask4 {};\n", m.netmask4->text());
    if (m.pool_size) out += fmt::format("    pool_size {};\n", *m.pool_size);
    list(out, "dns4", m.dns4, address);
    list(out, "nbns4", m.nbns4, address);
    list(out, m.split == Split::LocalLan ? "split_network local_lan" : "split_network include",
         m.split_networks, [](const Prefix& p) { return p.text(); });
    list(out, "split_dns", m.split_dns, string);
    if (!m.default_domain.empty())
        out += fmt::format("    default_domain {};\n", quote(m.default_domain));
    out +=
        fmt::format("    banner {};\n    auth_source {};\n", quote(m.banner), name(m.auth_source));
    list(out, "auth_groups", m.auth_groups, string);
    out += fmt::format(
        "    group_source {};\n    conf_source {};\n    accounting {};\n    pfs_group {};\n"
        "    save_passwd {};\n    auth_throttle {};\n}}\n",
        m.group_source == GroupSource::Ldap ? "ldap" : "system", name(m.conf_source),
        name(m.accounting), m.pfs_group, on_off(m.save_passwd), m.auth_throttle);
    return out;
}

std::string radius(const RadiusCfg& r, bool secrets) {
    std::string out = "radiuscfg {\n";
    const auto servers = [&](const char* directive, const std::vector<RadiusServer>& all) {
        for (const RadiusServer& s : all)
            out += fmt::format("    {} {}{} {};\n", directive, quote(s.host),
                               s.port == 0 ? std::string() : fmt::format(" [{}]", s.port),
                               quote(secrets ? s.secret : kNotShown));
    };
    servers("auth", r.auth);
    servers("acct", r.acct);
    return out + fmt::format("    timeout {};\n    retries {};\n}}\n", r.timeout, r.retries);
}

std::string ldap(const LdapCfg& l, bool secrets) {
    std::string out = fmt::format("ldapcfg {{\n    version {};\n", l.version);
    const auto text = [&](const char* directive, std::string_view value) {
        if (!value.empty()) out += fmt::format("    {} {};\n", directive, quote(value));
    };
    text("uri", l.uri);
    out += fmt::format("    host {};\n", quote(l.host));
    out += fmt::format("    port {};\n", l.port);
    text("base", l.base);
    out += fmt::format("    subtree {};\n", on_off(l.subtree));
    text("bind_dn", l.bind_dn);
    text("bind_pw", secrets || l.bind_pw.empty() ? std::string_view(l.bind_pw) : kNotShown);
    for (const auto& [directive, value] : {std::pair("attr_user", &l.attr_user),
                                           {"attr_addr", &l.attr_addr},
                                           {"attr_mask", &l.attr_mask},
                                           {"attr_group", &l.attr_group},
                                           {"attr_member", &l.attr_member}})
        out += fmt::format("    {} {};\n", directive, quote(*value));
    if (l.timeout) out += fmt::format("    timeout {};\n", *l.timeout);
    return out + fmt::format("    debug {};\n}}\n", l.debug);
}

}  // namespace

std::string remote_access(const Config& config, bool secrets) {
    std::string out;
    if (config.mode_cfg) out += mode_cfg(*config.mode_cfg);
    if (config.radius) out += radius(*config.radius, secrets);
    if (config.ldap) out += ldap(*config.ldap, secrets);
    return out;
}

}  // namespace racoon::conf::text
