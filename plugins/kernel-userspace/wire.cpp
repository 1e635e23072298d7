#include "wire.hpp"

#include <errno.h>
#include <time.h>

#include <linux/errqueue.h>  // uses timespec without declaring it
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include <racoon/kernel_backend.hpp>

#include "ah_header.hpp"
#include "fragment.hpp"
#include "packet.hpp"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace racoon::kernel_userspace {
namespace {

constexpr std::size_t kMaxPacket = 65536;
// Buffers one beside the other at powers of two would share the same few lines of a cache.
constexpr std::size_t kStride = kMaxPacket + 2112;
constexpr std::size_t kHeadroom = 1024;  // for the headers of IPv6, which the kernel keeps
constexpr std::size_t kReadBurst = 64;
constexpr std::size_t kMostSegments = 64;      // of the kernel's UDP_MAX_SEGMENTS
constexpr std::size_t kMostDatagram = 65'000;  // below 65535 by any header
constexpr int kWaitMs = 5;                     // for a full send buffer

union AnyAddress {
    sockaddr base;
    sockaddr_in v4;
    sockaddr_in6 v6;
};

racoon_addr address_of(const AnyAddress& a) {
    racoon_addr out{};
    if (a.base.sa_family == AF_INET) {
        out.family = 4;
        out.port = ntohs(a.v4.sin_port);
        std::memcpy(out.bytes, &a.v4.sin_addr, 4);
    } else if (a.base.sa_family == AF_INET6) {
        out.family = 6;
        out.port = ntohs(a.v6.sin6_port);
        std::memcpy(out.bytes, &a.v6.sin6_addr, 16);
    }
    return out;
}

socklen_t to_socket(const racoon_addr& a, AnyAddress* out) {
    *out = {};
    if (a.family == 4) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(a.port);
        std::memcpy(&out->v4.sin_addr, a.bytes, 4);
        return sizeof(out->v4);
    }
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(a.port);
    out->v6.sin6_scope_id = a.scope;
    std::memcpy(&out->v6.sin6_addr, a.bytes, 16);
    return sizeof(out->v6);
}

template <typename T>
T value_in(const cmsghdr* c) {
    T value{};
    if (c->cmsg_len >= CMSG_LEN(sizeof(value))) std::memcpy(&value, CMSG_DATA(c), sizeof(value));
    return value;
}

// Which header of IPv6 an ancillary message is.
std::optional<std::uint8_t> extension_in(const cmsghdr* c) {
    if (c->cmsg_type == IPV6_HOPOPTS) return std::uint8_t{IPPROTO_HOPOPTS};
    if (c->cmsg_type == IPV6_DSTOPTS) return std::uint8_t{IPPROTO_DSTOPTS};
    if (c->cmsg_type == IPV6_RTHDR) return std::uint8_t{IPPROTO_ROUTING};
    return {};
}

// What the kernel tells beside a packet.
void read_control(msghdr* message, Outer* outer) {
    for (cmsghdr* c = CMSG_FIRSTHDR(message); c != nullptr; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            const auto info = value_in<in_pktinfo>(c);
            outer->dst.family = 4;
            std::memcpy(outer->dst.bytes, &info.ipi_addr, 4);
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
            outer->traffic_class = value_in<std::uint8_t>(c);
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) {
            outer->hop_limit = static_cast<std::uint8_t>(value_in<int>(c));
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            const auto info = value_in<in6_pktinfo>(c);
            outer->dst.family = 6;
            std::memcpy(outer->dst.bytes, &info.ipi6_addr, 16);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
            outer->traffic_class = static_cast<std::uint8_t>(value_in<int>(c));
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT) {
            outer->hop_limit = static_cast<std::uint8_t>(value_in<int>(c));
        }
    }
}

