// fuzz: racoon_userspace_data racoon_userspace_protocol
// Frames between keeper and data process, as a list of length-prefixed ones; what is read is written
// again and must come out the same.
#include <cstdint>
#include <cstdlib>
#include <algorithm>

#include "data_path.hpp"

namespace {

using namespace racoon::kernel_userspace;

struct Sink final : Output {
    void to_tun(ByteView, const Flow&) override {}
    Bytes room;
    std::span<std::uint8_t> wire_room(std::size_t size) override {
        room.resize(size);
        return room;
    }
    void to_wire(const Outer&, ByteView) override {}
    void to_keeper(ByteView frame) override {
        const auto parsed = parse_frame(frame);
        if (!parsed) std::abort();
        if (parsed->type == Message::Event && !read_event(parsed->body)) std::abort();
    }
};

template <typename Read, typename Write>
void round_trip(ByteView body, const Read& read, const Write& write) {
    const auto first = read(body);
    if (!first) return;
    Writer out;
    write(out, *first);
    const auto again = read(out.view());
    if (!again || !std::equal(body.begin(), body.end(), out.view().begin(), out.view().end()))
        std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Sink sink;
    DataPath path(sink);
    Reader in({data, size});
    std::int64_t now = 1;
    while (in.left() > 2) {
        const std::size_t length = std::min<std::size_t>(in.u16(), in.left());
        const ByteView frame = in.bytes(length);
        path.command(frame, now);
        path.advance(now += 1'000'000);
        const auto parsed = parse_frame(frame);
        if (!parsed) continue;
        round_trip(parsed->body, read_sa, [](Writer& w, const auto& v) { write_sa(w, v); });
        round_trip(parsed->body, read_policy, [](Writer& w, const auto& v) { write_policy(w, v); });
        round_trip(parsed->body, read_event, [](Writer& w, const auto& v) { write_event(w, v); });
        round_trip(parsed->body, read_facts, [](Writer& w, const auto& v) { write_facts(w, v); });
        round_trip(parsed->body, read_settings,
                   [](Writer& w, const auto& v) { write_settings(w, v); });
        round_trip(parsed->body, read_name, [](Writer& w, const auto& v) { write_name(w, v); });
    }
    return 0;
}
