// All topics of `racoonctl explain` and their JSON; answered without a daemon.
#pragma once

#include <string>
#include <vector>

#include "conf/explain.hpp"
#include "control/json.hpp"

namespace racoon::control {

/// The directives' and those of the modules in `dir`.
std::vector<conf::Topic> all_topics(const std::string& dir);
/// `asked`: a folder; else the one that a readable racoon.conf names; else the compiled default.
std::string module_folder(const std::string& asked);

/// {"name", "kind", "place", "words", "syntax", "help", "facts": {…}, "inside"}
Json topic_json(const conf::Topic& topic);
/// {"word", "topics": […], "nearest": […]}
Json explain_json(const std::string& word, const std::vector<const conf::Topic*>& found,
                  const std::vector<std::string>& nearest);

}  // namespace racoon::control
