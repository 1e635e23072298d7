#include "isakmp/payload.hpp"

#include <algorithm>
#include <string>

#include "base/check.hpp"
#include "isakmp/names.hpp"

namespace racoon::isakmp {

namespace {

constexpr std::size_t kMaxHash = 64;  // SHA2-512

Error malformed(Error error, const Payload& p) {
    return std::move(error)
        .with("parsing the " + name(p.type) + " payload")
        .notify(number(NotifyType::PayloadMalformed));
}

/// Runs a parser of one payload and says in its error which payload it was.
template <typename F>
auto parsing(const Payload& p, F&& parse) -> decltype(parse(p.reader())) {
    auto result = parse(p.reader());
    if (!result) return fail(malformed(std::move(result).error(), p));
    return result;
}

Result<ByteView> sized(const Payload& p, std::size_t least, std::size_t most) {
    if (p.body.size() >= least && p.body.size() <= most) return p.body;
    return fail(malformed(
        Error(Errc::Malformed, "found " + std::to_string(p.body.size()) + " bytes, expected " +
                                   std::to_string(least) + " to " + std::to_string(most))
            .at(p.offset),
        p));
}

bool spi_size_fits(ProtocolId protocol, std::size_t size) {
    switch (protocol) {
        case ProtocolId::Isakmp:
            return size == 16;
        case ProtocolId::Ah:
        case ProtocolId::Esp:
            return size == 4;
        case ProtocolId::Ipcomp:
            return size == 2 || size == 4;
        case ProtocolId::None:
            break;
    }
    return false;
}

}  // namespace

Result<ByteView> parse_key_exchange(const Payload& p) {
    return sized(p, 1, kMaxPayloadBody);
}
Result<ByteView> parse_nonce(const Payload& p) {
    return sized(p, kMinNonce, kMaxNonce);
}
Result<ByteView> parse_hash(const Payload& p) {
    return sized(p, 1, kMaxHash);
}
Result<ByteView> parse_signature(const Payload& p) {
    return sized(p, 1, kMaxPayloadBody);
}

Result<Certificate> Certificate::parse(const Payload& p) {
    return parsing(p, [&p](Reader in) -> Result<Certificate> {
        Certificate c;
        RACOON_TRY(const std::uint8_t encoding_number, in.u8());
        c.encoding = static_cast<CertEncoding>(encoding_number);
        if (in.empty() && p.type == PayloadType::Certificate)
            return fail(Errc::Malformed, "there is no certificate in it").at(in.offset());
        c.data = in.rest();
        return c;
    });
}

Bytes Certificate::body() const {
    Writer out;
    out.u8(static_cast<std::uint8_t>(encoding));
    out.bytes(data);
    return std::move(out).take();
}

Result<Notification> Notification::parse(const Payload& p) {
    return parsing(p, [](Reader in) -> Result<Notification> {
        Notification n;
        RACOON_TRY(n.doi, in.u32());
        RACOON_TRY(const std::uint8_t protocol_number, in.u8());
        n.protocol = static_cast<ProtocolId>(protocol_number);
        const std::size_t size_at = in.offset();
        RACOON_TRY(const std::uint8_t spi_size, in.u8());
        RACOON_TRY(const std::uint16_t type_number, in.u16());
        n.type = static_cast<NotifyType>(type_number);
        if (spi_size > kMaxSpi)
            return fail(Errc::Malformed, "found an SPI size of " + std::to_string(spi_size) +
                                             ", expected at most 16")
                .at(size_at);
        RACOON_TRY(n.spi, in.bytes(spi_size));
        n.data = in.rest();
        return n;
    });
}

Bytes Notification::body() const {
    RACOON_CHECK(spi.size() <= kMaxSpi);
    Writer out;
    out.u32(doi);
    out.u8(static_cast<std::uint8_t>(protocol));
    out.u8(static_cast<std::uint8_t>(spi.size()));
    out.u16(static_cast<std::uint16_t>(type));
    out.bytes(spi);
    out.bytes(data);
    return std::move(out).take();
}

bool Notification::is_error() const {
    const auto n = static_cast<std::uint16_t>(type);
    return n > 0 && n < 16384;
}

std::optional<std::uint32_t> Notification::dpd_sequence() const {
    if (data.size() != 4) return {};
    return Reader(data).u32().value();
}

Result<Delete> Delete::parse(const Payload& p) {
    return parsing(p, [](Reader in) -> Result<Delete> {
        Delete d;
        RACOON_TRY(d.doi, in.u32());
        RACOON_TRY(const std::uint8_t protocol_number, in.u8());
        d.protocol = static_cast<ProtocolId>(protocol_number);
        const std::size_t size_at = in.offset();
        RACOON_TRY(d.spi_size, in.u8());
        if (!spi_size_fits(d.protocol, d.spi_size))
            return fail(Errc::Malformed, "an SPI of " + name(d.protocol) + " is not " +
                                             std::to_string(d.spi_size) + " bytes")
                .at(size_at);
        const std::size_t count_at = in.offset();
        RACOON_TRY(const std::uint16_t count, in.u16());
        if (in.left() != std::size_t{count} * d.spi_size)
            return fail(Errc::Malformed, std::to_string(count) + " SPIs of " +
                                             std::to_string(d.spi_size) + " bytes are announced, " +
                                             std::to_string(in.left()) + " bytes are left")
                .at(count_at);
        while (!in.empty()) {
            RACOON_TRY(const ByteView spi, in.bytes(d.spi_size));
            RACOON_TRY_STATUS(d.spis.add(spi, "SPIs"));
        }
        return d;
    });
}

Bytes Delete::body() const {
    Writer out;
    out.u32(doi);
    out.u8(static_cast<std::uint8_t>(protocol));
    out.u8(spi_size);
    out.u16(static_cast<std::uint16_t>(spis.size()));
    for (const ByteView spi : spis) {
        RACOON_CHECK(spi.size() == spi_size);
        out.bytes(spi);
    }
    return std::move(out).take();
}

Bytes Delete::body_of(const CookiePair& cookies) {
    const Bytes spi = spi_bytes(cookies);
    Delete d;
    d.protocol = ProtocolId::Isakmp;
    d.spi_size = static_cast<std::uint8_t>(spi.size());
    RACOON_CHECK(d.spis.add(spi, "SPIs").has_value());
    return d.body();
}

Bytes Delete::body_of(ProtocolId protocol, Spi spi) {
    const Bytes bytes = spi_bytes(protocol, spi);
    Delete d;
    d.protocol = protocol;
    d.spi_size = static_cast<std::uint8_t>(bytes.size());
    RACOON_CHECK(d.spis.add(bytes, "SPIs").has_value());
    return d.body();
}

Result<ConfigAttributes> ConfigAttributes::parse(const Payload& p) {
    return parsing(p, [](Reader in) -> Result<ConfigAttributes> {
        ConfigAttributes c;
        RACOON_TRY(const std::uint8_t type_number, in.u8());
        c.type = static_cast<ConfigMessage>(type_number);
        RACOON_TRY_STATUS(in.skip(1));  // reserved; peers differ in what they put there
        RACOON_TRY(c.identifier, in.u16());
        RACOON_TRY(c.attributes, parse_attributes<kMaxConfigAttributes>(in));
        return c;
    });
}

Bytes ConfigAttributes::body() const {
    Writer out;
    out.u8(static_cast<std::uint8_t>(type));
    out.u8(0);
    out.u16(identifier);
    for (const Attribute& a : attributes) write_attribute(out, a);
    return std::move(out).take();
}

Result<NatOa> NatOa::parse(const Payload& p) {
    return parsing(p, [](Reader in) -> Result<NatOa> {
        RACOON_TRY(const std::uint8_t type, in.u8());
        const auto id_type = static_cast<IdType>(type);
        if (id_type != IdType::Ipv4Addr && id_type != IdType::Ipv6Addr)
            return fail(Errc::Malformed, "found " + name(id_type) + ", expected an address")
                .at(in.offset() - 1);
        RACOON_TRY_STATUS(in.skip(3));  // reserved
        const std::size_t at = in.offset();
        const ByteView bytes = in.rest();
        if (bytes.size() != (id_type == IdType::Ipv4Addr ? 4u : 16u))
            return fail(Errc::Malformed,
                        name(id_type) + " has " + std::to_string(bytes.size()) + " bytes")
                .at(at);
        NatOa out;
        RACOON_TRY(out.addr, IpAddr::from_bytes(bytes));
        return out;
    });
}

Bytes NatOa::body() const {
    Writer out;
    out.u8(
        static_cast<std::uint8_t>(addr.family == Family::V6 ? IdType::Ipv6Addr : IdType::Ipv4Addr));
    out.zeros(3);
    out.bytes(addr.view());
    return std::move(out).take();
}

std::optional<Spi> spi_number(ByteView spi) {
    Reader in(spi);
    if (spi.size() == 4) return Spi{in.u32().value()};
    if (spi.size() == 2) return Spi{in.u16().value()};
    return {};
}

std::optional<CookiePair> spi_cookies(ByteView spi) {
    CookiePair out;
    if (spi.size() != 16) return {};
    std::copy_n(spi.begin(), 8, out.initiator.bytes.begin());
    std::copy_n(spi.begin() + 8, 8, out.responder.bytes.begin());
    return out;
}

Bytes spi_bytes(ProtocolId protocol, Spi spi) {
    Writer out;
    if (protocol == ProtocolId::Ipcomp)
        out.u16(static_cast<std::uint16_t>(spi.value));
    else
        out.u32(spi.value);
    return std::move(out).take();
}

Bytes spi_bytes(const CookiePair& cookies) {
    Bytes out = to_bytes(cookies.initiator.view());
    append(out, cookies.responder.view());
    return out;
}

}  // namespace racoon::isakmp
