#include "data_path.hpp"

#include <algorithm>
#include <cstring>

#include <racoon/kernel_backend.hpp>

#include "bundle.hpp"
#include "checksum.hpp"
#include "fragment.hpp"
#include "icmp.hpp"
#include "tcp.hpp"

namespace racoon::kernel_userspace {

DataPath::SaKey DataPath::key_of(const racoon_addr& dst, std::uint32_t protocol,
                                 std::uint32_t spi) {
    SaKey key{};
    key[0] = dst.family;
    key[1] = static_cast<std::uint8_t>(protocol);
    for (std::size_t i = 0; i < 4; ++i) key[2 + i] = static_cast<std::uint8_t>(spi >> (24 - 8 * i));
    std::memcpy(key.data() + 6, dst.bytes, dst.family == 4 ? 4 : 16);
    return key;
}

std::size_t DataPath::KeyHash::operator()(const SaKey& key) const {
    // SPIs are random, or chosen by us.
    std::uint32_t spi = 0;
    std::memcpy(&spi, key.data() + 2, sizeof(spi));
    return spi;
}

// The youngest SA that is not about to end. A rule without a request id takes any SA between its end points.
Sa* DataPath::sa_for(const racoon_kernel_template& t, const racoon_addr& src,
                     const racoon_addr& dst, const Flow& flow) {
    Sa* best = nullptr;
    const auto range = t.reqid != 0 ? outbound_.equal_range(t.reqid)
                                    : std::make_pair(outbound_.begin(), outbound_.end());
    for (auto it = range.first; it != range.second; ++it) {
        const auto at = sas_.find(it->second);
        if (at == sas_.end()) continue;
        Sa& sa = at->second;
        if (sa.facts.protocol != t.protocol || sa.facts.mode != t.mode ||
            !sdk::same_address(sa.facts.src, src) || !sdk::same_address(sa.facts.dst, dst)) {
            continue;
        }
        const bool limited = sa.facts.selector.local.family != 0;
        if (limited && !covers(sa.facts.selector, flow.source, flow.destination, flow)) continue;
        const bool better = best == nullptr || (sa.state == 1 && best->state != 1) ||
                            (sa.state == best->state && sa.serial > best->serial);
        if (better) best = &sa;
    }
    return best;
}

// An SA for each rule; one of the level `use` goes without when there is none. Nothing: one is missing.
// `lacking`: some SA is to be negotiated.
std::optional<Layers> DataPath::layers_for(const racoon_kernel_policy& policy, const Flow& flow,
                                           bool* lacking) {
    Layers layers;
    racoon_addr src = flow.source;
    racoon_addr dst = flow.destination;
    *lacking = false;
    for (std::uint32_t i = 0; i < policy.template_count; ++i) {
        const racoon_kernel_template& t = policy.templates[i];
        const bool tunnel = t.mode == RACOON_MODE_TUNNEL;
        Sa* sa = sa_for(t, tunnel ? t.local : src, tunnel ? t.remote : dst, flow);
        if (sa == nullptr) {
            *lacking = true;
            if (t.level != RACOON_LEVEL_USE) return {};
            continue;
        }
        layers.add_outer(*sa);
        src = sa->facts.src;
        dst = sa->facts.dst;
    }
    return layers;
}

void DataPath::from_tun(ByteView packet, std::int64_t now) {
    const auto flow = parse_packet(packet);
    if (!flow) {
        ++drops_.malformed;
        return;
    }
    if (!flow->fragment || !policies_.wants_whole(*flow)) {
        return outbound(packet.first(flow->size), *flow, now);
    }
    const Bytes datagram = fragments_.add(packet, *flow, now);
    auto whole = parse_packet(datagram);
    if (!whole) return;
    whole->may_fragment = true;  // its sender has shown it, in IPv6 too
    outbound(datagram, *whole, now);
}

void DataPath::outbound(ByteView packet, const Flow& flow, std::int64_t now) {
    const Policy* policy = policies_.find(true, flow.source, flow.destination, flow);
    if (policy == nullptr || policy->action != RACOON_POLICY_IPSEC) {
        ++drops_.no_policy;
        return;
    }
    policy->used = now;
    bool lacking = false;
    const auto layers = layers_for(*policy, flow, &lacking);
    if (!layers) hold(wanted(*policy, flow.source, flow.destination), packet);
    if (lacking) acquire(*policy, flow, now);
    if (!layers) return;
    if (!layers->empty()) return protect(*layers, packet, flow, now);
    send_whole(packet, flow, !flow.may_fragment, now);  // in the clear
}

void DataPath::from_tun_large(ByteView packet, std::size_t segment, std::int64_t now) {
    const auto flow = parse_packet(packet);
    auto segments = flow ? TcpSegments::cut(packet, *flow, segment) : std::nullopt;
    if (!segments) {
        ++drops_.malformed;
        return;
    }
    const Policy* policy = policies_.find(true, flow->source, flow->destination, *flow);
    const bool sends = policy != nullptr && policy->action == RACOON_POLICY_IPSEC;
    if (sends) policy->used = now;
    bool lacking = false;
    const auto layers = sends ? layers_for(*policy, *flow, &lacking) : std::nullopt;
    ByteView head;
    ByteView payload;
    const bool cut = layers && !layers->empty() && cuts(*layers, *flow, flow->size, now);
    if (!layers || lacking || layers->empty() || cut) {  // each goes, or waits, by itself
        while (segments->next(&head, &payload)) {
            Bytes one(head.begin(), head.end());
            one.insert(one.end(), payload.begin(), payload.end());
            from_tun(one, now);
        }
        return;
    }
    const std::size_t longest =
        std::min(segments->head_size() + segments->payload_size(), flow->size);
    bool dont_fragment = false;
    if (!transport_ready(*layers, *flow) ||
        !fits(*layers, packet, *flow, longest, now, &dont_fragment)) {
        return;
    }
    while (segments->next(&head, &payload)) {
        // An SA that has ended takes the rest with it; TCP sends that again.
        if (!seal(*layers, head, payload, *flow, dont_fragment, now)) return;
    }
}

// In transport mode the header is the packet's own, but of ESP alone the kernel writes it, without options.
// Those for hosts on the way cannot go inside; IPv6's for the destination can.
bool DataPath::transport_ready(const Layers& layers, const Flow& flow) {
    if (!layers.only_esp() || layers.outermost().tunnel()) return true;
    const bool plain = flow.source.family == 4
                           ? flow.header == kIpv4Header
                           : flow.header == kIpv6Header || flow.next == kProtoDestination;
    if (!plain) ++drops_.has_options;
    return plain;
}

// The longest packet that the way to (or from) the peer takes without fragments, once it is sealed; 0: not
// known.
std::size_t DataPath::room_for(const Layers& layers, std::int64_t now) const {
    const Sa& outer = layers.outermost();
    std::size_t way = path_mtus_.of(outer.inbound() ? outer.facts.src : outer.facts.dst, now);
    if (const std::size_t bound = outer.bound(); bound != 0 && (way == 0 || way > bound))
        way = bound;
    return way == 0 ? 0 : layers.most_inside(way);
}

// RFC 4301 8: who may not be fragmented and is too long is told so; what a packet of IPv6 may always have
// (RFC 8200 5), and IPv4's least, goes in fragments of the outer packet then.
bool DataPath::fits(const Layers& layers, ByteView packet, const Flow& flow, std::size_t size,
                    std::int64_t now, bool* dont_fragment) {
    *dont_fragment = settings_.copy_df && !flow.may_fragment;
    const std::size_t room = *dont_fragment ? room_for(layers, now) : 0;
    if (room == 0 || size <= room) return true;
    const std::size_t told = std::max<std::size_t>(room, PathMtus::least(flow.source.family));
    if (size <= told) {
        *dont_fragment = false;
        return true;
    }
    ++drops_.too_big;
    const Bytes answer = too_big(packet, flow, static_cast<std::uint32_t>(told));
    if (answer.empty()) return false;
    if (const auto back = parse_packet(answer)) output_.to_tun(answer, *back);
    return false;
}

// What TCP on either side may count on.
std::size_t DataPath::inner_mtu(const Layers& layers, const Flow& flow, std::int64_t now) const {
    const std::size_t room = room_for(layers, now);
    const std::size_t least = PathMtus::least(flow.source.family);
    if (room == 0) return settings_.device_mtu;
    return std::min<std::size_t>(settings_.device_mtu, std::max(room, least));
}

// Whether a packet goes in fragments of its own, each of them encapsulated, for a bound that its SA has
// (esp_frag). Transport mode takes whole packets only (RFC 4301 4.1), a selector with ports would not know
// the later pieces, and those of IPv6 are its sender's to make. A piece of IPv4 may be cut again.
bool DataPath::cuts(const Layers& layers, const Flow& flow, std::size_t size,
                    std::int64_t now) const {
    if (layers.outermost().bound() == 0 || !flow.may_fragment || flow.source.family != 4)
        return false;
    const Sa& inner = *layers.all().front();
    const racoon_selector& s = inner.facts.selector;
    const std::size_t room = room_for(layers, now);
    return inner.tunnel() && s.local.port == 0 && s.remote.port == 0 && room != 0 && size > room;
}

void DataPath::protect(const Layers& layers, ByteView packet, const Flow& flow, std::int64_t now) {
    bool dont_fragment = false;
    if (!transport_ready(layers, flow) ||
        !fits(layers, packet, flow, packet.size(), now, &dont_fragment)) {
        return;
    }
    if (cuts(layers, flow, packet.size(), now)) {
        bool alive = true;  // until an SA ends, and what the layers name with it
        const bool cut = split_packet(packet, room_for(layers, now), 0, [&](ByteView piece) {
            const auto part = parse_packet(piece);
            alive = alive && part && seal(layers, piece, {}, *part, false, now);
        });
        if (cut) return;
    }
    if (is_syn(packet, flow)) {
        Bytes copy(packet.begin(), packet.end());
        clamp_segment_size(copy, flow, inner_mtu(layers, flow, now));
        seal(layers, copy, {}, flow, dont_fragment, now);
        return;
    }
    seal(layers, packet, {}, flow, dont_fragment, now);
}

// `head` and then `body` are the packet. DSCP and ECN go to the outer header as they are (RFC 4301 5.1.2.1,
// RFC 6040 4.1); in tunnel mode TTL was lowered by whoever routed the packet here. False: an SA has ended.
bool DataPath::seal(const Layers& layers, ByteView head, ByteView body, const Flow& flow,
                    bool dont_fragment, std::int64_t now) {
    if (!layers.only_esp()) return seal_bundle(layers, head, body, dont_fragment, now);
    Sa& sa = layers.outermost();
    const bool v4 = flow.source.family == 4;
    std::uint8_t next = v4 ? kProtoIpv4 : kProtoIpv6;
    if (!sa.tunnel()) {
        next = flow.next;
        head = head.subspan(plain_header(flow.source.family));
    }
    const std::size_t inner = head.size() + body.size();
    const std::span<std::uint8_t> room =
        output_.wire_room(sa.marker() + sa.esp->sealed_size(inner));
    std::fill_n(room.begin(), std::min(sa.marker(), room.size()), std::uint8_t{0});
    if (!sa.esp->seal(head, body, next, room.subspan(std::min(sa.marker(), room.size())))) {
        ++drops_.no_sa;
        end_sa(key_of(sa), true);
        return false;
    }
    Outer outer;
    outer.src = sa.facts.src;
    outer.dst = sa.facts.dst;
    outer.traffic_class = flow.traffic_class;
    outer.hop_limit = sa.tunnel() ? 0 : flow.hop_limit;
    outer.dont_fragment = dont_fragment;
    if (!sa.encapsulated()) outer.src.port = outer.dst.port = 0;
    output_.to_wire(outer, room);
    return count(sa, inner, now);
}

// With AH, or more than one SA, the whole packet is made here.
bool DataPath::seal_bundle(const Layers& layers, ByteView head, ByteView body, bool dont_fragment,
                           std::int64_t now) {
    Bytes packet(head.begin(), head.end());
    packet.insert(packet.end(), body.begin(), body.end());
    const std::size_t inner = packet.size();
    if (++ids_ % 0x10000 == 0) ++ids_;
    Wrapping wrapping{layers, dont_fragment, static_cast<std::uint16_t>(ids_)};
    const Wrapped wrapped = wrap(wrapping, &packet);
    if (wrapped == Wrapped::HasOptions) ++drops_.has_options;
    if (wrapped == Wrapped::TooLong) ++drops_.too_big;
    if (wrapped == Wrapped::Exhausted) {
        ++drops_.no_sa;
        end_sa(key_of(*wrapping.exhausted), true);
        return false;
    }
    const auto flow = parse_packet(packet);
    if (wrapped != Wrapped::Done || !flow) return true;
    const Sa& outermost = layers.outermost();
    if (outermost.encapsulated()) {
        Outer outer;
        outer.src = outermost.facts.src;
        outer.dst = outermost.facts.dst;
        outer.traffic_class = flow->traffic_class;
        outer.hop_limit = outermost.tunnel() ? 0 : flow->hop_limit;
        outer.dont_fragment = dont_fragment;
        // What is sent begins with the marker, in place of the header's last bytes.
        const std::size_t start = flow->header - outermost.marker();
        std::fill_n(packet.begin() + static_cast<std::ptrdiff_t>(start), outermost.marker(),
                    std::uint8_t{0});
        send(outer, ByteView(packet).subspan(start));
    } else {
        if (flow->source.family == 4) {
            packet[6] = static_cast<std::uint8_t>((packet[6] & ~0x40) | (dont_fragment ? 0x40 : 0));
            renew_header_checksum(packet);
        }
        send_whole(packet, *flow, dont_fragment, now);
    }
    return count(layers, inner, now);
}

void DataPath::send(const Outer& outer, ByteView packet) {
    const std::span<std::uint8_t> room = output_.wire_room(packet.size());
    if (room.size() < packet.size()) return;
    std::copy(packet.begin(), packet.end(), room.begin());
    output_.to_wire(outer, room.first(packet.size()));
}

// The kernel does not fragment what has its header already, and the hosts on the way to the peer fragment
// nothing of IPv6.
void DataPath::send_whole(ByteView packet, const Flow& flow, bool dont_fragment, std::int64_t now) {
    Outer outer;
    outer.src = flow.source;
    outer.dst = flow.destination;
    outer.src.port = outer.dst.port = 0;
    outer.dont_fragment = dont_fragment;
    outer.whole = true;
    const std::size_t way = dont_fragment ? 0 : path_mtus_.of(outer.dst, now);
    if (way != 0 && packet.size() > way &&
        split_packet(packet, way, ++ids_, [&](ByteView piece) { send(outer, piece); })) {
        return;
    }
    send(outer, packet);
}

}  // namespace racoon::kernel_userspace
