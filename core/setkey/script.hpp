// Runs the commands of a file, or those that are typed:
//
//     ScriptResult result = run_script(text, {"/etc/ipsec-tools.conf"}, &names, check_only, execute);
//
// As the original does, what stands before the first error is carried out, and what follows is not: a
// file at start-up that has a slip in its last line still flushes and protects. With `check_only`
// nothing is carried out, and every error is told.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "setkey/command.hpp"

namespace racoon::setkey {

struct ScriptResult {
    std::vector<std::string> messages;  // "file:line:column: …"; never with a key in it
    bool failed = false;
    bool left = false;  // exit, quit or bye
};

using Execute = std::function<void(const Command&, const conf::Location&)>;

/// Where the text is from.
struct ScriptPlace {
    std::string name;
    int line = 1, column = 1;  // of its first character
    bool past_mistakes =
        false;  // of somebody who types: what follows a wrong command is carried out, too
};

ScriptResult run_script(std::string text, const ScriptPlace& from, conf::PolicyNames* names,
                        bool check_only, const Execute& execute);

/// How much of what was typed so far are whole commands; comments and strings are seen through.
std::size_t whole_commands(std::string_view typed);

}  // namespace racoon::setkey
