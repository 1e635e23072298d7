#include "conf/manual.hpp"

#include <fmt/format.h>

#include <set>

#include "conf/explain.hpp"

namespace racoon::conf {

namespace {

/// What roff would take for its own.
std::string escaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text.substr(i).starts_with("\u2026")) {
            out += "...";
            i += 2;
        } else if (text.substr(i).starts_with("NetBSD")) {
            out += "Net\\&BSD";  // or mandoc asks for the macro
            i += 5;
        } else if (text[i] == '\\') {
            out += "\\e";
        } else {
            out += text[i];
        }
    }
    return out;
}

/// Appends a word to the last line, or begins a new one.
void add_word(std::string& out, std::size_t& column, std::string_view word) {
    constexpr std::size_t kWidth = 78;
    if (column != 0 && column + 1 + word.size() > kWidth) {
        out += '\n';
        column = 0;
    }
    if (column != 0) {
        out += ' ';
        ++column;
    } else if (word.starts_with('.') || word.starts_with('\'')) {
        out += "\\&";
    }
    out += word;
    column += word.size();
}

/// Whether an example shows more than the syntax does.
bool worth_an_example(const Directive& d) {
    switch (d.form) {
        case Form::Switch:
        case Form::Choice:
        case Form::Number:
        case Form::Nothing:
        case Form::AdminPort:
        case Form::IpAddress:
            return false;
        default:
            return !d.example.empty() && d.example.size() <= 100;
    }
}

std::string item(const Directive& d) {
    std::string out;
    for (const std::string& form : forms(d)) out += ".It " + form_mdoc(form) + "\n";
    out += text_mdoc(help(d));
    const bool warning = d.word == Word::WarningName;
    std::string told;
    for (const Fact& f : facts(d)) {
        if (f.name == "default" && !warning)
            told += fmt::format("Default: {}. ", f.value);
        else if (f.name == "range")
            told += fmt::format("Range: {}. ", f.value);
        else if (f.name == "unit" && d.form == Form::Number && d.preset.empty())
            told += fmt::format("Unit: {}. ", d.unit);
        else if (f.name == "repeated")
            told += "May be repeated. ";
        else if (f.name == "since" && !warning)
            told += fmt::format("Since {}. ", f.value);
        else if (f.name == "old spelling")
            told += fmt::format("Old spelling: {}. ", f.value);
        else if (f.name == "this release")
            told += "Not yet in this release. ";
    }
    out += text_mdoc(told);
    if (worth_an_example(d)) {
        std::string example = escaped(d.example);
        for (std::size_t at = 0; (at = example.find('"', at)) != example.npos; at += 4)
            example.replace(at, 1, "\\(dq");
        out += ".Dl " + example + "\n";
    }
    return out;
}

std::string old_words() {
    std::string out = ".Bl -tag -width Ds\n";
    for (const Directive& d : directives()) {
        if (d.standing == Standing::Works) continue;
        out += fmt::format(
            ".It Cm {}{}\n", d.keyword,
            d.context == Context::Top ? "" : fmt::format(" No in Cm {}", context_name(d.context)));
        out += text_mdoc(help(d));
    }
    return out + ".El\n";
}

constexpr std::size_t kFirst = static_cast<std::size_t>(Context::Top);

/// The block that a mark names; kContexts: none.
std::size_t context_of(std::string_view name) {
    if (name == "top") return kFirst;
    for (std::size_t i = kFirst; i < kContexts; ++i)
        if (name == context_name(static_cast<Context>(i))) return i;
    return kContexts;
}

std::string others(const std::set<std::size_t>& done) {
    std::string out;
    for (std::size_t i = kFirst; i < kContexts; ++i)
        if (!done.contains(i))
            out += fmt::format(".Ss The {} block\n{}", context_name(static_cast<Context>(i)),
                               directives_mdoc(static_cast<Context>(i)));
    return out;
}

}  // namespace

