#include "data_path.hpp"

#include <algorithm>
#include <cstring>

#include <racoon/kernel_backend.hpp>

#include "icmp.hpp"
#include "tcp.hpp"

namespace racoon::kernel_userspace {
namespace {

std::int64_t after(std::int64_t now, std::int64_t delay) {
    return delay > kNever - now ? kNever : now + delay;
}

constexpr std::size_t kUdpHeader = 8;

bool encapsulated(const racoon_kernel_sa& sa) {
    return (sa.flags & RACOON_SA_UDP_ENCAP) != 0;
}

}  // namespace

DataPath::SaKey DataPath::key_of(const racoon_addr& dst, std::uint32_t spi) {
    SaKey key{};
    key[0] = dst.family;
    for (std::size_t i = 0; i < 4; ++i) key[1 + i] = static_cast<std::uint8_t>(spi >> (24 - 8 * i));
    std::memcpy(key.data() + 5, dst.bytes, dst.family == 4 ? 4 : 16);
    return key;
}

std::size_t DataPath::KeyHash::operator()(const SaKey& key) const {
    // SPIs are random, or chosen by us.
    std::uint32_t spi = 0;
    std::memcpy(&spi, key.data() + 1, sizeof(spi));
    return spi;
}

// ---- packets

const racoon_kernel_policy* DataPath::policy_for(bool outbound, const racoon_addr& local,
                                                 const racoon_addr& remote,
                                                 const Flow& flow) const {
    const auto same_end = [](const racoon_addr& a, const racoon_addr& b) {
        return a.port == b.port && sdk::same_address(a, b);
    };
    std::uint64_t hash = flow.protocol;
    for (const racoon_addr* end : {&local, &remote}) {
        std::uint64_t words[2];
        std::memcpy(words, end->bytes, sizeof(words));
        hash = (hash ^ words[0] ^ end->port) * 0x9e3779b97f4a7c15u;
        hash = (hash ^ words[1] ^ hash >> 29) * 0x9e3779b97f4a7c15u;
    }
    Known& known = known_[(hash >> 40 ^ (outbound ? 1u : 0u)) % kKnown];
    if (known.generation == generation_ && known.outbound == outbound &&
        known.ports_known == flow.ports_known && known.protocol == flow.protocol &&
        same_end(known.local, local) && same_end(known.remote, remote)) {
        return known.policy;
    }
    known = {generation_,
             outbound,
             flow.ports_known,
             flow.protocol,
             local,
             remote,
             look_up(outbound, local, remote, flow)};
    return known.policy;
}

const racoon_kernel_policy* DataPath::look_up(bool outbound, const racoon_addr& local,
                                              const racoon_addr& remote, const Flow& flow) const {
    for (const auto& p : policies_) {
        if ((p.direction == RACOON_DIR_OUT) == outbound &&
            covers(p.selector, local, remote, flow)) {
            return &p;
        }
    }
    return nullptr;
}

// Where policies decide by ports, or want transport mode, a fragment alone says too little.
bool DataPath::wants_whole(const Flow& fragment) const {
    for (const auto& p : policies_) {
        if (p.direction != RACOON_DIR_OUT) continue;
        racoon_selector s = p.selector;
        s.local.port = s.remote.port = 0;
        if (!covers(s, fragment.source, fragment.destination, fragment)) continue;
        return p.selector.local.port != 0 || p.selector.remote.port != 0 ||
               (p.action == RACOON_POLICY_IPSEC && p.templates[0].mode == RACOON_MODE_TRANSPORT);
    }
    return false;
}

// The youngest SA that is not about to end. A template without a request id takes any SA between its
// end points.
DataPath::Sa* DataPath::sa_for(const racoon_kernel_policy& policy, const Flow& flow) {
    const racoon_kernel_template& t = policy.templates[0];
    Sa* best = nullptr;
    const auto range = t.reqid != 0 ? outbound_.equal_range(t.reqid)
                                    : std::make_pair(outbound_.begin(), outbound_.end());
    for (auto it = range.first; it != range.second; ++it) {
        const auto at = sas_.find(it->second);
        if (at == sas_.end()) continue;
        Sa& sa = at->second;
        const bool tunnel = t.mode == RACOON_MODE_TUNNEL;
        if (sa.facts.mode != t.mode ||
            !sdk::same_address(sa.facts.src, tunnel ? t.local : flow.source) ||
            !sdk::same_address(sa.facts.dst, tunnel ? t.remote : flow.destination)) {
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

void DataPath::from_tun(ByteView packet, std::int64_t now) {
    const auto flow = parse_packet(packet);
    if (!flow) {
        ++drops_.malformed;
        return;
    }
    if (!flow->fragment || !wants_whole(*flow)) {
        return outbound(packet.first(flow->size), *flow, now);
    }
    const Bytes datagram = fragments_.add(packet, *flow, now);
    auto whole = parse_packet(datagram);
    if (!whole) return;
    whole->may_fragment = true;  // its sender has shown it, in IPv6 too
    outbound(datagram, *whole, now);
}

void DataPath::outbound(ByteView packet, const Flow& flow, std::int64_t now) {
    const racoon_kernel_policy* policy = policy_for(true, flow.source, flow.destination, flow);
    if (policy == nullptr || policy->action != RACOON_POLICY_IPSEC || policy->template_count != 1) {
        ++drops_.no_policy;
        return;
    }
    if (Sa* sa = sa_for(*policy, flow)) {
        protect(*sa, packet, flow, now);
        return;
    }
    hold(policy->id, packet);
    acquire(*policy, flow, now);
}

void DataPath::from_tun_large(ByteView packet, std::size_t segment, std::int64_t now) {
    const auto flow = parse_packet(packet);
    auto segments = flow ? TcpSegments::cut(packet, *flow, segment) : std::nullopt;
    if (!segments) {
        ++drops_.malformed;
        return;
    }
    const racoon_kernel_policy* policy = policy_for(true, flow->source, flow->destination, *flow);
    const bool sends =
        policy != nullptr && policy->action == RACOON_POLICY_IPSEC && policy->template_count == 1;
    Sa* sa = sends ? sa_for(*policy, *flow) : nullptr;
    ByteView head;
    ByteView payload;
    if (sa == nullptr) {  // each is refused, or waits, by itself
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
    if (!transport_ready(*sa, *flow) || !fits(*sa, packet, *flow, longest, now, &dont_fragment)) {
        return;
    }
    while (segments->next(&head, &payload)) {
        // An SA that has ended takes the rest with it; TCP sends that again.
        if (!seal(*sa, head, payload, *flow, dont_fragment, now)) return;
    }
}

// In transport mode the header is the packet's own, but the kernel writes it, without options. Those for
// hosts on the way cannot go inside; IPv6's for the destination can.
bool DataPath::transport_ready(const Sa& sa, const Flow& flow) {
    if (sa.facts.mode == RACOON_MODE_TUNNEL) return true;
    const bool plain = flow.source.family == 4
                           ? flow.header == kIpv4Header
                           : flow.header == kIpv6Header || flow.next == kProtoDestination;
    if (!plain) ++drops_.has_options;
    return plain;
}

// The longest packet that the way to (or from) the peer takes without fragments, once it is sealed; 0: not
// known.
std::size_t DataPath::room_for(const Sa& sa, const Flow& flow, std::int64_t now) const {
    const bool inbound = sa.facts.direction == RACOON_DIR_IN;
    const std::size_t way = path_mtus_.of(inbound ? sa.facts.src : sa.facts.dst, now);
    if (way == 0) return 0;
    std::size_t around = sa.facts.dst.family == 4 ? kIpv4Header : kIpv6Header;
    if (encapsulated(sa.facts)) around += kUdpHeader;
    const std::size_t inside = sa.esp->most_inside(way - around);
    if (sa.facts.mode == RACOON_MODE_TUNNEL) return inside;
    return inside + (flow.source.family == 4 ? kIpv4Header : kIpv6Header);
}

// RFC 4301 8: who may not be fragmented and is too long is told so; what a packet of IPv6 may always have
// (RFC 8200 5), and IPv4's least, goes in fragments of the outer packet then.
bool DataPath::fits(const Sa& sa, ByteView packet, const Flow& flow, std::size_t size,
                    std::int64_t now, bool* dont_fragment) {
    *dont_fragment = settings_.copy_df && !flow.may_fragment;
    const std::size_t room = *dont_fragment ? room_for(sa, flow, now) : 0;
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
std::size_t DataPath::inner_mtu(const Sa& sa, const Flow& flow, std::int64_t now) const {
    const std::size_t room = room_for(sa, flow, now);
    const std::size_t least = PathMtus::least(flow.source.family);
    if (room == 0) return settings_.device_mtu;
    return std::min<std::size_t>(settings_.device_mtu, std::max(room, least));
}

void DataPath::protect(Sa& sa, ByteView packet, const Flow& flow, std::int64_t now) {
    bool dont_fragment = false;
    if (!transport_ready(sa, flow) || !fits(sa, packet, flow, packet.size(), now, &dont_fragment)) {
        return;
    }
    if (is_syn(packet, flow)) {
        Bytes copy(packet.begin(), packet.end());
        clamp_segment_size(copy, flow, inner_mtu(sa, flow, now));
        seal(sa, copy, {}, flow, dont_fragment, now);
        return;
    }
    seal(sa, packet, {}, flow, dont_fragment, now);
}

// `head` and then `body` are the packet. DSCP and ECN go to the outer header as they are (RFC 4301 5.1.2.1,
// RFC 6040 4.1); in tunnel mode TTL was lowered by whoever routed the packet here. False: the SA has ended.
bool DataPath::seal(Sa& sa, ByteView head, ByteView body, const Flow& flow, bool dont_fragment,
                    std::int64_t now) {
    const bool v4 = flow.source.family == 4;
    const bool tunnel = sa.facts.mode == RACOON_MODE_TUNNEL;
    std::uint8_t next = v4 ? kProtoIpv4 : kProtoIpv6;
    if (!tunnel) {
        next = flow.next;
        head = head.subspan(v4 ? kIpv4Header : kIpv6Header);
    }
    const std::size_t inner = head.size() + body.size();
    const std::span<std::uint8_t> room = output_.wire_room(sa.esp->sealed_size(inner));
    if (!sa.esp->seal(head, body, next, room)) {
        ++drops_.no_sa;
        end_sa(key_of(sa.facts.dst, sa.facts.spi), true);
        return false;
    }
    Outer outer;
    outer.src = sa.facts.src;
    outer.dst = sa.facts.dst;
    outer.traffic_class = flow.traffic_class;
    outer.hop_limit = tunnel ? 0 : flow.hop_limit;
    outer.dont_fragment = dont_fragment;
    if (!encapsulated(sa.facts)) outer.src.port = outer.dst.port = 0;
    output_.to_wire(outer, room);
    return count(sa, inner, now);
}

bool DataPath::admits(const Sa& sa, const Flow& flow) const {
    const bool limited = sa.facts.selector.local.family != 0;
    if (limited && !covers(sa.facts.selector, flow.destination, flow.source, flow)) return false;
    // As Linux: what came out of a tunnel needs an inbound policy that asked for just that.
    const racoon_kernel_policy* policy = policy_for(false, flow.destination, flow.source, flow);
    if (policy == nullptr || policy->action != RACOON_POLICY_IPSEC) return false;
    const racoon_kernel_template& t = policy->templates[0];
    if (t.mode != sa.facts.mode || (t.reqid != 0 && t.reqid != sa.facts.reqid)) return false;
    // In transport mode the packet's addresses are the SA's, as deliver() made it.
    return t.mode == RACOON_MODE_TRANSPORT ||
           (sdk::same_address(t.local, sa.facts.dst) && sdk::same_address(t.remote, sa.facts.src));
}

void DataPath::from_wire(const Outer& outer, std::span<std::uint8_t> esp, std::int64_t now) {
    Reader in(esp);
    const std::uint32_t spi = in.u32();
    if (!in.ok()) {
        ++drops_.malformed;
        return;
    }
    const auto at = sas_.find(key_of(outer.dst, spi));
    // A tunnel's outer source is part of the SA. In UDP it may change: what then counts is that the
    // packet is authentic.
    if (at == sas_.end() || at->second.facts.direction != RACOON_DIR_IN ||
        encapsulated(at->second.facts) != (outer.src.port != 0) ||
        (outer.src.port == 0 && !sdk::same_address(outer.src, at->second.facts.src))) {
        ++drops_.no_sa;
        return;
    }
    Sa& sa = at->second;
    std::span<std::uint8_t> inner;
    std::uint8_t next = 0;
    const Opened opened = sa.esp->open(esp, &inner, &next);
    if (opened == Opened::Replayed) ++drops_.replayed;
    if (opened == Opened::Forged) ++drops_.forged;
    if (opened == Opened::Malformed) ++drops_.malformed;
    if (opened == Opened::Packet || opened == Opened::Dummy) follow(sa, outer);
    if (opened != Opened::Packet) return;
    if (sa.facts.mode == RACOON_MODE_TRANSPORT) {
        Bytes packet = make_packet(outer, next, inner);
        // The peer made the checksum for the addresses on its side of the NAT. The ICV has vouched for the
        // packet, so a new one is as good (RFC 3948 3.1.2).
        const auto flow = outer.src.port != 0 ? parse_packet(packet) : std::nullopt;
        if (flow) renew_checksum(packet, *flow);
        return deliver(sa, outer, packet, 0, now);
    }
    deliver(sa, outer, inner, next, now);
}

// `next`: what ESP called the packet in tunnel mode, else 0.
void DataPath::deliver(Sa& sa, const Outer& outer, std::span<std::uint8_t> inner, std::uint8_t next,
                       std::int64_t now) {
    const auto flow = parse_packet(inner);
    if (!flow || (next != 0 && flow->source.family != (next == kProtoIpv4 ? 4 : 6))) {
        ++drops_.malformed;
        return;
    }
    if (!admits(sa, *flow)) {
        ++drops_.not_selected;
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
    if (is_syn(packet, *flow)) clamp_segment_size(packet, *flow, inner_mtu(sa, *flow, now));
    output_.to_tun(packet, *flow);
    count(sa, packet.size(), now);
}

// Once for each new place: the core decides, and moves the SA by a command.
void DataPath::follow(Sa& sa, const Outer& outer) {
    const auto same = [&](const racoon_addr& a) {
        return sdk::same_address(a, outer.src) && a.port == outer.src.port;
    };
    if (outer.src.port == 0 || same(sa.facts.src)) {
        sa.told = {};
        return;
    }
    if (same(sa.told)) return;
    sa.told = outer.src;
    racoon_kernel_event event{};
    event.type = RACOON_KERNEL_MAPPING;
    event.policy_id = sa.facts.policy_id;
    event.protocol = sa.facts.protocol;
    event.spi = sa.facts.spi;
    event.src = outer.src;
    event.dst = sa.facts.dst;
    Writer out = begin_frame(Message::Event, 0);
    write_event(out, event);
    output_.to_keeper(out.view());
}

// False: that was the SA's end.
bool DataPath::count(Sa& sa, std::size_t bytes, std::int64_t now) {
    sa.bytes += bytes;
    sa.packets += 1;
    sa.last_used = now;
    if (sa.facts.hard_bytes != 0 && sa.bytes >= sa.facts.hard_bytes) {
        end_sa(key_of(sa.facts.dst, sa.facts.spi), true);
        return false;
    }
    if (sa.facts.soft_bytes != 0 && sa.bytes >= sa.facts.soft_bytes && sa.state == 1) {
        sa.state = 2;
        tell(RACOON_KERNEL_EXPIRE_SOFT, sa);
    }
    return true;
}

// ---- acquires and the packets that wait for them

void DataPath::acquire(const racoon_kernel_policy& policy, const Flow& flow, std::int64_t now) {
    const auto at = acquires_.find(policy.id);
    if (at != acquires_.end() && at->second.ends > now) return;
    const std::uint64_t token = ++tokens_;
    acquires_[policy.id] = {token, after(now, kAcquireNs)};
    racoon_kernel_event event{};
    event.type = RACOON_KERNEL_ACQUIRE;
    event.policy_id = policy.id;
    event.protocol = policy.templates[0].protocol;
    event.acquire_token = token;
    event.src = flow.source;
    event.dst = flow.destination;
    Writer out = begin_frame(Message::Event, 0);
    write_event(out, event);
    output_.to_keeper(out.view());
}

void DataPath::hold(std::uint32_t policy_id, ByteView packet) {
    const auto waits = [&](const Held& h) { return h.policy_id == policy_id; };
    const auto mine = std::count_if(held_.begin(), held_.end(), waits);
    if (static_cast<std::size_t>(mine) >= kHeldPerPolicy) {
        ++drops_.held_too_many;
        return;
    }
    if (held_.size() >= kHeldInAll) {
        held_.pop_front();
        ++drops_.held_too_many;
    }
    held_.push_back({policy_id, Bytes(packet.begin(), packet.end())});
}

void DataPath::release(std::uint32_t policy_id, std::int64_t now, bool send) {
    std::vector<Bytes> mine;
    for (auto it = held_.begin(); it != held_.end();) {
        if (it->policy_id != policy_id) {
            ++it;
            continue;
        }
        mine.push_back(std::move(it->packet));
        it = held_.erase(it);
    }
    if (!send) return;
    for (const Bytes& packet : mine) from_tun(packet, now);
}

// ---- lifetimes

void DataPath::tell(std::uint32_t type, const Sa& sa) {
    racoon_kernel_event event{};
    event.type = type;
    event.policy_id = sa.facts.policy_id;
    event.protocol = sa.facts.protocol;
    event.spi = sa.facts.spi;
    event.src = sa.facts.src;
    event.dst = sa.facts.dst;
    Writer out = begin_frame(Message::Event, 0);
    write_event(out, event);
    output_.to_keeper(out.view());
}

void DataPath::end_sa(const SaKey& key, bool with_event) {
    const auto at = sas_.find(key);
    if (at == sas_.end()) return;
    const Sa& sa = at->second;
    if (with_event) tell(RACOON_KERNEL_EXPIRE_HARD, sa);
    deadlines_.erase({sa.soft_at, sa.serial, false, key});
    deadlines_.erase({sa.hard_at, sa.serial, true, key});
    const auto range = outbound_.equal_range(sa.facts.reqid);
    for (auto it = range.first; it != range.second; ++it) {
        if (it->second == key) {
            outbound_.erase(it);
            break;
        }
    }
    sas_.erase(at);
}

void DataPath::advance(std::int64_t now) {
    while (!deadlines_.empty() && deadlines_.begin()->at <= now) {
        const Deadline due = *deadlines_.begin();
        deadlines_.erase(deadlines_.begin());
        if (due.hard) {
            end_sa(due.key, true);
            continue;
        }
        const auto at = sas_.find(due.key);
        if (at == sas_.end() || at->second.state != 1) continue;
        at->second.state = 2;
        tell(RACOON_KERNEL_EXPIRE_SOFT, at->second);
    }
}

// ---- commands

void DataPath::reply(std::uint32_t number, racoon_status status, ByteView body) {
    if (number == 0) return;
    Writer out = begin_frame(Message::Reply, number);
    out.u32(static_cast<std::uint32_t>(status));
    out.bytes(body);
    output_.to_keeper(out.view());
}

void DataPath::refuse(std::uint32_t number, racoon_status status, std::string_view text) {
    reply(number, status, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

void DataPath::command(ByteView bytes, std::int64_t now) {
    const auto frame = parse_frame(bytes);
    if (!frame) return;
    switch (frame->type) {
        case Message::SaSet:
            return set_sa(*frame, now);
        case Message::SaDelete:
            return delete_sa(*frame);
        case Message::SaMove:
            return move_sa(*frame);
        case Message::SaQuery:
            return query_sa(*frame, now);
        case Message::PolicySet:
            return set_policy(*frame);
        case Message::PolicyDelete:
            return delete_policy(*frame);
        case Message::PolicyUpdate:
            return update_policy(*frame);
        case Message::AcquireDone:
            return acquire_done(*frame, now);
        case Message::Settings:
            if (const auto settings = read_settings(frame->body)) settings_ = *settings;
            return;
        default:
            return refuse(frame->number, RACOON_NOT_SUPPORTED, "unknown message");
    }
}

void DataPath::set_sa(const Frame& frame, std::int64_t now) {
    auto facts = read_sa(frame.body);
    if (!facts || sdk::check_sa(*facts, nullptr) != RACOON_OK) {
        return refuse(frame.number, RACOON_INVALID_ARGUMENT, "malformed SA");
    }
    const SaKey key = key_of(facts->dst, facts->spi);
    if (sas_.count(key) != 0) return refuse(frame.number, RACOON_STATE, "SA exists");
    if (sas_.size() >= kMaxSas) return refuse(frame.number, RACOON_NO_MEMORY, "too many SAs");
    std::string error;
    Sa sa;
    sa.esp = EspSa::make(*facts, &error);
    wipe(facts->enc.key, sizeof(facts->enc.key));
    wipe(facts->auth.key, sizeof(facts->auth.key));
    if (!sa.esp) return refuse(frame.number, RACOON_NOT_SUPPORTED, error);
    sa.facts = *facts;
    sa.serial = ++serial_;
    if (facts->soft_ns > 0) sa.soft_at = after(now, facts->soft_ns);
    if (facts->hard_ns > 0) sa.hard_at = after(now, facts->hard_ns);
    if (sa.soft_at != kNever) deadlines_.insert({sa.soft_at, sa.serial, false, key});
    if (sa.hard_at != kNever) deadlines_.insert({sa.hard_at, sa.serial, true, key});
    const bool outbound = facts->direction == RACOON_DIR_OUT;
    if (outbound) outbound_.emplace(facts->reqid, key);
    sas_.emplace(key, std::move(sa));
    reply(frame.number, RACOON_OK, {});
    if (!outbound) return;
    // Those that wait may be of any policy with this request id.
    std::vector<std::uint32_t> waiting;
    for (const auto& p : policies_) {
        const bool ours = p.direction == RACOON_DIR_OUT && p.template_count == 1 &&
                          (p.templates[0].reqid == 0 || p.templates[0].reqid == facts->reqid);
        if (!ours) continue;
        acquires_.erase(p.id);
        waiting.push_back(p.id);
    }
    if (held_.empty()) return;
    for (const std::uint32_t id : waiting) release(id, now, true);
}

void DataPath::delete_sa(const Frame& frame) {
    const auto name = read_name(frame.body);
    if (!name) return refuse(frame.number, RACOON_INVALID_ARGUMENT, "malformed name");
    const SaKey key = key_of(name->dst, name->spi);
    if (sas_.count(key) == 0) return refuse(frame.number, RACOON_NOT_FOUND, "no such SA");
    end_sa(key, false);
    reply(frame.number, RACOON_OK, {});
}

void DataPath::move_sa(const Frame& frame) {
    const auto move = read_move(frame.body);
    if (!move) return refuse(frame.number, RACOON_INVALID_ARGUMENT, "malformed move");
    const auto at = sas_.find(key_of(move->name.dst, move->name.spi));
    if (at == sas_.end()) return refuse(frame.number, RACOON_NOT_FOUND, "no such SA");
    racoon_kernel_sa& facts = at->second.facts;
    racoon_addr& end = facts.direction == RACOON_DIR_IN ? facts.src : facts.dst;
    if (!encapsulated(facts) || !sdk::same_address(end, move->peer) || move->peer.port == 0) {
        return refuse(frame.number, RACOON_INVALID_ARGUMENT, "this SA does not move there");
    }
    end.port = move->peer.port;
    reply(frame.number, RACOON_OK, {});
}

void DataPath::query_sa(const Frame& frame, std::int64_t now) {
    const auto name = read_name(frame.body);
    if (!name) return refuse(frame.number, RACOON_INVALID_ARGUMENT, "malformed name");
    const auto at = sas_.find(key_of(name->dst, name->spi));
    if (at == sas_.end()) return refuse(frame.number, RACOON_NOT_FOUND, "no such SA");
    const Sa& sa = at->second;
    SaFacts facts;
    facts.state = sa.state;
    facts.bytes = sa.bytes;
    facts.packets = sa.packets;
    facts.idle_ns = sa.last_used < 0 ? -1 : now - sa.last_used;
    facts.replay_window = sa.facts.direction == RACOON_DIR_IN ? sa.esp->replay_window() : 0;
    Writer body;
    write_facts(body, facts);
    reply(frame.number, RACOON_OK, body.view());
}

void DataPath::set_policy(const Frame& frame) {
    const auto policy = read_policy(frame.body);
    if (!policy || sdk::check_policy(*policy, nullptr) != RACOON_OK) {
        return refuse(frame.number, RACOON_INVALID_ARGUMENT, "malformed policy");
    }
    if (policies_.size() >= kMaxPolicies) {
        return refuse(frame.number, RACOON_NO_MEMORY, "too many policies");
    }
    insert_policy(*policy);
    reply(frame.number, RACOON_OK, {});
}

void DataPath::insert_policy(const racoon_kernel_policy& policy) {
    const auto at = std::find_if(policies_.begin(), policies_.end(),
                                 [&](const auto& p) { return p.priority < policy.priority; });
    policies_.insert(at, policy);
    ++generation_;
}

void DataPath::update_policy(const Frame& frame) {
    Reader in(frame.body);
    const std::uint32_t id = in.u32();
    const auto policy = read_policy(in.rest());
    if (!policy || sdk::check_policy(*policy, nullptr) != RACOON_OK) {
        return refuse(frame.number, RACOON_INVALID_ARGUMENT, "malformed policy");
    }
    const auto at =
        std::find_if(policies_.begin(), policies_.end(), [&](const auto& p) { return p.id == id; });
    if (at == policies_.end()) return refuse(frame.number, RACOON_NOT_FOUND, "no such policy");
    policies_.erase(at);
    insert_policy(*policy);
    acquires_.erase(id);
    release(id, 0, false);
    reply(frame.number, RACOON_OK, {});
}

void DataPath::delete_policy(const Frame& frame) {
    Reader in(frame.body);
    const std::uint32_t id = in.u32();
    const auto at =
        std::find_if(policies_.begin(), policies_.end(), [&](const auto& p) { return p.id == id; });
    if (!in.ok() || at == policies_.end()) {
        return refuse(frame.number, RACOON_NOT_FOUND, "no such policy");
    }
    policies_.erase(at);
    ++generation_;
    acquires_.erase(id);
    release(id, 0, false);
    reply(frame.number, RACOON_OK, {});
}

void DataPath::acquire_done(const Frame& frame, std::int64_t now) {
    Reader in(frame.body);
    const std::uint64_t token = in.u64();
    const bool success = in.u8() == 1;
    const auto at = std::find_if(acquires_.begin(), acquires_.end(),
                                 [&](const auto& a) { return a.second.token == token; });
    if (!in.ok() || at == acquires_.end()) return;
    const std::uint32_t policy_id = at->first;
    acquires_.erase(at);
    release(policy_id, now, success);
}

}  // namespace racoon::kernel_userspace
