// The blocks for the daemon as a whole: `listen`, `timer`, `padding`, `privsep`.
#include <fmt/format.h>

#include "conf/builder.hpp"
#include "log/log.hpp"

namespace racoon::conf {

namespace {

/// Which link is meant is a part of a link-local address (RFC 4007 6): no socket can be bound without it.
bool lacks_interface(const IpAddr& a) {
    return a.family == Family::V6 && a.bytes[0] == 0xfe && (a.bytes[1] & 0xc0) == 0x80 &&
           a.scope == 0;
}

}  // namespace

std::optional<Endpoint> Builder::listened(const Value& v) {
    const auto e = endpoint(v);
    if (e && lacks_interface(e->addr) && v.text.find('%') == v.text.npos)
        diagnostics_.error(
            v.where, fmt::format("{} is there on every link; write on which one is listened, for "
                                 "example {}%eth0",
                                 quoted(v.text), v.text));
    return e;
}

void Builder::listen(const Statement& block) {
    for (const Statement& s : block.body) {
        if (s.broken) continue;
        switch (s.directive->word) {
            case Word::Isakmp:
                if (const auto e = listened(s.values[0]))
                    config_->listen.isakmp.emplace_back(*e, location(s.values[0].where));
                break;
            case Word::IsakmpNatt:
                if (const auto e = listened(s.values[0]))
                    config_->listen.isakmp_natt.emplace_back(*e, location(s.values[0].where));
                if (!s.values[0].has_number)
                    diagnostics_.warning(
                        Warning::NattPort, s.values[0].where,
                        fmt::format("isakmp_natt without a port means port 500; write \"{} "
                                    "[4500]\"",
                                    log::escaped(s.values[0].text, 80)));
                break;
            case Word::StrictAddress:
                config_->listen.strict_address = true;
                break;
            case Word::AdminSock:
                admin_socket(s);
                break;
            default:
                break;
        }
    }
}

void Builder::admin_socket(const Statement& s) {
    AdminSocket socket;
    const Value& first = s.values[0];
    if (first.kind == Value::Kind::Word) {
        socket.disabled = true;
        config_->listen.adminsock = socket;
        return;
    }
    const std::string_view path = first.text;
    const std::string_view last =
        path.substr(path.rfind('/') == path.npos ? 0 : path.rfind('/') + 1);
    const bool suffix =
        (last.ends_with(".sock") || last.ends_with(".socket")) && !last.starts_with('.');
    bool dots = false;
    for (std::size_t at = 0; at <= path.size();) {
        auto end = path.find('/', at);
        if (end == path.npos) end = path.size();
        dots = dots || path.substr(at, end - at) == "..";
        at = end + 1;
    }
    if (dots)
        diagnostics_.error(first.where, "the path of adminsock may not hold \"..\"");
    else if (!suffix)
        diagnostics_.error(
            first.where,
            fmt::format("the path of adminsock ends in .sock or .socket, found {}", quoted(last)));
    else if (path.size() > (path.starts_with('/') ? 107 : 106))
        diagnostics_.error(first.where,
                           "the path of adminsock is too long for a socket; the most is 107 bytes");
    socket.path = std::string(path);
    if (!path.starts_with('/')) {  // where racoon was once it had gone to the background
        socket.path.insert(0, "/");
        diagnostics_.warning(Warning::OddValue, first.where,
                             fmt::format("adminsock takes an absolute path, found {}; {} is used",
                                         quoted(path), quoted(socket.path)));
    }
    if (s.values.size() == 4) {
        socket.owner = std::string(s.values[1].text);
        socket.group = std::string(s.values[2].text);
        socket.mode = static_cast<unsigned>(s.values[3].number);
        if (socket.mode > 0777)
            diagnostics_.error(s.values[3].where,
                               fmt::format("the mode of adminsock is at most 0777, found {}",
                                           quoted(s.values[3].text)));
    }
    config_->listen.adminsock = std::move(socket);
}

void Builder::timer(const Statement& block) {
    Timer& t = config_->timer;
    t.given = true;
    for (const Statement& s : block.body) {
        if (s.broken) continue;
        const auto period = [&](seconds& out) { out = seconds(nearest_in_range(s, " seconds")); };
        switch (s.directive->word) {
            case Word::Counter:
                if (const auto n = number(s)) t.counter = static_cast<unsigned>(*n);
                break;
            case Word::Persend:
                if (const auto n = number(s)) t.persend = static_cast<unsigned>(*n);
                break;
            case Word::Interval:
                period(t.interval);
                break;
            case Word::Phase1:
                period(t.phase1);
                break;
            case Word::Phase2:
                period(t.phase2);
                break;
            case Word::NattKeepalive:
                period(t.natt_keepalive);
                break;
            default:
                break;
        }
    }
}

void Builder::padding(const Statement& block) {
    Padding& p = config_->padding;
    for (const Statement& s : block.body) {
        if (s.broken) continue;
        const Value& v = s.values[0];
        switch (s.directive->word) {
            case Word::Randomize:
                p.randomize = on(v);
                break;
            case Word::RandomizeLength:
                p.randomize_length = on(v);
                break;
            case Word::ExclusiveTail:
                p.exclusive_tail = on(v);
                break;
            case Word::StrictCheck:
                p.strict_check = on(v);
                break;
            case Word::MaximumLength:
                if (const auto n = number(s)) p.maximum_length = static_cast<std::uint8_t>(*n);
                break;
            default:
                break;
        }
    }
}

void Builder::privsep(const Statement& block) {
    if (!config_->privsep) config_->privsep.emplace();
    for (const Statement& s : block.body) {
        if (s.broken) continue;
        const std::string text(s.values[0].text);
        if (text.empty()) {
            diagnostics_.error(s.values[0].where, fmt::format("{} takes a name that is not empty",
                                                              quoted(s.directive->keyword)));
            continue;
        }
        switch (s.directive->word) {
            case Word::User:
                config_->privsep->user = text;
                break;
            case Word::Group:
                config_->privsep->group = text;
                break;
            case Word::Chroot:
                if (!text.starts_with('/'))
                    diagnostics_.error(
                        s.values[0].where,
                        fmt::format("chroot takes an absolute folder, found {}", quoted(text)));
                config_->privsep->chroot = text;
                break;
            default:
                break;
        }
    }
}

}  // namespace racoon::conf
