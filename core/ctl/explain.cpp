#include "ctl/explain.hpp"

#include <algorithm>
#include <cstdio>

#include "control/explain.hpp"
#include "log/log.hpp"

namespace racoon::ctl {

namespace {

constexpr std::size_t kWidest = 100;  // longer lines are hard to read
constexpr std::size_t kIndent = 4;

/// A terminal without UTF-8 shows it too.
std::string plain(std::string text) {
    static const std::string kEllipsis = "\u2026";
    for (std::size_t at; (at = text.find(kEllipsis)) != text.npos;)
        text.replace(at, kEllipsis.size(), "...");
    return text;
}

const conf::Topic* named(const std::vector<conf::Topic>& all, const std::string& name) {
    for (const conf::Topic& t : all)
        if (t.name == name) return &t;
    return nullptr;
}

/// `name`, blanks up to `column`, and a text that goes on below itself.
std::string pair_line(std::size_t indent, const std::string& name, std::size_t column,
                      const std::string& text, std::size_t width) {
    std::string out = std::string(indent, ' ') + name;
    if (text.empty()) return out + "\n";
    if (out.size() + 2 > column)
        out += "\n";
    else
        out.append(column - out.size(), ' ');
    const std::string rest = wrapped(text, column, width);
    return out.back() == '\n' ? out + rest : out + rest.substr(column);
}

/// One line of an overview, its text cut where it would not fit.
std::string cut_line(const std::string& name, std::size_t column, const std::string& text,
                     std::size_t width) {
    std::string out = std::string(2, ' ') + name;
    out.append(out.size() + 2 > column ? 2 : column - out.size(), ' ');
    out += text;
    if (out.size() > width) {
        out.resize(width > 3 ? width - 3 : 0);
        out += "...";
    }
    while (!out.empty() && out.back() == ' ') out.pop_back();
    return out + "\n";
}

std::string overview(const std::vector<const conf::Topic*>& topics, std::size_t width) {
    std::size_t column = 0;
    for (const conf::Topic* t : topics) column = std::max(column, t->name.size() + 4);
    column = std::min(column, width / 2);
    std::string out;
    for (const conf::Topic* t : topics)
        out += cut_line(t->name, column, plain(t->summary()), width);
    return out;
}

}  // namespace

std::string wrapped(const std::string& text, std::size_t indent, std::size_t width) {
    std::string out, line;
    const auto end_line = [&] {
        if (!line.empty()) out += std::string(indent, ' ') + line + "\n";
        line.clear();
    };
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find_first_of(" \n", at), text.size());
        const std::string word = text.substr(at, end - at);
        if (!line.empty() && indent + line.size() + 1 + word.size() > width) end_line();
        if (!word.empty()) line += (line.empty() ? "" : " ") + word;
        at = end + 1;
    }
    end_line();
    return out;
}

std::string topic_text(const conf::Topic& topic, const std::vector<conf::Topic>& all,
                       std::size_t width) {
    std::string out =
        wrapped(topic.name + " - " + topic.kind + ", " + topic.place, 0, width) + "\n";
    for (const std::string& form : topic.syntax) out += wrapped(form, kIndent, width);
    if (!topic.syntax.empty()) out += "\n";
    out += wrapped(plain(topic.help), kIndent, width);
    if (!topic.facts.empty()) {
        if (!topic.help.empty()) out += "\n";
        std::size_t column = 0;
        for (const conf::Fact& f : topic.facts)
            column = std::max(column, kIndent + f.name.size() + 2);
        for (const conf::Fact& f : topic.facts)
            out += pair_line(kIndent, f.name, std::min<std::size_t>(column, 32), plain(f.value),
                             width);
    }
    std::vector<const conf::Topic*> inside;
    for (const std::string& name : topic.inside)
        if (const conf::Topic* t = named(all, name)) inside.push_back(t);
    if (!inside.empty() && topic.kind != "value") out += "\n" + overview(inside, width);
    return out;
}

std::string topic_list(const std::vector<conf::Topic>& all, std::size_t width) {
    std::string out;
    std::string heading;
    std::vector<const conf::Topic*> group;
    const auto flush = [&] {
        if (group.empty()) return;
        out += (out.empty() ? "" : "\n") + heading + "\n" + overview(group, width);
        group.clear();
    };
    for (const conf::Topic& t : all) {
        const std::string of = t.kind == "directive" || t.kind == "block" || t.kind == "old word"
                                   ? "Words " + t.place
                               : t.kind == "grammar"    ? "Grammar"
                               : t.kind == "value"      ? "Values"
                               : t.kind == "warning"    ? "Warnings"
                               : t.kind == "module key" ? "Words " + t.place
                               : t.kind == "module"     ? "Installed modules"
                                                    : "Algorithms and what else modules provide";
        if (of != heading) flush();
        heading = of;
        group.push_back(&t);
    }
    flush();
    return out;
}

int explain(const std::vector<std::string>& words, const ExplainOptions& options) {
    const std::size_t width =
        std::clamp<std::size_t>(options.width == 0 ? 80 : options.width, 20, kWidest);
    std::vector<conf::Topic> topics =
        control::all_topics(control::module_folder(options.module_path));
    if (words == std::vector<std::string>{"--words"}) {  // for the shell's completion
        for (const conf::Topic& t : topics) std::puts(t.name.c_str());
        return 0;
    }
    std::string word;
    for (const std::string& w : words) word += (word.empty() ? "" : " ") + w;

    std::vector<const conf::Topic*> found;
    if (words.empty())
        for (const conf::Topic& t : topics) found.push_back(&t);
    else
        found = conf::find_topics(topics, word);
    std::vector<std::string> nearest;
    if (found.empty()) nearest = conf::near_topics(topics, word);

    if (options.json) {
        std::puts(control::pretty_json(control::explain_json(word, found, nearest)).c_str());
    } else if (words.empty()) {
        std::fputs(topic_list(topics, width).c_str(), stdout);
    } else {
        for (std::size_t i = 0; i < found.size(); ++i)
            std::fputs(((i == 0 ? "" : "\n") + topic_text(*found[i], topics, width)).c_str(),
                       stdout);
    }
    if (!found.empty()) return 0;
    std::string advice = "; \"racoonctl explain\" lists all";
    if (!nearest.empty()) {
        advice = "; near it: ";
        for (std::size_t i = 0; i < nearest.size(); ++i)
            advice += (i == 0 ? "" : ", ") + nearest[i];
    }
    std::fprintf(stderr, "racoonctl: nothing is called \"%s\"%s\n", log::escaped(word, 80).c_str(),
                 advice.c_str());
    return 1;
}

}  // namespace racoon::ctl
