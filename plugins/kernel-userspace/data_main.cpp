// racoon-data: the process that ESP packets pass through. It is started by the keeper with a message
// channel (3), the TUN device (4), raw ESP sockets for IPv4 (5) and IPv6 (6), and UDP sockets for ESP in
// UDP (7 and on) that the keeper binds when it knows where; it drops every privilege before it reads a byte, and ends when the channel closes.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include <racoon/kernel_backend.hpp>
#include <racoon/plugin/host.h>

#include "data_path.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr int kChannel = 3;
constexpr int kTun = 4;
constexpr int kRaw4 = 5;
constexpr int kRaw6 = 6;
constexpr int kFirstUdp = 7;
constexpr int kMostUdp = 8;
constexpr std::size_t kMaxFrame = 65536;  // racoon.proc/1
constexpr std::size_t kMaxPacket = 65536;
constexpr int kBatch = 64;  // packets per descriptor before the others are looked at

std::int64_t now_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

// Gives up root where another uid exists (not under `unshare -r`), and all capabilities in any case.
// False: a capability is left.
bool drop_privileges() {
    ::prctl(PR_SET_NAME, "racoon: data");
    ::prctl(PR_SET_DUMPABLE, 0);  // keys are in here
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    for (unsigned long cap = 0; cap <= CAP_LAST_CAP; ++cap) ::prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    if (::geteuid() == 0) {
        const passwd* user = ::getpwnam("racoon");
        if (user == nullptr) user = ::getpwnam("nobody");
        if (user != nullptr && ::setgroups(0, nullptr) == 0 &&
            ::setresgid(user->pw_gid, user->pw_gid, user->pw_gid) == 0) {
            if (::setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0 && errno != EINVAL) {
                return false;
            }
        }
    }
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    ::syscall(SYS_capset, &head, data);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    __user_cap_data_struct have[2] = {};
    head.pid = 0;
    if (::syscall(SYS_capget, &head, have) != 0) return false;
    return (have[0].effective | have[0].permitted | have[1].effective | have[1].permitted) == 0;
}

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

racoon_addr bound_address(int fd) {
    AnyAddress a{};
    socklen_t size = sizeof(a);
    return ::getsockname(fd, &a.base, &size) == 0 ? address_of(a) : racoon_addr{};
}

class Process final : public Output {
  public:
    Process() : path_(*this) {}
    int run();

    void to_tun(ByteView packet) override {
        // A full device queue drops the packet, as a full interface would.
        if (::write(kTun, packet.data(), packet.size()) < 0) ++lost_;
    }
    void to_wire(const Outer& outer, ByteView esp) override;
    void to_keeper(ByteView frame) override;

  private:
    bool read_channel();
    bool read_tun();
    void read_raw(int fd);
    void read_udp(int fd);
    int udp_socket_for(const racoon_addr& source);
    void log(std::uint8_t level, const std::string& text);

    DataPath path_;
    Bytes channel_;
    std::uint64_t lost_ = 0;
    int udp_count_ = 0;
    bool keeper_gone_ = false;
};

// The kernel writes the outer IP header; source and traffic class go with the message.
void Process::to_wire(const Outer& outer, ByteView esp) {
    AnyAddress to{};
    socklen_t to_size = sizeof(to.v4);
    alignas(cmsghdr) std::uint8_t control[128] = {};
    msghdr message{};
    iovec part{const_cast<std::uint8_t*>(esp.data()), esp.size()};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    const int traffic_class = outer.traffic_class;
    std::size_t used = 0;
    if (outer.dst.family == 4) {
        to.v4.sin_family = AF_INET;
        std::memcpy(&to.v4.sin_addr, outer.dst.bytes, 4);
        in_pktinfo info{};
        std::memcpy(&info.ipi_spec_dst, outer.src.bytes, 4);
        c->cmsg_level = IPPROTO_IP;
        c->cmsg_type = IP_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(info));
        std::memcpy(CMSG_DATA(c), &info, sizeof(info));
        used = CMSG_SPACE(sizeof(info));
    } else {
        to.v6.sin6_family = AF_INET6;
        to.v6.sin6_scope_id = outer.dst.scope;
        to_size = sizeof(to.v6);
        std::memcpy(&to.v6.sin6_addr, outer.dst.bytes, 16);
        in6_pktinfo info{};
        std::memcpy(&info.ipi6_addr, outer.src.bytes, 16);
        c->cmsg_level = IPPROTO_IPV6;
        c->cmsg_type = IPV6_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(info));
        std::memcpy(CMSG_DATA(c), &info, sizeof(info));
        used = CMSG_SPACE(sizeof(info));
    }
    c = CMSG_NXTHDR(&message, c);
    if (c != nullptr) {
        c->cmsg_level = outer.dst.family == 4 ? IPPROTO_IP : IPPROTO_IPV6;
        c->cmsg_type = outer.dst.family == 4 ? IP_TOS : IPV6_TCLASS;
        c->cmsg_len = CMSG_LEN(sizeof(traffic_class));
        std::memcpy(CMSG_DATA(c), &traffic_class, sizeof(traffic_class));
        used += CMSG_SPACE(sizeof(traffic_class));
    }
    message.msg_controllen = used;
    message.msg_name = &to;
    message.msg_namelen = to_size;
    int fd = outer.dst.family == 4 ? kRaw4 : kRaw6;
    if (outer.dst.port != 0) {
        fd = udp_socket_for(outer.src);
        (outer.dst.family == 4 ? to.v4.sin_port : to.v6.sin6_port) = htons(outer.dst.port);
    }
    if (fd < 0 || ::sendmsg(fd, &message, MSG_DONTWAIT) < 0) ++lost_;
}

