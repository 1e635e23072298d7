// Messages of netlink as XFRM has them, built and taken apart; what is in them is their reader's. Reading
// trusts nothing: a message is taken only as far as its lengths, and every structure is copied out of bytes
// that are there.
//
//     Request request(XFRM_MSG_NEWSA, NLM_F_CREATE, &info, sizeof(info));
//     request.attribute(XFRMA_MARK, &mark, sizeof(mark));
//     …socket.transact(request, …)…
#pragma once

#include <netinet/in.h>

#include <linux/netlink.h>
#include <linux/xfrm.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include <racoon/plugin/base.h>

namespace racoon::xfrm {

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
/// Calls `each` for the attributes behind a body of `skip` bytes, until it answers false.
void each_attribute(const Message& message, std::size_t skip,
                    const std::function<bool(std::uint16_t type, ByteView value)>& each);
/// The attribute's bytes behind a body of `skip` bytes; empty: it is not there.
ByteView find_attribute(const Message& message, std::size_t skip, std::uint16_t type);

/// The structure that these bytes begin with; nothing: they are too few.
template <typename T>
std::optional<T> copy_from(ByteView bytes) {
    if (bytes.size() < sizeof(T)) return {};
    T out;
    std::memcpy(&out, bytes.data(), sizeof(T));
    return out;
}

/// AF_INET or AF_INET6.
std::uint16_t family_of(const racoon_addr& address);
void put_address(xfrm_address_t* to, const racoon_addr& from);
/// Without a port. Family 0: the number is neither AF_INET nor AF_INET6.
racoon_addr take_address(const xfrm_address_t& from, unsigned family);
bool is_zero(const xfrm_address_t& address);
/// Nothing ends it.
xfrm_lifetime_cfg no_limits();

}  // namespace racoon::xfrm
