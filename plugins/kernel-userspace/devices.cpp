#include "devices.hpp"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "socket_address.hpp"

namespace racoon::kernel_userspace {
namespace {

// A burst of large segments is hundreds of packets, and each occupies more than its bytes.
constexpr int kReceiveBuffer = 8 << 20;

bool fail(Failure* failure, const std::string& text) {
    *failure = failure_of(text, errno);
    return false;
}

// Best effort: /proc/sys may be read-only in a container, and the defaults then have to do.
void write_setting(const std::string& path, const char* value) {
    const Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file) return;
    if (::write(file.get(), value, std::strlen(value)) < 0) return;
}

// Errors about packets come through the socket's queue, with the MTU that would have done. Whether a packet
// may be fragmented the data process says for each.
bool hear_of_path(const Fd& fd, bool v4) {
    const int on = 1;
    const int fragment = v4 ? IP_PMTUDISC_DONT : IPV6_PMTUDISC_DONT;
    const int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
    return ::setsockopt(fd.get(), level, v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &fragment,
                        sizeof(fragment)) == 0 &&
           ::setsockopt(fd.get(), level, v4 ? IP_RECVERR : IPV6_RECVERR, &on, sizeof(on)) == 0;
}

// Beyond net.core.rmem_max with CAP_NET_ADMIN, which the keeper has (not under `unshare -r`).
void enlarge_buffer(const Fd& fd) {
    const int size = kReceiveBuffer;
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0) {
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    }
}

bool set_name(ifreq* request, const std::string& name) {
    if (name.size() >= sizeof(request->ifr_name)) return false;
    std::memcpy(request->ifr_name, name.c_str(), name.size() + 1);
    return true;
}

}  // namespace

Failure failure_of(const std::string& what, int os_errno) {
    return {what + ": " + std::strerror(os_errno), os_errno};
}

Fd open_tun(const std::string& name, Failure* failure) {
    ifreq request{};
    if (!set_name(&request, name)) {
        errno = ENAMETOOLONG;
        fail(failure, "device \"" + name + "\"");
        return Fd();
    }
    Fd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (!fd) {
        fail(failure, "/dev/net/tun (load the module tun, or give the container the device)");
        return Fd();
    }
    request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
    if (::ioctl(fd.get(), TUNSETIFF, &request) != 0) {
        fail(failure, "TUN device \"" + name + "\" (needs CAP_NET_ADMIN and a free name)");
        return Fd();
    }
    // Large packets and open checksums come only where the kernel has been told that we do the rest; one
    // that will not gives plain ones.
    constexpr unsigned long kOffload = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    if (::ioctl(fd.get(), TUNSETOFFLOAD, kOffload) != 0) errno = 0;
    return fd;
}

bool tun_lives(const Fd& tun) {
    ifreq request{};
    return ::ioctl(tun.get(), TUNGETIFF, &request) == 0;
}

bool start_tun(const std::string& name, int mtu, Failure* failure) {
    const Fd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    if (!control || !set_name(&request, name)) return fail(failure, "control socket");
    request.ifr_mtu = mtu;
    if (::ioctl(control.get(), SIOCSIFMTU, &request) != 0) {
        return fail(failure, "MTU " + std::to_string(mtu) + " of " + name);
    }
    write_setting("/proc/sys/net/ipv4/conf/" + name + "/rp_filter", "2");
    write_setting("/proc/sys/net/ipv6/conf/" + name + "/addr_gen_mode", "1");
    if (::ioctl(control.get(), SIOCGIFFLAGS, &request) != 0)
        return fail(failure, "flags of " + name);
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    if (::ioctl(control.get(), SIOCSIFFLAGS, &request) != 0) return fail(failure, name + " up");
    return true;
}

Fd open_raw(std::uint8_t family, std::uint32_t mark, Failure* failure) {
    const bool v4 = family == 4;
    const std::string what = v4 ? "raw ESP socket for IPv4" : "raw ESP socket for IPv6";
    Fd fd(::socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ESP));
    if (!fd) {
        fail(failure, what + " (needs CAP_NET_RAW)");
        return Fd();
    }
    const int on = 1;
    const bool set =
        ::setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0 &&
        hear_of_path(fd, v4) &&
        (v4 || (::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) == 0 &&
                ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on)) == 0 &&
                ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof(on)) == 0));
    if (!set) {
        fail(failure, what);
        return Fd();
    }
    enlarge_buffer(fd);
    return fd;
}

