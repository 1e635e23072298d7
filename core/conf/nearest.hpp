// nearest(): the known word that a mistyped one probably meant.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace racoon::conf {

/// Insertions, deletions, changes and swaps of neighbours that turn a into b; `limit` + 1 when more
/// than `limit` are needed.
unsigned edit_distance(std::string_view a, std::string_view b, unsigned limit);

/// The closest candidate, the first of equals; empty when none is close enough to be a typing error.
std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates);

/// `; did you mean "x"?` or "".
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace racoon::conf