// The one that is bound to that port and, if there is one, to that address. -1: none.
int Process::udp_socket_for(const racoon_addr& source) {
    int wildcard = -1;
    for (int fd = kFirstUdp; fd < kFirstUdp + udp_count_; ++fd) {
        const racoon_addr bound = bound_address(fd);
        if (bound.family != source.family || bound.port != source.port) continue;
        if (sdk::same_address(bound, source)) return fd;
        const racoon_addr any{};
        if (std::memcmp(bound.bytes, any.bytes, sizeof(any.bytes)) == 0) wildcard = fd;
    }
    return wildcard;
}

void Process::to_keeper(ByteView frame) {
    Writer out;
    out.u32(static_cast<std::uint32_t>(frame.size()));
    out.bytes(frame);
    ByteView left = out.view();
    while (!left.empty() && !keeper_gone_) {
        const ssize_t n = ::send(kChannel, left.data(), left.size(), MSG_NOSIGNAL);
        if (n > 0) {
            left = left.subspan(static_cast<std::size_t>(n));
        } else if (errno == EAGAIN) {
            pollfd p{kChannel, POLLOUT, 0};
            ::poll(&p, 1, -1);
        } else if (errno != EINTR) {
            keeper_gone_ = true;
        }
    }
}

void Process::log(std::uint8_t level, const std::string& text) {
    Writer out = begin_frame(Message::Log, 0);
    out.u8(level);
    out.bytes({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    to_keeper(out.view());
}

bool Process::read_channel() {
    std::uint8_t buffer[16384];
    const ssize_t n = ::recv(kChannel, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    channel_.insert(channel_.end(), buffer, buffer + n);
    std::size_t done = 0;
    while (true) {
        Reader in(ByteView(channel_).subspan(done));
        const std::size_t size = in.u32();
        if (!in.ok()) break;
        if (size > kMaxFrame) return false;
        if (in.left() < size) break;
        path_.command(in.bytes(size), now_ns());
        done += 4 + size;
    }
    wipe(channel_.data(), done);
    channel_.erase(channel_.begin(), channel_.begin() + static_cast<std::ptrdiff_t>(done));
    wipe(buffer, sizeof(buffer));
    return true;
}

/// False: the device is gone.
bool Process::read_tun() {
    static std::uint8_t buffer[kMaxPacket];
    for (int i = 0; i < kBatch; ++i) {
        const ssize_t n = ::read(kTun, buffer, sizeof(buffer));
        if (n < 0 && errno == EBADFD) return false;
        if (n <= 0) return true;
        path_.from_tun({buffer, static_cast<std::size_t>(n)}, now_ns());
    }
    return true;
}

void Process::read_raw(int fd) {
    static std::uint8_t buffer[kMaxPacket];
    const bool v4 = fd == kRaw4;
    for (int i = 0; i < kBatch; ++i) {
        AnyAddress from{};
        alignas(cmsghdr) std::uint8_t control[256];
        iovec part{buffer, sizeof(buffer)};
        msghdr message{};
        message.msg_name = &from;
        message.msg_namelen = sizeof(from);
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        const ssize_t n = ::recvmsg(fd, &message, MSG_DONTWAIT);
        if (n <= 0 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return;
        std::span<std::uint8_t> packet(buffer, static_cast<std::size_t>(n));
        Outer outer;
        if (v4) {  // with its IP header, which the kernel has checked, but trust is cheap to avoid
            const auto flow = parse_packet(packet);
            if (!flow || flow->protocol != IPPROTO_ESP || flow->source.family != 4) continue;
            outer.src = flow->source;
            outer.dst = flow->destination;
            outer.traffic_class = flow->traffic_class;
            packet = packet.first(flow->size).subspan(std::size_t{packet[0]} % 16 * 4);
        } else {  // without it: the destination comes as ancillary data
            outer.src.family = 6;
            std::memcpy(outer.src.bytes, &from.v6.sin6_addr, 16);
            for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
                if (c->cmsg_level != IPPROTO_IPV6) continue;
                if (c->cmsg_type == IPV6_PKTINFO && c->cmsg_len >= CMSG_LEN(sizeof(in6_pktinfo))) {
                    in6_pktinfo info{};
                    std::memcpy(&info, CMSG_DATA(c), sizeof(info));
                    outer.dst.family = 6;
                    std::memcpy(outer.dst.bytes, &info.ipi6_addr, 16);
                } else if (c->cmsg_type == IPV6_TCLASS && c->cmsg_len >= CMSG_LEN(sizeof(int))) {
                    int traffic_class = 0;
                    std::memcpy(&traffic_class, CMSG_DATA(c), sizeof(traffic_class));
                    outer.traffic_class = static_cast<std::uint8_t>(traffic_class);
                }
            }
            if (outer.dst.family == 0) continue;
        }
        path_.from_wire(outer, packet, now_ns());
    }
}

void Process::read_udp(int fd) {
    static std::uint8_t buffer[kMaxPacket];
    const std::uint16_t port = bound_address(fd).port;
    for (int i = 0; i < kBatch; ++i) {
        AnyAddress from{};
        alignas(cmsghdr) std::uint8_t control[256];
        iovec part{buffer, sizeof(buffer)};
        msghdr message{};
        message.msg_name = &from;
        message.msg_namelen = sizeof(from);
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        const ssize_t n = ::recvmsg(fd, &message, MSG_DONTWAIT);
        if (n < 0) return;
        if (n == 0 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) continue;
        Outer outer;
        outer.src = address_of(from);
        for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
            if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
                in_pktinfo info{};
                std::memcpy(&info, CMSG_DATA(c), sizeof(info));
                outer.dst.family = 4;
                std::memcpy(outer.dst.bytes, &info.ipi_addr, 4);
            } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
                outer.traffic_class = *CMSG_DATA(c);
            } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
                in6_pktinfo info{};
                std::memcpy(&info, CMSG_DATA(c), sizeof(info));
                outer.dst.family = 6;
                std::memcpy(outer.dst.bytes, &info.ipi6_addr, 16);
            } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
                int traffic_class = 0;
                std::memcpy(&traffic_class, CMSG_DATA(c), sizeof(traffic_class));
                outer.traffic_class = static_cast<std::uint8_t>(traffic_class);
            }
        }
        outer.dst.port = port;
        if (outer.dst.family == 0 || outer.src.port == 0) continue;
        path_.from_wire(outer, std::span(buffer, static_cast<std::size_t>(n)), now_ns());
    }
}

