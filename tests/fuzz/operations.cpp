// fuzz: racoon_exchange
// Every record that travels between engine, keeper and plugins: any bytes are refused or read; what was
// read is written, and read again, as the same record (host bits of a prefix are cleared on the way in).
#include <cstdint>
#include <cstdlib>

#include "exchange/pair_keep.hpp"

namespace {

using namespace racoon;
using namespace racoon::exchange;

template <typename Record>
void one(ByteView in) {
    auto r = decode<Record>(in);
    if (!r) return;
    const Bytes once = encode(*r);
    auto again = decode<Record>(once);
    if (!again || encode(*again) != once) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const ByteView in(data + 1, size - 1);
    switch (data[0] % 27) {
        case 0:
            one<DhGenerate>(in);
            break;
        case 1:
            one<DhGenerate::Reply>(in);
            break;
        case 2:
            one<DhCompute>(in);
            break;
        case 3:
            one<DhCompute::Reply>(in);
            break;
        case 4:
            one<DhFree>(in);
            break;
        case 5:
            one<FlatIdentity>(in);
            break;
        case 6:
            one<Phase1Open>(in);
            break;
        case 7:
            one<Phase1Open::Reply>(in);
            break;
        case 8:
            one<Phase1Skeyid>(in);
            break;
        case 9:
            one<Phase1Skeyid::Reply>(in);
            break;
        case 10:
            one<Phase1Close>(in);
            break;
        case 11:
            one<SpiGet>(in);
            break;
        case 12:
            one<SpiGet::Reply>(in);
            break;
        case 13:
            one<SaInstall>(in);
            break;
        case 14:
            one<SaDelete>(in);
            break;
        case 15:
            one<SaQuery::Reply>(in);
            break;
        case 16:
            one<AcquireDone>(in);
            break;
        case 17:
            one<KernelEvent>(in);
            break;
        case 18:
            one<KernelCapabilities>(in);
            break;
        case 21:
            one<PolicyMake>(in);
            break;
        case 22:
            one<PolicyMake::Reply>(in);
            break;
        case 23:
            one<PolicyUse>(in);
            break;
        case 24:
            one<PolicyDrop>(in);
            break;
        case 25:
            one<PairKeep>(in);
            break;
        case 26:
            one<KeptPair>(in);
            break;
        case 19:
            one<Phase1Rebind>(in);
            break;
        case 20:
            one<Resolve>(in);
            break;
    }
    return 0;
}
