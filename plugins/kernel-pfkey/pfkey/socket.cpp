#include "pfkey/socket.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace racoon::pfkey {
namespace {
constexpr int kReceiveBuffer = 2 << 20;  // a burst of acquires is some thousand messages
constexpr int kKernelAnswerMs = 5000;
// Somebody who also has other things to do, and whom a flush of thousands of policies takes a while.
constexpr int kProcessAnswerMs = 60'000;
constexpr std::size_t kMaxMessage = 65536 * 8;

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;
#endif

bool is_dump(const Message& m) {
    return m.type == kDump || m.type == kSpdDump;
}
}  // namespace

int Socket::open(std::uint32_t receive_buffer) {
    close();
    fd_ = ::socket(PF_KEY, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, kVersion);
    if (fd_ < 0) return errno;
    pid_ = static_cast<std::uint32_t>(::getpid());
    constexpr std::uint32_t kMost = 0x7fffffff;
    const int size = std::max(kReceiveBuffer, static_cast<int>(std::min(receive_buffer, kMost)));
#ifdef SO_RCVBUFFORCE
    if (::setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
#endif
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    buffer_.resize(kMaxMessage);
    return 0;
}

int Socket::open_local(const std::string& path, std::uint32_t* listener) {
    close();
    *listener = 0;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) return ENAMETOOLONG;
    std::memcpy(address.sun_path, path.data(), path.size());
    fd_ = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return errno;
    if (::connect(fd_, reinterpret_cast<const struct sockaddr*>(&address), sizeof(address)) != 0) {
        const int error = errno;
        close();
        return error;
    }
#ifdef SO_PEERCRED
    struct ucred peer {};
    socklen_t size = sizeof(peer);
    if (::getsockopt(fd_, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
        *listener = static_cast<std::uint32_t>(peer.pid);
#endif
    pid_ = static_cast<std::uint32_t>(::getpid());
    buffer_.resize(kMaxMessage);
    local_ = true;
    return 0;
}

void Socket::close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    local_ = false;
    size_ = 0;
}

int Socket::send(const Message& message) {
    std::vector<std::uint8_t> bytes = encode(message, dialect_);
    ssize_t sent = -1;
    do {
        sent = ::send(fd_, bytes.data(), bytes.size(), kSendFlags);
    } while (sent < 0 && errno == EINTR);
    const int error = sent < 0 ? errno : 0;
    std::fill(bytes.begin(), bytes.end(), std::uint8_t{0});
    return error;
}

bool Socket::wait() {
    pollfd p{fd_, POLLIN, 0};
    int ready = 0;
    do {
        ready = ::poll(&p, 1, local_ ? kProcessAnswerMs : kKernelAnswerMs);
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

Socket::Got Socket::receive(Message* out) {
    ssize_t n = 0;
    do {
        n = ::recv(fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Got::Nothing;
    if (n < 0 && errno == ENOBUFS) return Got::Overrun;
    if (n <= 0) return Got::Broken;
    size_ = static_cast<std::size_t>(n);
    auto message = decode(last(), dialect_);
    if (!message) return Got::Malformed;
    *out = std::move(*message);
    return Got::Message;
}

int Socket::transact(Message& message, const Each& answer) {
    // What others did is in the way of the answer.
    Message got;
    for (Got what = receive(&got); what != Got::Nothing; what = receive(&got))
        if (what == Got::Broken) return EIO;
    if (message.seq == 0) message.seq = ++sequence_;
    message.pid = pid_;
    if (const int error = send(message)) return error;
    for (;;) {
        switch (receive(&got)) {
            case Got::Nothing:
                if (!wait()) return ETIMEDOUT;
                continue;
            case Got::Broken:
                return EIO;
            case Got::Overrun:
            case Got::Malformed:
                continue;
            case Got::Message:
                break;
        }
        if (got.pid != pid_ || got.type != message.type) continue;
        // Those of a dump count down to 0.
        if (!is_dump(message) && got.seq != message.seq) continue;
        if (got.error != 0) return got.error;
        if (answer) answer(got);
        if (got.auth_key || got.encrypt_key) {
            wipe(got);
            std::fill_n(buffer_.begin(), size_, std::uint8_t{0});
        }
        if (!is_dump(message) || got.seq == 0) return 0;
    }
}

}  // namespace racoon::pfkey
