// The command line of racoon(8).
//
//     const ParsedOptions parsed = parse_options(argc, argv);
//     if (!parsed.good) … print usage_text() on standard output, end with 1
#pragma once

#include <cstdint>
#include <string>

namespace racoon::daemon {

enum class Action : std::uint8_t { Run, Version, Test, ListModules, ExplainTrust, Help };

struct Options {
    Action action = Action::Run;
    std::string program = "racoon";  // for messages
    std::string config_file;         // -f, absolute; else the compiled default
    std::string log_file;            // -l, absolute; "" = the system log
    bool foreground = false;         // -F
    bool dump = false;               // -C: to the log; with Action::Test to standard output
    bool location = false;           // -L
    bool restore = false;            // -B
    unsigned debug = 0;              // -d, how often
    unsigned verbose = 1;            // -v
    std::uint16_t port = 500;        // -p
    std::uint16_t natt_port = 4500;  // -P
    int family = 0;                  // 4 or 6: wildcard sockets of that family alone
    bool json = false;               // --json
    bool offline = false;            // --offline
    bool one_process = false;        // --one-process
    std::string explain;             // --explain-trust NAME
    std::string module_path;         // --module-path, absolute; "" = of the configuration
};

struct ParsedOptions {
    bool good = false;
    Options options;
};

/// Prints what getopt prints about a bad option on standard error, and, as racoon does, "Foreground
/// mode." as soon as -F is seen.
ParsedOptions parse_options(int argc, char** argv);
std::string usage_text(const std::string& program);
std::string version_text();

}  // namespace racoon::daemon
