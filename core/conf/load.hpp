// load(): racoon.conf and all that it includes, to an immutable Config, or every reason why not.
//
//     DiskFiles files;
//     ModuleScan wanted = scan_modules(path, files);   // first: which modules to load
//     …                                                // plugin: load them, fill the catalog
//     LoadResult r = load(path, files, catalog, {.previous = running.get()});
//     for (const Diagnostic& d : r.diagnostics) LOGE("", d.line());
//     if (r.config) …
//
// Judges text alone: no name is resolved, no interface looked at, nothing executed. Main thread.
#pragma once

#include <string>
#include <vector>

#include "conf/catalog.hpp"
#include "conf/config.hpp"
#include "conf/diagnostic.hpp"
#include "conf/file_source.hpp"

namespace racoon::conf {

struct LoadOptions {
    /// Judge the text alone: files named in it may be absent, and a word whose module is absent is a
    /// warning even when nothing is left to offer. Such a Config is for printing, not for serving.
    bool offline = false;
    /// A module that is named could not be loaded, so that nobody can say what is missing without it.
    bool modules_missing = false;
    /// The configuration in force: policies that did not change keep their PolicyId and ReqId. Keeper
    /// and engine must pass equal ones to get equal numbers.
    const Config* previous = nullptr;
};

struct LoadResult {
    ConfigPtr config;                     // null: at least one diagnostic is an error
    std::vector<Diagnostic> diagnostics;  // in order of the text; warnings too
};

LoadResult load(const std::string& path, FileSource& files, const Catalog& catalog,
                const LoadOptions& options = {});

/// The name that stands for every module that is loaded when none is named.
inline constexpr std::string_view kStandardModules = "standard";
/// What to write so that a module is loaded beside those that already are. `any_named`: there is a
/// `module` line; else the standard ones must be named as well, since any line replaces them.
std::string module_lines(std::string_view module, bool any_named);

/// The `path module` and `module` statements. Other statements are not judged here: load() does it.
struct ModuleScan {
    std::string module_path;           // empty: the compiled default
    std::vector<ModuleBlock> modules;  // as written; empty: the standard ones
    std::string kernel = "auto";
    bool ok = true;  // false: a module statement is wrong or the file unreadable
    std::vector<Diagnostic> diagnostics;
};
ModuleScan scan_modules(const std::string& path, FileSource& files);

}  // namespace racoon::conf
