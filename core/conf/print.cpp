#include "conf/print.hpp"

#include <fmt/format.h>

#include "base/build_config.hpp"
#include "conf/print_text.hpp"
#include "log/log.hpp"

namespace racoon::conf {

namespace {

using text::endpoint;
using text::on_off;
using text::quote;

std::string port(std::uint16_t p) {
    return p == 0 ? std::string("[any]") : fmt::format("[{}]", p);
}

std::string selector(const Selector& s) {
    return s.net.text() + port(s.port);
}

void blocks(std::string& out, const Config& c) {
    const Listen& l = c.listen;
    if (!l.isakmp.empty() || !l.isakmp_natt.empty() || l.strict_address || l.adminsock.disabled ||
        !l.adminsock.path.empty()) {
        out += "listen {\n";
        for (const Endpoint& e : l.isakmp) out += fmt::format("    isakmp {};\n", endpoint(e));
        for (const Endpoint& e : l.isakmp_natt)
            out += fmt::format("    isakmp_natt {};\n", endpoint(e));
        if (l.strict_address) out += "    strict_address;\n";
        const AdminSocket& a = l.adminsock;
        if (a.disabled)
            out += "    adminsock disabled;\n";
        else if (!a.path.empty() && (!a.owner.empty() || !a.group.empty()))
            out += fmt::format("    adminsock {} {} {} {:04o};\n", quote(a.path), quote(a.owner),
                               quote(a.group), a.mode);
        else if (!a.path.empty())
            out += fmt::format("    adminsock {};\n", quote(a.path));
        out += "}\n";
    }
    if (l.isakmp.empty() && l.isakmp_natt.empty()) out += "# listen: every local address\n";
    if (!l.adminsock.disabled && l.adminsock.path.empty())
        out += "# adminsock: " RACOON_RUNSTATEDIR "/racoon/racoon.sock, for root alone\n";
    if (!c.timer.given)
        out += "# timer: there is none; 9 sends within 50 seconds, at growing distances\n";
    else
        out += fmt::format(
            "timer {{\n    counter {};\n    interval {} sec;\n    persend {};\n    phase1 {} sec;\n"
            "    phase2 {} sec;\n    natt_keepalive {} sec;\n}}\n",
            c.timer.counter, c.timer.interval.count(), c.timer.persend, c.timer.phase1.count(),
            c.timer.phase2.count(), c.timer.natt_keepalive.count());
    out += fmt::format(
        "padding {{\n    randomize {};\n    randomize_length {};\n    maximum_length {};\n"
        "    exclusive_tail {};\n    strict_check {};\n}}\n",
        on_off(c.padding.randomize), on_off(c.padding.randomize_length), c.padding.maximum_length,
        on_off(c.padding.exclusive_tail), on_off(c.padding.strict_check));
    if (!c.privsep) out += "# privsep: user racoon, or nobody where there is none\n";
    if (c.privsep) {
        out += "privsep {\n";
        if (c.privsep->user) out += fmt::format("    user {};\n", quote(*c.privsep->user));
        if (c.privsep->group) out += fmt::format("    group {};\n", quote(*c.privsep->group));
        if (c.privsep->chroot) out += fmt::format("    chroot {};\n", quote(*c.privsep->chroot));
        out += "}\n";
    }
}

}  // namespace

std::string print(const Policy& p) {
    const bool outward = p.direction == Direction::Out;
    const auto& s = p.selector;
    std::string out = fmt::format("spdadd {} {} {} -P {}", selector(outward ? s.local : s.remote),
                                  selector(outward ? s.remote : s.local),
                                  s.protocol == 0 ? "any" : std::to_string(s.protocol),
                                  outward                        ? "out"
                                  : p.direction == Direction::In ? "in"
                                                                 : "fwd");
    if (p.priority != 0) out += fmt::format(" prio {}", p.priority);
    if (p.marks.any()) out += " " + p.marks.text();
    out += p.action == PolicyAction::None      ? " none"
           : p.action == PolicyAction::Discard ? " discard"
                                               : " ipsec";
    for (const PolicyTemplate& t : p.templates) {
        out += t.protocol == 50 ? " esp/" : t.protocol == 51 ? " ah/" : " ipcomp/";
        out += t.tunnel ? "tunnel/" : "transport/";
        if (t.tunnel)
            out +=
                (outward ? t.local : t.remote).text() + "-" + (outward ? t.remote : t.local).text();
        switch (t.level) {
            case Level::Default:
                out += "/default";
                break;
            case Level::Use:
                out += "/use";
                break;
            case Level::Require:
                out += "/require";
                break;
            case Level::Unique:
                out += t.reqid_written ? fmt::format("/unique:{}", t.reqid.value)
                                       : std::string("/unique");
                break;
        }
    }
    return out + ";";
}

std::string print(const Config& c, const PrintOptions& options) {
    std::string out;
    if (!c.silenced.empty()) {
        out += "warnings {\n";
        for (const std::string& name : c.silenced) out += fmt::format("    {} off;\n", name);
        out += "}\n";
    }
    for (const auto& [kind, value] : c.paths)
        out += fmt::format("path {} {};\n", kind, quote(value));
    if (!c.paths.contains("pidfile")) out += "# path pidfile: " RACOON_RUNSTATEDIR "/racoon.pid\n";
    for (const ModuleBlock& m : c.modules) {
        out += fmt::format("module {} {{\n", quote(m.name));
        if (m.optional) out += "    optional on;\n";
        if (m.isolate) out += "    isolate on;\n";
        if (!m.sha256.empty()) out += fmt::format("    sha256 {};\n", quote(m.sha256));
        for (const auto& [key, value] : m.values) {
            const bool shown =
                options.secrets || (options.secret_key && !options.secret_key(m.name, key));
            out += value.text.empty()
                       ? fmt::format("    {};\n", key)
                       : fmt::format("    {} {};\n", key,
                                     quote(shown ? std::string_view(value.text) : kNotShown));
        }
        out += "}\n";
    }
    if (c.modules.empty()) out += "# module: none is named, the standard ones are loaded\n";
    out += fmt::format("kernel {};\n", c.kernel == "auto" ? c.kernel : quote(c.kernel));
    static constexpr const char* kLevels[] = {"error", "warning", "notify",
                                              "info",  "debug",   "debug2"};
    const auto info = static_cast<std::uint8_t>(log::Level::Info);
    if (const std::uint8_t level = c.log_level.value_or(info); level >= 1 && level <= 6)
        out += fmt::format("log {};\n", kLevels[level - 1]);
    if (!c.complex_bundle) out += "complex_bundle off;\n";
    if (c.pfkey_buffer != 0) out += fmt::format("pfkey_buffer {};\n", c.pfkey_buffer);
    if (c.gss_id_enc == GssIdEncoding::Latin1) out += "gss_id_enc latin1;\n";
    blocks(out, c);
    out += text::remote_access(c, options.secrets);
    for (const Remote& r : c.remotes) out += print(r);
    for (const SaInfo& s : c.sainfos) out += print(s);
    for (const Policy& p : c.policies)
        if (!p.copied) out += "policy " + print(p) + "\n";
    return out;
}

}  // namespace racoon::conf
