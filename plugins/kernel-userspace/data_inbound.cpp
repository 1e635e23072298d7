// Packets from the wire: out of one SA after the other, and then to the device when a policy asked for just
// those.
#include <algorithm>

#include <racoon/kernel_backend.hpp>

#include "ah_header.hpp"
#include "data_path.hpp"
#include "tcp.hpp"

namespace racoon::kernel_userspace {
namespace {

Outer outer_of(const Flow& flow) {
    Outer outer;
    outer.src = flow.source;
    outer.dst = flow.destination;
    outer.src.port = outer.dst.port = 0;
    outer.traffic_class = flow.traffic_class;
    outer.hop_limit = flow.hop_limit;
    outer.id = static_cast<std::uint16_t>(flow.fragment_id);
    outer.dont_fragment = !flow.may_fragment;
    return outer;
}

// A packet that would not have got smaller has no IPComp.
bool may_be_left_out(const racoon_kernel_template& rule) {
    return rule.protocol == RACOON_IPPROTO_COMP && rule.mode == RACOON_MODE_TRANSPORT;
}

// The headers before AH move up to what AH named.
std::span<std::uint8_t> without_ah(std::span<std::uint8_t> packet, std::size_t at,
                                   const AhSa::Header& ah) {
    std::copy_backward(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(at),
                       packet.begin() + static_cast<std::ptrdiff_t>(at + ah.size));
    const std::span<std::uint8_t> rest = packet.subspan(ah.size);
    set_next(rest, at, ah.next);
    return rest;
}

}  // namespace

void DataPath::from_wire(const Outer& outer, std::span<std::uint8_t> esp, std::int64_t now) {
    Layers through;
    open_esp(outer, esp, through, now);
}

void DataPath::from_wire_packet(std::span<std::uint8_t> packet, std::int64_t now) {
    const auto flow = parse_packet(packet);
    const bool known =
        flow && (flow->protocol == kProtoAh || flow->protocol == kProtoComp) && !flow->fragment;
    if (!known) {
        ++drops_.malformed;
        return;
    }
    Layers through;
    if (!open_next(packet.first(flow->size), *flow, through, now)) ++drops_.no_sa;
}

// A tunnel's outer source is part of the SA. In UDP it may change: what then counts is that the packet is
// authentic.
Sa* DataPath::inbound_sa(const Outer& outer, std::uint32_t protocol, std::uint32_t spi) {
    const auto at = sas_.find(key_of(outer.dst, protocol, spi));
    if (at == sas_.end()) return nullptr;
    Sa& sa = at->second;
    const bool in_udp = outer.src.port != 0;
    const bool ours = sa.inbound() && sa.encapsulated() == in_udp &&
                      (in_udp || sdk::same_address(outer.src, sa.facts.src));
    return ours ? &sa : nullptr;
}

// True: it is a packet to go on with.
bool DataPath::note(Opened opened) {
    if (opened == Opened::Replayed) ++drops_.replayed;
    if (opened == Opened::Forged) ++drops_.forged;
    if (opened == Opened::Malformed) ++drops_.malformed;
    if (opened == Opened::Unsupported) ++drops_.has_options;
    return opened == Opened::Packet;
}

void DataPath::open_esp(const Outer& outer, std::span<std::uint8_t> esp, Layers& through,
                        std::int64_t now) {
    Reader in(esp);
    const std::uint32_t spi = in.u32();
    if (!in.ok()) {
        ++drops_.malformed;
        return;
    }
    Sa* sa = inbound_sa(outer, RACOON_IPPROTO_ESP, spi);
    if (sa == nullptr) {
        ++drops_.no_sa;
        return;
    }
    std::span<std::uint8_t> inner;
    std::uint8_t next = 0;
    const Opened how = sa->esp->open(esp, &inner, &next);
    if (how == Opened::Packet || how == Opened::Dummy) follow(*sa, outer, now);
    if (!note(how)) return;
    through.add_inner(*sa);
    if (sa->tunnel()) return opened(outer, inner, next, through, now);
    Bytes packet = make_packet(outer, next, inner);
    opened(outer, packet, 0, through, now);
}

void DataPath::open_ah(std::span<std::uint8_t> packet, const Flow& flow, Layers& through,
                       std::int64_t now) {
    const Outer outer = outer_of(flow);
    Reader in(packet.subspan(flow.header));
    in.skip(4);
    Sa* sa = inbound_sa(outer, RACOON_IPPROTO_AH, in.u32());
    if (sa == nullptr) return;  // open_next has looked
    AhSa::Header ah;
    if (!note(sa->ah->open(packet, flow.header, &ah))) return;
    const bool holds_packet = ah.next == kProtoIpv4 || ah.next == kProtoIpv6;
    if (sa->tunnel() && !holds_packet) {
        note(Opened::Malformed);
        return;
    }
    through.add_inner(*sa);
    if (sa->tunnel()) {
        return opened(outer, packet.subspan(flow.header + ah.size), ah.next, through, now);
    }
    opened(outer, without_ah(packet, flow.header, ah), 0, through, now);
}

void DataPath::open_comp(std::span<std::uint8_t> packet, const Flow& flow, Layers& through,
                         std::int64_t now) {
    const Outer outer = outer_of(flow);
    Reader in(packet.subspan(flow.header));
    in.skip(2);
    Sa* sa = inbound_sa(outer, RACOON_IPPROTO_COMP, in.u16());
    if (sa == nullptr) return;
    std::uint8_t next = 0;
    Bytes content;
    const bool whole =
        sa->comp->expand(packet.subspan(flow.header), 0xffff - flow.header, &next, &content);
    const bool holds_packet = next == kProtoIpv4 || next == kProtoIpv6;
    if (!whole || (sa->tunnel() && !holds_packet)) {
        note(Opened::Malformed);
        return;
    }
    through.add_inner(*sa);
    if (sa->tunnel()) return opened(outer, content, next, through, now);
    content.insert(content.begin(), packet.begin(),
                   packet.begin() + static_cast<std::ptrdiff_t>(flow.header));
    set_next(content, flow.header, next);
    opened(outer, content, 0, through, now);
}

// RFC 3173 2.2: what would not have got smaller comes in a tunnel without IPComp, which is still that SA's.
Sa* DataPath::uncompressed_tunnel(const Flow& flow) {
    if (flow.protocol != kProtoIpv4 && flow.protocol != kProtoIpv6) return nullptr;
    for (const SaKey& key : comp_tunnels_) {
        const auto at = sas_.find(key);
        if (at != sas_.end() && sdk::same_address(at->second.facts.src, flow.source) &&
            sdk::same_address(at->second.facts.dst, flow.destination)) {
            return &at->second;
        }
    }
    return nullptr;
}

// False: the packet is not for one more of our SAs.
bool DataPath::open_next(std::span<std::uint8_t> packet, const Flow& flow, Layers& through,
                         std::int64_t now) {
    if (through.full() || flow.fragment) return false;
    const Outer outer = outer_of(flow);
    Reader in(packet.subspan(flow.header));
    if (flow.protocol == kProtoEsp) {
        if (inbound_sa(outer, RACOON_IPPROTO_ESP, in.u32()) == nullptr) return false;
        open_esp(outer, packet.subspan(flow.header), through, now);
        return true;
    }
    if (flow.protocol == kProtoAh) {
        in.skip(4);
        if (inbound_sa(outer, RACOON_IPPROTO_AH, in.u32()) == nullptr) return false;
        open_ah(packet, flow, through, now);
        return true;
    }
    if (flow.protocol == kProtoComp) {
        in.skip(2);
        if (inbound_sa(outer, RACOON_IPPROTO_COMP, in.u16()) == nullptr) return false;
        open_comp(packet, flow, through, now);
        return true;
    }
    Sa* tunnel = through.empty() ? nullptr : uncompressed_tunnel(flow);
    if (tunnel == nullptr) return false;
    through.add_inner(*tunnel);
    opened(outer, packet.subspan(flow.header), flow.protocol, through, now);
    return true;
}

// What came out of an SA: a packet for another one of ours, or for the device. `next`: what a tunnel called
// it, else 0.
void DataPath::opened(const Outer& outer, std::span<std::uint8_t> inner, std::uint8_t next,
                      Layers& through, std::int64_t now) {
    auto flow = parse_packet(inner);
    if (!flow || (next != 0 && flow->source.family != (next == kProtoIpv4 ? 4 : 6))) {
        ++drops_.malformed;
        return;
    }
    const auto ecn = next == 0 ? std::optional<std::uint8_t>(flow->traffic_class)
                               : ecn_after_tunnel(outer.traffic_class, flow->traffic_class);
    if (!ecn) {
        ++drops_.malformed;
        return;
    }
    const std::span<std::uint8_t> packet = inner.first(flow->size);
    if (*ecn != flow->traffic_class) set_traffic_class(packet, *ecn);
    flow->traffic_class = *ecn;
    if (open_next(packet, *flow, through, now)) return;
    if (!admits(through, *flow, now)) {
        ++drops_.not_selected;
        return;
    }
    // The peer made the checksum for the addresses on its side of the NAT. The ICV has vouched for the
    // packet, so a new one is as good (RFC 3948 3.1.2).
    if (through.checksum_behind_nat()) renew_checksum(packet, *flow);
    if (is_syn(packet, *flow)) clamp_segment_size(packet, *flow, inner_mtu(through, *flow, now));
    output_.to_tun(packet, *flow);
    count(through, packet.size(), now);
}

// As Linux: what came out of SAs needs an inbound policy that asked for just those, in this order.
bool DataPath::admits(const Layers& through, const Flow& flow, std::int64_t now) const {
    for (const Sa* sa : through.all()) {
        const bool limited = sa->facts.selector.local.family != 0;
        if (limited && !covers(sa->facts.selector, flow.destination, flow.source, flow)) {
            return false;
        }
    }
    const Policy* policy = policies_.find(false, flow.destination, flow.source, flow);
    if (policy == nullptr || policy->action != RACOON_POLICY_IPSEC) return false;
    policy->used = now;
    std::size_t matched = 0;
    for (std::uint32_t i = 0; i < policy->template_count; ++i) {
        const racoon_kernel_template& t = policy->templates[i];
        // In transport mode the packet's addresses are the SA's.
        const auto fits = [&](const racoon_kernel_sa& sa) {
            return t.protocol == sa.protocol && t.mode == sa.mode &&
                   (t.reqid == 0 || t.reqid == sa.reqid) &&
                   (t.mode == RACOON_MODE_TRANSPORT ||
                    (sdk::same_address(t.local, sa.dst) && sdk::same_address(t.remote, sa.src)));
        };
        if (matched < through.size() && fits(through.all()[matched]->facts)) {
            ++matched;
        } else if (t.level != RACOON_LEVEL_USE && !may_be_left_out(t)) {
            return false;
        }
    }
    return matched == through.size();
}

// Once for each new place: the core decides, and moves the SA by a command. Whoever sends on the packets of a
// peer from here and there is not told of more than a few times a second; the next packet tells then.
void DataPath::follow(Sa& sa, const Outer& outer, std::int64_t now) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    constexpr unsigned kMostTold = 4;
    const auto same = [&](const racoon_addr& a) {
        return sdk::same_address(a, outer.src) && a.port == outer.src.port;
    };
    if (outer.src.port == 0 || same(sa.facts.src)) {
        sa.told = {};
        return;
    }
    if (same(sa.told)) return;
    if (now - sa.told_since >= kSecond) {
        sa.told_since = now;
        sa.told_times = 0;
    }
    if (sa.told_times >= kMostTold) return;
    ++sa.told_times;
    sa.told = outer.src;
    racoon_kernel_event event{};
    event.type = RACOON_KERNEL_MAPPING;
    event.policy_id = sa.facts.policy_id;
    event.protocol = sa.facts.protocol;
    event.spi = sa.facts.spi;
    event.src = outer.src;
    event.dst = sa.facts.dst;
    to_keeper(event);
}

}  // namespace racoon::kernel_userspace
