// Where a word leads that is right somewhere else: in another block, in another program's file, or in an
// older racoon.
#pragma once

#include <string_view>

#include "conf/catalog.hpp"
#include "conf/schema.hpp"

namespace racoon::conf {

/// What an unknown word of a block is called there, to go on behind "; "; empty: nothing is known.
std::string_view signpost(Context context, std::string_view word);

/// The program whose configuration has this word at its top level: "ipsec.conf (strongSwan, …)";
/// empty: none that is known.
std::string_view foreign_program(std::string_view word);

/// A word of older racoons that no module of this release provides.
struct Unserved {
    Kind kind;
    std::string_view word;
    std::string_view what;     // this release has no support for …
    std::string_view instead;  // what to write
};
/// Null: it is none of them.
const Unserved* unserved(Kind kind, std::string_view word);

}  // namespace racoon::conf
