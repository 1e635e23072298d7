// fuzz: racoon_isakmp
// The first byte is the first payload's type and whether padding may follow, the rest the payloads.
#include <cstddef>
#include <cstdint>

#include "support/exercise_isakmp.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace racoon;
    using namespace racoon::isakmp;
    if (size == 0) return 0;
    const auto first = static_cast<PayloadType>(data[0]);
    const Reader in(ByteView(data + 1, size - 1), kHeaderSize);
    const auto strict = PayloadChain::parse(in, first, Trailing::Refuse);
    const auto padded = PayloadChain::parse(in, first, Trailing::Padding);
    // What is strictly right is right with padding too, and then has none.
    if (strict) RACOON_CHECK(padded && padded->padding().empty());
    if (padded) {
        RACOON_CHECK(padded->raw().size() + padded->padding().size() == size - 1);
        test::exercise_chain(*padded, first);
    } else {
        RACOON_CHECK(padded.error().notify_type() == number(NotifyType::PayloadMalformed));
    }
    return 0;
}
