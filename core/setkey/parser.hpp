// The language of setkey(8), command by command:
//
//     Parser parser(sources, file, diagnostics, &names);
//     Command command;
//     while (parser.next(command) == Parser::Got::Command) …
//
// After an error, reported in `diagnostics`, reading goes on behind the next semicolon.
#pragma once

#include <initializer_list>

#include "setkey/command.hpp"

namespace racoon::setkey {

class Parser {
  public:
    enum class Got : std::uint8_t { Command, Error, End };

    /// `names` may be null: then only numbers and the common names are known.
    Parser(const conf::Sources& sources, std::uint32_t file, conf::Diagnostics& diagnostics,
           conf::PolicyNames* names);
    Got next(Command& out);

  private:
    bool command(Command& out);
    bool sa_name(Command& out, bool with_spi);
    bool sa_protocol(Command& out);
    bool spi(Command& out);
    bool extension(Command& out);
    bool algorithm(AlgorithmKind kind, Command& out);
    bool key(const Algorithm& algorithm, Bytes& out);
    bool complete(const Command& out);
    bool flags(Command& out);
    bool label(std::optional<SecurityLabel>& out);
    bool policy_command(Command& out);
    bool optional_protocol(Command& out);
    bool number(std::string_view what, std::uint64_t most, std::uint64_t& out);
    bool error(const conf::Span& where, std::string text);
    void recover();

    conf::Diagnostics& diagnostics_;
    conf::Lexer lexer_;
    conf::PolicyReader reader_;
};

}  // namespace racoon::setkey