// Appends ancillary data to a message whose control buffer is large enough.
class Control {
  public:
    explicit Control(msghdr* message) : message_(message) {}
    template <typename T>
    void put(int level, int type, const T& value) {
        auto* c =
            reinterpret_cast<cmsghdr*>(static_cast<std::uint8_t*>(message_->msg_control) + used_);
        c->cmsg_level = level;
        c->cmsg_type = type;
        c->cmsg_len = CMSG_LEN(sizeof(value));
        std::memcpy(CMSG_DATA(c), &value, sizeof(value));
        used_ += CMSG_SPACE(sizeof(value));
        message_->msg_controllen = used_;
    }

  private:
    msghdr* message_;
    std::size_t used_ = 0;
};

void put_outer(msghdr* message, const Outer& outer) {
    Control control(message);
    const int traffic_class = outer.traffic_class;
    const int hops = outer.hop_limit;
    if (outer.dst.family == 4) {
        in_pktinfo info{};
        std::memcpy(&info.ipi_spec_dst, outer.src.bytes, 4);
        control.put(IPPROTO_IP, IP_PKTINFO, info);
        control.put(IPPROTO_IP, IP_TOS, traffic_class);
        if (hops != 0) control.put(IPPROTO_IP, IP_TTL, hops);
    } else {
        in6_pktinfo info{};
        std::memcpy(&info.ipi6_addr, outer.src.bytes, 16);
        control.put(IPPROTO_IPV6, IPV6_PKTINFO, info);
        control.put(IPPROTO_IPV6, IPV6_TCLASS, traffic_class);
        if (hops != 0) control.put(IPPROTO_IPV6, IPV6_HOPLIMIT, hops);
    }
}

bool same_outer(const Outer& a, const Outer& b) {
    return a.traffic_class == b.traffic_class && a.hop_limit == b.hop_limit &&
           a.dont_fragment == b.dont_fragment && a.src.port == b.src.port &&
           a.dst.port == b.dst.port && a.dst.scope == b.dst.scope &&
           sdk::same_address(a.src, b.src) && sdk::same_address(a.dst, b.dst);
}

}  // namespace

// Messages that are sent in one call; each is one packet, or several of one size for the kernel to cut.
struct Wire::Burst {
    struct Slot {
        iovec part{};
        AnyAddress to{};
        alignas(cmsghdr) std::uint8_t control[160];
        std::size_t first = 0;  // in the queue
        std::size_t packets = 0;
    };
    mmsghdr messages[kBurst] = {};
    Slot slots[kBurst];
    std::size_t count = 0;
};

Wire::Wire(Sink& sink, const Raw& raw, int first_udp, int udp_count) : sink_(sink), arena_(kArena) {
    sockets_[kEsp4].fd = raw.esp4;
    sockets_[kEsp6].fd = raw.esp6;
    sockets_[kAh4].fd = raw.ah4;
    sockets_[kAh6].fd = raw.ah6;
    sockets_[kComp4].fd = raw.comp4;
    sockets_[kComp6].fd = raw.comp6;
    count_ = kFirstUdp;
    for (int i = 0; i < udp_count && i < kMostUdp; ++i) sockets_[count_++].fd = first_udp + i;
}

std::span<std::uint8_t> Wire::room(std::size_t size) {
    if (used_ + size > arena_.size()) flush();
    return std::span(arena_).subspan(used_, std::min(size, arena_.size()));
}

void Wire::add(const Outer& outer, ByteView packet) {
    queue_.push_back({outer, used_, packet.size()});
    used_ += packet.size();
}

Wire::Socket* Wire::socket_of(int fd) {
    for (Socket& s : sockets_)
        if (s.fd == fd) return &s;
    return nullptr;
}

