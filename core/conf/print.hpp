// print(): a Config as the racoon.conf text that gives it: `racoon -C`. Everything effective is
// written out, defaults and inherited settings included; parsed again it is the same model.
//
//     std::puts(print(*config).c_str());
//
// What is secret is not written: kNotShown stands in its place. What cannot be written as a statement,
// such as the default of a block that must not be there, is a comment.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "conf/config.hpp"

namespace racoon::conf {

inline constexpr std::string_view kNotShown = "<not shown>";

struct PrintOptions {
    bool secrets = false;  // for tests: written out all the same
    /// Is this key of a module's block secret? Unset: nobody knows, so all are.
    std::function<bool(std::string_view module, std::string_view key)> secret_key = {};
};

std::string print(const Config& config, const PrintOptions& options = {});
/// With its `warnings` block, or only what has an effect on negotiations.
enum class SectionText : bool { Effective, Whole };
std::string print(const Remote& remote, SectionText what = SectionText::Whole);
std::string print(const SaInfo& info, SectionText what = SectionText::Whole);
/// The spdadd line, with its semicolon.
std::string print(const Policy& policy);

}  // namespace racoon::conf
