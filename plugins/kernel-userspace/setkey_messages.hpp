// What setkey says as SAs and policies of this stack, and those as what it shows: messages of PF_KEY as Linux has them.
// Everything that comes in has been written by somebody else; errors are those of Linux's PF_KEY.
#pragma once

#include <cstdint>
#include <functional>

#include <pfkey/message.hpp>
#include <racoon/plugin/kernel.h>

namespace racoon::kernel_userspace {

/// What the keeper remembers of an SA for showing it. No key is among it.
struct SaNote {
    bool manual = false;                              // setkey's
    std::uint8_t authentication = 0, encryption = 0;  // numbers of PF_KEY
    std::uint32_t flags = 0;                          // RACOON_SA_…
    std::int64_t soft_ns = 0, hard_ns = 0;
    std::uint64_t soft_bytes = 0, hard_bytes = 0;
    racoon_addr peer_original{};
    std::int64_t created = 0;  // seconds since the epoch; 0: not yet
};
SaNote note_of(const racoon_kernel_sa& sa, std::int64_t wall_seconds);

/// ADD or UPDATE; keys are in it. The direction is left to the caller, which knows the host's addresses. 0 or errno:
/// ENOSYS for an algorithm that the data process has not.
int read_sa(const pfkey::Message& message, racoon_kernel_sa* out);
/// Names an SA. 0 or errno.
int read_name(const pfkey::Message& message, racoon_kernel_sa_id* out);
/// GETSPI. 0 or errno.
int read_spi_request(const pfkey::Message& message, racoon_kernel_spi_request* out);
/// A policy for any of the three directions, without a number. `fresh`: another request id for a rule of level unique
/// that names none; 0: there is none left. 0 or errno.
int read_policy(const pfkey::Message& message, const std::function<std::uint32_t()>& fresh,
                racoon_kernel_policy* out);
/// By direction and selector alone, as SPDDELETE names it. 0 or errno.
int read_place(const pfkey::Message& message, racoon_kernel_policy* out);
/// Of one of the three protocols, or 0, which stands for all.
bool is_satype(std::uint8_t satype);
using pfkey::protocol_of;
using pfkey::satype_of;

/// An SA as DUMP, GET and events show it. Its keys are told as empty ones.
pfkey::Message describe(std::uint8_t type, const racoon_kernel_sa_info& info, const SaNote& note,
                        std::int64_t wall_seconds);
/// `index`: what setkey calls spid.
pfkey::Message describe(std::uint8_t type, const racoon_kernel_policy& policy, std::uint32_t index,
                        std::int64_t created, std::int64_t used);
/// The answer that says why not: a header alone.
pfkey::Message refusal(const pfkey::Message& request, int error);

/// setkey tells a socket's policies by these numbers: the direction is in the last three bits.
std::uint32_t index_for(std::uint32_t count, std::uint32_t direction);

}  // namespace racoon::kernel_userspace