// For UDP the one that is bound to that port and, if there is one, to that address.
Wire::Socket* Wire::socket_for(const Outer& outer) {
    if (outer.dst.port == 0) {
        const bool v4 = outer.dst.family == 4;
        Socket& raw = sockets_[outer.whole ? (v4 ? kAh4 : kAh6) : v4 ? kEsp4 : kEsp6];
        return raw.fd >= 0 ? &raw : nullptr;
    }
    Socket* wildcard = nullptr;
    for (std::size_t i = kFirstUdp; i < count_; ++i) {
        Socket& s = sockets_[i];
        if (s.bound.port == 0) {
            AnyAddress at{};
            socklen_t size = sizeof(at);
            if (::getsockname(s.fd, &at.base, &size) == 0) s.bound = address_of(at);
        }
        if (s.bound.family != outer.src.family || s.bound.port != outer.src.port) continue;
        if (sdk::same_address(s.bound, outer.src)) return &s;
        const racoon_addr any{};
        if (std::memcmp(s.bound.bytes, any.bytes, sizeof(any.bytes)) == 0) wildcard = &s;
    }
    return wildcard;
}

// With it the kernel sets DF and refuses what is longer than the way to the peer allows; without it
// fragments.
void Wire::set_dont_fragment(Socket& socket, bool on) {
    if (socket.dont_fragment == (on ? 1 : 0)) return;
    if (&socket == &sockets_[kAh4] || &socket == &sockets_[kAh6]) return;  // the packet says it
    const bool v4 = &socket == &sockets_[kEsp4] || socket.bound.family == 4;
    const int how = v4 ? (on ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT)
                       : (on ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_DONT);
    ::setsockopt(socket.fd, v4 ? IPPROTO_IP : IPPROTO_IPV6,
                 v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &how, sizeof(how));
    socket.dont_fragment = on ? 1 : 0;
}

// One more message, of the packet at `first` and, in UDP, of those behind it that are like it. How many.
std::size_t Wire::put(Burst& burst, std::size_t first) const {
    const Queued& q = queue_[first];
    std::size_t packets = 1;
    std::size_t bytes = q.size;
    if (q.outer.dst.port != 0 && segments_) {
        while (first + packets < queue_.size() && packets < kMostSegments) {
            const Queued& more = queue_[first + packets];
            if (more.size > q.size || bytes + more.size > kMostDatagram ||
                !same_outer(more.outer, q.outer)) {
                break;
            }
            bytes += more.size;
            ++packets;
            if (more.size < q.size) break;  // only the last may be shorter
        }
    }
    Burst::Slot& slot = burst.slots[burst.count];
    slot.first = first;
    slot.packets = packets;
    slot.part = {const_cast<std::uint8_t*>(arena_.data()) + q.at, bytes};
    msghdr& message = burst.messages[burst.count++].msg_hdr;
    message = {};
    message.msg_name = &slot.to;
    message.msg_namelen = to_socket(q.outer.dst, &slot.to);
    message.msg_iov = &slot.part;
    message.msg_iovlen = 1;
    if (q.outer.whole) return packets;
    message.msg_control = slot.control;
    put_outer(&message, q.outer);
    if (packets > 1) {
        auto* c = reinterpret_cast<cmsghdr*>(slot.control + message.msg_controllen);
        const auto size = static_cast<std::uint16_t>(q.size);
        c->cmsg_level = IPPROTO_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof(size));
        std::memcpy(CMSG_DATA(c), &size, sizeof(size));
        message.msg_controllen += CMSG_SPACE(sizeof(size));
    }
    return packets;
}

void Wire::flush() {
    static Burst burst;
    for (std::size_t i = 0; i < queue_.size();) {
        Socket* socket = socket_for(queue_[i].outer);
        if (socket == nullptr) {
            ++lost_;
            ++i;
            continue;
        }
        const bool df = queue_[i].outer.dont_fragment;
        set_dont_fragment(*socket, df);
        burst.count = 0;
        while (i < queue_.size() && burst.count < kBurst && queue_[i].outer.dont_fragment == df &&
               socket_for(queue_[i].outer) == socket) {
            i += put(burst, i);
        }
        send(*socket, burst);
    }
    queue_.clear();
    used_ = 0;
}

