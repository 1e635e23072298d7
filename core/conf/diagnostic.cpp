#include "conf/diagnostic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

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
    for (const char c : window) d.source += printable(c);
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
    return out + message;
}

std::string Diagnostic::text() const {
    std::string out = line() + "\n";
    if (!source.empty()) out += "    " + source + "\n    " + caret + "\n";
    return out;
}

void Diagnostics::add(Severity severity, const Span& where, std::string message) {
    if (severity == Severity::Error) ++errors_;
    if (full()) {
        ++dropped_;
        return;
    }
    Entry entry;
    entry.where = where;
    entry.diagnostic.severity = severity;
    entry.diagnostic.where = sources_.location(where);
    entry.diagnostic.message = std::move(message);
    if (where.line > 0) show_line(entry.diagnostic, sources_.at(where.file).bytes, where);
    list_.push_back(std::move(entry));
}

void Diagnostics::warning(const Location& where, std::string message) {
    if (full()) {
        ++dropped_;
        return;
    }
    Entry entry;
    for (std::uint32_t i = 0; i < sources_.size(); ++i)
        if (sources_.at(i).name == where.file) entry.where.file = i;
    entry.where.line = static_cast<std::uint32_t>(where.line);
    entry.where.column = static_cast<std::uint32_t>(where.column);
    entry.diagnostic.severity = Severity::Warning;
    entry.diagnostic.where = where;
    entry.diagnostic.message = std::move(message);
    list_.push_back(std::move(entry));
}

void Diagnostics::file_error(std::string file, std::string message) {
    ++errors_;
    if (full()) {
        ++dropped_;
        return;
    }
    Entry entry;
    entry.diagnostic.where.file = std::move(file);
    entry.diagnostic.message = std::move(message);
    list_.push_back(std::move(entry));
}

std::vector<Diagnostic> Diagnostics::take() {
    std::stable_sort(list_.begin(), list_.end(), [](const Entry& a, const Entry& b) {
        return std::tie(a.where.file, a.where.line, a.where.column) <
               std::tie(b.where.file, b.where.line, b.where.column);
    });
    std::vector<Diagnostic> out;
    out.reserve(list_.size() + 1);
    for (Entry& entry : list_) out.push_back(std::move(entry.diagnostic));
    if (dropped_ > 0) {
        Diagnostic more;
        more.severity = errors_ > 0 ? Severity::Error : Severity::Warning;
        more.where.file = out.empty() ? "" : out.back().where.file;
        more.message = fmt::format("{} more messages are not shown", dropped_);
        out.push_back(std::move(more));
    }
    list_.clear();
    dropped_ = 0;
    return out;
}

}  // namespace racoon::conf
