// What comes in from the peers, and what ICMP and the kernel say about the ways to them.
#include "wire.hpp"

#include <errno.h>
#include <time.h>

#include <linux/errqueue.h>  // uses timespec without declaring it
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "ah_header.hpp"
#include "packet.hpp"
#include "socket_address.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::size_t kMaxPacket = 65536;
// Buffers one beside the other at powers of two would share the same few lines of a cache.
constexpr std::size_t kStride = kMaxPacket + 2112;
constexpr std::size_t kHeadroom = 1024;  // for the headers of IPv6, which the kernel keeps
constexpr std::size_t kReadBurst = 64;

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

}  // namespace

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
        if ((messages[i].msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
            ++unreadable_;
            continue;
        }
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
            outer.dst.port = socket->bound.port;
            if (outer.src.port == 0 || packet.size() < socket->marker) return;
            packet = packet.subspan(socket->marker);
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
    if (outer.dst.family == 0 || size > kHeadroom) {
        ++unreadable_;
        return;
    }
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