void Wire::send(Socket& socket, Burst& burst) {
    std::size_t done = 0;
    bool waited = false;
    bool again = false;  // an error of an earlier packet is told instead of sending; once
    while (done < burst.count) {
        const int n = ::sendmmsg(socket.fd, burst.messages + done,
                                 static_cast<unsigned>(burst.count - done), MSG_DONTWAIT);
        if (n > 0) {
            done += static_cast<std::size_t>(n);
            waited = again = false;
            continue;
        }
        const int error = errno;
        if (error == EINTR) continue;
        if ((error == EAGAIN || error == ENOBUFS) && !waited) {
            pollfd p{socket.fd, POLLOUT, 0};
            ::poll(&p, 1, kWaitMs);
            waited = true;
            continue;
        }
        Burst::Slot& slot = burst.slots[done];
        if (slot.packets > 1 && (error == EMSGSIZE || error == EINVAL || error == EIO)) {
            // Too long for the way, or this kernel or card cannot cut: each by itself tells which.
            if (error == EIO) segments_ = false;
            for (std::size_t i = 0; i < slot.packets; ++i) {
                const Queued& q = queue_[slot.first + i];
                msghdr one = burst.messages[done].msg_hdr;
                iovec part{arena_.data() + q.at, q.size};
                one.msg_iov = &part;
                one.msg_control = slot.control;
                put_outer(&one, q.outer);
                if (!send_one(socket, &one)) ++lost_;
            }
        } else if (error == EMSGSIZE) {
            const std::uint32_t mtu = read_errors(socket.fd);
            if (!send_split(socket, queue_[slot.first], mtu)) ++lost_;
        } else if (!again) {
            read_errors(socket.fd);
            again = true;
            continue;
        } else {
            lost_ += slot.packets;
        }
        ++done;
        waited = again = false;
    }
}

bool Wire::send_one(Socket& socket, void* message) {
    if (::sendmsg(socket.fd, static_cast<msghdr*>(message), MSG_DONTWAIT) >= 0) return true;
    if (errno == EMSGSIZE) read_errors(socket.fd);
    return false;
}

// What has its header already is fragmented here, for the link that it was too long for.
bool Wire::send_split(Socket& socket, const Queued& q, std::size_t mtu) {
    if (!q.outer.whole || q.outer.dont_fragment) return false;
    bool all = true;
    const ByteView packet = ByteView(arena_).subspan(q.at, q.size);
    const bool split = split_packet(packet, mtu, ~++split_, [&](ByteView piece) {
        AnyAddress to{};
        iovec part{const_cast<std::uint8_t*>(piece.data()), piece.size()};
        msghdr message{};
        message.msg_name = &to;
        message.msg_namelen = to_socket(q.outer.dst, &to);
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        all = all && send_one(socket, &message);
    });
    return split && all;
}

