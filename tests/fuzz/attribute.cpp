// fuzz: racoon_isakmp
// A list of attributes: written back it is the same, and decodes as phase 1 or 2 or is refused.
#include <cstddef>
#include <cstdint>

#include "support/exercise_isakmp.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace racoon;
    using namespace racoon::isakmp;
    const ByteView in(data, size);
    auto list = parse_attributes<kMaxAttributes>(Reader(in));
    if (!list) return 0;
    Writer out;
    for (const Attribute& a : *list) {
        static_cast<void>(a.number());
        write_attribute(out, a);
    }
    RACOON_CHECK(test::equal(out.view(), in));

    Transform t;
    t.id = kTransformKeyIke;
    t.attributes = std::move(*list);
    if (const auto offer = Phase1Transform::decode(t)) {
        Writer again;
        offer->encode(again);
        Transform copy;
        copy.id = t.id;
        copy.attributes = parse_attributes<kMaxAttributes>(Reader(again.view())).value();
        RACOON_CHECK(Phase1Transform::decode(copy).value() == *offer);
    }
    if (const auto offer = Phase2Transform::decode(t)) {
        Writer again;
        offer->encode(again);
        Transform copy;
        copy.id = t.id;
        copy.attributes = parse_attributes<kMaxAttributes>(Reader(again.view())).value();
        RACOON_CHECK(Phase2Transform::decode(copy).value() == *offer);
    }
    return 0;
}
