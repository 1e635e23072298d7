// The dialects of NAT traversal in IKEv1: RFC 3947, and the drafts draft-ietf-ipsec-nat-t-ike-00 to -08
// before it. They differ in numbers only: one row of the table is one dialect.
//
// Drafts 00 and 01 keep ESP on port 500, behind a marker of eight bytes that kernels no longer know: they
// are recognised and not spoken.
#pragma once

#include <cstddef>
#include <cstdint>

#include <racoon/plugin.h>

namespace natt {

/// The functions, the same for all dialects.
const racoon_natt& table();
std::size_t count();
const char* name(std::size_t i);
void* impl(std::size_t i);

}  // namespace natt
