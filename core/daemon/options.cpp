#include "daemon/options.hpp"

#include <array>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <getopt.h>
#include <unistd.h>

#include "base/build_config.hpp"

namespace racoon::daemon {

namespace {

enum Long : int {
    kListModules = 256,
    kJson,
    kExplainTrust,
    kOffline,
    kOneProcess,
    kModulePath,
    kHelp
};

/// The daemon changes its working folder, so names are made absolute now.
std::string absolute(const char* name) {
    if (name[0] == '/' || name[0] == '\0') return name;
    std::array<char, PATH_MAX> here{};
    if (::getcwd(here.data(), here.size()) == nullptr) return name;
    return std::string(here.data()) + "/" + name;
}

std::string base_name(const char* path) {
    const std::string text = path != nullptr ? path : "racoon";
    const auto slash = text.rfind('/');
    return slash == std::string::npos ? text : text.substr(slash + 1);
}

/// Decimal digits only: atoi would make 0 of "isakmp", and the daemon would take any port.
bool port_of(const char* text, std::uint16_t& out) {
    char* end = nullptr;
    const long value = std::strtol(text, &end, 10);
    if (end == text || *end != '\0' || value < 1 || value > 65535) {
        std::fprintf(stderr, "racoon: port \"%s\" is not a number from 1 to 65535\n", text);
        return false;
    }
    out = static_cast<std::uint16_t>(value);
    return true;
}

}  // namespace

ParsedOptions parse_options(int argc, char** argv) {
    static constexpr option kLong[] = {
        {"list-modules", no_argument, nullptr, kListModules},
        {"json", no_argument, nullptr, kJson},
        {"explain-trust", required_argument, nullptr, kExplainTrust},
        {"offline", no_argument, nullptr, kOffline},
        {"one-process", no_argument, nullptr, kOneProcess},
        {"module-path", required_argument, nullptr, kModulePath},
        {"version", no_argument, nullptr, 'V'},
        {"help", no_argument, nullptr, kHelp},
        {nullptr, 0, nullptr, 0},
    };
    ParsedOptions out;
    Options& o = out.options;
    o.program = base_name(argc > 0 ? argv[0] : nullptr);
    o.config_file = RACOON_SYSCONFDIR "/racoon.conf";
    ::optind = 0;
    // "+": what follows a name that is no option is not looked at; a name is an error anyway.
    while (true) {
        const int c = ::getopt_long(argc, argv, "+BCdFf:Ll:P:p:tVv46", kLong, nullptr);
        if (c == -1) break;
        switch (c) {
            case 'B':
                o.restore = true;
                break;
            case 'C':
                o.dump = true;
                break;
            case 'd':
                ++o.debug;
                break;
            case 'F':
                std::puts("Foreground mode.");
                std::fflush(stdout);
                o.foreground = true;
                break;
            case 'f':
                o.config_file = absolute(optarg);
                break;
            case 'L':
                o.location = true;
                break;
            case 'l':
                o.log_file = absolute(optarg);
                break;
            case 'p':
                if (!port_of(optarg, o.port)) return out;
                break;
            case 'P':
                if (!port_of(optarg, o.natt_port)) return out;
                break;
            case 't':
                o.action = Action::Test;
                break;
            case 'V':
                o.action = Action::Version;
                break;
            case 'v':
                ++o.verbose;
                break;
            case '4':
                o.family = 4;
                break;
            case '6':
                o.family = 6;
                break;
            case kListModules:
                o.action = Action::ListModules;
                break;
            case kJson:
                o.json = true;
                break;
            case kExplainTrust:
                o.action = Action::ExplainTrust;
                o.explain = optarg;
                break;
            case kOffline:
                o.offline = true;
                break;
            case kOneProcess:
                o.one_process = true;
                break;
            case kModulePath:
                o.module_path = absolute(optarg);
                break;
            case kHelp:
                o.action = Action::Help;
                break;
            default:
                return out;
        }
    }
    // Printed and ended; with neither, -C is for the log of a daemon that carries on.
    if (o.dump && (o.json || o.offline) && o.action == Action::Run) o.action = Action::Test;
    out.good = ::optind >= argc;
    if (!out.good)
        std::fprintf(stderr, "%s: found \"%s\", expected options only\n", argv[0], argv[::optind]);
    return out;
}

std::string usage_text(const std::string& program) {
    return "usage: " + program +
           " [-BCdFLtVv46] [-f file] [-l file] [-p port] [-P port]\n"
           "   -B: restore SAs from the file of `path backupsa`\n"
           "   -C: write the configuration in force to the log; with -t print it and exit\n"
           "   -d: more log lines; twice: still more\n"
           "   -F: stay in the foreground, log to standard output too\n"
           "   -L: put the source location into every log line\n"
           "   -f file: configuration file (" RACOON_SYSCONFDIR
           "/racoon.conf)\n"
           "   -l file: log file instead of the system log\n"
           "   -p port: UDP port for ISAKMP (500)\n"
           "   -P port: UDP port for NAT-T (4500)\n"
           "   -t: test the configuration and exit\n"
           "   -v: more of each packet in debug lines\n"
           "   -V: print the version and exit\n"
           "   -4: IPv4 alone on wildcard sockets\n"
           "   -6: IPv6 alone on wildcard sockets\n"
           "   --list-modules [--json]: installed modules and what they provide\n"
           "   --explain-trust name: why a module's file is trusted or not\n"
           "   --offline: with -t, judge the text alone; modules and files may be absent\n"
           "   --json: with -C, print it as JSON and exit; also with --list-modules\n"
           "   --one-process: keeper and engine in one process, for debugging\n"
           "   --module-path dir: folder of the modules instead of `path module`\n"
           "                      (" RACOON_MODULE_DIR ")\n";
}

std::string version_text() {
    // The first line has the form that scripts look for. What modules add is told by
    // --list-modules.
    return "@(#)ipsec-tools " RACOON_VERSION
           " (racoon)\n"
           "\n"
           "Compiled with:\n"
           "- cryptography from modules (see --list-modules)\n"
           "- IPv6 support\n"
           "- Dead Peer Detection\n"
           "- Admin port\n"
           "- Monotonic clock\n";
}

}  // namespace racoon::daemon
