// Table: columns as wide as their content, cut to the terminal; plain text when piped.
#pragma once

#include <string>
#include <vector>

namespace racoon::ctl {

class Table {
  public:
    explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
    void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    /// width 0: as wide as needed. The last column is cut with "…" when a line would not fit.
    std::string text(std::size_t width) const;

  private:
    std::vector<std::vector<std::string>> rows_;
};

/// Columns of the terminal on standard output; 0 if it is not one.
std::size_t terminal_width();

}  // namespace racoon::ctl
