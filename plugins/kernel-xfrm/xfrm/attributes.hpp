// Attributes of XFRM's messages that several of them have.
#pragma once

#include <string_view>

#include <racoon/plugin/kernel.h>

#include "xfrm/message.hpp"

namespace racoon::xfrm {

inline constexpr std::uint32_t kSmallWindow = 32;  // packets: what usersa_info has room for

/// What an SA or a policy has beside addresses; without what the kernel did not tell.
struct Marks {
    racoon_kernel_mark mark{};
    std::uint32_t if_id = 0;
    racoon_kernel_mark output_mark{};  // of an SA
};

void put_marks(Request& request, const racoon_kernel_mark& mark, std::uint32_t if_id);
/// `skip`: bytes of the body before the attributes.
Marks take_marks(const Message& message, std::size_t skip);

/// `type`: XFRMA_ALG_…; `name` as the kernel's crypto has it. The length of the integrity check value, in bits,
/// goes with AEAD and AUTH_TRUNC alone.
void put_algorithm(Request& request, std::uint16_t type, std::string_view name, ByteView key,
                   std::uint32_t icv_bits);
struct TakenAlgorithm {
    std::string_view name;                     // in the message
    ByteView key;                              // in the message
    std::uint32_t key_bits = 0, icv_bits = 0;  // icv: of AEAD and AUTH_TRUNC
};
/// Nothing: it is not there, or malformed.
std::optional<TakenAlgorithm> take_algorithm(const Message& message, std::size_t skip,
                                             std::uint16_t type);

/// A window of any size, in packets, and the sequence number that the SA starts behind.
void put_window(Request& request, std::uint32_t packets, std::uint64_t sequence);
/// Nothing: it is as `usersa_info` says.
std::optional<std::uint32_t> take_window(const Message& message, std::size_t skip);

}  // namespace racoon::xfrm
