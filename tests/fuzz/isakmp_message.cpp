// fuzz: racoon_isakmp
// A datagram: header, payload chain, every payload parser, every view, the dump.
#include <cstddef>
#include <cstdint>

#include "support/exercise_isakmp.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace racoon;
    const ByteView in(data, size);
    test::exercise_datagram(in);
    // Most inputs lie about their length; the same bytes with the length mended reach deeper.
    if (size >= isakmp::kHeaderSize && size <= isakmp::kMaxMessage) {
        Bytes mended = to_bytes(in);
        for (std::size_t i = 0; i < 4; ++i)
            mended[24 + i] = static_cast<std::uint8_t>(size >> (24 - 8 * i));
        test::exercise_datagram(mended);
    }
    return 0;
}
