// fuzz: racoon_control
// The control socket's byte stream: frames, JSON, requests.
#include "control/protocol.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace racoon;
    control::FrameReader frames(control::kMaxRequest);
    const ByteView in(data, size);
    // Two pieces, so that frames are also put together from parts.
    frames.feed(in.first(size / 2));
    frames.feed(in.subspan(size / 2));
    for (;;) {
        const auto body = frames.take();
        if (!body || !*body) break;
        if (const auto request = control::parse_request(**body)) {
            control::dump_json(request->args);
            control::text_of(request->args, "proto");
            control::number_of(request->args, "src_port");
        }
    }
    return 0;
}
