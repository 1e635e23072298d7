#include "setkey/arguments.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <getopt.h>
#include <unistd.h>

#include <algorithm>

#include "setkey/stack.hpp"

namespace racoon::setkey {

namespace {
using Action = Arguments::Action;

/// Two of them contradict each other, but -f after -c and the like never had a meaning.
Status choose(Arguments& out, bool& chosen, Action action, char option) {
    if (chosen && out.action != action)
        return fail(
            Errc::Config,
            fmt::format("-{} contradicts an option before it; choose one of -c, -f, -D, -F, "
                        "-x, -V and -h",
                        option));
    chosen = true;
    out.action = action;
    return ok();
}

constexpr int kKernel = 0x100, kSocket = 0x101;  // beyond every letter
const option kLong[] = {{"kernel", required_argument, nullptr, kKernel},
                        {"socket", required_argument, nullptr, kSocket},
                        {nullptr, 0, nullptr, 0}};

Status take_kernel(Arguments& out, std::string_view word) {
    const std::vector<std::string_view> words = stack_words();
    if (std::find(words.begin(), words.end(), word) == words.end())
        return fail(Errc::Config, fmt::format("--kernel takes one of {}, not \"{}\"",
                                              fmt::join(words, ", "), word));
    out.kernel = word;
    return ok();
}
}  // namespace

Result<Arguments> parse_arguments(int argc, char** argv) {
    Arguments out;
    bool chosen = false;
    optind = 1;
    opterr = 0;
    // getopt answers '?' to what it does not know, with the letter in optopt, and to -? itself.
    for (int c = 0; (optopt = 0,
                    c = ::getopt_long(argc, argv, "+acf:hklnprvxDFHNPV?", kLong, nullptr)) != -1;) {
        const char option = static_cast<char>(c);
        switch (c) {
            case kKernel:
                RACOON_TRY_STATUS(take_kernel(out, optarg));
                break;
            case 'a':
                out.dead = true;
                break;
            case 'c':
                RACOON_TRY_STATUS(choose(out, chosen, Action::Stdin, option));
                break;
            case 'f':
                RACOON_TRY_STATUS(choose(out, chosen, Action::Script, option));
                out.file = optarg;
                break;
            case 'D':
                RACOON_TRY_STATUS(choose(out, chosen, Action::Dump, option));
                break;
            case 'F':
                RACOON_TRY_STATUS(choose(out, chosen, Action::Flush, option));
                break;
            case 'x':
                RACOON_TRY_STATUS(choose(out, chosen, Action::Watch, option));
                ++out.watch;
                break;
            case 'V':
                RACOON_TRY_STATUS(choose(out, chosen, Action::Version, option));
                break;
            case 'h':
                RACOON_TRY_STATUS(choose(out, chosen, Action::Help, option));
                break;
            case 'H':
                out.hex = true;
                break;
            case 'k':
                out.kernel_policies = true;
                break;
            case 'r':
                out.kernel_policies = false;
                break;
            case 'l':
                out.repeat = true;
                break;
            case 'n':
                out.check_only = true;
                break;
            case 'N':
                out.hide_socket_policies = true;
                break;
            case 'p':
                out.ports = true;
                break;
            case 'P':
                out.policies = true;
                break;
            case 'v':
                out.verbose = true;
                break;
            case kSocket:
                out.socket = optarg;
                if (out.socket.empty() || out.socket[0] != '/')
                    return fail(Errc::Config, "--socket takes an absolute path");
                break;
            default:
                if (optopt == kSocket) return fail(Errc::Config, "--socket takes an absolute path");
                if (optopt == kKernel)
                    return fail(Errc::Config, fmt::format("--kernel takes one of {}",
                                                          fmt::join(stack_words(), ", ")));
                if (optopt == 0 && optind > 1 &&
                    std::string_view(argv[optind - 1]).starts_with("--"))
                    return fail(Errc::Config, fmt::format("unknown option {}", argv[optind - 1]));
                if (optopt == 0 || optopt == '?') {
                    RACOON_TRY_STATUS(choose(out, chosen, Action::Help, '?'));
                    break;
                }
                if (optopt == 'f') return fail(Errc::Config, "-f takes the name of a file");
                return fail(Errc::Config, fmt::format("unknown option -{}", char(optopt)));
        }
    }
    for (int i = optind; i < argc; ++i) out.files.emplace_back(argv[i]);
    if (chosen && !out.files.empty())
        return fail(Errc::Config, fmt::format("unexpected argument \"{}\"", out.files.front()));
    if (!chosen && out.files.empty()) return fail(Errc::Config, "nothing to do");
    if (!chosen) out.action = Action::Decode;
    return out;
}

std::string usage(const std::string& program) {
    return fmt::format(
        "usage: {0} [-knrv] file ...\n"
        "       {0} [-knrv] -c\n"
        "       {0} [-knrv] -f file\n"
        "       {0} [-aklPNrvp] -D\n"
        "       {0} [-Pv] -F\n"
        "       {0} [-H] -x\n"
        "       {0} [-V] [-h]\n"
        "with --kernel {1}: the stack to work on (auto)\n"
        "     --socket path: where the daemon listens whose stack it is\n",
        program, fmt::join(stack_words(), "|"));
}

}  // namespace racoon::setkey
