#include "daemon/ike_sockets.hpp"

#include <cerrno>

#include "log/log.hpp"

namespace racoon::daemon {

namespace {

struct Wanted {
    Endpoint local;
    bool natt = false;
    bool wildcard = false;
};

std::vector<Wanted> wanted_sockets(const conf::Config& config, const Options& options) {
    std::vector<Wanted> out;
    for (const Endpoint& e : config.listen.isakmp)
        out.push_back({{e.addr, e.port != 0 ? e.port : options.port}, false, false});
    if (out.empty()) {
        for (const Family family : {Family::V4, Family::V6}) {
            if (options.family != 0 && options.family != static_cast<int>(family)) continue;
            IpAddr any;
            any.family = family;
            out.push_back({{any, options.port}, false, true});
        }
    }
    for (const Endpoint& e : config.listen.isakmp_natt)
        out.push_back({{e.addr, e.port != 0 ? e.port : options.natt_port}, true, false});
    return out;
}

/// The family is not compiled in or switched off.
bool family_missing(const Error& error) {
    return error.os_errno() == EAFNOSUPPORT || error.os_errno() == EADDRNOTAVAIL;
}

}  // namespace

Result<std::vector<net::BoundSocket>> open_ike_sockets(const conf::Config& config,
                                                       const Options& options) {
    std::vector<net::BoundSocket> out;
    std::optional<Error> first;
    for (const Wanted& wanted : wanted_sockets(config, options)) {
        auto bound = net::open_udp(wanted.local);
        if (bound) {
            bound->natt = wanted.natt;
            LOGI("",
                 bound->local.text() + " used as " + (wanted.natt ? "NAT-T" : "isakmp") + " port");
            out.push_back(std::move(*bound));
            continue;
        }
        const Error& error = bound.error();
        if (wanted.wildcard && family_missing(error)) {
            LOGI("", "no socket for " + wanted.local.text() + ": this host has no such addresses");
        } else if (wanted.wildcard || config.listen.strict_address) {
            return fail(error);
        } else {
            LOGW("", error.text());
        }
        if (!first) first = error;
    }
    if (out.empty())
        return first ? fail(*first) : fail(Errc::Config, "there is no socket to listen on");
    return out;
}

}  // namespace racoon::daemon
