#include "conf/parser.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "conf/nearest.hpp"

namespace racoon::conf {

namespace {

bool is_block(Form form) {
    return form == Form::Block || form == Form::Remote || form == Form::SaInfo ||
           form == Form::Module;
}

}  // namespace

std::string one_of(const std::vector<std::string>& words) {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
        out += words[i];
    }
    return out;
}

std::vector<Statement> parse(const Sources& sources, std::uint32_t file, Diagnostics& diagnostics) {
    return Parser(sources, file, diagnostics).file();
}

std::vector<Statement> Parser::file() {
    std::vector<Statement> out;
    block(Context::Top, nullptr, out);
    return out;
}

/// Statements up to the closing brace, which is taken, or the end of the file.
void Parser::block(Context context, const Token* opened_by, std::vector<Statement>& out) {
    while (!diagnostics_.full()) {
        const Token t = lexer_.peek();
        switch (t.kind) {
            case TokenKind::End:
                if (opened_by)
                    diagnostics_.error(
                        t.span,
                        fmt::format(
                            "missing \"}}\": the block {} that opens in line {} is never closed",
                            quoted(opened_by->text), opened_by->span.line));
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
            case TokenKind::Word: {
                // A block's word of the top level, at the start of a line: the brace was forgotten.
                const Directive* top = find_directive(Context::Top, t.text);
                if (opened_by && t.first_on_line && context != Context::Module && top &&
                    is_block(top->form) && !find_directive(context, t.text) &&
                    top->standing == Standing::Works) {
                    diagnostics_.error(
                        t.span,
                        fmt::format(
                            "missing \"}}\" before {}: the block {} that opens in line {} is "
                            "still open",
                            quoted(t.text), quoted(opened_by->text), opened_by->span.line));
                    return;
                }
                statement(context, out);
                break;
            }
            default:
                diagnostics_.error(t.span,
                                   fmt::format("a statement of {} begins with a word, not with {}",
                                               context_name(context), describe(t)));
                lexer_.next();
                recover(context);
        }
    }
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
        unknown_word(context, word);
        return recover(context);
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
                word.span, fmt::format("{} has no effect{}; remove it", quoted(word.text),
                                       directive->instead.empty()
                                           ? std::string()
                                           : fmt::format(" any more, use {}", directive->instead)));
            return recover(context);
        case Standing::Alias:
            diagnostics_.warning(word.span, fmt::format("{} is an old spelling; write \"{}\"",
                                                        quoted(word.text), directive->instead));
            break;
    }
    Statement s;
    s.directive = directive;
    s.where = word.span;
    bool whole = arguments(*directive, context, s);
    if (is_block(s.directive->form)) {
        if (!whole) {  // what is inside can still be judged
            while (!lexer_.peek().is(TokenKind::OpenBrace) &&
                   !lexer_.peek().is(TokenKind::Semicolon) &&
                   !lexer_.peek().is(TokenKind::CloseBrace) && !lexer_.peek().is(TokenKind::End) &&
                   !begins_statement(context, lexer_.peek()))
                lexer_.next();
            if (lexer_.peek().is(TokenKind::OpenBrace))
                body(*s.directive, word, s);
            else if (lexer_.peek().is(TokenKind::Semicolon))
                lexer_.next();
            return;
        }
        whole = body(*s.directive, word, s);
    } else if (whole) {
        whole = ends_statement(*s.directive, s, context);
    } else {
        recover(context);
        s.broken = true;  // so that nobody is told that it is missing, too
        whole = true;
    }
    if (whole) out.push_back(std::move(s));
}

/// The `{ … }` of a block, or the `;` where the head alone is a statement.
bool Parser::body(const Directive& directive, const Token& keyword, Statement& s) {
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
        block(directive.body, &keyword, s.body);
        return true;
    }
    if (!t.is(TokenKind::OpenBrace)) {
        diagnostics_.error(t.span, fmt::format("expected \"{{\"{} after {}, found {}",
                                               head_suffices ? " or \";\"" : "",
                                               quoted(keyword.text), describe(t)));
        recover(directive.context);
        return false;
    }
    lexer_.next();
    block(directive.body, &keyword, s.body);
    s.end = lexer_.last().span;
    return true;
}

/// The semicolon. When it was only forgotten at the end of a line, the statement counts all the same.
bool Parser::ends_statement(const Directive& directive, Statement& s, Context context) {
    const Token t = lexer_.peek();
    const Token before = lexer_.last();
    s.end = t.span;
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
    std::string hint;
    if (string_spans_lines)
        hint = fmt::format("; the string before it began in line {}: is a \" missing there?",
                           before.span.line);
    else if (directive.form == Form::Algorithm && t.is(TokenKind::Comma))
        hint = "; a proposal holds one algorithm, so write one proposal for each";
    diagnostics_.error(t.span, fmt::format("expected \";\" after {}, found {}{}",
                                           before.is(TokenKind::End) ? quoted(directive.keyword)
                                                                     : describe(before),
                                           describe(t), hint));
    recover(context);
    return true;
}

bool Parser::begins_statement(Context context, const Token& token) const {
    return token.is(TokenKind::Word) && token.first_on_line &&
           (find_directive(context, token.text) ||
            (find_directive(Context::Top, token.text) &&
             is_block(find_directive(Context::Top, token.text)->form)));
}

/// Skips the rest of a statement: its `;` or block is taken, a `}` that closes the block around it,
/// or a line that begins with a known word, is left.
void Parser::recover(Context context) {
    std::size_t depth = 0;
    for (;;) {
        const Token t = lexer_.peek();
        if (t.is(TokenKind::End)) return;
        if (depth == 0) {
            if (t.is(TokenKind::CloseBrace)) return;
            if (begins_statement(context, t)) return;
        }
        lexer_.next();
        if (t.is(TokenKind::OpenBrace)) {
            ++depth;
        } else if (t.is(TokenKind::CloseBrace)) {
            if (--depth == 0) return;
        } else if (t.is(TokenKind::Semicolon) && depth == 0) {
            return;
        }
    }
}

void Parser::unknown_word(Context context, const Token& word) {
    std::string hint = did_you_mean(word.text, keywords(context));
    if (const Directive* other = find_elsewhere(context, word.text))
        hint = fmt::format("; it belongs {}{}",
                           other->context == Context::Top ? "outside of every block" : "into ",
                           other->context == Context::Top
                               ? std::string()
                               : fmt::format("a {} block", context_name(other->context)));
    diagnostics_.error(
        word.span,
        fmt::format("unknown word {} in {}{}", quoted(word.text),
                    context == Context::Top ? "this file" : context_name(context), hint));
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
    }
    if (ends_statement(module_key(), s, Context::Module)) out.push_back(std::move(s));
}

}  // namespace racoon::conf
