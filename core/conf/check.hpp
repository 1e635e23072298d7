// What is wrong with a configuration as a whole, each statement of which is right by itself: sections
// that tie or hide each other, policies that nothing serves, files that are not there, weak choices.
// All of it is told where it was written, once, also when it is inherited.
//
// Linear in the size of the configuration, so that 10,000 sections are judged in milliseconds.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conf/ast.hpp"
#include "conf/catalog.hpp"
#include "conf/config.hpp"
#include "conf/diagnostic.hpp"
#include "conf/file_source.hpp"

namespace racoon::conf {

/// What a section's `warnings` blocks say, in order of first mention; the last line of a name counts.
std::vector<WarningChoice> section_warnings(const Statement& section);
/// The `warnings` blocks of a load.
Silence read_silence(const std::vector<Statement>& statements);

/// A configuration and the statements that it is from.
struct Whole {
    Whole(const Config& config, const std::vector<Statement>& statements, const Catalog& catalog,
          FileSource& files, Diagnostics& diagnostics);

    const Config& config;
    const std::vector<Statement>& statements;
    const Catalog& catalog;
    FileSource& files;
    Diagnostics& diagnostics;
    std::vector<const Statement*> remotes;  // beside config.remotes
    std::vector<const Statement*> sainfos;  // beside config.sainfos

    std::string place(const Span& span) const {
        return diagnostics.sources().location(span).text();
    }
};

/// Files that are named: there, readable, and secrets unreadable for others. Errors and warnings, also
/// beside other errors.
void check_files(const Whole& whole);
/// What the host and the loaded modules must have; not offline. `modules_known`: all that are named
/// were found, so that what they lack can be judged.
void check_host(const Whole& whole, bool modules_known);
/// Everything else, which are warnings: for a configuration without errors.
void check(const Whole& whole);

// Parts of check().
void check_weakness(const Whole& whole);
void check_remotes(const Whole& whole);
void check_sainfos(const Whole& whole);
void check_policies(const Whole& whole);
void check_general(const Whole& whole);

/// The last statement of a block with this word; null: none.
const Statement* written(const Statement& block, Word word);
/// "8 hours", "90 seconds"
std::string duration(seconds time);

}  // namespace racoon::conf
