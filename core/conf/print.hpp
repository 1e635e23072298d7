// print(): a Config as the racoon.conf text that gives it: `racoon -C`. Everything effective is
// written out, defaults and inherited settings included; parsed again it is the same model.
//
//     std::puts(print(*config).c_str());
#pragma once

#include <string>

#include "conf/config.hpp"

namespace racoon::conf {

std::string print(const Config& config);
/// One section; racoon's -C shows these alone.
std::string print(const Remote& remote);
std::string print(const SaInfo& info);
/// The spdadd line, with its semicolon.
std::string print(const Policy& policy);

}  // namespace racoon::conf
