#include "daemon/ike_sockets.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>

#include "log/log.hpp"

namespace racoon::daemon {

namespace {

std::vector<WantedSocket> wanted_sockets(const conf::Config& config, const Options& options) {
    std::vector<WantedSocket> out;
    const bool automatic = config.listen.isakmp.empty() && config.listen.isakmp_natt.empty();
    const bool natt =
        std::any_of(config.remotes.begin(), config.remotes.end(),
                    [](const conf::Remote& r) { return r.nat_traversal != conf::Offer::Off; });
    for (const auto& e : config.listen.isakmp)
        out.push_back({{e.addr, e.port != 0 ? e.port : options.port}, false, false, e.where});
    if (out.empty()) {
        for (const Family family : {Family::V4, Family::V6}) {
            if (options.family != 0 && options.family != static_cast<int>(family)) continue;
            IpAddr any;
            any.family = family;
            out.push_back({{any, options.port}, false, true, {}});
            if (automatic && natt) out.push_back({{any, options.natt_port}, true, true, {}});
        }
    }
    for (const auto& e : config.listen.isakmp_natt)
        out.push_back({{e.addr, e.port != 0 ? e.port : options.natt_port}, true, false, e.where});
    return out;
}

bool same(const WantedSocket& a, const WantedSocket& b) {
    return a.local == b.local && a.natt == b.natt;
}

bool overlap(const Endpoint& a, const Endpoint& b) {
    return a.port == b.port && a.addr.family == b.addr.family &&
           (a.addr.is_any() || b.addr.is_any() || a.addr == b.addr);
}

/// The family is not compiled in or switched off.
bool family_missing(const Error& error) {
    return error.os_errno() == EAFNOSUPPORT || error.os_errno() == EADDRNOTAVAIL;
}

std::string described(const WantedSocket& wanted, const Error& error) {
    return (wanted.where.line != 0 ? wanted.where.text() + ": " : "") + error.text();
}

void tell_used(const net::BoundSocket& socket) {
    LOGI("", socket.local.text() + " used as " + (socket.natt ? "NAT-T" : "isakmp") + " port");
}

Result<net::BoundSocket> copy_of(const net::BoundSocket& socket) {
    UniqueFd fd(::fcntl(socket.fd.get(), F_DUPFD_CLOEXEC, 0));
    if (!fd.valid()) return fail_os("copying socket " + socket.local.text(), errno);
    return net::BoundSocket{std::move(fd), socket.local, socket.natt};
}

template <typename List>
Result<std::vector<net::BoundSocket>> copies_of(const List& list) {
    std::vector<net::BoundSocket> out;
    for (const auto& one : list) {
        RACOON_TRY(auto copy, copy_of(one.socket));
        out.push_back(std::move(copy));
    }
    return out;
}

}  // namespace

IkeSockets::Change::~Change() {
    for (const int fd : shared_) net::share_port(fd, false);
}

Result<std::vector<net::BoundSocket>> IkeSockets::Change::added() const {
    return copies_of(fresh_);
}

std::vector<Endpoint> IkeSockets::Change::closed() const {
    return closed_;
}

std::vector<Endpoint> IkeSockets::Change::opened() const {
    std::vector<Endpoint> out;
    for (const auto& one : fresh_) out.push_back(one.socket.local);
    return out;
}

Result<std::vector<net::BoundSocket>> IkeSockets::copies() const {
    return copies_of(held_);
}

Result<IkeSockets::Change> IkeSockets::plan(const conf::Config& config, const Options& options) {
    const std::vector<WantedSocket> wanted = wanted_sockets(config, options);
    const auto listed = [](const auto& list, const WantedSocket& one, auto of) {
        return std::any_of(list.begin(), list.end(),
                           [&](const auto& other) { return same(of(other), one); });
    };
    const auto itself = [](const WantedSocket& w) { return w; };
    const auto of_held = [](const Change::One& one) { return one.wanted; };

    const bool running = !held_.empty();
    Change change;
    for (const auto& one : held_) {
        if (!listed(wanted, one.wanted, itself)) change.closed_.push_back(one.socket.local);
    }
    std::vector<std::string> errors;
    std::optional<Error> first;
    for (const WantedSocket& one : wanted) {
        if (listed(held_, one, of_held)) {
            change.kept_.push_back(one);
            continue;
        }
        if (listed(change.fresh_, one, of_held)) continue;  // listed twice
        // What goes may stand in the way of what comes.
        bool share = false;
        for (const auto& old : held_) {
            if (!overlap(old.wanted.local, one.local) || listed(wanted, old.wanted, itself))
                continue;
            net::share_port(old.socket.fd.get(), true);
            change.shared_.push_back(old.socket.fd.get());
            share = true;
        }
        auto bound = net::open_udp(one.local, share);
        if (bound) {
            if (share) change.shared_.push_back(bound->fd.get());
            bound->natt = one.natt;
            tell_used(*bound);
            change.fresh_.push_back({one, std::move(*bound)});
            continue;
        }
        const Error& error = bound.error();
        const bool known = listed(missing_, one, itself);
        if (one.wildcard && family_missing(error)) {
            if (!known)
                LOGI("", "no socket for " + one.local.text() + ": this host has no such addresses");
        } else if (one.wildcard || config.listen.strict_address || (running && !known)) {
            errors.push_back(described(one, error));
        } else {
            LOGW("", described(one, error));
        }
        if (!first) first = error;
    }
    if (!errors.empty()) {
        std::string text;
        for (const std::string& line : errors) text += (text.empty() ? "" : "\n") + line;
        return fail(Error(first->code(), text).os(first->os_errno()));
    }
    if (change.fresh_.empty() && change.kept_.empty())
        return first ? fail(*first) : fail(Errc::Config, "there is no socket to listen on");
    for (const WantedSocket& one : wanted)
        if (!listed(change.fresh_, one, of_held) && !listed(change.kept_, one, itself))
            change.kept_.push_back(one);  // still missing
    return change;
}

Result<std::vector<net::BoundSocket>> IkeSockets::bind_missing() {
    std::vector<net::BoundSocket> out;
    std::vector<WantedSocket> missing;
    for (const WantedSocket& one : missing_) {
        auto bound = net::open_udp(one.local);
        if (!bound) {
            missing.push_back(one);
            continue;
        }
        bound->natt = one.natt;
        tell_used(*bound);
        RACOON_TRY(auto copy, copy_of(*bound));
        out.push_back(std::move(copy));
        held_.push_back({one, std::move(*bound)});
    }
    missing_ = std::move(missing);
    return out;
}

void IkeSockets::commit(Change change) {
    std::vector<Change::One> held;
    missing_.clear();
    for (const WantedSocket& one : change.kept_) {
        const auto found = std::find_if(held_.begin(), held_.end(),
                                        [&](const auto& old) { return same(old.wanted, one); });
        if (found == held_.end())
            missing_.push_back(one);
        else if (found->socket.fd.valid())
            held.push_back({one, std::move(found->socket)});
    }
    for (auto& one : change.fresh_) held.push_back(std::move(one));
    // Before the old ones go: their numbers may be used again.
    for (const int fd : change.shared_) net::share_port(fd, false);
    change.shared_.clear();
    held_ = std::move(held);
}

}  // namespace racoon::daemon
