// fuzz: racoon_privsep
// What crosses the border between keeper and engine: frames cut out of a stream, then the record
// that each kind carries. Both sides parse what the other, which may be captured, has written.
#include "privsep/channel.hpp"
#include "privsep/protocol.hpp"

namespace {

using namespace racoon;
using namespace racoon::privsep;

template <typename T>
void round_trip(ByteView body) {
    const auto record = privsep::decode<T>(body);
    if (!record) return;
    Writer out;
    record->put(out);
    if (!privsep::decode<T>(out.view())) __builtin_trap();
}

void record_of(Kind kind, ByteView body) {
    switch (kind) {
        case Kind::Start:
            return round_trip<Start>(body);
        case Kind::Sockets:
            return round_trip<SocketList>(body);
        case Kind::ConfigPrepare:
            return round_trip<ConfigData>(body);
        case Kind::ConfigCommit:
            return round_trip<ConfigCommit>(body);
        case Kind::ConfigAbort:
            return round_trip<Generation>(body);
        case Kind::Hosts:
            return round_trip<HostList>(body);
        case Kind::Backends:
            return round_trip<BackendList>(body);
        case Kind::Foreign:
            return round_trip<ForeignList>(body);
        case Kind::Result:
            return round_trip<OpResult>(body);
        case Kind::KernelEvent:
            return round_trip<exchange::KernelEvent>(body);
        case Kind::Capabilities:
            return round_trip<exchange::KernelCapabilities>(body);
        case Kind::ReloadDone:
        case Kind::Ready:
        case Kind::Prepared:
            return round_trip<Outcome>(body);
        case Kind::Operation:
            return round_trip<OpRequest>(body);
        case Kind::Cancel:
        case Kind::ReloadRequest:
            return round_trip<Token>(body);
        case Kind::Log:
            return round_trip<LogLine>(body);
        default:
            return;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FrameParser parser(4096);
    std::vector<FrameParser::Frame> frames;
    const ByteView all(data, size);
    // In pieces whose size the input chooses, so that frames are also put together from parts.
    const std::size_t piece = size != 0 ? 1u + data[size - 1] : 1;
    for (std::size_t at = 0; at < size; at += piece)
        if (!parser.feed(all.subspan(at, std::min(piece, size - at)), frames)) break;
    for (const auto& frame : frames) record_of(frame.kind, frame.body);
    return 0;
}
