// What cannot be a statement: what is said of it, and where reading goes on.
#include <fmt/format.h>

#include "conf/nearest.hpp"
#include "conf/parser.hpp"
#include "conf/signposts.hpp"

namespace racoon::conf {

namespace {

std::string foreign_text(const std::string& what, std::string_view program) {
    return fmt::format(
        "{} of {}, which racoon does not read; write remote and sainfo sections, see "
        "racoon.conf(5)",
        what, program);
}

}  // namespace

void Parser::not_a_statement(Context context, const Token& t) {
    if (context == Context::Top && t.is(TokenKind::OpenBracket) && t.first_on_line) {
        diagnostics_.error(t.span,
                           foreign_text("\"[\" begins a section", "isakmpd.conf (isakmpd)"));
        return lexer_.skip_rest();
    }
    diagnostics_.error(t.span, fmt::format("a statement of {} begins with a word, not with {}",
                                           context_name(context), describe(t)));
    lexer_.next();
    recover(context);
}

/// A string over several lines behind which nothing fits: its end was forgotten. Reading resumes where
/// it probably was meant to be.
void Parser::unclosed(const Token& string, Statement& s) {
    Span mark = string.span;
    mark.length = 1;
    diagnostics_.error(mark,
                       "the string that opens here is not closed on its line: its second \" is "
                       "missing");
    const std::string_view line = string.text.substr(0, string.text.find_first_of("\r\n"));
    std::size_t end = line.find_first_of(";{");
    if (end == line.npos) end = line.size();
    while (end > 0 && line[end - 1] == ' ') --end;
    lexer_.split(string, end + 1);
    for (Value& v : s.values)
        if (v.where.offset == string.span.offset) v.text = v.text.substr(0, end);
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

/// Reported, and kept as a broken statement of what was probably meant, so that nobody is told that it
/// is missing, too. A block's inside is judged by that guess.
void Parser::unknown_word(Context context, const Token& word, std::vector<Statement>& out) {
    if (const auto whose = foreign_program(word.text); context == Context::Top && !whose.empty()) {
        // All of the file is that program's, and none of it worth a further message.
        diagnostics_.error(word.span,
                           foreign_text(fmt::format("{} is a word", quoted(word.text)), whose));
        return lexer_.skip_rest();
    }
    const auto close = nearest(word.text, keywords(context));
    std::string hint = close ? fmt::format("; did you mean {}?", quoted(*close)) : "";
    if (const Directive* other = find_elsewhere(context, word.text))
        hint = fmt::format("; it belongs {}{}",
                           other->context == Context::Top ? "outside of every block" : "into ",
                           other->context == Context::Top
                               ? std::string()
                               : fmt::format("a {} block", context_name(other->context)));
    if (const auto there = signpost(context, word.text); !there.empty())
        hint = fmt::format("; {}", there);
    if (context == Context::Warnings && hint.empty())
        hint = "; the name of a warning stands in brackets behind it, such as weak_group";
    diagnostics_.error(
        word.span,
        fmt::format("unknown word {} in {}{}", quoted(word.text),
                    context == Context::Top ? "this file" : context_name(context), hint));
    const Directive* meant = close ? find_directive(context, *close) : nullptr;
    Statement s;
    s.directive = meant ? meant : &unknown_directive();
    s.where = word.span;
    if (meant && is_block(meant->form)) {
        const std::size_t errors = diagnostics_.errors();
        const bool whole = arguments(*meant, context, s) && diagnostics_.errors() == errors;
        block_statement(*meant, context, word, s, whole);
    } else {
        recover(context);
    }
    s.broken = true;
    out.push_back(std::move(s));
}

}  // namespace racoon::conf
