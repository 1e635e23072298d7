#include "conf/check.hpp"

#include <fmt/format.h>

#include <map>
#include <set>

#include "conf/token.hpp"

namespace racoon::conf {

namespace {

/// Model sections are those statements, in their order, that were without an error.
template <typename Section>
std::vector<const Statement*> beside(const std::vector<Section>& sections,
                                     const std::vector<Statement>& statements, Word word,
                                     const Sources& sources) {
    std::vector<const Statement*> out;
    out.reserve(sections.size());
    for (const Statement& s : statements) {
        if (out.size() == sections.size()) break;
        if (s.directive->word != word) continue;
        const Location& where = sections[out.size()].where;
        if (where.line == static_cast<int>(s.where.line) &&
            where.column == static_cast<int>(s.where.column) &&
            where.file == sources.at(s.where.file).name)
            out.push_back(&s);
    }
    return out;
}

/// set(warning, told) for each line of a `warnings` block.
template <typename Set>
void each_choice(const Statement& block, Set set) {
    for (const Statement& s : block.body)
        if (!s.broken && !s.values.empty())
            for (const WarningInfo& info : warning_table())
                if (info.name == s.directive->keyword) set(info.warning, s.values[0].number == 1);
}

}  // namespace

std::vector<WarningChoice> section_warnings(const Statement& section) {
    std::vector<WarningChoice> out;
    const auto set = [&out](Warning warning, bool told) {
        for (WarningChoice& earlier : out)
            if (earlier.warning == warning) {
                earlier.told = told;
                return;
            }
        out.push_back({warning, told});
    };
    for (const Statement& inner : section.body)
        if (inner.directive->word == Word::Warnings) each_choice(inner, set);
    return out;
}

Silence read_silence(const std::vector<Statement>& statements) {
    Silence out;
    for (const Statement& s : statements) {
        if (s.directive->word == Word::Warnings)
            each_choice(s, [&](Warning w, bool told) { out.set(w, told); });
        if (s.directive->word != Word::Remote && s.directive->word != Word::SaInfo) continue;
        for (const WarningChoice& choice : section_warnings(s))
            out.set(choice.warning, choice.told, s.where, s.end);
    }
    return out;
}

Whole::Whole(const Config& c, const std::vector<Statement>& s, const Catalog& k, FileSource& f,
             Diagnostics& d)
    : config(c),
      statements(s),
      catalog(k),
      files(f),
      diagnostics(d),
      remotes(beside(c.remotes, s, Word::Remote, d.sources())),
      sainfos(beside(c.sainfos, s, Word::SaInfo, d.sources())) {}

const Statement* written(const Statement& block, Word word) {
    const Statement* found = nullptr;
    for (const Statement& s : block.body)
        if (s.directive->word == word && !s.broken) found = &s;
    return found;
}

std::string duration(seconds time) {
    const auto n = time.count();
    const auto text = [](auto count, const char* unit) {
        return fmt::format("{} {}{}", count, unit, count == 1 ? "" : "s");
    };
    if (n >= 3600 && n % 3600 == 0) return text(n / 3600, "hour");
    if (n >= 60 && n % 60 == 0) return text(n / 60, "minute");
    return text(n, "second");
}

void check(const Whole& whole) {
    if (whole.remotes.size() != whole.config.remotes.size() ||
        whole.sainfos.size() != whole.config.sainfos.size())
        return;  // not of one load
    check_general(whole);
    check_weakness(whole);
    check_remotes(whole);
    check_sainfos(whole);
    check_policies(whole);
}

// --- listen, timer, repeated words ---

namespace {

void check_listen(const Whole& whole) {
    std::map<Endpoint, Span> seen;
    for (const Statement& block : whole.statements) {
        if (block.directive->word != Word::Listen) continue;
        for (const Statement& s : block.body) {
            if (s.broken || s.values.empty()) continue;
            if (s.directive->word != Word::Isakmp && s.directive->word != Word::IsakmpNatt)
                continue;
            const Value& v = s.values[0];
            const auto address = IpAddr::parse(v.text);
            if (!address) continue;
            const Endpoint endpoint{
                *address, v.has_number ? static_cast<std::uint16_t>(v.number) : std::uint16_t{500}};
            const auto [earlier, fresh] = seen.emplace(endpoint, s.where);
            if (!fresh)
                whole.diagnostics.warning(
                    Warning::Repeated, v.where,
                    fmt::format("{} is already listened on, by {} at {}; remove one",
                                endpoint.text(), whole.diagnostics.sources().text(earlier->second),
                                whole.place(earlier->second)));
        }
    }
}

/// A peer behind a NAT goes on to port 4500, where with a `listen` block only isakmp_natt listens.
void check_natt_listen(const Whole& whole) {
    const Listen& listen = whole.config.listen;
    if (listen.isakmp.empty() || !listen.isakmp_natt.empty()) return;
    for (std::size_t i = 0; i < whole.remotes.size(); ++i) {
        const Statement* s = written(*whole.remotes[i], Word::NatTraversal);
        if (s == nullptr || whole.config.remotes[i].nat_traversal == Offer::Off) continue;
        whole.diagnostics.warning(
            Warning::NattPort, s->where,
            fmt::format("nat_traversal has no port: the listen block has no isakmp_natt; write "
                        "\"isakmp_natt {} [4500];\" in it",
                        listen.isakmp.front().addr.text()));
        return;  // once, since it is the listen block that lacks it
    }
}

void check_timer(const Whole& whole) {
    const Timer& timer = whole.config.timer;
    for (const Statement& block : whole.statements) {
        if (block.directive->word != Word::Timer) continue;
        for (const auto& [word, time] :
             {std::pair{Word::Phase1, timer.phase1}, {Word::Phase2, timer.phase2}}) {
            const Statement* s = written(block, word);
            if (!s || timer.counter < 2 || time > timer.interval) continue;
            whole.diagnostics.warning(
                Warning::TimerOrder, s->values[0].where,
                fmt::format(
                    "{} gives up after {}, before the first message is sent again (interval "
                    "{}): one lost packet ends the negotiation; write more than {}",
                    s->directive->keyword, duration(time), duration(timer.interval),
                    duration(timer.interval * timer.counter)));
        }
    }
}

/// A single value that is written twice in one block: the last one counts.
void check_twice(const Whole& whole, const Statement& block) {
    std::map<std::string_view, const Statement*> seen;
    for (const Statement& s : block.body) {
        const bool single =
            s.directive->form == Form::Number || s.directive->form == Form::Time ||
            s.directive->form == Form::Switch || s.directive->form == Form::Choice ||
            s.directive->form == Form::Lifetime || s.directive->form == Form::Volume ||
            s.directive->form == Form::Choices || s.directive->form == Form::Group ||
            s.directive->form == Form::Algorithm || s.directive->word == Word::MyIdentifier;
        if (s.broken || !single) continue;
        const auto [earlier, fresh] = seen.emplace(s.directive->keyword, &s);
        if (fresh) continue;
        whole.diagnostics.warning(
            Warning::Repeated, s.where,
            fmt::format("{} is already set in line {}; this one counts, remove the other",
                        s.directive->keyword, earlier->second->where.line));
        earlier->second = &s;
    }
}

}  // namespace

void check_general(const Whole& whole) {
    check_listen(whole);
    check_natt_listen(whole);
    check_timer(whole);
    for (const Statement& s : whole.statements) {
        switch (s.directive->form) {
            case Form::Block:
            case Form::Remote:
            case Form::SaInfo:
                check_twice(whole, s);
                for (const Statement& inner : s.body)
                    if (inner.directive->word == Word::Proposal) check_twice(whole, inner);
                break;
            default:
                break;
        }
    }
}

}  // namespace racoon::conf
