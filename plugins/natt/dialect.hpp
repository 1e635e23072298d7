// What every dialect of NAT traversal in IKEv1 has in common: RFC 3947, and the drafts draft-ietf-ipsec-nat-t-ike-00 to
// -08 before it, differ in numbers only. A module has a table of rows, and this library the functions:
//
//     constexpr natt::Dialect kDialects[] = {{"rfc3947", {20, 21, 3, 4}, {…}, 1}};
//     racoon_status status = natt::provide(host, kDialects, err);
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <racoon/plugin.h>

namespace natt {

using VendorId = std::array<std::uint8_t, 16>;  // MD5 of the document's name

struct Numbers {
    std::uint8_t natd, natoa;         // payload types
    std::uint16_t tunnel, transport;  // Encapsulation Mode
};

struct Dialect {
    const char* name;
    Numbers numbers;
    std::array<VendorId, 2> vendor_ids;
    std::uint32_t vendor_id_count;
};

/// Drafts 00 to 03 used private numbers, 04 to 08 those that IANA had in view, RFC 3947 what it gave.
inline constexpr Numbers kPrivate{130, 131, 61443, 61444};
inline constexpr Numbers kExpected{15, 16, 3, 4};
inline constexpr Numbers kAssigned{20, 21, 3, 4};

/// The functions, the same for all dialects; `impl` of each is its row.
const racoon_natt& table();
void* impl(const Dialect& dialect);
/// Registers them. They live as long as the module.
racoon_status provide(const racoon_host* host, std::span<const Dialect> dialects,
                      racoon_error* err);

}  // namespace natt
