// fuzz: racoon_pfkey
// Messages of PF_KEY in every dialect: what is read and written again is read the same.
#include <cstdint>
#include <cstdlib>

#include "pfkey/message.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace racoon::pfkey;
    for (const Dialect* d :
         {&linux_dialect(), &freebsd_dialect(), &netbsd_dialect(), &macos_dialect()}) {
        std::string why;
        const auto first = decode(ByteView(data, size), *d, &why);
        if (!first) {
            if (why.empty()) std::abort();
            continue;
        }
        const auto bytes = encode(*first, *d);
        const auto second = decode(bytes, *d);
        if (!second || encode(*second, *d) != bytes) std::abort();
    }
    return 0;
}
