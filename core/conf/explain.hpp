// What a word means: the directive table in words, for `racoonctl explain` and racoon.conf(5).
//
//     for (const Topic& t : directive_topics())
//         if (t.answers("nonce_size")) … t.name "remote.nonce_size", t.syntax {"nonce_size NUMBER;"}
//
// Modules add topics of the same kind from their manifests (plugin/explain.hpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conf/schema.hpp"

namespace racoon::conf {

struct Fact {
    std::string name;  // "default"
    std::string value;
};

/// One meaning of a word.
struct Topic {
    std::string name;                 // "remote.nonce_size"; what is listed, and unique
    std::string kind;                 // "directive", "block", "value", "algorithm", "module", …
    std::string place;                // where it stands: "in remote", "at the top level"
    std::vector<std::string> words;   // under which it is found, besides its name
    std::vector<std::string> syntax;  // one per form; arguments in capitals
    std::string help;
    std::vector<Fact> facts;
    std::vector<std::string> inside;  // names of the topics that a block holds

    bool answers(std::string_view word) const;
    /// The first sentence of the help.
    std::string summary() const;
};

/// The forms of a directive with arguments as `<number>`, each with its `;` or block.
std::vector<std::string> forms(const Directive& directive);
/// Default, range, unit and the like, as they are worth telling.
std::vector<Fact> facts(const Directive& directive);
/// The help; of an old word, what to write instead.
std::string help(const Directive& directive);

/// What the arguments of directives look like; a part of directive_topics().
std::vector<Topic> grammar_topics();
/// Every directive, the values that directives take, and what the grammar is made of.
std::vector<Topic> directive_topics();

/// The topics that a word asks for: by name, else by word; "remote nonce_size" is the same as
/// "remote.nonce_size".
std::vector<const Topic*> find_topics(const std::vector<Topic>& topics, std::string_view word);
/// Names and words that are close to one that nothing answers, the nearest first; at most `most`.
std::vector<std::string> near_topics(const std::vector<Topic>& topics, std::string_view word,
                                     std::size_t most = 5);

}  // namespace racoon::conf
