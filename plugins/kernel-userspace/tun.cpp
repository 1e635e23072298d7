#include "tun.hpp"

#include <errno.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>

#include "checksum.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::size_t kMaxPacket = 65536 + 256;

// The field holds the sum of the pseudo header; the rest was left to the device.
bool complete_checksum(const VnetHeader& header, std::span<std::uint8_t> packet) {
    const std::size_t start = header.checksum_start;
    const std::size_t at = start + header.checksum_offset;
    if (at + 2 > packet.size()) return false;
    auto sum = static_cast<std::uint16_t>(~folded(add_to_sum(0, ByteView(packet).subspan(start))));
    if (sum == 0) sum = 0xffff;  // the same for TCP, and for UDP zero would mean that there is none
    packet[at] = static_cast<std::uint8_t>(sum >> 8);
    packet[at + 1] = static_cast<std::uint8_t>(sum);
    return true;
}

}  // namespace

void Tun::take(const VnetHeader& header, std::span<std::uint8_t> packet, DataPath& path,
               std::int64_t now) {
    const unsigned type = header.gso_type & ~unsigned{vnet::kEcn};
    if (type == vnet::kTcp4 || type == vnet::kTcp6) {
        return path.from_tun_large(packet, header.gso_size, now);
    }
    if (type != 0) return;  // nothing else was offered to the kernel
    if ((header.flags & vnet::kNeedsChecksum) != 0 && !complete_checksum(header, packet)) return;
    path.from_tun(packet, now);
}

bool Tun::read(DataPath& path, int most, std::int64_t now) {
    static std::uint8_t buffer[kMaxPacket];
    for (int i = 0; i < most; ++i) {
        VnetHeader header;
        iovec parts[2] = {{&header, sizeof(header)}, {buffer, sizeof(buffer)}};
        const ssize_t n = ::readv(fd_, parts, 2);
        if (n < 0) return errno == EAGAIN || errno == EINTR;
        if (static_cast<std::size_t>(n) < sizeof(header)) continue;
        take(header, std::span(buffer, static_cast<std::size_t>(n) - sizeof(header)), path, now);
    }
    return true;
}

// A full device queue drops the packet, as a full interface would.
void Tun::write(const VnetHeader& header, ByteView packet) {
    VnetHeader copy = header;
    iovec parts[2] = {{&copy, sizeof(copy)},
                      {const_cast<std::uint8_t*>(packet.data()), packet.size()}};
    if (::writev(fd_, parts, 2) < 0) ++lost_;
}

}  // namespace racoon::kernel_userspace
