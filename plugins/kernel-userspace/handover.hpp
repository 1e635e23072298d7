// How the data process is handed sockets while it runs: racoon.proc/1 hands over descriptors at its start alone.
// Each has a place, by which it is taken away again.
#pragma once

#include <cstdint>
#include <optional>

#include "devices.hpp"

namespace racoon::kernel_userspace {

/// So many UDP sockets, IPv4 and IPv6 together: those of NAT-T ports first, then those of IKE ports, where ESP has the
/// non-IKE marker.
inline constexpr std::uint8_t kMostNatt = 16;
inline constexpr std::uint8_t kMostIke = 16;
inline constexpr std::uint8_t kMostUdp = kMostNatt + kMostIke;

/// Two ends, one for each process.
bool make_handover(Fd* keeper, Fd* data, Failure* failure);
/// The data process gets its own copy of `fd` instead of what it had at that place, and closes that; -1: nothing
/// instead.
bool hand_over(const Fd& keeper, std::uint8_t place, int fd, Failure* failure);

struct Handed {
    std::uint8_t place = 0;  // below kMostUdp
    int fd = -1;             // the receiver's from now on
};
/// In the data process. Nothing: none waits.
std::optional<Handed> receive_handed(int data);

}  // namespace racoon::kernel_userspace
