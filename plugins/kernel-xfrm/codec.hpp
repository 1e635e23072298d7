// What a backend is asked for as messages of XFRM, and the kernel's as what a backend tells. Reading trusts
// nothing: a message is taken only as far as its lengths, and every structure is copied out of bytes that are
// there.
//
//     Request request = new_sa(XFRM_MSG_NEWSA, sa);
//     …socket.transact(request, …)…
//     if (auto event = read_event(message)) …
#pragma once

#include <cstdint>
#include <optional>

#include <racoon/plugin/kernel.h>

#include "xfrm/attributes.hpp"
#include "xfrm/message.hpp"

namespace racoon::kernel_xfrm {

using xfrm::ByteView;
using xfrm::find_attribute;
using xfrm::Marks;
using xfrm::Message;
using xfrm::read_error;
using xfrm::Request;
using xfrm::split_datagram;

enum class Offload : std::uint8_t {
    Off,
    Crypto,  // the device seals and opens what the kernel has made
    Packet,  // and does all else of ESP
};
/// What every SA has beyond what a backend is asked for.
struct SaForm {
    bool direction = false;  // is said: since Linux 6.10 the kernel holds the SA to it
    Offload offload = Offload::Off;
};
/// SA as a backend is asked for; NEWSA or UPDSA.
Request new_sa(std::uint16_t type, const racoon_kernel_sa& sa, const SaForm& form = {});
/// An SA in UDP as the kernel told it (get_sa), with another port of the peer; nothing: it is not one.
std::optional<Request> moved_sa(const Message& sa, bool inbound, std::uint16_t peer_port);
/// `mark`: the SA's own, without which the kernel does not find it.
Request delete_sa(const racoon_kernel_sa_id& id, const racoon_kernel_mark& mark);
Request get_sa(const racoon_kernel_sa_id& id, const racoon_kernel_mark& mark);
/// Every SA of the kernel, one message for each; larval ones too.
Request dump_sas();
/// `sequence` and `marks`: of the acquire that is meant, else 0 and none. `inbound`: it is said to be so, without which a
/// kernel that knows directions refuses to complete the SA with one.
Request allocate_spi(const racoon_kernel_spi_request& request, std::uint32_t sequence,
                     const Marks& marks, bool inbound = false);
/// NEWPOLICY or UPDPOLICY, for the direction given (which may be fwd for an inbound policy).
Request new_policy(std::uint16_t type, const racoon_kernel_policy& policy, std::uint32_t direction);
/// GETPOLICY or DELPOLICY.
Request name_policy(std::uint16_t type, const racoon_kernel_policy& policy,
                    std::uint32_t direction);
/// setkey's priorities grow with importance, the kernel's shrink.
std::uint32_t kernel_priority(std::int32_t priority);
std::int32_t priority_of_kernel(std::uint32_t priority);

struct SaFacts {
    racoon_kernel_sa_info info{};  // state and direction are not the kernel's to tell
    std::uint64_t last_used = 0;   // seconds since the epoch; 0: not known
    bool directed = false;         // the kernel knows its direction
    Marks marks;
};
std::optional<SaFacts> read_sa(const Message& message);

struct PolicyFacts {
    std::uint32_t index = 0;
    std::uint32_t priority = 0;
    std::uint32_t reqid = 0;  // of the first template; 0: none
    Marks marks;
};
std::optional<PolicyFacts> read_policy(const Message& message);
/// Every policy of the kernel, one message for each.
Request dump_policies();
/// A whole policy of an in or out direction, as somebody has installed it; without a number. Nothing: it is a
/// single socket's, or says what racoon_kernel_policy cannot.
std::optional<racoon_kernel_policy> read_whole_policy(const Message& message);

struct KernelEvent {
    enum class Kind : std::uint8_t {
        Acquire,
        ExpireSoft,
        ExpireHard,
        SaDeleted,
        SasFlushed,     // all of `protocol`, or of every protocol
        PolicyDeleted,  // `policy_index`
        PoliciesFlushed,
        PolicyChanged,  // added or updated
        Mapping,
        Migrated,  // somebody gave SAs and a policy other end points
    };
    Kind kind{};
    std::uint32_t port = 0;  // of the socket whose request caused it
    std::uint32_t protocol = 0;
    std::uint32_t spi = 0;
    racoon_addr src{};  // acquire: the packet's; else the SA's
    racoon_addr dst{};
    std::uint32_t policy_index = 0;
    std::optional<racoon_kernel_policy> policy;  // that was added or updated, if it can be said
    std::uint32_t sequence = 0;                  // of the acquire
    racoon_kernel_spi_request larval{};  // acquire: the tuple that its larval SA is found by
    Marks larval_marks;                  // which are part of it
};
/// Nothing: another message, or a malformed one.
std::optional<KernelEvent> read_event(const Message& message);

}  // namespace racoon::kernel_xfrm
