// racoonctl: asks the running daemon, prints what it says.
#include <getopt.h>

#include <cstdio>
#include <string>
#include <vector>

#include "ctl/arguments.hpp"
#include "ctl/client.hpp"
#include "ctl/explain.hpp"
#include "ctl/show.hpp"
#include "ctl/table.hpp"

namespace racoon::ctl {
namespace {

struct Options {
    bool dump = false;
    bool json = false;
    int verbosity = 0;
    std::string socket = control::default_socket_path();
    std::string module_path;
    std::vector<std::string> words;
};

int complain(const std::string& text) {
    std::fprintf(stderr, "racoonctl: %s\n", text.c_str());
    return 1;
}

void print(const Command& command, const control::Json& result, const Options& options) {
    std::string text;
    if (options.json) {
        text = control::pretty_json(result) + "\n";
    } else if (command.name == "show-sa") {
        text = control::text_of(command.args, "proto") == "isakmp"
                   ? show_isakmp(result, options.verbosity)
                   : show_ipsec(result);
    } else if (command.name == "show-modules") {
        text = show_modules(result, terminal_width());
    } else if (command.name == "show-keys") {
        text = show_keys(result);
    } else if (command.name == "reload-config") {
        text = control::text_of(result, "changes") + "\n";
    } else if (command.name == "establish-sa" && control::flag_of(command.args, "wait")) {
        text = "VPN connexion established\n";  // the text that scripts wait for
    }
    std::fputs(text.c_str(), stdout);
}

int run(const Options& options) {
    if (options.words.front() == "explain" || options.words.front() == "ex")
        return explain({options.words.begin() + 1, options.words.end()},
                       {options.json, options.module_path, terminal_width()});
    const auto command = parse_command(options.words);
    if (!command) {
        if (command.error().code() == Errc::NotFound) {
            std::fprintf(stderr, "%s\n", command.error().text().c_str());
            return 1;
        }
        return complain(command.error().text());
    }
    auto client = Client::connect(options.socket);
    if (!client) return complain(client.error().text());
    const auto result = client->call(command->name, command->args, options.dump);
    if (!result) return complain(result.error().text());
    print(*command, *result, options);
    return 0;
}

}  // namespace
}  // namespace racoon::ctl

int main(int argc, char** argv) {
    using namespace racoon::ctl;
    Options options;
    static const option kLong[] = {{"json", no_argument, nullptr, 'j'},
                                   {"help", no_argument, nullptr, 'h'},
                                   {"module-path", required_argument, nullptr, 'm'},
                                   {nullptr, 0, nullptr, 0}};
    for (int c; (c = ::getopt_long(argc, argv, "+djhls:", kLong, nullptr)) != -1;) {
        switch (c) {
            case 'd':
                options.dump = true;
                break;
            case 'j':
                options.json = true;
                break;
            case 'l':
                ++options.verbosity;
                break;
            case 'm':
                options.module_path = optarg;
                break;
            case 's':
                options.socket = optarg;
                break;
            default:
                std::fputs(usage().c_str(), stdout);
                return 0;  // as racoon's racoonctl does
        }
    }
    for (int i = optind; i < argc; ++i) options.words.emplace_back(argv[i]);
    if (!options.words.empty() && options.words.back() == "--json") {
        options.json = true;
        options.words.pop_back();
    }
    if (options.words.empty()) {
        std::fputs(usage().c_str(), stdout);
        return 0;
    }
    return run(options);
}
