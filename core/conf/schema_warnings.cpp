// The `warnings` block: its words are the names of the warnings.
#include <deque>
#include <string>

#include "conf/schema_tables.hpp"
#include "conf/warnings.hpp"

namespace racoon::conf {

std::span<const Directive> warning_directives() {
    static const std::vector<Directive> all = [] {
        std::vector<Directive> out;
        for (const Context context : {Context::Top, Context::Remote, Context::SaInfo})
            out.push_back({.context = context,
                           .keyword = "warnings",
                           .word = Word::Warnings,
                           .form = Form::Block,
                           .since = "1.0",
                           .help = context == Context::Top
                                       ? "Which warnings are told; a block in a remote or sainfo "
                                         "section is for that section alone."
                                       : "Which warnings are told about this section.",
                           .body = Context::Warnings});
        static std::deque<std::string> texts;  // what the rows' views point to
        for (const WarningInfo& info : warning_table()) {
            texts.emplace_back(info.help);
            if (!info.source.empty()) texts.back() += " After " + std::string(info.source) + ".";
            out.push_back({.context = Context::Warnings,
                           .keyword = info.name,
                           .word = Word::WarningName,
                           .form = Form::Switch,
                           .preset = "on",
                           .since = "1.0",
                           .help = texts.back()});
        }
        return out;
    }();
    return all;
}

}  // namespace racoon::conf
