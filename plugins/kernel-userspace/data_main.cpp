// racoon-data: the process that protected packets pass through. It is started by the keeper with a message
// channel (3), the TUN device (4), raw ESP sockets for IPv4 (5) and IPv6 (6), such of AH (7, 8) and of
// IPComp (9, 10), and UDP sockets for ESP in UDP (11 and on) that the keeper binds when it knows where; it drops every
// privilege before it reads a byte, and ends when the channel closes.
#include <errno.h>
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
#include <optional>
#include <string>

#include <racoon/kernel_backend.hpp>
#include <racoon/plugin/host.h>

#include "data_path.hpp"
#include "handover.hpp"
#include "tun.hpp"
#include "wire.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr int kChannel = 3;
constexpr int kTun = 4;
constexpr int kEsp4 = 5;
constexpr int kEsp6 = 6;
constexpr int kAh4 = 7;
constexpr int kAh6 = 8;
constexpr int kComp4 = 9;
constexpr int kComp6 = 10;
constexpr int kHandover = 11;
constexpr int kRaw = kHandover - kEsp4;   // sockets
constexpr std::size_t kMaxFrame = 65536;  // racoon.proc/1
constexpr int kBatch = 64;                // packets of the device before the sockets are looked at

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

// The place of a socket that this host does not have is taken by another one.
int if_ipv6(int fd) {
    int domain = 0;
    socklen_t size = sizeof(domain);
    const bool is = ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0;
    return is && domain == AF_INET6 ? fd : -1;
}

class Process final : public Output, private Wire::Sink {
  public:
    Process() = default;
    int run();

    void to_tun(ByteView packet, const Flow& flow) override { tun_.add(packet, flow); }
    std::span<std::uint8_t> wire_room(std::size_t size) override { return wire_->room(size); }
    void to_wire(const Outer& outer, ByteView packet) override { wire_->add(outer, packet); }
    void to_keeper(ByteView frame) override;

  private:
    void received(const Outer& outer, std::span<std::uint8_t> esp) override {
        path_.from_wire(outer, esp, now_);
    }
    void received_packet(std::span<std::uint8_t> packet) override {
        path_.from_wire_packet(packet, now_);
    }
    void path_mtu(const racoon_addr& peer, std::uint32_t mtu) override {
        if (path_.path_mtu(peer, mtu, now_)) {
            log(RACOON_LOG_DEBUG,
                "the way to a peer takes packets of " + std::to_string(mtu) + " bytes");
        }
    }
    bool read_channel();
    void log(std::uint8_t level, const std::string& text);

    DataPath path_{*this};
    Tun tun_{kTun};
    std::optional<Wire> wire_;
    Bytes channel_;
    std::int64_t now_ = 0;  // of the batch
    bool keeper_gone_ = false;
};

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
        path_.command(in.bytes(size), now_);
        done += 4 + size;
    }
    wipe(channel_.data(), done);
    channel_.erase(channel_.begin(), channel_.begin() + static_cast<std::ptrdiff_t>(done));
    wipe(buffer, sizeof(buffer));
    return true;
}

int Process::run() {
    const bool clean = drop_privileges();
    if (!clean) {
        log(RACOON_LOG_ERROR, "the data process cannot give up its capabilities");
        return 1;
    }
    const Wire::Raw raw{kEsp4, if_ipv6(kEsp6), kAh4, if_ipv6(kAh6), kComp4, if_ipv6(kComp6)};
    wire_.emplace(static_cast<Wire::Sink&>(*this), raw);
    Writer ready = begin_frame(Message::Ready, 0);
    ready.u32(::geteuid());
    ready.u8(clean ? 1 : 0);
    to_keeper(ready.view());
    while (!keeper_gone_) {
        // First the channel and the device, then the sockets.
        constexpr int kFirst = 3;
        constexpr int kCount = kFirst + kRaw + kMostUdp;
        pollfd fds[kCount] = {
            {kChannel, POLLIN, 0}, {kTun, POLLIN, 0},      {kHandover, POLLIN, 0},
            {raw.esp4, POLLIN, 0}, {raw.esp6, POLLIN, 0},  {raw.ah4, POLLIN, 0},
            {raw.ah6, POLLIN, 0},  {raw.comp4, POLLIN, 0}, {raw.comp6, POLLIN, 0}};
        for (std::uint8_t i = 0; i < kMostUdp; ++i) {
            fds[kFirst + kRaw + i] = {wire_->udp(i), POLLIN, 0};
        }
        int wait = -1;
        if (path_.next_deadline() != kNever) {
            const std::int64_t ms = (path_.next_deadline() - now_ns()) / 1'000'000 + 1;
            wait = static_cast<int>(std::clamp<std::int64_t>(ms, 0, 3'600'000));
        }
        if (::poll(fds, kCount, wait) < 0 && errno != EINTR) return 1;
        now_ = now_ns();
        path_.advance(now_);
        // Commands first, so that an SA is there before the packets that need it; and before them the sockets
        // that they may speak of. What has just been closed has no events any more.
        for (auto handed = receive_handed(kHandover); handed; handed = receive_handed(kHandover)) {
            wire_->set_udp(handed->place, handed->fd);
            fds[kFirst + kRaw + handed->place].revents = 0;
        }
        if (fds[0].revents != 0 && !read_channel()) return 0;
        for (int i = kFirst; i < kCount; ++i) {
            if ((fds[i].revents & POLLERR) != 0) wire_->read_errors(fds[i].fd);
            if ((fds[i].revents & POLLIN) != 0) wire_->receive(fds[i].fd);
        }
        tun_.flush();
        if (fds[1].revents != 0 && !tun_.read(path_, kBatch, now_)) {
            // It would be readable for ever; the keeper makes another.
            log(RACOON_LOG_ERROR, "the TUN device is gone");
            return 1;
        }
        wire_->flush();
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
