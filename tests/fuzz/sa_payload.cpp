// fuzz: racoon_isakmp
// The body of an SA payload; each transform is decoded, and answered as a responder would.
#include <cstddef>
#include <cstdint>

#include "support/exercise_isakmp.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace racoon;
    const ByteView in(data, size);
    test::exercise_sa({isakmp::PayloadType::SecurityAssociation, in, in, 0});
    return 0;
}
