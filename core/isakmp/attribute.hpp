// Data attributes (RFC 2408 3.3): a type, and a value of two bytes (TV) or of a given length (TLV).
//
//     RACOON_TRY(auto list, parse_attributes<kMaxAttributes>(transform_body));
//     RACOON_TRY(auto seconds, list[0].number());
//
//     write_number(out, 12, 86400);     // TLV of four bytes, since 86400 is above 65535
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"
#include "base/capped_vector.hpp"
#include "base/result.hpp"
#include "isakmp/wire.hpp"

namespace racoon::isakmp {

struct Attribute {
    std::uint16_t type = 0;  // without the format bit
    bool basic = false;      // TV: the value is two bytes
    ByteView value;          // a view into the message
    std::size_t offset = 0;  // in the message, for errors

    /// The value as an unsigned integer. TooLong beyond 8 bytes, Malformed for none at all.
    Result<std::uint64_t> number() const;
};

/// The next attribute: Truncated when it reaches beyond the end.
Result<Attribute> parse_attribute(Reader& in);

/// All attributes up to the end of `in`, at most N.
template <std::size_t N>
Result<CappedVector<Attribute, N>> parse_attributes(Reader in) {
    CappedVector<Attribute, N> out;
    while (!in.empty()) {
        RACOON_TRY(Attribute a, parse_attribute(in));
        RACOON_TRY_STATUS(out.add(a, "attributes"));
    }
    return out;
}

/// A TV attribute.
void write_basic(Writer& out, std::uint16_t type, std::uint16_t value);
/// A TLV attribute; the value is at most 65535 bytes.
void write_variable(Writer& out, std::uint16_t type, ByteView value);
/// TV when the value fits into 16 bits, else a TLV of four or eight bytes: racoon's form.
void write_number(Writer& out, std::uint16_t type, std::uint64_t value);
/// The attribute as it was received, format included.
void write_attribute(Writer& out, const Attribute& a);

}  // namespace racoon::isakmp
