#include "setkey/script.hpp"

#include "setkey/parser.hpp"

namespace racoon::setkey {

namespace {

conf::Location placed(conf::Location where, const ScriptPlace& from) {
    if (where.line == 1) where.column += from.column - 1;
    where.line += from.line - 1;
    return where;
}

}  // namespace

ScriptResult run_script(std::string text, const ScriptPlace& from, conf::PolicyNames* names,
                        bool check_only, const Execute& execute) {
    ScriptResult out;
    conf::Sources sources;
    conf::Diagnostics diagnostics(sources);
    const std::uint32_t file = sources.add(from.name, std::move(text));
    Parser parser(sources, file, diagnostics, names);
    Command command;
    for (;;) {
        const Parser::Got got = parser.next(command);
        if (got == Parser::Got::End) break;
        if (got == Parser::Got::Error) {
            out.failed = true;
            if (!(check_only || from.past_mistakes) || diagnostics.full()) break;
            continue;
        }
        if (command.verb == Verb::Exit) {
            out.left = true;
            break;
        }
        if (!check_only) execute(command, placed(sources.location(command.where), from));
    }
    // The line itself is not shown: it may hold a key.
    for (conf::Diagnostic& d : diagnostics.take()) {
        d.where = placed(std::move(d.where), from);
        out.messages.push_back(d.line());
    }
    return out;
}

std::size_t whole_commands(std::string_view typed) {
    bool quoted = false, comment = false;
    std::size_t whole = 0;
    for (std::size_t i = 0; i < typed.size(); ++i) {
        const char c = typed[i];
        if (comment) {
            comment = c != '\n';
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && c == '#') {
            comment = true;
        } else if (!quoted && c == ';') {
            whole = i + 1;
        }
    }
    return whole;
}

}  // namespace racoon::setkey