std::string form_mdoc(std::string_view form) {
    std::string out;
    char kind = 0;  // of the macro that is open: C, A
    const auto say = [&](char wanted, std::string_view word) {
        if (kind != wanted)
            out += fmt::format("{}{}", out.empty() ? "" : " ", wanted == 'C' ? "Cm" : "Ar");
        kind = wanted;
        out += fmt::format(" {}", word);
    };
    const auto open = [&](std::string_view macro) {
        out += fmt::format("{}{}", out.empty() ? "" : " ", macro);
        kind = 0;
    };
    bool semicolon = form.ends_with(';');
    if (semicolon) form.remove_suffix(1);
    while (!form.empty()) {
        const std::size_t end = std::min(form.find(' '), form.size());
        std::string_view word = form.substr(0, end);
        form.remove_prefix(std::min(end + 1, form.size()));
        const bool quoted = word.starts_with('"');
        const bool bracket = word.starts_with("[<");
        if (quoted || bracket) word = word.substr(1, word.size() - 2);
        if (quoted) open("Qo");
        if (bracket) open("Bo");
        if (word.starts_with('<'))
            say('A', word.substr(1, word.size() - 2));
        else if (word == "|" || word == ",")
            out += fmt::format(" {}", word);
        else
            say('C', word.starts_with('-') ? "\\" + std::string(word) : std::string(word));
        if (quoted) open("Qc");
        if (bracket) open("Bc");
    }
    return semicolon ? out + " ;" : out;
}

std::string text_mdoc(std::string_view text) {
    std::string out;
    std::size_t column = 0;
    const std::string clean = escaped(text);
    for (std::size_t at = 0; at < clean.size();) {
        const std::size_t end = std::min(clean.find(' ', at), clean.size());
        const std::string_view word = std::string_view(clean).substr(at, end - at);
        at = end + 1;
        if (word.empty()) continue;
        add_word(out, column, word);
        // A new sentence begins a new line.
        if (word.ends_with('.') || word.ends_with('?')) {
            out += '\n';
            column = 0;
        }
    }
    if (column != 0) out += '\n';
    return out;
}

std::string directives_mdoc(Context context) {
    // Compact, so that the forms of a directive stand together; paragraphs keep directives apart.
    std::string out;
    for (const Directive& d : directives())
        if (d.context == context && d.standing == Standing::Works)
            out += (out.empty() ? ".Bl -tag -width Ds -compact\n" : ".Pp\n") + item(d);
    return out + ".El\n";
}

Result<std::string> fill_manual(std::string_view text) {
    constexpr std::string_view kMark = ".\\\" @";
    const auto mark_of = [&](std::string_view line) -> std::string_view {
        if (!line.starts_with(kMark) || !line.ends_with('@')) return {};
        return line.substr(kMark.size(), line.size() - kMark.size() - 1);
    };
    std::set<std::size_t> done;
    bool rest = false;
    // Twice: what is left for "others" is known only when all marks were seen.
    std::string out;
    for (int pass = 0; pass < 2; ++pass) {
        out.clear();
        for (std::string_view left = text; !left.empty();) {
            const std::size_t end = std::min(left.find('\n'), left.size());
            const std::string_view line = left.substr(0, end);
            left.remove_prefix(std::min(end + 1, left.size()));
            const std::string_view mark = mark_of(line);
            if (mark.empty() || mark.starts_with("example ")) {
                out += std::string(line) + "\n";
            } else if (mark == "old words") {
                out += old_words();
            } else if (mark == "directives others") {
                rest = true;
                out += others(done);
            } else {
                constexpr std::string_view kDirectives = "directives ";
                const std::size_t context = mark.starts_with(kDirectives)
                                                ? context_of(mark.substr(kDirectives.size()))
                                                : kContexts;
                if (context == kContexts)
                    return fail(Errc::Malformed,
                                fmt::format("the mark \"{}\" names no block", mark));
                done.insert(context);
                out += directives_mdoc(static_cast<Context>(context));
            }
        }
    }
    if (!rest && done.size() < kContexts)
        return fail(Errc::Malformed, "not every block has its mark, and there is no \"others\"");
    return out;
}

}  // namespace racoon::conf
