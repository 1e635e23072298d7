// The descriptors that the data process is handed: the TUN device and the sockets.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <string>
#include <utility>

#include <racoon/plugin/kernel.h>

namespace racoon::kernel_userspace {

/// A descriptor that closes itself.
class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Fd() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }

  private:
    int fd_ = -1;
};

/// What failed: text with the remedy, and errno.
struct Failure {
    std::string text;
    int os_errno = 0;
};
/// "WHAT: the system's text".
Failure failure_of(const std::string& what, int os_errno);

/// A TUN device of that name ("" lets the kernel choose one), not yet up.
Fd open_tun(const std::string& name, Failure* failure);
/// False: somebody has deleted its device.
bool tun_lives(const Fd& tun);
/// Sets the MTU and brings it up; loosens its reverse path filter, since the routes to the protected
/// nets are chosen by rule.
bool start_tun(const std::string& name, int mtu, Failure* failure);
/// A raw ESP socket for IPv4 or IPv6; its packets carry the mark.
Fd open_raw(std::uint8_t family, std::uint32_t mark, Failure* failure);

/// A raw socket of AH or IPComp, whose packets have their IP header already.
Fd open_raw_whole(std::uint8_t family, int protocol, std::uint32_t mark, Failure* failure);

/// A UDP socket for ESP in UDP (RFC 3948), to be bound beside an IKE socket later.
Fd open_udp(std::uint8_t family, std::uint32_t mark, Failure* failure);
enum class Port : std::uint8_t {
    Natt,  // RFC 3948: what has the non-ESP marker or is a single byte is IKE's, the rest ESP's
    Ike,   // the drafts before it: what begins with the non-IKE marker is ESP's, the rest IKE's
};
/// Binds `data`, which ESP is for, to the address and port of `ike`, which is bound and told, and splits what comes
/// between them.
bool share_port(int ike, int data, Port port, racoon_addr* local, Failure* failure);

}  // namespace racoon::kernel_userspace
