// The ISAKMP header (RFC 2408 3.1): 28 bytes that start every message, of any version of IKE.
//
//     RACOON_TRY(Header h, parse_header(datagram));    // sizes only
//     RACOON_TRY_STATUS(check_ikev1(h));               // version, flags, cookies
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "isakmp/wire.hpp"

namespace racoon::isakmp {

struct Header {
    CookiePair cookies;
    std::uint8_t next_payload = 0;  // a number: its meaning depends on the version
    std::uint8_t major = kMajorVersion;
    std::uint8_t minor = kMinorVersion;
    std::uint8_t exchange = 0;
    std::uint8_t flags = 0;
    MessageId message_id;
    std::uint32_t length = 0;  // of the whole message, header included

    bool encrypted() const { return (flags & kFlagEncryption) != 0; }
    bool commit() const { return (flags & kFlagCommit) != 0; }
    ExchangeType exchange_type() const { return static_cast<ExchangeType>(exchange); }
    PayloadType first_payload() const { return static_cast<PayloadType>(next_payload); }
};

/// Reads the header of a whole datagram of any version. Truncated below 28 bytes, TooLong above
/// 65535, Malformed when the length field is not the size of the datagram (a stranger's length is
/// never used to size anything).
Result<Header> parse_header(ByteView datagram);

/// What IKEv1 asks of a header: initiator cookie not zero, major version 1, no flag bits but E, C
/// and A (RFC 2408 5.2). The error carries the notify type to answer with.
Status check_ikev1(const Header& header);

void write_header(Writer& out, const Header& header);

}  // namespace racoon::isakmp