void Wire::receive(int fd) {
    struct Slot {
        AnyAddress from;
        iovec part;
        alignas(cmsghdr) std::uint8_t control[1024];
    };
    static std::uint8_t packets[kReadBurst][kStride];
    static Slot slots[kReadBurst];
    mmsghdr messages[kReadBurst] = {};
    for (std::size_t i = 0; i < kReadBurst; ++i) {
        slots[i].from = {};
        slots[i].part = {packets[i] + kHeadroom, kMaxPacket};
        msghdr& m = messages[i].msg_hdr;
        m.msg_name = &slots[i].from;
        m.msg_namelen = sizeof(slots[i].from);
        m.msg_iov = &slots[i].part;
        m.msg_iovlen = 1;
        m.msg_control = slots[i].control;
        m.msg_controllen = sizeof(slots[i].control);
    }
    const int n = ::recvmmsg(fd, messages, kReadBurst, MSG_DONTWAIT, nullptr);
    for (int i = 0; i < n; ++i) {
        if ((messages[i].msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) continue;
        parse(fd, &messages[i].msg_hdr,
              std::span(packets[i]).subspan(kHeadroom, messages[i].msg_len));
    }
}

void Wire::parse(int fd, void* message, std::span<std::uint8_t> packet) {
    auto* m = static_cast<msghdr*>(message);
    Socket* socket = socket_of(fd);
    if (packet.empty() || socket == nullptr) return;
    Outer outer;
    if (socket == &sockets_[kAh4] || socket == &sockets_[kComp4]) {
        return sink_.received_packet(packet);
    }
    if (socket == &sockets_[kEsp4]) {
        // With its IP header, which the kernel has checked, but trust is cheap to avoid.
        const auto flow = parse_packet(packet);
        if (!flow || flow->protocol != IPPROTO_ESP || flow->source.family != 4) return;
        outer.id = static_cast<std::uint16_t>(flow->fragment_id);
        outer.dont_fragment = !flow->may_fragment;
        outer.src = flow->source;
        outer.dst = flow->destination;
        outer.traffic_class = flow->traffic_class;
        outer.hop_limit = flow->hop_limit;
        packet = packet.first(flow->size).subspan(flow->header);
    } else {
        outer.src = address_of(*static_cast<const AnyAddress*>(m->msg_name));
        read_control(m, &outer);
        if (socket < &sockets_[kFirstUdp]) {
            outer.src.port = 0;
            if (socket == &sockets_[kAh6]) return parse_whole6(outer, kProtoAh, m, packet);
            if (socket == &sockets_[kComp6]) return parse_whole6(outer, kProtoComp, m, packet);
        } else {
            if (socket->bound.port == 0) {
                AnyAddress at{};
                socklen_t size = sizeof(at);
                if (::getsockname(fd, &at.base, &size) == 0) socket->bound = address_of(at);
            }
            outer.dst.port = socket->bound.port;
            if (outer.src.port == 0) return;
        }
        if (outer.dst.family == 0) return;
    }
    sink_.received(outer, packet);
}

// The kernel keeps the headers of IPv6 and tells of them; those that AH covers are put before it again. What
// may change on the way, and is not told, AH does not cover.
void Wire::parse_whole6(const Outer& outer, std::uint8_t protocol, void* message,
                        std::span<std::uint8_t> packet) {
    auto* m = static_cast<msghdr*>(message);
    std::uint8_t first = protocol;
    Bytes extensions;
    for (cmsghdr* c = CMSG_FIRSTHDR(m); c != nullptr; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != IPPROTO_IPV6) continue;
        const auto type = extension_in(c);
        if (!type) continue;
        if (extensions.empty()) first = *type;
        const auto* data = reinterpret_cast<const std::uint8_t*>(CMSG_DATA(c));
        extensions.insert(extensions.end(), data, data + (c->cmsg_len - CMSG_LEN(0)));
    }
    const std::size_t size = kIpv6Header + extensions.size();
    if (outer.dst.family == 0 || size > kHeadroom) return;
    const Bytes header = make_packet(outer, first, extensions);
    const std::span<std::uint8_t> whole(packet.data() - size, size + packet.size());
    std::copy(header.begin(), header.end(), whole.begin());
    set_length(whole);
    sink_.received_packet(whole);
}

std::uint32_t Wire::read_errors(int fd) {
    std::uint32_t mtu = 0;
    for (int i = 0; i < 64; ++i) {
        AnyAddress peer{};
        std::uint8_t quoted[64];
        alignas(cmsghdr) std::uint8_t control[512];
        iovec part{quoted, sizeof(quoted)};
        msghdr message{};
        message.msg_name = &peer;
        message.msg_namelen = sizeof(peer);
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        if (::recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return mtu;
        for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
            const bool tells = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
                               (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
            if (!tells) continue;
            const auto error = value_in<sock_extended_err>(c);
            const racoon_addr to = address_of(peer);
            if (error.ee_errno != EMSGSIZE || to.family == 0) continue;
            mtu = error.ee_info;
            sink_.path_mtu(to, mtu);
        }
    }
    return mtu;
}

}  // namespace racoon::kernel_userspace
