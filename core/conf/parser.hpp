// Parser: the text of one file to statements, by the directive table. It reports every error of the
// file: after one it goes on behind the next `;` or block, or at the next line that begins with a
// known word.
//
//     auto statements = parse(sources, file, diagnostics);
//
// Bounded: blocks nest two deep, and it stops when the diagnostics are full. Time is linear.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/ast.hpp"
#include "conf/diagnostic.hpp"
#include "conf/token.hpp"

namespace racoon::conf {

/// What a load has room for, so that 16 MiB of the shortest statements stay below 256 MiB of memory: a
/// million statements, or some 20,000 `remote` and as many `sainfo`. Shared by the files of a load.
struct Room {
    static constexpr std::size_t kStatement = 3, kSection = 64, kPolicy = 36, kEndpoint = 9,
                                 kValue = 1;
    static constexpr std::size_t kCopied = 2;  // more for each statement of a file with includes
    static constexpr std::size_t kShortName = 64;  // bytes of a file's name that cost nothing
    static constexpr std::size_t kNameBytes = 24;  // of a longer one, for one more
    std::size_t left = 4'000'000;
    bool full = false;  // which was told

    /// False: there is none left, which is told once.
    bool take(std::size_t n, const Span& where, Diagnostics& diagnostics);
};

/// One file; includes are left as statements. What was in error is left out.
std::vector<Statement> parse(const Sources& sources, std::uint32_t file, Diagnostics& diagnostics,
                             Room& room);
inline std::vector<Statement> parse(const Sources& sources, std::uint32_t file,
                                    Diagnostics& diagnostics) {
    Room room;
    return parse(sources, file, diagnostics, room);
}
inline constexpr std::size_t kMaxListed = 1024;    // items of one list
inline constexpr std::size_t kMaxWords = 100'000;  // of one statement

class Parser {
  public:
    Parser(const Sources& sources, std::uint32_t file, Diagnostics& diagnostics, Room& room)
        : sources_(sources),
          diagnostics_(diagnostics),
          room_(room),
          lexer_(sources, file, diagnostics, Lexer::Mode::Racoon) {}

    std::vector<Statement> file();

  private:
    // parser_recovery.cpp
    void not_a_statement(Context context, const Token& t);
    void unknown_word(Context context, const Token& word, std::vector<Statement>& out);
    bool begins_statement(Context context, const Token& token) const;
    void unclosed(const Token& string, Statement& s);
    void recover(Context context);

    // parser.cpp: statements
    void block(Context context, const Token* opened_by, std::vector<Statement>& out);
    bool closed_too_early(Context context, const Token& word, std::vector<Statement>& out);
    bool brace_forgotten(Context context, const Token& opened_by, const Token& word) const;
    void statement(Context context, std::vector<Statement>& out);
    void block_statement(const Directive& directive, Context context, const Token& word,
                         Statement& s, bool head_is_whole);
    void free_key(const Token& word, std::vector<Statement>& out);
    bool ends_statement(const Directive& directive, Statement& s, Context context);
    bool take_room(const Span& where, std::size_t n) { return room_.take(n, where, diagnostics_); }
    bool body(const Directive& directive, const Token& keyword, Statement& s);

    // parser_forms, parser_numbers, parser_names: arguments. False: reported, the caller recovers.
    bool arguments(const Directive& directive, Context context, Statement& s);
    bool text(const Directive& directive, Statement& s);
    bool number(const Directive& directive, Statement& s);
    bool counted(const Directive& directive, Statement& s);  // whatever follows the number
    bool mark(const Directive& directive, Statement& s);
    bool time(const Directive& directive, Statement& s);
    bool lifetime(const Directive& directive, Statement& s);
    bool volume(const Directive& directive, Statement& s);
    bool choice(const Directive& directive, Statement& s);
    bool choices(const Directive& directive, Context context, Statement& s);
    bool address(const Directive& directive, Statement& s);
    bool port(Value& address, bool any_allowed);
    bool admin_socket(const Directive& directive, Statement& s);
    bool admin_port();
    bool identifier(const Directive& directive, Statement& s);
    bool algorithm(const Directive& directive, Statement& s);
    bool algorithms(const Directive& directive, Statement& s);
    Span forgotten_semicolon(Span policy);
    bool policy(Statement& s);

    // parser_sections.cpp: heads of remote and sainfo, and what only they and remote access hold
    bool remote_head(Statement& s);
    bool remote_index(Statement& s);
    bool peer(const Directive& directive, Statement& s);
    bool prefix(Value& out);
    bool sainfo_head(Statement& s);
    bool sainfo_side(Statement& s, bool remote);
    bool sainfo_from(Statement& s);
    bool own_certificate(const Directive& directive, Statement& s);
    bool peers_certificate(const Directive& directive, Statement& s);
    bool ca_file(const Directive& directive, Statement& s);
    bool script(const Directive& directive, Statement& s);
    bool ip_address(const Directive& directive, Statement& s);
    bool addresses(const Directive& directive, Statement& s);
    bool networks(const Directive& directive, Statement& s);
    bool texts(const Directive& directive, Statement& s);
    bool radius_server(const Directive& directive, Statement& s);

    bool expected(std::string_view what, const Directive& directive);
    std::optional<Value> quoted_text(const Directive& directive);
    std::optional<std::uint64_t> read_number(const Directive& directive);
    static Value value_of(const Token& token);
    std::string unquoted_run(const Token& from) const;
    std::string unquoted_run_at(const Span& from) const;

    /// The block that was closed last: its "}" may have been one too many.
    struct Closed {
        const Directive* block = nullptr;
        Token keyword;
        std::uint32_t brace = 0;  // offset
    };

    const Sources& sources_;
    Diagnostics& diagnostics_;
    Room& room_;
    Lexer lexer_;
    std::vector<Context> open_;  // the contexts around the one that is being read
    Closed closed_;
    bool resumed_ = false;  // inside a block that had been closed; how it ends was told
};

/// Whether a statement of this form has a block.
bool is_block(Form form);
/// The seconds of a time unit; 0: not one.
std::uint32_t unit_seconds(std::string_view unit);
/// Whether a word is one of `words`.
bool is_one_of(const std::vector<std::string>& words, std::string_view word);
/// The types of `my_identifier` and the like; those of a sainfo's sides.
const std::vector<std::string>& identifier_types();
const std::vector<std::string>& selector_types();
/// "a, b or c"
std::string one_of(const std::vector<std::string>& words);

}  // namespace racoon::conf
