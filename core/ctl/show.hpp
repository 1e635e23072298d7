// How racoonctl prints what the daemon tells: racoon's columns, setkey's form for IPsec SAs.
#pragma once

#include <string>

#include "control/json.hpp"

namespace racoon::ctl {

/// `verbosity` counts -l: 0, 1 or 2 (columns as in racoonctl(8)).
std::string show_isakmp(const control::Json& result, int verbosity);
/// Like `setkey -D`, without keys; "No SAD entries." when empty.
std::string show_ipsec(const control::Json& result);
/// One line for each ISAKMP SA, as Wireshark's table ikev1_decryption_table takes them: the initiator's
/// cookie and the encryption key, in hexadecimal.
std::string show_keys(const control::Json& result);
std::string show_modules(const control::Json& result, std::size_t width);

}  // namespace racoon::ctl
