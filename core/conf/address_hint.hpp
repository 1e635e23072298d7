// What is wrong with a text that should have been an address, for a message.
#pragma once

#include <string>
#include <string_view>

namespace racoon::conf {

/// `: 300 is more than 255`, `; write "192.0.2.1 [4500]"`, or "" when nothing better is known.
std::string address_hint(std::string_view text);

}  // namespace racoon::conf