int Process::run() {
    const bool clean = drop_privileges();
    if (!clean) {
        log(RACOON_LOG_ERROR, "the data process cannot give up its capabilities");
        return 1;
    }
    int domain = 0;
    socklen_t domain_size = sizeof(domain);
    const bool has_v6 = ::getsockopt(kRaw6, SOL_SOCKET, SO_DOMAIN, &domain, &domain_size) == 0 &&
                        domain == AF_INET6;
    while (udp_count_ < kMostUdp && ::fcntl(kFirstUdp + udp_count_, F_GETFD) >= 0) ++udp_count_;
    Writer ready = begin_frame(Message::Ready, 0);
    ready.u32(::geteuid());
    ready.u8(clean ? 1 : 0);
    to_keeper(ready.view());
    while (!keeper_gone_) {
        pollfd fds[4 + kMostUdp] = {{kChannel, POLLIN, 0},
                                    {kTun, POLLIN, 0},
                                    {kRaw4, POLLIN, 0},
                                    {has_v6 ? kRaw6 : -1, POLLIN, 0}};
        for (int i = 0; i < udp_count_; ++i) fds[4 + i] = {kFirstUdp + i, POLLIN, 0};
        int wait = -1;
        if (path_.next_deadline() != kNever) {
            const std::int64_t ms = (path_.next_deadline() - now_ns()) / 1'000'000 + 1;
            wait = static_cast<int>(std::clamp<std::int64_t>(ms, 0, 3'600'000));
        }
        if (::poll(fds, static_cast<nfds_t>(4 + udp_count_), wait) < 0 && errno != EINTR) return 1;
        path_.advance(now_ns());
        // Commands first, so that an SA is there before the packets that need it.
        if (fds[0].revents != 0 && !read_channel()) return 0;
        if (fds[1].revents != 0 && !read_tun()) {
            // It would be readable for ever; the keeper makes another.
            log(RACOON_LOG_ERROR, "the TUN device is gone");
            return 1;
        }
        if (fds[2].revents != 0) read_raw(kRaw4);
        if (fds[3].revents != 0) read_raw(kRaw6);
        for (int i = 0; i < udp_count_; ++i)
            if (fds[4 + i].revents != 0) read_udp(kFirstUdp + i);
    }
    return 0;
}

}  // namespace
}  // namespace racoon::kernel_userspace

int main(int argc, char** argv) {
    // The name that ps shows; the program path is at least as long.
    if (argc > 0) {
        const std::size_t room = std::strlen(argv[0]);
        std::memset(argv[0], 0, room);
        std::strncpy(argv[0], "racoon: data", room);
    }
    racoon::kernel_userspace::Process process;
    // Without a leak check at exit, which would need a dumpable process.
    ::_exit(process.run());
}
