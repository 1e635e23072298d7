#include "ctl/arguments.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <array>
#include <memory>

#include "base/net_addr.hpp"

namespace racoon::ctl {

using control::Json;

namespace {

struct Name {
    const char* full;
    const char* alias;
    const char* synopsis;
};
constexpr std::array kNames = {
    Name{"reload-config", "rc", ""},
    Name{"show-sa", "ss", "isakmp|esp|ah|ipsec"},
    Name{"flush-sa", "fs", "isakmp|esp|ah|ipsec"},
    Name{"delete-sa", "ds", "SAOPTS"},
    Name{"establish-sa", "es", "[-n remoteconf] [-w] SAOPTS"},
    Name{"show-modules", "sm", ""},
    Name{"show-keys", "sk", ""},
    Name{"explain", "ex", "[WORD]"},
    Name{"shutdown", "", ""},
};

Failure insufficient() {
    return fail(Errc::InvalidState, "insufficient arguments");
}

/// `words` has more than `most`: the first that is too many is named.
Failure too_many(const std::vector<std::string>& words, std::size_t most) {
    return fail(Errc::InvalidState,
                "too many arguments: found \"" + words[most] + "\", expected no more");
}

/// A numeric address or a host name of the family.
Result<IpAddr> resolve(const std::string& host, int family) {
    addrinfo hints{};
    hints.ai_family = family;
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* raw = nullptr;
    const int rc = ::getaddrinfo(host.c_str(), nullptr, &hints, &raw);
    if (rc != 0) return fail(Errc::Malformed, host + ": " + gai_strerror(rc));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> list(raw, freeaddrinfo);
    return Endpoint::from_sockaddr(list->ai_addr).addr;
}

Result<unsigned> number(const std::string& text, unsigned max) {
    if (text.empty() || text.size() > 5 ||
        text.find_first_not_of("0123456789") != std::string::npos || std::stoul(text) > max)
        return fail(Errc::Malformed,
                    "found \"" + text + "\", expected a number up to " + std::to_string(max));
    return static_cast<unsigned>(std::stoul(text));
}

/// "address[/prefix][\[port\]]" into args[side] and args[side_port].
Status side(Json& args, const char* key, std::string text, int family) {
    if (const auto open = text.find('['); open != std::string::npos) {
        if (text.back() != ']')
            return fail(Errc::Malformed, "found \"" + text + "\", expected [port] at its end");
        RACOON_TRY(unsigned port, number(text.substr(open + 1, text.size() - open - 2), 65535));
        args[std::string(key) + "_port"] = port;
        text.resize(open);
    }
    const auto slash = text.find('/');
    RACOON_TRY(IpAddr addr, resolve(text.substr(0, slash), family));
    std::string out = addr.text();
    if (slash != std::string::npos) {
        RACOON_TRY(unsigned length, number(text.substr(slash + 1), addr.bits()));
        out += "/" + std::to_string(length);
    }
    args[key] = out;
    return ok();
}

/// `isakmp inet|inet6 src dst` or `esp|ah inet|inet6 src dst ulproto`.
Status sa_options(Json& args, const std::vector<std::string>& words, std::size_t at,
                  bool need_upper) {
    if (words.size() < at + 4) return insufficient();
    const std::string& proto = words[at];
    const std::string& family_word = words[at + 1];
    if (proto != "isakmp" && proto != "esp" && proto != "ah")
        return fail(Errc::Malformed, "found \"" + proto + "\", expected isakmp, esp or ah");
    if (family_word != "inet" && family_word != "inet6")
        return fail(Errc::Malformed, "found \"" + family_word + "\", expected inet or inet6");
    const int family = family_word == "inet" ? AF_INET : AF_INET6;
    args["proto"] = proto;
    RACOON_TRY_STATUS(side(args, "src", words[at + 2], family));
    RACOON_TRY_STATUS(side(args, "dst", words[at + 3], family));
    const std::size_t most = at + (proto == "isakmp" ? 4 : 5);
    if (words.size() > most) return too_many(words, most);
    if (proto == "isakmp" || (!need_upper && words.size() < most)) return ok();
    if (words.size() < most) return insufficient();
    const std::string& upper = words[at + 4];
    unsigned value = 0;
    if (upper == "icmp")
        value = family == AF_INET ? 1 : 58;
    else if (upper == "tcp")
        value = 6;
    else if (upper == "udp")
        value = 17;
    else if (upper == "gre")
        value = 47;
    else if (upper != "any")
        return fail(Errc::Malformed,
                    "found \"" + upper + "\", expected any, icmp, tcp, udp or gre");
    args["upper"] = value;
    return ok();
}

}  // namespace

Result<Command> parse_command(const std::vector<std::string>& words) {
    Command out;
    for (const Name& n : kNames)
        if (words[0] == n.full || (*n.alias && words[0] == n.alias)) out.name = n.full;
    if (out.name.empty()) return fail(Errc::NotFound, "Invalid command [" + words[0] + "]");

    if (out.name == "show-sa" || out.name == "flush-sa") {
        if (words.size() < 2) return insufficient();
        if (words.size() > 2) return too_many(words, 2);
        out.args["proto"] = words[1];
    } else if (out.name == "delete-sa") {
        RACOON_TRY_STATUS(sa_options(out.args, words, 1, false));
    } else if (out.name == "establish-sa") {
        std::size_t at = 1;
        while (at < words.size() && words[at].size() == 2 && words[at][0] == '-') {
            if (words[at] == "-w") {
                out.args["wait"] = true;
                ++at;
            } else if (words[at] == "-n") {
                if (at + 1 >= words.size()) return insufficient();
                out.args["section"] = words[at + 1];
                at += 2;
            } else {
                return fail(Errc::Malformed,
                            "found " + words[at] + ", expected -n remoteconf or -w");
            }
        }
        RACOON_TRY_STATUS(sa_options(out.args, words, at, true));
    } else if (words.size() > 1) {
        return too_many(words, 1);
    }
    return out;
}

std::string usage() {
    std::string out = "usage: racoonctl [-d] [-j] [-l]... [-s socket] command [arguments]\n\n";
    for (const Name& n : kNames) {
        std::string line = std::string("  ") + n.full;
        if (*n.alias) line += std::string(" (") + n.alias + ")";
        if (*n.synopsis) line.resize(std::max<std::size_t>(line.size() + 1, 24), ' ');
        out += line + n.synopsis + "\n";
    }
    out +=
        "\n  SAOPTS: isakmp inet|inet6 src dst\n"
        "          esp|ah inet|inet6 src[/prefix][[port]] dst[/prefix][[port]] UPPER\n"
        "  UPPER:  any|icmp|tcp|udp|gre\n"
        "  -j, --json: print the daemon's reply as JSON\n"
        "  --module-path dir: folder of the modules that explain looks at\n";
    return out;
}

}  // namespace racoon::ctl
