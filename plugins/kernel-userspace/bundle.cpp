#include "bundle.hpp"

#include <algorithm>

#include "ah_header.hpp"
#include "checksum.hpp"
#include "outer.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::size_t kMostPacket = 0xffff;

bool is_plain(const Flow& flow) {
    if (flow.source.family == 4) return flow.header == kIpv4Header;
    return flow.header == kIpv6Header || flow.next == kProtoDestination;
}

// The header of a tunnel, with nothing behind it yet. DSCP and ECN go to it as they are (RFC 4301 5.1.2.1,
// RFC 6040 4.1).
Bytes tunnel_header(const Sa& sa, const Flow& flow, const Wrapping& w) {
    Outer outer;
    outer.src = sa.facts.src;
    outer.dst = sa.facts.dst;
    outer.traffic_class = flow.traffic_class;
    outer.id = w.id;
    outer.dont_fragment = w.dont_fragment;
    return make_packet(outer, 0, {});
}

struct Parts {
    Bytes headers;     // before ESP or AH
    ByteView content;  // behind it
    std::uint8_t next = 0;
};

Wrapped take_apart(const Sa& sa, ByteView packet, const Wrapping& w, Parts* parts) {
    const auto flow = parse_packet(packet);
    if (!flow) return Wrapped::HasOptions;
    if (sa.tunnel()) {
        parts->headers = tunnel_header(sa, *flow, w);
        parts->content = packet;
        parts->next = flow->source.family == 4 ? kProtoIpv4 : kProtoIpv6;
        return Wrapped::Done;
    }
    std::optional<std::size_t> at = plain_header(flow->source.family);
    if (!sa.esp) at = place_for_ah(packet, *flow);
    if (!at || (sa.esp && !is_plain(*flow))) return Wrapped::HasOptions;
    parts->headers.assign(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(*at));
    parts->content = packet.subspan(*at);
    // What named the payload names AH now, and AH the payload.
    parts->next = next_at(packet, *at);
    const bool without_id = flow->source.family == 4 && packet[4] == 0 && packet[5] == 0;
    if (without_id) {  // the kernel would put one in, behind AH's back
        parts->headers[4] = static_cast<std::uint8_t>(w.id >> 8);
        parts->headers[5] = static_cast<std::uint8_t>(w.id);
    }
    return Wrapped::Done;
}

// What does not get smaller stays as it is; in a tunnel, without a header of IPComp (RFC 3173 2.2).
Wrapped add_compression(Sa& sa, const Wrapping& w, Bytes* packet) {
    Parts parts;
    const Wrapped apart = take_apart(sa, *packet, w, &parts);
    if (apart != Wrapped::Done) return apart;
    const std::size_t at = parts.headers.size();
    Bytes compressed;
    const bool smaller = sa.comp->compress(parts.content, parts.next, &compressed);
    if (!smaller && !sa.tunnel()) return Wrapped::Done;
    const ByteView behind = smaller ? ByteView(compressed) : parts.content;
    if (at + behind.size() > kMostPacket) return Wrapped::TooLong;
    Bytes out = std::move(parts.headers);
    out.insert(out.end(), behind.begin(), behind.end());
    set_next(out, at, smaller ? kProtoComp : parts.next);
    *packet = std::move(out);
    return Wrapped::Done;
}

Wrapped add_layer(Sa& sa, Wrapping& w, Bytes* packet) {
    Parts parts;
    const Wrapped apart = take_apart(sa, *packet, w, &parts);
    if (apart != Wrapped::Done) return apart;
    const std::size_t at = parts.headers.size();
    const std::size_t behind =
        sa.ah ? sa.ah->size() + parts.content.size() : sa.esp->sealed_size(parts.content.size());
    if (at + behind > kMostPacket) return Wrapped::TooLong;
    Bytes out = std::move(parts.headers);
    out.resize(at + behind);
    set_next(out, at, sa.ah ? kProtoAh : kProtoEsp);
    if (sa.ah) {
        std::copy(parts.content.begin(), parts.content.end(),
                  out.end() - static_cast<std::ptrdiff_t>(parts.content.size()));
        const Sealed sealed = sa.ah->seal(out, at, parts.next);
        if (sealed == Sealed::Unsupported) return Wrapped::HasOptions;
        if (sealed == Sealed::Exhausted) w.exhausted = &sa;
    } else if (!sa.esp->seal(parts.content, {}, parts.next, std::span(out).subspan(at))) {
        w.exhausted = &sa;
    }
    *packet = std::move(out);
    return w.exhausted == nullptr ? Wrapped::Done : Wrapped::Exhausted;
}

}  // namespace

Wrapped wrap(Wrapping& w, Bytes* packet) {
    for (Sa* sa : w.layers.all()) {
        const Wrapped wrapped =
            sa->comp ? add_compression(*sa, w, packet) : add_layer(*sa, w, packet);
        if (wrapped != Wrapped::Done) return wrapped;
    }
    return Wrapped::Done;
}

}  // namespace racoon::kernel_userspace
