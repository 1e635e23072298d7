// `racoonctl explain [WORD]`: what a word of racoon.conf means. Needs no running daemon.
#pragma once

#include <string>
#include <vector>

#include "conf/explain.hpp"

namespace racoon::ctl {

struct ExplainOptions {
    bool json = false;
    std::string module_path;  // empty: that of racoon.conf, or the default
    std::size_t width = 80;
};
/// Prints; the exit status. `words`: what stands behind `explain`.
int explain(const std::vector<std::string>& words, const ExplainOptions& options);

/// The parts of it, as text no wider than `width`.
std::string topic_text(const conf::Topic& topic, const std::vector<conf::Topic>& all,
                       std::size_t width);
std::string topic_list(const std::vector<conf::Topic>& all, std::size_t width);
/// Words broken at `width`, each line after `indent` spaces.
std::string wrapped(const std::string& text, std::size_t indent, std::size_t width);

}  // namespace racoon::ctl
