#include "isakmp/payload_chain.hpp"

#include <algorithm>
#include <string>

namespace racoon::isakmp {

namespace {

/// One generic header and its body (RFC 2408 3.2).
struct Step {
    Payload payload;
    PayloadType next;
};

Result<Step> read_payload(Reader& in, PayloadType type) {
    const std::size_t offset = in.offset();
    const ByteView from_here = in.peek_rest();
    RACOON_TRY(const std::uint8_t next, in.u8());
    RACOON_TRY(const std::uint8_t reserved, in.u8());
    RACOON_TRY(const std::uint16_t length, in.u16());
    // A message decrypted with a wrong key fails here, mostly: callers turn this error of an
    // encrypted message into the hint that keys differ.
    if (reserved != 0)
        return fail(Errc::Malformed, "the reserved byte of a payload header is " +
                                         std::to_string(reserved) + ", expected 0")
            .at(offset + 1);
    // Below 4 the walk would not move forward.
    if (length < kGenericHeaderSize)
        return fail(Errc::Malformed, "payload length " + std::to_string(length) +
                                         " is less than the payload header's 4")
            .at(offset + 2);
    RACOON_TRY(const ByteView body, in.bytes(length - kGenericHeaderSize));
    return Step{{type, body, from_here.first(length), offset}, static_cast<PayloadType>(next)};
}

bool may_follow(ByteView rest, Trailing trailing) {
    switch (trailing) {
        case Trailing::Refuse:
            return rest.empty();
        case Trailing::Alignment:
            return rest.size() < 4 &&
                   std::all_of(rest.begin(), rest.end(), [](auto b) { return b == 0; });
        case Trailing::Padding:
            break;
    }
    return true;
}

Error malformed(Error error, std::string_view doing) {
    return std::move(error).with(doing).notify(number(NotifyType::PayloadMalformed));
}

}  // namespace

Result<PayloadChain> PayloadChain::parse(Reader in, PayloadType first, Trailing trailing) {
    PayloadChain chain;
    const ByteView all = in.peek_rest();
    for (PayloadType type = first; type != PayloadType::None;) {
        auto step = read_payload(in, type);
        if (!step) return fail(malformed(std::move(step).error(), "walking the payloads"));
        auto added = chain.payloads_.add(step->payload, "payloads in one message");
        if (!added) return fail(malformed(std::move(added).error(), "walking the payloads"));
        type = step->next;
    }
    if (!may_follow(in.peek_rest(), trailing))
        return fail(Errc::Malformed, std::to_string(in.left()) + " bytes follow the last payload")
            .at(in.offset())
            .notify(number(NotifyType::PayloadMalformed));
    chain.raw_ = all.first(all.size() - in.left());
    chain.padding_ = in.rest();
    return chain;
}

const Payload* PayloadChain::find(PayloadType type) const {
    const auto found =
        std::find_if(begin(), end(), [type](const Payload& p) { return p.type == type; });
    return found == end() ? nullptr : &*found;
}

std::size_t PayloadChain::count(PayloadType type) const {
    return static_cast<std::size_t>(
        std::count_if(begin(), end(), [type](const Payload& p) { return p.type == type; }));
}

ByteView PayloadChain::raw_from(std::size_t index) const {
    std::size_t skipped = 0;
    for (std::size_t i = 0; i < std::min(index, size()); ++i) skipped += payloads_[i].raw.size();
    return raw_.subspan(skipped);
}

}  // namespace racoon::isakmp
