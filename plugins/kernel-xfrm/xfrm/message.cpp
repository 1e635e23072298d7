#include "xfrm/message.hpp"

#include <sys/socket.h>

#include <algorithm>

namespace racoon::xfrm {

namespace {
std::size_t aligned(std::size_t size) {
    return (size + 3) & ~std::size_t{3};
}

}  // namespace

Request::Request(std::uint16_t type, std::uint16_t flags, const void* body, std::size_t size) {
    nlmsghdr head{};
    head.nlmsg_type = type;
    head.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    bytes_.resize(sizeof(head) + aligned(size));
    head.nlmsg_len = static_cast<std::uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &head, sizeof(head));
    std::memcpy(bytes_.data() + sizeof(head), body, size);
}

void Request::attribute(std::uint16_t type, const void* data, std::size_t size) {
    nlattr head{};
    head.nla_type = type;
    head.nla_len = static_cast<std::uint16_t>(sizeof(head) + size);
    const std::size_t at = bytes_.size();
    bytes_.resize(at + aligned(sizeof(head) + size));
    std::memcpy(bytes_.data() + at, &head, sizeof(head));
    if (size != 0) std::memcpy(bytes_.data() + at + sizeof(head), data, size);
    const auto length = static_cast<std::uint32_t>(bytes_.size());
    std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_len), &length, sizeof(length));
}

void Request::number(std::uint32_t sequence, std::uint32_t port) {
    std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_pid), &port, sizeof(port));
    std::uint16_t flags = 0;
    std::memcpy(&flags, bytes_.data() + offsetof(nlmsghdr, nlmsg_flags), sizeof(flags));
    flags |= NLM_F_ACK;
    std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_flags), &flags, sizeof(flags));
    std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof(sequence));
}

void split_datagram(ByteView datagram, const std::function<bool(const Message&)>& each) {
    while (const auto head = copy_from<nlmsghdr>(datagram)) {
        if (head->nlmsg_len < sizeof(nlmsghdr) || head->nlmsg_len > datagram.size()) return;
        const Message message{
            head->nlmsg_type, head->nlmsg_seq, head->nlmsg_pid,
            datagram.subspan(sizeof(nlmsghdr), head->nlmsg_len - sizeof(nlmsghdr))};
        if (!each(message)) return;
        datagram = datagram.subspan(std::min(aligned(head->nlmsg_len), datagram.size()));
    }
}

std::optional<int> read_error(const Message& message) {
    const auto error = copy_from<std::int32_t>(message.body);
    if (message.type != NLMSG_ERROR || !error || *error > 0 || *error < -4095) return {};
    return -*error;
}

void each_attribute(const Message& message, std::size_t skip,
                    const std::function<bool(std::uint16_t type, ByteView value)>& each) {
    if (aligned(skip) > message.body.size()) return;
    ByteView left = message.body.subspan(aligned(skip));
    while (const auto head = copy_from<nlattr>(left)) {
        if (head->nla_len < sizeof(nlattr) || head->nla_len > left.size()) return;
        const auto type = static_cast<std::uint16_t>(head->nla_type & NLA_TYPE_MASK);
        if (!each(type, left.subspan(sizeof(nlattr), head->nla_len - sizeof(nlattr)))) return;
        left = left.subspan(std::min(aligned(head->nla_len), left.size()));
    }
}

ByteView find_attribute(const Message& message, std::size_t skip, std::uint16_t type) {
    ByteView found;
    each_attribute(message, skip, [&](std::uint16_t at, ByteView value) {
        if (at == type) found = value;
        return at != type;
    });
    return found;
}

std::uint16_t family_of(const racoon_addr& a) {
    return static_cast<std::uint16_t>(a.family == 6 ? AF_INET6 : AF_INET);
}

void put_address(xfrm_address_t* to, const racoon_addr& from) {
    std::memset(to, 0, sizeof(*to));
    std::memcpy(to, from.bytes, from.family == 6 ? 16 : 4);
}

racoon_addr take_address(const xfrm_address_t& from, unsigned family) {
    racoon_addr a{};
    if (family != AF_INET && family != AF_INET6) return a;
    a.family = family == AF_INET6 ? 6 : 4;
    std::memcpy(a.bytes, &from, a.family == 6 ? 16 : 4);
    return a;
}

bool is_zero(const xfrm_address_t& a) {
    const xfrm_address_t none{};
    return std::memcmp(&a, &none, sizeof(none)) == 0;
}

xfrm_lifetime_cfg no_limits() {
    xfrm_lifetime_cfg l{};
    l.soft_byte_limit = l.hard_byte_limit = XFRM_INF;
    l.soft_packet_limit = l.hard_packet_limit = XFRM_INF;
    return l;
}

}  // namespace racoon::xfrm
