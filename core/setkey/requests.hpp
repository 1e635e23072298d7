// Commands as messages of PF_KEY.
#pragma once

#include <vector>

#include "pfkey/message.hpp"
#include "setkey/command.hpp"

namespace racoon::setkey {

/// What a command asks the kernel, in order. DeleteAll gives the DUMP that it starts with; see matches().
/// `forward`: what is said of `in` is said of `fwd`, too (RFC 2401 knows no fwd; Linux asks for it).
std::vector<pfkey::Message> requests_of(const Command& command, const pfkey::Dialect& dialect,
                                        bool forward);
/// For DeleteAll: whether a dumped SA is meant.
bool matches(const Command& command, const pfkey::Message& sa);
/// DELETE of a dumped SA.
pfkey::Message delete_of(const pfkey::Message& sa);
pfkey::Message dump_request(bool policies, SaProtocol protocol);
pfkey::Message flush_request(bool policies, SaProtocol protocol);

}  // namespace racoon::setkey
