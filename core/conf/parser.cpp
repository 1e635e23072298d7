#include "conf/parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "conf/nearest.hpp"
#include "conf/signposts.hpp"

namespace racoon::conf {

namespace {

/// Inside of remote racoon ignored them wherever they were.
void stray_comma(const Token& comma, Diagnostics& diagnostics) {
    diagnostics.warning(Warning::StrayCharacter, comma.span,
                        "\",\" means nothing here and is skipped; remove it");
}

}  // namespace

bool is_block(Form form) {
    return form == Form::Block || form == Form::Remote || form == Form::SaInfo ||
           form == Form::Module;
}

std::string one_of(const std::vector<std::string>& words) {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
        out += words[i];
    }
    return out;
}

std::vector<Statement> parse(const Sources& sources, std::uint32_t file, Diagnostics& diagnostics,
                             Room& room) {
    return Parser(sources, file, diagnostics, room).file();
}

bool Room::take(std::size_t n, const Span& where, Diagnostics& diagnostics) {
    if (!full && left >= n) {
        left -= n;
        return true;
    }
    if (!full)
        diagnostics.error(where,
                          "the configuration is too large: it has more than a million statements, "
                          "or more than some 20,000 remote and as many sainfo sections");
    full = true;
    return false;
}

std::vector<Statement> Parser::file() {
    std::vector<Statement> out;
    block(Context::Top, nullptr, out);
    return out;
}

/// Statements up to the closing brace, which is taken, or the end of the file.
void Parser::block(Context context, const Token* opened_by, std::vector<Statement>& out) {
    while (!diagnostics_.full() && !room_.full) {
        const Token t = lexer_.peek();
        switch (t.kind) {
            case TokenKind::End:
                if (opened_by && !resumed_ && !diagnostics_.full())
                    diagnostics_.error(
                        opened_by->span,
                        fmt::format(
                            "the block {} that opens here is never closed; write its \"}}\"",
                            quoted(opened_by->text)));
                resumed_ = true;  // so that the blocks around it are not told, too
                return;
            case TokenKind::CloseBrace:
                lexer_.next();
                if (opened_by) return;
                diagnostics_.error(t.span, "this \"}\" closes nothing; remove it");
                break;
            case TokenKind::Semicolon:
                diagnostics_.error(t.span,
                                   lexer_.last().is(TokenKind::CloseBrace)
                                       ? "no \";\" after the \"}\" of a block; remove it"
                                       : "a \";\" without a statement before it; remove it");
                lexer_.next();
                break;
            case TokenKind::Comma:
                if (context == Context::Remote || context == Context::Proposal) {
                    stray_comma(lexer_.next(), diagnostics_);
                    break;
                }
                not_a_statement(context, t);
                break;
            case TokenKind::Word:
                if (closed_too_early(context, t, out)) break;
                if (opened_by && brace_forgotten(context, *opened_by, t)) {
                    if (!resumed_)
                        diagnostics_.error(
                            t.span,
                            fmt::format(
                                "missing \"}}\" before {}: the block {} that opens in line {} "
                                "is still open",
                                quoted(t.text), quoted(opened_by->text), opened_by->span.line));
                    return;
                }
                statement(context, out);
                break;
            default:
                not_a_statement(context, t);
        }
    }
}

/// Whether a word at the start of a line begins a block of one of the blocks around this one.
bool Parser::brace_forgotten(Context context, const Token& opened_by, const Token& word) const {
    if (!word.first_on_line || context == Context::Module || find_directive(context, word.text))
        return false;
    // Further in than the block around it: meant to be inside, where it does not belong.
    if (word.span.column > opened_by.span.column) return false;
    for (const Context outer : open_) {
        const Directive* d = find_directive(outer, word.text);
        if (d && is_block(d->form) && d->standing == Standing::Works) return true;
    }
    return false;
}

/// A word that belongs into the block that was closed directly before it. What follows is read as if
/// that block were still open, up to its real end.
bool Parser::closed_too_early(Context context, const Token& word, std::vector<Statement>& out) {
    const Directive* block_before = closed_.block;
    if (!block_before || !lexer_.last().is(TokenKind::CloseBrace) ||
        lexer_.last().span.offset != closed_.brace)
        return false;
    const Directive* here = find_directive(context, word.text);
    if (here && here->standing != Standing::Gone) return false;
    const Directive* there = find_directive(block_before->body, word.text);
    if (!there || there->standing == Standing::Gone) return false;
    const Token keyword = closed_.keyword;
    diagnostics_.error(
        word.span,
        fmt::format("{} belongs into a {} block, but the \"}}\" before it closes the "
                    "one of line {}; is that \"}}\" one too many?",
                    quoted(word.text), context_name(block_before->body), keyword.span.line));
    const bool before = std::exchange(resumed_, true);
    std::vector<Statement> lost;
    const bool same = !out.empty() && out.back().directive == block_before;
    open_.push_back(context);
    block(block_before->body, &keyword, same ? out.back().body : lost);
    open_.pop_back();
    resumed_ = before;
    return true;
}

