// XFRM netlink messages, built and read. Reading trusts nothing: a message is taken only as far as its
// lengths, and every structure is copied out of bytes that are there.
//
//     Request request = new_sa(XFRM_MSG_NEWSA, sa);
//     …socket.transact(request, …)…
//     if (auto event = read_event(message)) …
#pragma once

#include <netinet/in.h>

#include <linux/netlink.h>
#include <linux/xfrm.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <racoon/plugin/kernel.h>

namespace racoon::kernel_xfrm {

using ByteView = std::span<const std::uint8_t>;

/// A message under construction; it grows as needed and is well aligned.
class Request {
  public:
    Request(std::uint16_t type, std::uint16_t flags, const void* body, std::size_t size);
    void attribute(std::uint16_t type, const void* data, std::size_t size);
    std::vector<std::uint8_t>& bytes() { return bytes_; }
    /// Numbers it, signs it with the socket's port (which the kernel repeats in the events that it
    /// causes) and asks for an acknowledgement.
    void number(std::uint32_t sequence, std::uint32_t port);

  private:
    std::vector<std::uint8_t> bytes_;
};

/// One message of a datagram: its type, who caused it, and the bytes behind its head.
struct Message {
    std::uint16_t type = 0;
    std::uint32_t sequence = 0;
    std::uint32_t port = 0;
    ByteView body;
};
/// Calls `each` for the whole messages of a datagram, until it answers false.
void split_datagram(ByteView datagram, const std::function<bool(const Message&)>& each);
/// errno of an NLMSG_ERROR (0: acknowledged); nothing: too short to be one.
std::optional<int> read_error(const Message& message);
/// The attribute's bytes behind a body of `skip` bytes; empty: it is not there.
ByteView find_attribute(const Message& message, std::size_t skip, std::uint16_t type);

/// What an SA or a policy has beside addresses; without what the kernel did not tell.
struct Marks {
    racoon_kernel_mark mark{};
    std::uint32_t if_id = 0;
    racoon_kernel_mark output_mark{};  // of an SA
};

/// SA as a backend is asked for; NEWSA or UPDSA.
Request new_sa(std::uint16_t type, const racoon_kernel_sa& sa);
/// An SA in UDP as the kernel told it (get_sa), with another port of the peer; nothing: it is not one.
std::optional<Request> moved_sa(const Message& sa, bool inbound, std::uint16_t peer_port);
/// `mark`: the SA's own, without which the kernel does not find it.
Request delete_sa(const racoon_kernel_sa_id& id, const racoon_kernel_mark& mark);
Request get_sa(const racoon_kernel_sa_id& id, const racoon_kernel_mark& mark);
/// Every SA of the kernel, one message for each; larval ones too.
Request dump_sas();
/// `sequence` and `marks`: of the acquire that is meant, else 0 and none.
Request allocate_spi(const racoon_kernel_spi_request& request, std::uint32_t sequence,
                     const Marks& marks);
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
