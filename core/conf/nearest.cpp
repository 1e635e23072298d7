#include "conf/nearest.hpp"

#include <algorithm>
#include <array>

#include "conf/diagnostic.hpp"

namespace racoon::conf {

namespace {
constexpr std::size_t kLongest = 64;
constexpr std::size_t kShortestPart = 4;

std::size_t common_start(std::string_view a, std::string_view b) {
    std::size_t n = 0;
    while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
    return n;
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}
}  // namespace

unsigned edit_distance(std::string_view a, std::string_view b, unsigned limit) {
    const std::size_t gap = a.size() > b.size() ? a.size() - b.size() : b.size() - a.size();
    if (gap > limit || a.size() > kLongest || b.size() > kLongest) return limit + 1;
    std::array<unsigned, kLongest + 1> before{}, above{}, row{};
    for (std::size_t j = 0; j <= b.size(); ++j) above[j] = static_cast<unsigned>(j);
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = static_cast<unsigned>(i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const unsigned change = above[j - 1] + (a[i - 1] == b[j - 1] ? 0u : 1u);
            row[j] = std::min(std::min(above[j], row[j - 1]) + 1, change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], before[j - 2] + 1);
        }
        std::swap(before, above);
        std::swap(above, row);
    }
    return std::min(above[b.size()], limit + 1);
}

std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates) {
    if (word.empty() || word.size() > kLongest) return std::nullopt;
    // Capital letters are one mistake, however many they are.
    const std::string small = lower(word);
    for (const std::string& candidate : candidates)
        if (candidate != word && lower(candidate) == small) return candidate;
    // A third of the word may be wrong; a short word only in one place.
    unsigned best = static_cast<unsigned>(std::max<std::size_t>(1, word.size() / 3)) + 1;
    const std::string* found = nullptr;
    for (const std::string& candidate : candidates) {
        if (candidate.size() == 1) continue;
        const unsigned d = edit_distance(small, candidate, best);
        // Of equals the one that begins like the word: "of" is "off", not "on".
        const bool alike = found && d < candidate.size() && d == best &&
                           common_start(small, candidate) > common_start(small, *found);
        if ((d < best && d < candidate.size()) || alike) {
            best = d;
            found = &candidate;
        }
    }
    // "hostname" for "host": the longest that is a part of the word, or of which the word is one.
    if (!found)
        for (const std::string& candidate : candidates)
            if (std::min(candidate.size(), small.size()) >= kShortestPart &&
                common_start(small, candidate) == std::min(candidate.size(), small.size()) &&
                (!found || candidate.size() > found->size()))
                found = &candidate;
    if (!found) return std::nullopt;
    return *found;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
    const auto found = nearest(word, candidates);
    return found ? "; did you mean " + quoted(*found) + "?" : "";
}

}  // namespace racoon::conf
