// Diagnostics: what is wrong in a file, where, and what to write instead. All of a load are collected.
//
//     racoon.conf:41:13: unknown word "lifetme"; did you mean "lifetime"?
//         lifetme time 1 hour;
//         ^~~~~~~
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.hpp"
#include "conf/warnings.hpp"

namespace racoon::conf {

/// A stretch of a source file; line and column count from 1, columns in bytes.
struct Span {
    std::uint32_t file = 0;  // index into Sources
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
    std::uint32_t line = 0;  // 0: nowhere
    std::uint32_t column = 0;
};

/// The files of one load, so that diagnostics can show lines. References stay valid.
class Sources {
  public:
    struct File {
        std::string name;
        std::string bytes;
    };
    std::uint32_t add(std::string name, std::string bytes);
    const File& at(std::uint32_t file) const { return files_[file]; }
    std::size_t size() const { return files_.size(); }
    std::string_view text(const Span& span) const;
    Location location(const Span& span) const;

  private:
    std::deque<File> files_;
};

enum class Severity : std::uint8_t { Error, Warning };

struct Diagnostic {
    Severity severity = Severity::Error;
    Location where;       // line 0: the file as a whole
    std::string message;  // printable; bytes of the file are escaped
    std::string source;   // the line (a window of a long one), printable; empty: not shown
    std::string caret;    // "    ^~~~" under `source`
    std::optional<Warning> warning = {};

    /// One line: "racoon.conf:41:13: message", "racoon.conf:41:13: warning: message [name]".
    std::string line() const;
    /// The same and, where known, the source line and the caret line, each ending in a newline.
    std::string text() const;
};

/// Collects. Beyond the bounds it only counts, so that no input makes it grow; warnings have a bound
/// of their own and never push an error out.
class Diagnostics {
  public:
    static constexpr std::size_t kMaxDiagnostics = 200;  // of each severity

    explicit Diagnostics(const Sources& sources) : sources_(sources) {}
    void error(const Span& where, std::string message);
    void warning(Warning name, const Span& where, std::string message);
    /// At a place whose span is gone, or in a file that is no source and is not shown.
    void warning(Warning name, const Location& where, std::string message);
    /// An error, or where the text alone is judged a warning.
    void error_or_warning(bool error_wanted, Warning name, const Span& where, std::string message) {
        if (error_wanted)
            error(where, std::move(message));
        else
            warning(name, where, std::move(message));
    }
    /// About a file as a whole.
    void file_error(std::string file, std::string message);
    /// Drops the warnings that are switched off, those told so far and all to come.
    void silence(Silence silence);

    /// True: such a warning would not be kept, and is counted. So that floods of them cost no text.
    bool beyond(Warning name, const Span& where);
    std::size_t errors() const { return errors_; }
    bool full() const { return errors_ >= kMaxDiagnostics; }
    /// In order of files and lines; with a last one that counts those left out.
    std::vector<Diagnostic> take();
    const Sources& sources() const { return sources_; }

  private:
    struct Entry {
        Span where;
        Diagnostic diagnostic;
    };
    void add(Entry entry);
    bool silenced(const Entry& entry) const;
    void find_lines();

    const Sources& sources_;
    std::vector<Entry> list_;
    std::size_t errors_ = 0, warnings_ = 0;
    std::size_t dropped_errors_ = 0;
    std::array<std::size_t, kWarnings> dropped_{};  // warnings, by name
    Silence silence_;
};

/// Fills in the source line and the caret from `where`, for what is found when the load is over.
void show_source(Diagnostic& diagnostic, std::string_view bytes);

/// Text for a message: bytes of the file in double quotes, escaped, cut to a sane length.
std::string quoted(std::string_view text);

}  // namespace racoon::conf
