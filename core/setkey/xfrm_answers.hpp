// What XFRM tells, a dump's part or an event, as the message of PF_KEY that the kernel would have made of it.
// Nothing is left out: what PF_KEY has no field for goes with it in words.
#pragma once

#include <cstdint>
#include <optional>

#include "setkey/stack.hpp"
#include "xfrm/message.hpp"

namespace racoon::setkey {

/// `now`: seconds since the epoch, by which an SA is dying, as netlink does not tell it. Its number is the
/// message's, an acquire's its own, its pid the port of who caused it. Nothing: malformed, or of another type.
std::optional<Told> xfrm_told(const xfrm::Message& message, std::int64_t now);
/// Whether xfrm_told reads messages of this type.
bool xfrm_is_told(std::uint16_t type);
/// What PF_KEY dumps: SAs of ESP, AH and IPComp, policies of the main table.
bool xfrm_is_dumped(const xfrm::Message& message);

}  // namespace racoon::setkey