void Parser::statement(Context context, std::vector<Statement>& out) {
    Token word = lexer_.next();
    const Directive* directive = find_directive(context, word.text);
    if (!directive && context != Context::Module) {
        // No space is needed before a number: "counter5" is "counter 5", "phase115" is "phase1 15".
        constexpr std::size_t kLongestKeyword = 40;
        for (std::size_t n = std::min(word.text.size(), kLongestKeyword); n-- > 1;) {
            if (!is_digit(word.text[n])) continue;
            directive = find_directive(context, word.text.substr(0, n));
            if (directive) {
                word = lexer_.split(word, n);
                break;
            }
        }
    }
    if (!directive) {
        if (context == Context::Module) return free_key(word, out);
        return unknown_word(context, word, out);
    }
    switch (directive->standing) {
        case Standing::Works:
            break;
        case Standing::Gone:
            diagnostics_.error(word.span,
                               fmt::format("{} {}", quoted(word.text), directive->instead));
            return recover(context);
        case Standing::Ignored:
            diagnostics_.warning(
                Warning::Deprecated, word.span,
                fmt::format("{} has no effect{}; remove it", quoted(word.text),
                            directive->instead.empty()
                                ? std::string()
                                : fmt::format(" any more, use {}", directive->instead)));
            return recover(context);
        case Standing::Alias:
            diagnostics_.warning(Warning::Deprecated, word.span,
                                 fmt::format("{} is an old spelling; write \"{}\"",
                                             quoted(word.text), directive->instead));
            break;
    }
    const Form form = directive->form;
    const bool endpoint = form == Form::Address || form == Form::RadiusServer;
    const std::size_t cost = form == Form::Remote || form == Form::SaInfo ? Room::kSection
                             : form == Form::Policy                       ? Room::kPolicy
                             : endpoint                                   ? Room::kEndpoint
                                                                          : Room::kStatement;
    // Places hold the name of their file, so that a long one costs.
    const std::size_t length = sources_.at(word.span.file).name.size();
    const std::size_t name = length > Room::kShortName ? length / Room::kNameBytes : 0;
    if (!take_room(word.span, cost + name)) return;
    Statement s;
    s.directive = directive;
    s.where = word.span;
    if ((context == Context::Remote || context == Context::Proposal) &&
        directive->form != Form::Choices && lexer_.peek().is(TokenKind::Comma))
        stray_comma(lexer_.next(), diagnostics_);
    bool whole = arguments(*directive, context, s);
    if (!take_room(word.span, s.values.size() * Room::kValue)) return;
    if (is_block(s.directive->form)) {
        block_statement(*s.directive, context, word, s, whole);
        // Without its head nothing can be made of it, but it is there.
        s.broken = s.broken || !whole || room_.full;  // of what had no room nothing is said
        whole = true;
    } else if (whole) {
        whole = ends_statement(*s.directive, s, context);
    } else {
        recover(context);
        s.broken = true;  // so that nobody is told that it is missing, too
        whole = true;
    }
    if (whole) out.push_back(std::move(s));
}

/// What follows the head of a block. When the head is wrong, what is inside can still be judged.
void Parser::block_statement(const Directive& directive, Context context, const Token& word,
                             Statement& s, bool head_is_whole) {
    if (head_is_whole) {
        if (!body(directive, word, s)) s.broken = true;
        return;
    }
    while (!lexer_.peek().is(TokenKind::OpenBrace) && !lexer_.peek().is(TokenKind::Semicolon) &&
           !lexer_.peek().is(TokenKind::CloseBrace) && !lexer_.peek().is(TokenKind::End) &&
           !begins_statement(context, lexer_.peek()))
        lexer_.next();
    if (lexer_.peek().is(TokenKind::OpenBrace))
        body(directive, word, s);
    else if (lexer_.peek().is(TokenKind::Semicolon))
        lexer_.next();
}

/// The `{ … }` of a block, or the `;` where the head alone is a statement.
bool Parser::body(const Directive& directive, const Token& keyword, Statement& s) {
    if (lexer_.last().is(TokenKind::String) && !lexer_.peek().is(TokenKind::OpenBrace) &&
        lexer_.last().text.find('\n') != std::string_view::npos)
        unclosed(lexer_.last(), s);
    const Token t = lexer_.peek();
    const bool head_suffices =
        directive.form == Form::Module || (directive.form == Form::Remote && s.values.size() > 2);
    if (t.is(TokenKind::Semicolon) && head_suffices) {
        lexer_.next();
        s.end = t.span;
        return true;
    }
    if (!t.is(TokenKind::OpenBrace) && t.is(TokenKind::Semicolon) &&
        directive.form == Form::Remote) {
        diagnostics_.error(t.span,
                           "a remote section needs a block { … }, or inherit and another section");
        lexer_.next();
        return false;
    }
    if (!t.is(TokenKind::OpenBrace) && t.is(TokenKind::Word) && t.first_on_line &&
        find_directive(directive.body, t.text) && directive.body != Context::Module) {
        diagnostics_.error(t.span,
                           fmt::format("missing \"{{\" before {}, which belongs into a {} block",
                                       quoted(t.text), context_name(directive.body)));
        open_.push_back(directive.context);
        const bool before = std::exchange(resumed_, true);
        block(directive.body, &keyword, s.body);
        resumed_ = before;
        open_.pop_back();
        return true;
    }
    if (!t.is(TokenKind::OpenBrace)) {
        std::string hint;
        if (directive.form == Form::Remote) hint = did_you_mean(t.text, {"inherit"});
        if (directive.form == Form::SaInfo) hint = did_you_mean(t.text, {"from", "group"});
        diagnostics_.error(t.span, fmt::format("expected \"{{\"{} after {}, found {}{}",
                                               head_suffices ? " or \";\"" : "",
                                               describe(lexer_.last()), describe(t), hint));
        recover(directive.context);
        return false;
    }
    lexer_.next();
    open_.push_back(directive.context);
    block(directive.body, &keyword, s.body);
    open_.pop_back();
    s.end = lexer_.last().span;
    if (lexer_.peek().is(TokenKind::End) && !lexer_.last().is(TokenKind::CloseBrace))
        s.broken = true;  // what seems to be absent may have been meant to follow
    if (lexer_.last().is(TokenKind::CloseBrace))
        closed_ = {find_directive(directive.context, directive.keyword), keyword, s.end.offset};
    return true;
}

