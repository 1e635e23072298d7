#include "isakmp/header.hpp"

#include <algorithm>
#include <string>

#include "isakmp/names.hpp"

namespace racoon::isakmp {

namespace {

Result<Cookie> read_cookie(Reader& in) {
    Cookie cookie;
    RACOON_TRY(ByteView bytes, in.bytes(cookie.bytes.size()));
    std::copy(bytes.begin(), bytes.end(), cookie.bytes.begin());
    return cookie;
}

}  // namespace

Result<Header> parse_header(ByteView datagram) {
    if (datagram.size() > kMaxMessage)
        return fail(Errc::TooLong, "found a message of " + std::to_string(datagram.size()) +
                                       " bytes, expected at most " + std::to_string(kMaxMessage));
    Reader in(datagram);
    Header h;
    RACOON_TRY(h.cookies.initiator, read_cookie(in));
    RACOON_TRY(h.cookies.responder, read_cookie(in));
    RACOON_TRY(h.next_payload, in.u8());
    RACOON_TRY(const std::uint8_t version, in.u8());
    h.major = static_cast<std::uint8_t>(version >> 4);
    h.minor = version & 0x0f;
    RACOON_TRY(h.exchange, in.u8());
    RACOON_TRY(h.flags, in.u8());
    RACOON_TRY(h.message_id.value, in.u32());
    const std::size_t length_at = in.offset();
    RACOON_TRY(h.length, in.u32());
    // RFC 2408 5.1 lets a receiver take a longer datagram; then the rest would be nobody's.
    if (h.length != datagram.size())
        return fail(Errc::Malformed, "the length field says " + std::to_string(h.length) +
                                         ", the datagram has " + std::to_string(datagram.size()) +
                                         " bytes")
            .at(length_at)
            .notify(number(NotifyType::UnequalPayloadLengths));
    return h;
}

Status check_ikev1(const Header& h) {
    if (h.cookies.initiator.is_zero())
        return fail(Errc::Malformed, "the initiator cookie is zero")
            .at(0)
            .notify(number(NotifyType::InvalidCookie));
    if (h.major != kMajorVersion)
        return fail(Errc::Unsupported, "found version " + std::to_string(h.major) + "." +
                                           std::to_string(h.minor) + ", expected 1.0")
            .at(17)
            .notify(number(NotifyType::InvalidMajorVersion));
    if ((h.flags & ~kFlagsKnown) != 0)
        return fail(Errc::Malformed, "found flags " + flags_text(h.flags) + ", expected E, C or A")
            .at(19)
            .notify(number(NotifyType::InvalidFlags));
    return ok();
}

void write_header(Writer& out, const Header& h) {
    out.bytes(h.cookies.initiator.view());
    out.bytes(h.cookies.responder.view());
    out.u8(h.next_payload);
    out.u8(static_cast<std::uint8_t>(h.major << 4 | (h.minor & 0x0f)));
    out.u8(h.exchange);
    out.u8(h.flags);
    out.u32(h.message_id.value);
    out.u32(h.length);
}

}  // namespace racoon::isakmp
