// fuzz: racoon_isakmp
// The body of an ID payload: what parses is written and read back as the same identity.
#include <cstddef>
#include <cstdint>

#include "support/exercise_isakmp.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    racoon::test::exercise_identity(racoon::Reader(racoon::ByteView(data, size)));
    return 0;
}