Fd open_raw_whole(std::uint8_t family, int protocol, std::uint32_t mark, Failure* failure) {
    const bool v4 = family == 4;
    const std::string what = std::string("raw ") + (protocol == IPPROTO_AH ? "AH" : "IPComp") +
                             " socket for " + (v4 ? "IPv4" : "IPv6");
    Fd fd(::socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
    if (!fd) {
        fail(failure, what + " (needs CAP_NET_RAW)");
        return Fd();
    }
    const int on = 1;
    const auto set = [&](int level, int name, const void* value, socklen_t size) {
        return ::setsockopt(fd.get(), level, name, value, size) == 0;
    };
    bool ready = set(SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) && hear_of_path(fd, v4);
    if (v4) {
        ready = ready && set(IPPROTO_IP, IP_HDRINCL, &on, sizeof(on));
    } else {
        // What the kernel takes off, it tells.
        for (const int name : {IPV6_HDRINCL, IPV6_RECVPKTINFO, IPV6_RECVTCLASS, IPV6_RECVHOPLIMIT,
                               IPV6_RECVHOPOPTS, IPV6_RECVDSTOPTS, IPV6_RECVRTHDR}) {
            ready = ready && set(IPPROTO_IPV6, name, &on, sizeof(on));
        }
    }
    if (!ready) {
        fail(failure, what);
        return Fd();
    }
    enlarge_buffer(fd);
    return fd;
}

Fd open_udp(std::uint8_t family, std::uint32_t mark, Failure* failure) {
    const bool v4 = family == 4;
    const std::string what = v4 ? "UDP socket for ESP over IPv4" : "UDP socket for ESP over IPv6";
    Fd fd(::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) {
        fail(failure, what);
        return Fd();
    }
    const int on = 1;
    const int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
    const auto set = [&](int at, int name, const void* value, socklen_t size) {
        return ::setsockopt(fd.get(), at, name, value, size) == 0;
    };
    const bool ready = set(SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) &&
                       set(SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) && hear_of_path(fd, v4) &&
                       set(level, v4 ? IP_PKTINFO : IPV6_RECVPKTINFO, &on, sizeof(on)) &&
                       set(level, v4 ? IP_RECVTOS : IPV6_RECVTCLASS, &on, sizeof(on)) &&
                       set(level, v4 ? IP_RECVTTL : IPV6_RECVHOPLIMIT, &on, sizeof(on)) &&
                       (v4 || set(IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)));
    if (!ready) {
        fail(failure, what);
        return Fd();
    }
    enlarge_buffer(fd);
    return fd;
}

// Filters that return the place in the group: 0 for IKE, which was there first, 1 for ESP. Offsets are those of the
// UDP payload. A keepalive is one byte; what is shorter than a marker is no ESP.
static sock_filter kNattPort[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 4, 0, 2),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, 0),          BPF_STMT(BPF_RET | BPF_K, 1),
};
static sock_filter kIkePort[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kNonIkeMarker, 0, 5),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, 1),          BPF_STMT(BPF_RET | BPF_K, 0),
};

bool share_port(int ike, int data, Port port, racoon_addr* local, Failure* failure) {
    const int on = 1;
    AnyAddress address{};
    socklen_t size = sizeof(address);
    if (::setsockopt(ike, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0 ||
        ::getsockname(ike, &address.base, &size) != 0 || ::bind(data, &address.base, size) != 0) {
        return fail(failure, "sharing a port with IKE");
    }
    const sock_fprog program = port == Port::Natt ? sock_fprog{std::size(kNattPort), kNattPort}
                                                  : sock_fprog{std::size(kIkePort), kIkePort};
    if (::setsockopt(ike, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) != 0) {
        return fail(failure, "the filter that splits a port between IKE and ESP");
    }
    *local = address_of(address);
    return true;
}

}  // namespace racoon::kernel_userspace
