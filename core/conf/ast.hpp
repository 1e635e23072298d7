// The syntax tree: statements as they were written. Nothing is resolved here, and a tree may hold
// statements with fewer values than their form asks for only when an error was reported.
//
// Layout of `values` by Form:
//   Text, Name, Number, Time, Switch, Choice, LogLevel   [0]
//   Path        [0] the text; the statement's directive is the kind's
//   Mark        [0] value (number); [1] mask (number) when there is one
//   Lifetime    [0] seconds
//   Volume      [0] kilobytes of 1024 bytes
//   Choices     one per word
//   Address     [0] address; number: port
//   AdminSocket [0] path, [1] owner, [2] group, [3] mode; or [0] the word "disabled"
//   Identifier  [0] type, its number: 1 `tag`, 2 `file`; [1] value when there is one
//   Algorithm   [0] name; number: key length. Algorithms: one per name
//   Group       [0] name or number as a word
//   Remote      [0] name (String), address, host or "anonymous", number: port; [1] prefix length
//               (number) or nothing; [2] and [3] the parent's
//   Peer        [0] and [1] like Remote
//   SaInfo      [0..3] local, [4..7] remote; a side is type, "anonymous" or "clientaddr", address,
//               range or string (number: port), prefix length (number), protocol. Then [8] "from",
//               [9] type, its number as in Identifier, [10] value when there is one; or [8] "group",
//               [9] its name
//   OwnCertificate, PeersCertificate   [0] kind, then its files
//   CaFile      [0] file
//   Script      [0] file, [1] hook
//   IpAddress   [0]; Addresses, Texts: one per item
//   Networks    [0] kind, then address and prefix length (number) of each
//   RadiusServer [0] host, number: port; [1] secret
//   Module      [0] name
//   Policy      [0] String: a file; Word: the statement's text without `policy` and `;`
//   a module's key: all tokens
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "conf/diagnostic.hpp"
#include "conf/schema.hpp"

namespace racoon::conf {

struct Value {
    enum class Kind : std::uint8_t { None, Word, String };
    Kind kind = Kind::None;
    Span where;
    std::string_view text;  // into Sources
    bool has_number = false;
    std::uint64_t number = 0;
    Span number_where = {};

    bool is_word(std::string_view w) const { return kind == Kind::Word && text == w; }
    bool present() const { return kind != Kind::None; }
};

struct Statement {
    const Directive* directive = nullptr;
    Span where;  // its keyword
    std::vector<Value> values;
    std::vector<Statement> body;  // of blocks
    Span end;                     // the closing brace or the semicolon
    bool end_told = false;        // its ";" is missing, which was told
    bool broken = false;          // an error was reported; values are not to be looked at
};

}  // namespace racoon::conf
