// The command line of setkey.
//
//     setkey [-knrv] file …            setkey [-knrv] -c
//     setkey [-knrv] -f file           setkey [-aklPNrvp] -D
//     setkey [-Pv] -F                  setkey [-H] -x
//     setkey -V                        setkey -h
//
// with --kernel STACK, and --socket PATH for a daemon's own, in any of them.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace racoon::setkey {

struct Arguments {
    enum class Action : std::uint8_t {
        Decode,  // files that hold PF_KEY messages
        Stdin,
        Script,
        Dump,
        Flush,
        Watch,
        Version,
        Help
    };
    Action action = Action::Help;
    std::string file;                   // of Script; "-" is standard input
    std::vector<std::string> files;     // of Decode
    bool dead = false;                  // -a
    bool policies = false;              // -P
    bool check_only = false;            // -n
    bool kernel_policies = false;       // -k: in means in alone; else it means fwd, too
    bool hide_socket_policies = false;  // -N
    bool ports = false;                 // -p
    bool verbose = false;               // -v
    bool hex = false;                   // -H
    bool repeat = false;                // -l
    int watch = 0;                      // how many -x
    std::string kernel = "auto";        // --kernel: a word of stack_select
    std::string socket;                 // --socket
};

/// Errors: Config, with what was found.
Result<Arguments> parse_arguments(int argc, char** argv);

std::string usage(const std::string& program);

}  // namespace racoon::setkey