/// The semicolon. When it was only forgotten at the end of a line, the statement counts all the same.
bool Parser::ends_statement(const Directive& directive, Statement& s, Context context) {
    Token t = lexer_.peek();
    const Token before = lexer_.last();
    s.end = t.span;
    if (s.end_told) return true;
    if (t.is(TokenKind::Comma) && (context == Context::Remote || context == Context::Proposal)) {
        const Token comma = lexer_.next();
        if (lexer_.peek().is(TokenKind::Semicolon)) {
            stray_comma(comma, diagnostics_);
            t = lexer_.peek();
            s.end = t.span;
        }
    }
    if (t.is(TokenKind::Semicolon)) {
        lexer_.next();
        return true;
    }
    const bool string_spans_lines =
        before.is(TokenKind::String) && before.text.find('\n') != before.text.npos;
    if (!string_spans_lines && (t.is(TokenKind::End) || t.is(TokenKind::CloseBrace) ||
                                (t.first_on_line && t.is(TokenKind::Word)))) {
        Span gap = before.span;
        if (gap.length > 0) {
            gap.offset += gap.length;
            gap.column += gap.length;
            gap.length = 1;
        }
        diagnostics_.error(gap, fmt::format("missing \";\" after {}", describe(before)));
        if (t.is(TokenKind::Word) && !begins_statement(context, t)) recover(context);
        return true;
    }
    if (string_spans_lines) {
        unclosed(before, s);
        if (lexer_.peek().is(TokenKind::Semicolon)) lexer_.next();
        return true;
    }
    if (t.is(TokenKind::Word) && find_directive(context, t.text) && context != Context::Module) {
        diagnostics_.error(
            t.span, fmt::format("missing \";\" between {} and {}", describe(before), describe(t)));
        return true;
    }
    if (directive.word == Word::AuthenticationMethod && t.is(TokenKind::String)) {
        diagnostics_.error(t.span, fmt::format("\"authentication_method\" takes no key; {}",
                                               signpost(context, "pre_shared_key")));
        s.broken = true;
        recover(context);
        return true;
    }
    std::string hint;
    if (directive.form == Form::Algorithm && t.is(TokenKind::Comma))
        hint = "; a proposal holds one algorithm, so write one proposal for each";
    else if ((directive.form == Form::Address || directive.form == Form::Peer) &&
             t.is(TokenKind::Word) && parse_number(t.text).fault == NumberFault::None)
        hint = fmt::format("; a port stands in brackets: write \"[{}]\"", t.text.substr(0, 20));
    else if (t.is(TokenKind::Comma))
        hint = "; a statement ends with \";\"";
    s.broken = true;
    diagnostics_.error(t.span, fmt::format("expected \";\" after {}, found {}{}",
                                           before.is(TokenKind::End) ? quoted(directive.keyword)
                                                                     : describe(before),
                                           describe(t), hint));
    recover(context);
    return true;
}

/// A key of a module's own: all tokens up to the semicolon.
void Parser::free_key(const Token& word, std::vector<Statement>& out) {
    Statement s;
    s.directive = &module_key();
    s.where = word.span;
    for (;;) {
        const Token t = lexer_.peek();
        if (t.is(TokenKind::Semicolon) || t.is(TokenKind::End) || t.is(TokenKind::CloseBrace))
            break;
        if (t.is(TokenKind::OpenBrace)) {
            diagnostics_.error(t.span, "a module's keys have values, not blocks");
            return recover(Context::Module);
        }
        lexer_.next();
        s.values.push_back(value_of(t));
        if (s.values.size() <= kMaxWords) continue;
        diagnostics_.error(t.span, fmt::format("more than {} words", kMaxWords));
        return recover(Context::Module);
    }
    if (!take_room(word.span, Room::kStatement + s.values.size())) return;
    if (ends_statement(module_key(), s, Context::Module)) out.push_back(std::move(s));
}

}  // namespace racoon::conf
