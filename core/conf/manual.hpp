// racoon.conf(5) from its template: the handwritten text with, at each mark, the directives of a block
// from the directive table.
//
//     .\" @directives remote@        a list of what stands in `remote`
//     .\" @directives others@        every block that has no mark of its own, with its heading
//     .\" @old words@                old spellings and what to write instead
//     .\" @example racoon.conf@      stays: tests take the display behind it and read it
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "conf/schema.hpp"

namespace racoon::conf {

/// Errors: Malformed, a mark that names no block, or a block that is left out.
Result<std::string> fill_manual(std::string_view text);

/// mdoc: one list item per directive of a block.
std::string directives_mdoc(Context context);
/// A form such as `lifetime time <time>;` as the arguments of `.It`.
std::string form_mdoc(std::string_view form);
/// A text as lines of mdoc.
std::string text_mdoc(std::string_view text);

}  // namespace racoon::conf
