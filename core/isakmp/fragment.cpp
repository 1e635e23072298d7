#include "isakmp/fragment.hpp"

#include <algorithm>
#include <string>

#include "isakmp/message_builder.hpp"

namespace racoon::isakmp {

Result<Fragment> Fragment::parse(const Payload& p) {
    Reader in = p.reader();
    Fragment f;
    RACOON_TRY(f.id, in.u16());
    const std::size_t index_at = in.offset();
    RACOON_TRY(f.index, in.u8());
    RACOON_TRY(const std::uint8_t flags, in.u8());
    f.last = (flags & kFragmentLast) != 0;
    if (f.index == 0)
        return fail(Errc::Malformed, "fragment index 0, expected 1 or more").at(index_at);
    if (in.empty()) return fail(Errc::Malformed, "a fragment without data").at(in.offset());
    f.data = in.rest();
    return f;
}

Result<Fragment> Fragment::parse_datagram(ByteView datagram) {
    RACOON_TRY(const Header header, parse_header(datagram));
    if (header.first_payload() != PayloadType::Fragment)
        return fail(Errc::Malformed, "the first payload is not a fragment");
    const Reader in(datagram.subspan(kHeaderSize), kHeaderSize);
    RACOON_TRY(const PayloadChain chain,
               PayloadChain::parse(in, PayloadType::Fragment, Trailing::Alignment));
    if (chain.size() != 1) return fail(Errc::Malformed, "a fragment that is not alone");
    return parse(chain[0]);
}

Bytes Fragment::body() const {
    Writer out;
    out.u16(id);
    out.u8(index);
    out.u8(last ? kFragmentLast : 0);
    out.bytes(data);
    return std::move(out).take();
}

Result<std::vector<Bytes>> split_message(ByteView message, std::uint16_t id) {
    RACOON_TRY(const Header whole, parse_header(message));
    if (message.size() > kMaxFragments * kFragmentDataSize)
        return fail(Errc::TooLong, "too long for " + std::to_string(kMaxFragments) + " fragments");
    Header header;
    header.cookies = whole.cookies;
    header.exchange = whole.exchange;
    // No flag: ipsec-tools set that of encryption where the whole message has it, and whoever reads a
    // capture then took the piece for what it is a piece of.
    std::vector<Bytes> out;
    Fragment f;
    f.id = id;
    while (!message.empty()) {
        f.data = message.first(std::min(message.size(), kFragmentDataSize));
        message = message.subspan(f.data.size());
        ++f.index;
        f.last = message.empty();
        MessageBuilder b(header);
        b.add(PayloadType::Fragment, f.body());
        RACOON_TRY(Bytes datagram, b.finish());
        out.push_back(std::move(datagram));
    }
    return out;
}

}  // namespace racoon::isakmp
