#include "setkey/script.hpp"

#include "setkey/parser.hpp"

namespace racoon::setkey {

ScriptResult run_script(std::string text, const std::string& name, conf::PolicyNames* names,
                        bool check_only, const Execute& execute) {
    ScriptResult out;
    conf::Sources sources;
    conf::Diagnostics diagnostics(sources);
    const std::uint32_t file = sources.add(name, std::move(text));
    Parser parser(sources, file, diagnostics, names);
    Command command;
    for (;;) {
        const Parser::Got got = parser.next(command);
        if (got == Parser::Got::End) break;
        if (got == Parser::Got::Error) {
            out.failed = true;
            if (!check_only || diagnostics.full()) break;
            continue;
        }
        if (command.verb == Verb::Exit) {
            out.left = true;
            break;
        }
        if (!check_only) execute(command, sources.location(command.where));
    }
    // The line itself is not shown: it may hold a key.
    for (const conf::Diagnostic& d : diagnostics.take()) out.messages.push_back(d.line());
    return out;
}

bool has_whole_command(std::string_view typed) {
    bool quoted = false, comment = false;
    for (const char c : typed) {
        if (comment) {
            comment = c != '\n';
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && c == '#') {
            comment = true;
        } else if (!quoted && c == ';') {
            return true;
        }
    }
    return false;
}

}  // namespace racoon::setkey
