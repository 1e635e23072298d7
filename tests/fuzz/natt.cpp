// fuzz: natt_code
// What a peer can show to a dialect of NAT traversal: vendor IDs and NAT-OA bodies. An address that was read
// is written the same way.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "dialects.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const racoon_natt& table = natt::table();
    std::vector<const natt::Dialect*> all;
    for (const natt::Dialect& dialect : natt::kDialects) all.push_back(&dialect);
    for (const natt::Dialect& dialect : natt::kFirstDrafts) all.push_back(&dialect);
    for (const natt::Dialect* dialect : all) {
        void* impl = natt::impl(*dialect);
        static_cast<void>(table.match_vendor_id(impl, {data, size}));
        racoon_addr address{};
        if (table.natoa_read(impl, {data, size}, &address) != RACOON_OK) continue;
        std::uint8_t bytes[RACOON_NATT_MAX_BYTES];
        racoon_buffer out{bytes, sizeof bytes, 0};
        if (table.natoa_write(impl, &address, &out) != RACOON_OK || out.size != size) std::abort();
        // The reserved bytes are not the peer's to keep.
        if (bytes[0] != data[0] || !std::equal(bytes + 4, bytes + size, data + 4)) std::abort();
    }
    return 0;
}
