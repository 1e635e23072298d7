#include "isakmp/attribute.hpp"

#include <string>

#include "base/check.hpp"

namespace racoon::isakmp {

namespace {
constexpr std::uint16_t kBasicFormat = 0x8000;  // RFC 2408 3.3: the AF bit
}

Result<std::uint64_t> Attribute::number() const {
    if (value.empty())
        return fail(Errc::Malformed, "attribute " + std::to_string(type) + " has no value")
            .at(offset);
    if (value.size() > 8)
        return fail(Errc::TooLong, "attribute " + std::to_string(type) + " is a number of " +
                                       std::to_string(value.size()) + " bytes, expected at most 8")
            .at(offset);
    std::uint64_t out = 0;
    for (const std::uint8_t b : value) out = out << 8 | b;
    return out;
}

Result<Attribute> parse_attribute(Reader& in) {
    Attribute a;
    a.offset = in.offset();
    RACOON_TRY(const std::uint16_t type, in.u16());
    a.type = static_cast<std::uint16_t>(type & ~kBasicFormat);
    a.basic = (type & kBasicFormat) != 0;
    if (a.basic) {
        RACOON_TRY(a.value, in.bytes(2));
    } else {
        RACOON_TRY(const std::uint16_t length, in.u16());
        RACOON_TRY(a.value, in.bytes(length));
    }
    return a;
}

void write_basic(Writer& out, std::uint16_t type, std::uint16_t value) {
    out.u16(static_cast<std::uint16_t>(type | kBasicFormat));
    out.u16(value);
}

void write_variable(Writer& out, std::uint16_t type, ByteView value) {
    RACOON_CHECK((type & kBasicFormat) == 0);
    out.u16(type);
    out.counted16(value);
}

void write_number(Writer& out, std::uint16_t type, std::uint64_t value) {
    if (value <= 0xffff) return write_basic(out, type, static_cast<std::uint16_t>(value));
    Writer number;
    if (value <= 0xffffffff)
        number.u32(static_cast<std::uint32_t>(value));
    else
        number.u64(value);
    write_variable(out, type, number.view());
}

void write_attribute(Writer& out, const Attribute& a) {
    if (!a.basic) return write_variable(out, a.type, a.value);
    RACOON_CHECK(a.value.size() == 2);
    out.u16(static_cast<std::uint16_t>(a.type | kBasicFormat));
    out.bytes(a.value);
}

}  // namespace racoon::isakmp
