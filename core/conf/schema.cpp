#include "conf/schema.hpp"

#include <array>
#include <unordered_map>

#include "conf/schema_tables.hpp"

namespace racoon::conf {

namespace {

using C = Context;

const Directive kModuleKey = {
    .context = C::Module, .keyword = "module key", .word = Word::ModuleKey, .form = Form::Skipped};
const Directive kUnknown = {
    .context = C::Top, .keyword = "unknown word", .word = Word::None, .form = Form::Skipped};

const std::vector<Directive>& rows() {
    static const std::vector<Directive> all = [] {
        std::vector<Directive> out;
        for (const auto part :
             {top_directives(), general_directives(), remote_directives(), proposal_directives(),
              remote_access_directives(), warning_directives()})
            out.insert(out.end(), part.begin(), part.end());
        return out;
    }();
    return all;
}

using Table = std::unordered_map<std::string_view, const Directive*>;

const std::array<Table, kContexts>& tables() {
    static const std::array<Table, kContexts> all = [] {
        std::array<Table, kContexts> out;
        for (const Directive& d : rows())
            out[static_cast<std::size_t>(d.context)].emplace(d.keyword, &d);
        return out;
    }();
    return all;
}

}  // namespace

std::string_view context_name(Context context) {
    switch (context) {
        case C::Top:
            return "the top level";
        case C::Path:
            return "path";
        case C::Privsep:
            return "privsep";
        case C::Padding:
            return "padding";
        case C::Listen:
            return "listen";
        case C::Timer:
            return "timer";
        case C::Remote:
            return "remote";
        case C::Proposal:
            return "proposal";
        case C::SaInfo:
            return "sainfo";
        case C::Module:
            return "module";
        case C::ModeCfg:
            return "mode_cfg";
        case C::RadiusCfg:
            return "radiuscfg";
        case C::LdapCfg:
            return "ldapcfg";
        case C::Warnings:
            return "warnings";
    }
    return {};
}

std::span<const Directive> directives() {
    return rows();
}

const Directive* find_directive(Context context, std::string_view keyword) {
    const Table& table = tables()[static_cast<std::size_t>(context)];
    const auto found = table.find(keyword);
    return found == table.end() ? nullptr : found->second;
}

const Directive* find_elsewhere(Context context, std::string_view keyword) {
    for (const Directive& d : rows())
        if (d.keyword == keyword && d.context != context && d.context != C::Path &&
            d.context != C::Module && d.standing == Standing::Works)
            return &d;
    return nullptr;
}

std::vector<std::string> keywords(Context context) {
    std::vector<std::string> out;
    for (const Directive& d : rows())
        if (d.context == context && d.standing == Standing::Works) out.emplace_back(d.keyword);
    return out;
}

std::vector<std::string> split_words(std::string_view words) {
    std::vector<std::string> out;
    while (!words.empty()) {
        const auto end = words.find(' ');
        out.emplace_back(words.substr(0, end));
        words = end == words.npos ? std::string_view{} : words.substr(end + 1);
    }
    return out;
}

const Directive& module_key() {
    return kModuleKey;
}

const Directive& unknown_directive() {
    return kUnknown;
}

}  // namespace racoon::conf
