#include "wire.hpp"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include <racoon/kernel_backend.hpp>

#include "fragment.hpp"
#include "socket_address.hpp"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace racoon::kernel_userspace {
namespace {

constexpr std::size_t kMostSegments = 64;      // of the kernel's UDP_MAX_SEGMENTS
constexpr std::size_t kMostDatagram = 65'000;  // below 65535 by any header
constexpr int kWaitMs = 5;                     // for a full send buffer

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

Wire::Wire(Sink& sink, const Raw& raw) : sink_(sink), arena_(kArena) {
    sockets_[kEsp4].fd = raw.esp4;
    sockets_[kEsp6].fd = raw.esp6;
    sockets_[kAh4].fd = raw.ah4;
    sockets_[kAh6].fd = raw.ah6;
    sockets_[kComp4].fd = raw.comp4;
    sockets_[kComp6].fd = raw.comp6;
}

void Wire::set_udp(std::uint8_t place, int fd) {
    Socket& socket = sockets_[kFirstUdp + place];
    if (socket.fd >= 0) ::close(socket.fd);
    socket = {};
    socket.fd = fd;
    if (place >= kMostNatt) socket.marker = kNonIkeMarker;
    AnyAddress at{};
    socklen_t size = sizeof(at);
    if (fd >= 0 && ::getsockname(fd, &at.base, &size) == 0) socket.bound = address_of(at);
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
    for (std::size_t i = kFirstUdp; i < sockets_.size(); ++i) {
        Socket& s = sockets_[i];
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

}  // namespace racoon::kernel_userspace
