#include "isakmp/identity.hpp"

#include <algorithm>
#include <bit>

#include "isakmp/names.hpp"
#include "log/log.hpp"

namespace racoon::isakmp {

namespace {

template <typename... Fs>
struct Overloaded : Fs... {
    using Fs::operator()...;
};
template <typename... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

Failure invalid(std::string text, std::size_t offset) {
    return fail(Errc::InvalidId, std::move(text))
        .at(offset)
        .notify(number(NotifyType::InvalidIdInformation));
}

/// The number of leading one bits of a mask; nothing when a one follows a zero.
std::optional<unsigned> mask_length(ByteView mask) {
    unsigned length = 0;
    bool ended = false;
    for (const std::uint8_t byte : mask) {
        const auto ones = static_cast<unsigned>(std::countl_one(byte));
        if (std::popcount(byte) != static_cast<int>(ones) || (ended && byte != 0)) return {};
        length += ones;
        ended = ended || ones < 8;
    }
    return length;
}

Bytes mask_bytes(const Prefix& net) {
    Bytes out(net.addr.size(), 0);
    for (unsigned i = 0; i < net.length; ++i)
        out[i / 8] = static_cast<std::uint8_t>(out[i / 8] | 0x80 >> i % 8);
    return out;
}

struct ValueReader {
    IdType type;
    ByteView data;
    std::size_t offset;

    Result<Identity::Value> address(std::size_t size) const {
        RACOON_TRY_STATUS(expect(size));
        RACOON_TRY(IpAddr a, IpAddr::from_bytes(data));
        return Identity::Value(IdAddress{a});
    }
    Result<Identity::Value> subnet(std::size_t size) const {
        RACOON_TRY_STATUS(expect(size * 2));
        RACOON_TRY(IpAddr a, IpAddr::from_bytes(data.first(size)));
        const auto length = mask_length(data.subspan(size));
        if (!length) return invalid("the mask of " + name(type) + " has holes", offset + size);
        RACOON_TRY(Prefix net, Prefix::make(a, *length));
        return Identity::Value(IdSubnet{net});
    }
    Result<Identity::Value> range(std::size_t size) const {
        RACOON_TRY_STATUS(expect(size * 2));
        RACOON_TRY(IpAddr first, IpAddr::from_bytes(data.first(size)));
        RACOON_TRY(IpAddr last, IpAddr::from_bytes(data.subspan(size)));
        if (last < first)
            return invalid("the range of " + name(type) + " ends before it begins", offset);
        return Identity::Value(IdRange{first, last});
    }
    template <typename T>
    Result<Identity::Value> text() const {
        RACOON_TRY_STATUS(not_empty());
        if (std::find(data.begin(), data.end(), 0) != data.end())
            return invalid(name(type) + " holds a zero byte", offset);
        return Identity::Value(T{std::string(as_text(data))});
    }
    template <typename T>
    Result<Identity::Value> opaque() const {
        RACOON_TRY_STATUS(not_empty());
        return Identity::Value(T{to_bytes(data)});
    }

