#include "conf/explain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "conf/features.hpp"
#include "conf/nearest.hpp"

namespace racoon::conf {

namespace {

std::string joined(std::string_view words, std::string_view between) {
    return fmt::format("{}", fmt::join(split_words(words), between));
}

/// What may follow the keyword, one entry per form.
std::vector<std::string> arguments(const Directive& d) {
    const std::string argument(d.argument);
    const auto named = [&](std::string_view otherwise) {
        return fmt::format("<{}>", argument.empty() ? otherwise : argument);
    };
    switch (d.form) {
        case Form::Block:
            return {"{ ... }"};
        case Form::Path:
            return {"<kind> \"<name>\""};
        case Form::Text:
            return {"\"" + named("text") + "\""};
        case Form::Name:
            if (d.word == Word::Kernel) return {"auto", "\"<backend>\""};
            return {"\"" + named("name") + "\""};
        case Form::Number:
            return {named("number")};
        case Form::Mark:
            return {named("value"), named("value") + "/<mask>"};
        case Form::Time:
            return {"<time>"};
        case Form::Lifetime:
            return {"time <number> <unit>"};
        case Form::Volume:
            return {"<number> <unit>"};
        case Form::Switch:
            return {"on | off"};
        case Form::Choice:
        case Form::LogLevel:
            return {joined(d.choices, " | ")};
        case Form::Choices:
            return {joined(d.choices, " | ") + " , ..."};
        case Form::Nothing:
            return {""};
        case Form::Address:
            return {"<address>", "<address> [<port>]"};
        case Form::Peer:
            return {"<address>", "<address> [<port>]", "<net>", "<host>"};
        case Form::AdminSocket:
            return {"\"<path>\"", "\"<path>\" \"<owner>\" \"<group>\" <mode>", "disabled"};
        case Form::AdminPort:
            return {"[0]"};
        case Form::Identifier:
            return {"address",
                    "address <address>",
                    "fqdn \"<name>\"",
                    "user_fqdn \"<user@name>\"",
                    "keyid tag \"<text>\"",
                    "keyid file \"<file>\"",
                    "asn1dn",
                    "asn1dn \"<name>\""};
        case Form::Algorithm:
            if (d.word == Word::EncryptionAlgorithm) return {"<cipher>", "<cipher> <bits>"};
            return {d.word == Word::HashAlgorithm ? "<hash>" : "<method>"};
        case Form::Algorithms:
            if (d.word == Word::EncryptionAlgorithm) return {"<cipher> <bits> , ..."};
            return {"<algorithm> , ..."};
        case Form::Group:
            return {"<group>"};
        case Form::Remote:
            return {"\"<name>\" { ... }",
                    "\"<name>\" inherit \"<other>\" { ... }",
                    "\"<name>\" inherit \"<other>\"",
                    "<address> { ... }",
                    "<address> [<port>] { ... }",
                    "<address> inherit <other> { ... }",
                    "<net> { ... }",
                    "<host> { ... }",
                    "anonymous { ... }"};
        case Form::SaInfo:
            return {"anonymous { ... }",
                    "<local> <remote> { ... }",
                    "<local> anonymous { ... }",
                    "anonymous <remote> { ... }",
                    "<local> clientaddr { ... }",
                    "<local> <remote> from <identity> { ... }",
                    "<local> <remote> group \"<name>\" { ... }"};
        case Form::Module:
            return {"\"<name>\"", "\"<name>\" { ... }"};
        case Form::Policy:
            return {"file \"<file>\"",
                    "spdadd <source> <destination> <protocol> -P <direction> <rule>"};
        case Form::OwnCertificate:
            return {"x509 \"<certificate>\" \"<key>\"", "plain_rsa \"<key>\""};
        case Form::PeersCertificate:
            return {"x509 \"<certificate>\"", "plain_rsa \"<keys>\"", "dnssec"};
        case Form::CaFile:
            return {"x509 \"<certificate>\""};
        case Form::Script:
            return {"\"<file>\" " + joined(d.choices, " | ")};
        case Form::IpAddress:
            return {"<address>"};
        case Form::Addresses:
            return {"<address> , ..."};
        case Form::Networks: {
            std::vector<std::string> out;
            for (const std::string& kind : split_words(d.choices))
                out.push_back(kind + " <net> , ...");
            return out;
        }
        case Form::Texts:
            return {"\"" + named("text") + "\" , ..."};
        case Form::RadiusServer:
            return {"\"<host>\" \"<secret>\"", "\"<host>\" [<port>] \"<secret>\""};
        case Form::Skipped:
            return {"..."};
    }
    return {};
}

std::string since_text(std::string_view since) {
    if (since == "KAME") return "KAME's racoon";
    if (since.starts_with("0.")) return fmt::format("ipsec-tools {}", since);
    return fmt::format("racoon {}", since);
}

std::string time_text(std::uint64_t seconds) {
    if (seconds == 0 || seconds % 60 != 0) return fmt::format("{} sec", seconds);
    return seconds % 3600 != 0 ? fmt::format("{} min", seconds / 60)
                               : fmt::format("{} hours", seconds / 3600);
}

std::string place_of(Context context) {
    if (context == Context::Top) return "at the top level";
    if (context == Context::Path) return "after path";
    return fmt::format("in {}", context_name(context));
}

/// "lifetime.byte": a query has no blanks.
std::string dotted(std::string_view keyword) {
    std::string out(keyword);
    std::replace(out.begin(), out.end(), ' ', '.');
    return out;
}

std::string name_of(const Directive& d) {
    if (d.context == Context::Top) return std::string(d.keyword);
    return fmt::format("{}.{}", context_name(d.context), dotted(d.keyword));
}

/// `<number>` to NUMBER.
std::string capitals(std::string_view form) {
    std::string out;
    bool argument = false;
    for (const char c : form) {
        if (c == '<' || c == '>')
            argument = c == '<';
        else
            out += argument && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
    for (std::size_t at; (at = out.find(" ,")) != out.npos;) out.erase(at, 1);
    return out;
}

Topic topic(const Directive& d) {
    Topic t;
    t.name = name_of(d);
    t.kind = d.standing != Standing::Works ? "old word"
             : d.form == Form::Block       ? "block"
                                           : "directive";
    t.place = place_of(d.context);
    t.words = {dotted(d.keyword)};
    if (const auto first = d.keyword.find(' '); first != d.keyword.npos)
        t.words.emplace_back(d.keyword.substr(0, first));
    if (d.word == Word::WarningName) t.kind = "warning";
    if (d.standing == Standing::Works)
        for (const std::string& form : forms(d)) t.syntax.push_back(capitals(form));
    t.help = help(d);
    t.facts = facts(d);
    const Context body = d.form == Form::Path ? Context::Path : d.body;
    if (body == Context::Top) return t;
    t.kind = "block";
    for (const Directive& inner : directives())
        if (inner.context == body && inner.standing == Standing::Works)
            t.inside.push_back(name_of(inner));
    return t;
}

/// "obey": a value of remote.proposal_check.
std::vector<Topic> value_topics() {
    std::map<std::string, std::vector<const Directive*>> takers;
    for (const Directive& d : directives())
        if (d.standing == Standing::Works && d.form != Form::Switch)
            for (const std::string& word : split_words(d.choices))
                if (word != "on" && word != "off") takers[word].push_back(&d);
    std::vector<Topic> out;
    for (const auto& [word, list] : takers) {
        Topic t;
        t.name = "value." + word;
        t.words = {word};
        t.kind = "value";
        std::vector<std::string> names;
        for (const Directive* d : list) {
            names.push_back(name_of(*d));
            t.facts.push_back({names.back(), help(*d)});
        }
        t.place = fmt::format("a value of {}", fmt::join(names, ", "));
        t.inside = names;
        out.push_back(std::move(t));
    }
    return out;
}

}  // namespace

bool Topic::answers(std::string_view word) const {
    return name == word || std::find(words.begin(), words.end(), word) != words.end();
}

std::string Topic::summary() const {
    for (std::size_t at = 0; (at = help.find(". ", at)) != help.npos; ++at)
        if (at + 2 < help.size() && (help[at + 2] < 'a' || help[at + 2] > 'z'))
            return help.substr(0, at);
    return help.ends_with('.') ? help.substr(0, help.size() - 1) : help;
}

std::vector<std::string> forms(const Directive& directive) {
    std::vector<std::string> out;
    std::string head(directive.keyword);
    if (directive.context == Context::Path) head = "path " + head;
    for (const std::string& argument : arguments(directive)) {
        std::string form = head + (argument.empty() ? "" : " ") + argument;
        if (!form.ends_with('}')) form += ';';
        out.push_back(std::move(form));
    }
    return out;
}

std::vector<Fact> facts(const Directive& d) {
    std::vector<Fact> out;
    const bool number = d.form == Form::Number;
    const bool time = d.form == Form::Time || d.form == Form::Lifetime;
    if (!d.preset.empty())
        out.push_back({"default", number && !d.unit.empty() && d.preset != "1"
                                      ? fmt::format("{} {}", d.preset, d.unit)
                                      : std::string(d.preset)});
    if (number && d.most == 0xffffffff)
        out.push_back({"range", fmt::format("from {}", d.least)});
    else if (number && d.most != 0)
        out.push_back({"range", fmt::format("{} to {}", d.least, d.most)});
    if (time && d.most == 0xffffffff)
        out.push_back({"range", fmt::format("from {}", time_text(d.least))});
    else if (time && d.most != 0)
        out.push_back({"range", fmt::format("{} to {}", time_text(d.least), time_text(d.most))});
    if (number && !d.unit.empty()) out.push_back({"unit", fmt::format("{}, not written", d.unit)});
    if (time) out.push_back({"unit", "sec, min or hour; always written"});
    if (d.form == Form::Volume)
        out.push_back({"unit", "B, KB of 1024 bytes, MB, GB or TB; always written"});
    if (d.many) out.push_back({"repeated", "may stand more than once"});
    if (!d.since.empty()) out.push_back({"since", since_text(d.since)});
    for (const Directive& other : directives())
        if (other.standing == Standing::Alias && other.context == d.context &&
            other.instead == d.keyword)
            out.push_back({"old spelling", std::string(other.keyword)});
    if (!d.example.empty()) out.push_back({"example", std::string(d.example)});
    if (!has(d.feature))
        out.push_back({"this release",
                       fmt::format("accepts it, but cannot do it yet ({}): what depends on it is "
                                   "refused when it is used",
                                   feature_name(d.feature))});
    return out;
}

std::string help(const Directive& d) {
    switch (d.standing) {
        case Standing::Works:
            return std::string(d.help);
        case Standing::Alias:
            return fmt::format("An old spelling, accepted with a warning; write {}.", d.instead);
        case Standing::Ignored:
            return fmt::format("An old word, accepted with a warning; it has no effect{}.",
                               d.instead.empty() ? "" : fmt::format(": use {}", d.instead));
        case Standing::Gone:
            return fmt::format("An error: {} {}.", d.keyword, d.instead);
    }
    return {};
}

std::vector<Topic> directive_topics() {
    std::vector<Topic> out;
    for (const Directive& d : directives()) out.push_back(topic(d));
    for (Topic& t : grammar_topics()) {
        if (t.name == "block")
            for (const Directive& d : directives())
                if (d.context == Context::Top && d.standing == Standing::Works &&
                    d.body != Context::Top)
                    t.inside.push_back(name_of(d));
        out.push_back(std::move(t));
    }
    for (Topic& t : value_topics()) out.push_back(std::move(t));
    return out;
}

std::vector<const Topic*> find_topics(const std::vector<Topic>& topics, std::string_view word) {
    std::string key(word);
    std::replace(key.begin(), key.end(), ' ', '.');
    std::vector<const Topic*> out;
    for (const Topic& t : topics)
        if (t.answers(key)) out.push_back(&t);
    if (!out.empty()) return out;
    // "proposal.remote.lifetime", "remote.proposal.lifetime": only the last two count.
    const auto last = key.rfind('.');
    if (last == key.npos || last == 0) return out;
    const auto before = key.rfind('.', last - 1);
    if (before != key.npos) return find_topics(topics, std::string_view(key).substr(before + 1));
    return out;
}

std::vector<std::string> near_topics(const std::vector<Topic>& topics, std::string_view word,
                                     std::size_t most) {
    std::string key(word.substr(0, 80));
    for (char& c : key)
        c = c == ' ' ? '.' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const unsigned limit = key.size() < 4 ? 1 : key.size() < 8 ? 2 : 3;
    std::set<std::pair<unsigned, std::string>> found;
    const auto consider = [&](const std::string& name, std::string_view mistyped) {
        unsigned distance = edit_distance(mistyped, name, limit);
        // Part of a longer word is as good as one mistake.
        if (distance > limit && mistyped.size() >= 3 && name.find(mistyped) != name.npos)
            distance = limit;
        if (distance <= limit) found.emplace(distance, name);
    };
    const std::string_view tail = std::string_view(key).substr(key.rfind('.') + 1);
    for (const Topic& t : topics) {
        consider(t.name, key);
        for (const std::string& w : t.words) {
            consider(w, key);
            if (tail.size() != key.size()) consider(w, tail);
        }
    }
    std::vector<std::string> out;
    for (const auto& [distance, name] : found) {
        if (out.size() >= most) break;
        if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
    }
    return out;
}

}  // namespace racoon::conf
