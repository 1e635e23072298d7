#include "conf/diagnostic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "conf/mask.hpp"
#include "log/log.hpp"

namespace racoon::conf {

namespace {

constexpr std::size_t kWindow = 160;  // bytes of a source line that are shown
constexpr std::size_t kBefore = 100;  // of them before the caret

/// One byte of a source line as it may reach a terminal.
char printable(char c) {
    const auto code = static_cast<unsigned char>(c);
    return c == '\t' || (code >= 0x20 && code != 0x7f) ? c : '?';
}

void show_line(Diagnostic& d, std::string_view bytes, const Span& where) {
    const std::size_t line_start = where.offset - (where.column - 1);
    const std::size_t from =
        where.offset - line_start > kBefore ? where.offset - kBefore : line_start;
    std::string_view window = bytes.substr(from, kWindow);
    if (const auto end = window.find('\n'); end != window.npos) window = window.substr(0, end);
    while (!window.empty() && window.back() == '\r') window.remove_suffix(1);
    // What says that a key follows may stand before the window.
    const std::size_t known = std::max(line_start, from - std::min(from, kBefore));
    const std::string shown = masked(bytes.substr(known, from - known + window.size()));
    for (const char c : std::string_view(shown).substr(from - known)) d.source += printable(c);
    for (std::size_t i = from; i < where.offset; ++i) {
        const auto code = static_cast<unsigned char>(bytes[i]);
        if ((code & 0xc0) == 0x80) continue;  // inside a UTF-8 character
        d.caret += bytes[i] == '\t' ? '\t' : ' ';
    }
    d.caret += '^';
    const std::size_t room =
        window.size() - std::min<std::size_t>(where.offset - from, window.size());
    for (std::size_t i = 1; i < std::min<std::size_t>(where.length, room); ++i)
        if ((static_cast<unsigned char>(bytes[where.offset + i]) & 0xc0) != 0x80) d.caret += '~';
}

/// Where the line is that is `lines` further on than the one that starts at `at`.
std::size_t line_start(std::string_view bytes, std::size_t at, std::size_t lines) {
    for (; lines > 0 && at < bytes.size(); --lines) {
        const auto end = bytes.find('\n', at);
        at = end == bytes.npos ? bytes.size() : end + 1;
    }
    return at;
}

/// Shows the word or the string at a column of the line that starts at `at`.
void show_word(Diagnostic& d, std::string_view bytes, std::size_t at, Span& where) {
    if (at + where.column > bytes.size()) return;
    where.offset = static_cast<std::uint32_t>(at) + where.column - 1;
    const auto word = bytes.substr(where.offset, kWindow);
    const auto end =
        word.starts_with('"') ? word.find('"', 1) + 1 : word.find_first_of(" \t\r\n;{");
    where.length = static_cast<std::uint32_t>(end == 0 || end == word.npos ? word.size() : end);
    show_line(d, bytes, where);
}

}  // namespace

std::string quoted(std::string_view text) {
    return "\"" + log::escaped(text, 80) + "\"";
}

std::uint32_t Sources::add(std::string name, std::string bytes) {
    files_.push_back({std::move(name), std::move(bytes)});
    return static_cast<std::uint32_t>(files_.size() - 1);
}

std::string_view Sources::text(const Span& span) const {
    return std::string_view(files_[span.file].bytes).substr(span.offset, span.length);
}

Location Sources::location(const Span& span) const {
    return {files_[span.file].name, static_cast<int>(span.line), static_cast<int>(span.column)};
}

std::string Diagnostic::line() const {
    std::string out = where.file;
    if (where.line > 0) out += fmt::format(":{}:{}", where.line, where.column);
    out += severity == Severity::Warning ? ": warning: " : ": ";
    out += message;
    if (warning) out += fmt::format(" [{}]", about(*warning).name);
    return out;
}

std::string Diagnostic::text() const {
    std::string out = line() + "\n";
    if (!source.empty()) out += "    " + source + "\n    " + caret + "\n";
    return out;
}

bool Diagnostics::silenced(const Entry& entry) const {
    return entry.diagnostic.warning && silence_.covers(*entry.diagnostic.warning, entry.where);
}

bool Diagnostics::beyond(Warning name, const Span& where) {
    if (warnings_ < kMaxDiagnostics) return false;
    if (!silence_.covers(name, where)) ++dropped_[static_cast<std::size_t>(name)];
    return true;
}

void Diagnostics::add(Entry entry) {
    const auto& name = entry.diagnostic.warning;
    if (silenced(entry)) return;
    if (!name && ++errors_ > kMaxDiagnostics) {
        ++dropped_errors_;
        return;
    }
    if (name && ++warnings_ > kMaxDiagnostics) {
        ++dropped_[static_cast<std::size_t>(*name)];
        return;
    }
    // A line is looked up only for what is kept.
    if (entry.where.line > 0 && entry.diagnostic.where.line == 0) {
        entry.diagnostic.where = sources_.location(entry.where);
        show_line(entry.diagnostic, sources_.at(entry.where.file).bytes, entry.where);
    }
    list_.push_back(std::move(entry));
}

void Diagnostics::error(const Span& where, std::string message) {
    Entry entry;
    entry.where = where;
    entry.diagnostic.message = std::move(message);
    if (where.line == 0) entry.diagnostic.where = sources_.location(where);
    add(std::move(entry));
}

void Diagnostics::warning(Warning name, const Span& where, std::string message) {
    Entry entry;
    entry.where = where;
    entry.diagnostic.severity = Severity::Warning;
    entry.diagnostic.message = std::move(message);
    entry.diagnostic.warning = name;
    if (where.line == 0) entry.diagnostic.where = sources_.location(where);
    add(std::move(entry));
}

void Diagnostics::warning(Warning name, const Location& where, std::string message) {
    Entry entry;
    // A file that is no source, such as one of keys, comes behind all of them.
    entry.where.file = static_cast<std::uint32_t>(sources_.size());
    for (std::uint32_t i = 0; i < sources_.size(); ++i)
        if (sources_.at(i).name == where.file) entry.where.file = i;
    entry.where.line = static_cast<std::uint32_t>(where.line);
    entry.where.column = static_cast<std::uint32_t>(where.column);
    entry.diagnostic.severity = Severity::Warning;
    entry.diagnostic.where = where;
    entry.diagnostic.message = std::move(message);
    entry.diagnostic.warning = name;
    add(std::move(entry));
}

void Diagnostics::file_error(std::string file, std::string message) {
    Entry entry;
    entry.diagnostic.where.file = std::move(file);
    entry.diagnostic.message = std::move(message);
    add(std::move(entry));
}

void Diagnostics::silence(Silence silence) {
    silence_ = std::move(silence);
    const auto gone = std::remove_if(list_.begin(), list_.end(),
                                     [this](const Entry& entry) { return silenced(entry); });
    list_.erase(gone, list_.end());
    warnings_ = 0;
    for (const Entry& entry : list_) warnings_ += entry.diagnostic.warning ? 1u : 0u;
    for (const WarningInfo& info : warning_table())
        if (silence_.covers(info.warning)) dropped_[static_cast<std::size_t>(info.warning)] = 0;
}

/// The source lines of what was told by line and column alone. The list is sorted, so that each file is
/// walked through once.
void Diagnostics::find_lines() {
    std::uint32_t file = 0, line = 1;
    std::size_t at = 0;
    for (Entry& entry : list_) {
        Span& where = entry.where;
        if (where.line == 0 || where.file >= sources_.size() || !entry.diagnostic.source.empty())
            continue;
        const std::string_view bytes = sources_.at(where.file).bytes;
        if (where.file != file || where.line < line) {
            file = where.file;
            line = 1;
            at = 0;
        }
        at = line_start(bytes, at, where.line - line);
        line = where.line;
        show_word(entry.diagnostic, bytes, at, where);
    }
}

void show_source(Diagnostic& diagnostic, std::string_view bytes) {
    Span where;
    where.line = static_cast<std::uint32_t>(diagnostic.where.line);
    where.column = static_cast<std::uint32_t>(diagnostic.where.column);
    if (where.line == 0 || where.column == 0) return;
    show_word(diagnostic, bytes, line_start(bytes, 0, where.line - 1), where);
}

std::vector<Diagnostic> Diagnostics::take() {
    std::stable_sort(list_.begin(), list_.end(), [](const Entry& a, const Entry& b) {
        return std::tie(a.where.file, a.where.line, a.where.column) <
               std::tie(b.where.file, b.where.line, b.where.column);
    });
    find_lines();
    std::vector<Diagnostic> out;
    out.reserve(list_.size() + 1);
    for (Entry& entry : list_) out.push_back(std::move(entry.diagnostic));
    std::size_t dropped = dropped_errors_;
    for (const std::size_t n : dropped_) dropped += n;
    if (dropped > 0) {
        Diagnostic more;
        more.severity = errors_ > 0 ? Severity::Error : Severity::Warning;
        more.where.file = out.empty() ? "" : out.back().where.file;
        more.message = fmt::format("{} more messages are not shown", dropped);
        out.push_back(std::move(more));
    }
    list_.clear();
    dropped_errors_ = 0;
    dropped_.fill(0);
    return out;
}

}  // namespace racoon::conf
