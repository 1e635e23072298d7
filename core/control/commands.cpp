#include "control/commands.hpp"

#include "log/log.hpp"

namespace racoon::control {

namespace {

constexpr std::uint16_t kIsakmpPort = 500;
constexpr int kEsp = 50;
constexpr int kAh = 51;
constexpr int kIpcomp = 108;

/// 0: every IPsec protocol.
Result<std::uint8_t> ipsec_protocol(const std::string& word) {
    if (word == "esp") return std::uint8_t{kEsp};
    if (word == "ah") return std::uint8_t{kAh};
    if (word == "ipsec") return std::uint8_t{0};
    return fail(Errc::Unsupported, "unknown kind of SA \"" + log::escaped(word) +
                                       "\"; expected isakmp, esp, ah or ipsec");
}

const char* protocol_word(int protocol) {
    return protocol == kEsp ? "esp" : protocol == kAh ? "ah" : protocol == kIpcomp ? "ipcomp" : "?";
}

Json describe(const exchange::Phase1Status& s) {
    return {{"cookies", s.cookies.text()},
            {"local", s.local.addr.text()},
            {"local_port", s.local.port},
            {"remote", s.remote.addr.text()},
            {"remote_port", s.remote.port},
            {"section", s.section},
            {"peer_id", s.peer_id},
            {"initiator", s.initiator},
            {"state", s.state},
            {"exchange", s.exchange},
            {"age_seconds", s.age_seconds},
            {"lifetime_seconds", s.lifetime_seconds},
            {"lifetime_kilobytes", s.lifetime_kilobytes},
            {"bytes", s.bytes},
            {"encryption_algorithm", s.cipher},
            {"key_bits", s.key_bits},
            {"hash_algorithm", s.hash},
            {"dh_group", s.group},
            {"authentication_method", s.auth},
            {"dpd", s.dpd},
            {"phase2", s.phase2_count}};
}

Json describe(const exchange::Phase2Status& s) {
    const auto mark = [](const Mark& m) { return m.given() ? m.text() : std::string(); };
    return {{"phase1", s.phase1.text()},
            {"message_id", s.message_id.value},
            {"protocol", protocol_word(s.protocol)},
            {"mode", s.tunnel ? "tunnel" : "transport"},
            {"local", s.local.text()},
            {"remote", s.remote.text()},
            {"selector", s.selector.text()},
            {"established", s.established},
            {"initiator", s.initiator},
            {"spi_in", s.spi_in.value},
            {"spi_out", s.spi_out.value},
            {"reqid", s.reqid.value},
            {"if_id", s.marks.if_id},
            {"mark", mark(s.marks.mark)},
            {"output_mark", mark(s.marks.output_mark)},
            {"encryption_algorithm", s.encryption},
            {"key_bits", s.key_bits},
            {"authentication_algorithm", s.integrity},
            {"pfs_group", s.pfs_group},
            {"age_seconds", s.age_seconds},
            {"lifetime_seconds", s.lifetime_seconds},
            {"lifetime_kilobytes", s.lifetime_kilobytes}};
}

/// "192.0.2.0/24" or an address, with a port.
Result<Selector> selector_of(const Json& args, const char* side) {
    const std::string text = text_of(args, side);
    const std::string port_key = std::string(side) + "_port";
    const auto port = number_of(args, port_key.c_str());
    if (port < 0 || port > 65535)
        return fail(Errc::Malformed, "found port " + std::to_string(port));
    Selector out;
    out.port = static_cast<std::uint16_t>(port);
    const auto slash = text.find('/');
    RACOON_TRY(IpAddr addr, IpAddr::parse(text.substr(0, slash)));
    unsigned length = addr.bits();
    if (slash != std::string::npos) {
        const std::string digits = text.substr(slash + 1);
        if (digits.empty() || digits.size() > 3 ||
            digits.find_first_not_of("0123456789") != std::string::npos)
            return fail(Errc::Malformed,
                        "found prefix \"/" + log::escaped(digits) + "\", expected a number");
        length = static_cast<unsigned>(std::stoul(digits));
    }
    RACOON_TRY(out.net, Prefix::make(addr, length));
    return out;
}

void answer(const Replier& reply, const Status& status) {
    reply(status ? success(Json::object()) : failure(status.error().text()));
}

}  // namespace

void Commands::run(const Request& request, const Caller& caller, TimePoint now, Replier reply) {
    const std::string& c = request.command;
    if (c == "show-sa") return show_sa(request.args, now, std::move(reply));
    if (c == "establish-sa") return establish(request.args, now, std::move(reply));
    if (c == "delete-sa") return remove(request.args, now, std::move(reply));
    if (c == "flush-sa") return flush(request.args, now, std::move(reply));
    if (c == "show-modules") return show_modules(std::move(reply));
    if (c == "show-keys") return show_keys(caller, std::move(reply));
    if (c == "reload-config")
        return hooks_.reload([reply = reply](Result<std::string> changes) {
            reply(changes ? success({{"changes", *changes}}) : failure(changes.error().text()));
        });
    if (c == "shutdown") {
        reply(success(Json::object()));
        return hooks_.shutdown();
    }
    reply(failure("this daemon has no command \"" + log::escaped(c) + "\""));
}

void Commands::show_sa(const Json& args, TimePoint now, Replier reply) {
    const std::string proto = text_of(args, "proto");
    Json list = Json::array();
    if (proto == "isakmp") {
        for (const auto& s : engine_.phase1_status(now)) list.push_back(describe(s));
        return reply(success({{"isakmp", std::move(list)}}));
    }
    const auto wanted = ipsec_protocol(proto);
    if (!wanted) return reply(failure(wanted.error().text()));
    for (const auto& s : engine_.phase2_status(now))
        if (*wanted == 0 || *wanted == s.protocol) list.push_back(describe(s));
    reply(success({{"ipsec", std::move(list)}}));
}

void Commands::establish(const Json& args, TimePoint now, Replier reply) {
    const std::string proto = text_of(args, "proto");
    const auto local = selector_of(args, "src");
    const auto remote = selector_of(args, "dst");
    if (!local) return reply(failure(local.error().text()));
    if (!remote) return reply(failure(remote.error().text()));
    const bool wait = flag_of(args, "wait");
    // Without -w the caller only wants to know that it has begun: failures that are known at once are
    // still told, because `done` is then called before we return.
    auto replied = std::make_shared<bool>(false);
    auto done = [reply, replied](Status s) {
        if (std::exchange(*replied, true)) return;
        answer(reply, s);
    };
    if (proto == "isakmp") {
        const Endpoint peer{remote->net.addr, remote->port ? remote->port : kIsakmpPort};
        engine_.establish_phase1(peer, text_of(args, "section"), now, done);
    } else if (proto == "esp" || proto == "ah") {
        const auto upper = number_of(args, "upper");
        TrafficSelector ts{*local, *remote, static_cast<std::uint8_t>(upper & 0xff)};
        engine_.establish_phase2(ts, now, done);
    } else {
        return reply(failure("establish-sa takes isakmp, esp or ah"));
    }
    if (!wait) done(ok());
}

void Commands::remove(const Json& args, TimePoint now, Replier reply) {
    const std::string proto = text_of(args, "proto");
    const auto local = selector_of(args, "src");
    const auto remote = selector_of(args, "dst");
    if (!local) return reply(failure(local.error().text()));
    if (!remote) return reply(failure(remote.error().text()));
    std::size_t count = 0;
    if (proto == "isakmp") {
        count = engine_.delete_phase1(local->net.addr, remote->net.addr, now);
    } else {
        const auto wanted = ipsec_protocol(proto);
        if (!wanted) return reply(failure(wanted.error().text()));
        count = engine_.delete_phase2(*wanted, local->net.addr, remote->net.addr, now);
    }
    reply(success({{"deleted", count}}));
}

void Commands::flush(const Json& args, TimePoint now, Replier reply) {
    const std::string proto = text_of(args, "proto");
    std::size_t count = 0;
    if (proto == "isakmp") {
        count = engine_.flush_phase1(now);
    } else {
        const auto wanted = ipsec_protocol(proto);
        if (!wanted) return reply(failure(wanted.error().text()));
        count = engine_.flush_phase2(*wanted, now);
    }
    reply(success({{"deleted", count}}));
}

void Commands::show_modules(Replier reply) {
    Json list = Json::array();
    for (const auto& m : hooks_.modules()) {
        list.push_back({{"name", m.name},
                        {"version", m.version},
                        {"state", m.state},
                        {"abi", m.abi},
                        {"mode", m.mode},
                        {"provides", m.provides},
                        {"note", m.note}});
    }
    reply(success({{"modules", std::move(list)}}));
}

void Commands::show_keys(const Caller& caller, Replier reply) {
    if (!caller.sees_secrets)
        return reply(failure("the keys are shown to root alone; call racoonctl as root"));
    Json list = Json::array();
    for (const exchange::Phase1Key& k : engine_.phase1_keys())
        list.push_back({{"initiator_cookie", to_hex(k.cookies.initiator.view())},
                        {"responder_cookie", to_hex(k.cookies.responder.view())},
                        {"local", k.local.addr.text()},
                        {"remote", k.remote.addr.text()},
                        {"encryption_algorithm", k.cipher},
                        {"key", to_hex(k.key.view())}});
    LOGI("", "control socket: root was shown the keys of " + std::to_string(list.size()) +
                 " ISAKMP-SAs");
    reply(success({{"keys", std::move(list)}}));
}

}  // namespace racoon::control
