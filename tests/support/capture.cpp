#include "support/capture.hpp"

#include <algorithm>
#include <optional>
#include <zlib.h>

namespace racoon::test {

namespace {

Bytes read_all(const std::filesystem::path& path) {
    Bytes out;
    gzFile file = gzopen(path.c_str(), "rb");  // reads plain files too
    if (file == nullptr) return out;
    std::uint8_t buffer[4096];
    for (int n; (n = gzread(file, buffer, sizeof buffer)) > 0;)
        append(out, ByteView(buffer, static_cast<std::size_t>(n)));
    gzclose(file);
    return out;
}

// Capture files are in the byte order of the machine that wrote them: here always little-endian.
std::uint32_t little(ByteView in, std::size_t at, std::size_t size) {
    std::uint32_t v = 0;
    for (std::size_t i = 0; i < size && at + i < in.size(); ++i)
        v |= std::uint32_t{in[at + i]} << (8 * i);
    return v;
}

struct Frames {
    std::uint32_t link_type = 1;
    std::vector<Bytes> frames;
};

void add_frame(Frames& out, ByteView file, std::size_t at, std::size_t size) {
    if (at >= file.size()) return;
    out.frames.push_back(to_bytes(file.subspan(at, std::min(size, file.size() - at))));
}

Frames read_pcap(ByteView file) {
    Frames out;
    out.link_type = little(file, 20, 2);
    for (std::size_t at = 24; at + 16 <= file.size();) {
        const std::size_t size = little(file, at + 8, 4);
        add_frame(out, file, at + 16, size);
        at += 16 + std::min(size, file.size());
    }
    return out;
}

Frames read_pcapng(ByteView file) {
    Frames out;
    for (std::size_t at = 0; at + 12 <= file.size();) {
        const std::uint32_t type = little(file, at, 4);
        const std::size_t length = little(file, at + 4, 4);
        if (length < 12) break;
        if (type == 1) out.link_type = little(file, at + 8, 2);  // interface description
        if (type == 6) add_frame(out, file, at + 28, little(file, at + 20, 4));  // enhanced packet
        if (type == 3)
            add_frame(out, file, at + 12,
                      std::min<std::size_t>(little(file, at + 8, 4), length - 16));
        at += length;
    }
    return out;
}

std::optional<Datagram> udp_of(ByteView ip) {
    if (ip.empty()) return {};
    std::size_t header = 0;
    std::uint8_t protocol = 0;
    if (ip[0] >> 4 == 4 && ip.size() >= 20) {
        header = std::size_t{ip[0]} % 16 * 4;
        protocol = ip[9];
        if (((ip[6] & 0x1f) | ip[7]) != 0) return {};  // a later fragment
    } else if (ip[0] >> 4 == 6 && ip.size() >= 40) {
        header = 40;
        protocol = ip[6];
    }
    if (protocol != 17 || header + 8 > ip.size()) return {};
    Reader in(ip.subspan(header));
    Datagram d;
    d.source_port = in.u16().value();
    d.target_port = in.u16().value();
    const std::size_t length = in.u16().value();
    static_cast<void>(in.u16());
    const ByteView rest = in.rest();
    d.payload = to_bytes(rest.first(std::min(rest.size(), length < 8 ? 0 : length - 8)));
    return d;
}

}  // namespace

Bytes Datagram::isakmp() const {
    const bool marked =
        (source_port == 4500 || target_port == 4500) && payload.size() >= 4 &&
        std::all_of(payload.begin(), payload.begin() + 4, [](std::uint8_t b) { return b == 0; });
    return to_bytes(ByteView(payload).subspan(marked ? 4 : 0));
}

Capture read_capture(const std::filesystem::path& path) {
    const Bytes file = read_all(path);
    const bool ng = little(file, 0, 4) == 0x0a0d0d0a;
    Frames frames = ng ? read_pcapng(file) : read_pcap(file);
    Capture out;
    out.frames = std::move(frames.frames);
    const std::size_t link_header = frames.link_type == 0 ? 4 : 14;
    for (const Bytes& frame : out.frames) {
        if (frame.size() < link_header) continue;
        if (auto d = udp_of(ByteView(frame).subspan(link_header)))
            out.datagrams.push_back(std::move(*d));
    }
    return out;
}

}  // namespace racoon::test
