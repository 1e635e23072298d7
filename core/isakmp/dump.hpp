// A message as readable lines for debug logs. Values that may be secret (XAuth answers, keys of any
// kind) are never shown, only their size; text of the peer is escaped.
#pragma once

#include <string>

#include "isakmp/message.hpp"

namespace racoon::isakmp {

/// "0123…:4567… Identity Protection flags=none id=00000000 length=180".
std::string header_text(const Header& header);

/// The header, then a line for each payload, and the inner structure indented below it. A payload
/// that does not parse shows its error instead. At most about 32 KiB.
std::string dump(const Message& message);

}  // namespace racoon::isakmp