    Status expect(std::size_t size) const {
        if (data.size() == size) return ok();
        return invalid(name(type) + " has " + std::to_string(data.size()) + " bytes, expected " +
                           std::to_string(size),
                       offset);
    }
    Status not_empty() const {
        if (!data.empty()) return ok();
        return invalid(name(type) + " is empty", offset);
    }
};

Result<Identity::Value> parse_value(const ValueReader& in) {
    switch (in.type) {
        case IdType::Ipv4Addr:
            return in.address(4);
        case IdType::Ipv6Addr:
            return in.address(16);
        case IdType::Ipv4Subnet:
            return in.subnet(4);
        case IdType::Ipv6Subnet:
            return in.subnet(16);
        case IdType::Ipv4Range:
            return in.range(4);
        case IdType::Ipv6Range:
            return in.range(16);
        case IdType::Fqdn:
            return in.text<IdFqdn>();
        case IdType::UserFqdn:
            return in.text<IdUserFqdn>();
        case IdType::DerAsn1Dn:
            return in.opaque<IdDn>();
        case IdType::DerAsn1Gn:
            return in.opaque<IdGn>();
        case IdType::KeyId:
            return in.opaque<IdKeyId>();
        case IdType::None:
            break;
    }
    return invalid("unknown identification type " + name(in.type), in.offset);
}

IdType by_family(const IpAddr& a, IdType v4, IdType v6) {
    return a.family == Family::V6 ? v6 : v4;
}

unsigned bit(const IpAddr& a, unsigned i) {
    return a.bytes[i / 8] >> (7 - i % 8) & 1U;
}

unsigned equal_bits(const IdRange& r) {
    unsigned length = 0;
    while (length < r.first.bits() && bit(r.first, length) == bit(r.last, length)) ++length;
    return length;
}

/// The prefix that a range is, if it is one: equal bits, then all zeros up to all ones.
std::optional<Prefix> as_prefix(const IdRange& r) {
    const unsigned length = equal_bits(r);
    for (unsigned i = length; i < r.first.bits(); ++i)
        if (bit(r.first, i) != 0 || bit(r.last, i) != 1) return {};
    return Prefix{r.first, static_cast<std::uint8_t>(length)};
}

}  // namespace

Prefix IdRange::net_around() const {
    const unsigned length = equal_bits(*this);
    Prefix net{first, static_cast<std::uint8_t>(length)};
    for (unsigned i = length; i < first.bits(); ++i)
        net.addr.bytes[i / 8] &= static_cast<std::uint8_t>(~(0x80U >> i % 8));
    return net;
}

Result<Identity> Identity::parse(Reader in) {
    Identity id;
    const std::size_t start = in.offset();
    auto read = [&]() -> Status {
        RACOON_TRY(const std::uint8_t type, in.u8());
        RACOON_TRY(id.protocol, in.u8());
        RACOON_TRY(id.port, in.u16());
        const std::size_t offset = in.offset();
        const ValueReader reader{static_cast<IdType>(type), in.rest(), offset};
        RACOON_TRY(id.value, parse_value(reader));
        return ok();
    }();
    if (!read) {
        if (read.error().code() == Errc::InvalidId) return fail(std::move(read).error());
        return invalid("the ID payload is too short: " + read.error().text(), start);
    }
    return id;
}

Bytes Identity::body() const {
    Writer out;
    out.u8(static_cast<std::uint8_t>(type()));
    out.u8(protocol);
    out.u16(port);
    out.bytes(data());
    return std::move(out).take();
}

Identity Identity::address(const IpAddr& a, std::uint8_t protocol, std::uint16_t port) {
    IpAddr plain = a;
    plain.scope = 0;  // has no meaning to the peer
    return Identity{IdAddress{plain}, protocol, port};
}

Identity Identity::subnet(const Prefix& net, std::uint8_t protocol, std::uint16_t port) {
    Prefix plain = net;
    plain.addr.scope = 0;
    return Identity{IdSubnet{plain}, protocol, port};
}

Identity Identity::selector(const Selector& s, std::uint8_t protocol) {
    return s.net.is_host() ? address(s.net.addr, protocol, s.port)
                           : subnet(s.net, protocol, s.port);
}

IdType Identity::type() const {
    return std::visit(Overloaded{
                          [](const IdAddress& v) {
                              return by_family(v.addr, IdType::Ipv4Addr, IdType::Ipv6Addr);
                          },
                          [](const IdSubnet& v) {
                              return by_family(v.net.addr, IdType::Ipv4Subnet, IdType::Ipv6Subnet);
                          },
                          [](const IdRange& v) {
                              return by_family(v.first, IdType::Ipv4Range, IdType::Ipv6Range);
                          },
                          [](const IdFqdn&) { return IdType::Fqdn; },
                          [](const IdUserFqdn&) { return IdType::UserFqdn; },
                          [](const IdDn&) { return IdType::DerAsn1Dn; },
                          [](const IdGn&) { return IdType::DerAsn1Gn; },
                          [](const IdKeyId&) { return IdType::KeyId; },
                      },
                      value);
}

Bytes Identity::data() const {
    return std::visit(Overloaded{
                          [](const IdAddress& v) { return to_bytes(v.addr.view()); },
                          [](const IdSubnet& v) {
                              Bytes out = to_bytes(v.net.addr.view());
                              append(out, mask_bytes(v.net));
                              return out;
                          },
                          [](const IdRange& v) {
                              Bytes out = to_bytes(v.first.view());
                              append(out, v.last.view());
                              return out;
                          },
                          [](const IdFqdn& v) { return to_bytes(as_bytes(v.name)); },
                          [](const IdUserFqdn& v) { return to_bytes(as_bytes(v.name)); },
                          [](const IdDn& v) { return v.der; },
                          [](const IdGn& v) { return v.der; },
                          [](const IdKeyId& v) { return v.id; },
                      },
                      value);
}

std::optional<Selector> Identity::as_selector() const {
    std::optional<Prefix> net;
    if (const auto* a = std::get_if<IdAddress>(&value)) net = Prefix::host(a->addr);
    if (const auto* s = std::get_if<IdSubnet>(&value)) net = s->net;
    if (const auto* r = std::get_if<IdRange>(&value)) net = as_prefix(*r);
    if (!net) return {};
    return Selector{*net, port};
}

std::string Identity::value_text() const {
    return std::visit(
        Overloaded{
            [](const IdAddress& v) { return v.addr.text(); },
            [](const IdSubnet& v) { return v.net.text(); },
            [](const IdRange& v) { return v.first.text() + "-" + v.last.text(); },
            [](const IdFqdn& v) { return log::escaped(v.name); },
            [](const IdUserFqdn& v) { return log::escaped(v.name); },
            [](const IdDn& v) {
                return to_hex(ByteView(v.der).first(std::min<std::size_t>(128, v.der.size())));
            },
            [](const IdGn& v) {
                return to_hex(ByteView(v.der).first(std::min<std::size_t>(128, v.der.size())));
            },
            [](const IdKeyId& v) { return log::escaped(v.id); },
        },
        value);
}

std::string Identity::text() const {
    return name(type()) + " " + value_text() +
           " proto=" + (protocol == 0 ? "any" : std::to_string(protocol)) +
           " port=" + (port == 0 ? "any" : std::to_string(port));
}

}  // namespace racoon::isakmp
