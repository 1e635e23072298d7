#include "isakmp/fragment.hpp"

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

Bytes Fragment::body() const {
    Writer out;
    out.u16(id);
    out.u8(index);
    out.u8(last ? kFragmentLast : 0);
    out.bytes(data);
    return std::move(out).take();
}

}  // namespace racoon::isakmp
