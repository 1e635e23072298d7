// build(): statements and the Catalog to the immutable model. All names are resolved, all ranges
// checked, everything that must be there is there.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "conf/ast.hpp"
#include "conf/catalog.hpp"
#include "conf/config.hpp"
#include "conf/diagnostic.hpp"
#include "conf/file_source.hpp"

namespace racoon::conf {

struct BuildInput {
    const std::vector<Statement>& statements;
    Sources& sources;  // policy files are added
    const Catalog& catalog;
    FileSource& files;
    bool offline = false;
};

/// The model as far as it could be built; it serves only if `diagnostics` has no errors.
/// Policies have no ids yet.
std::shared_ptr<Config> build(const BuildInput& input, std::string file, Diagnostics& diagnostics);

/// One `module` statement; shared with scan_modules().
ModuleBlock build_module(const Statement& s, const Sources& sources, Diagnostics& diagnostics);

/// `name` as it stands in racoon.conf, made absolute: by `base` when it is set, else by the folder
/// of the file that names it. "~…" and "/…" stay.
std::string resolve_path(std::string_view name, std::string_view base, std::string_view named_in);

}  // namespace racoon::conf
