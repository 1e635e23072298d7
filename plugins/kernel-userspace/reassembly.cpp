#include "reassembly.hpp"

#include <algorithm>

#include <racoon/kernel_backend.hpp>

#include "checksum.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::uint8_t kFragmentHeader = 44;
constexpr std::size_t kFragmentHeaderSize = 8;

void put_u16(std::span<std::uint8_t> packet, std::size_t at, std::size_t value) {
    packet[at] = static_cast<std::uint8_t>(value >> 8);
    packet[at + 1] = static_cast<std::uint8_t>(value);
}

}  // namespace

Bytes Reassembly::add(ByteView packet, const Flow& flow, std::int64_t now) {
    while (!parts_.empty() && parts_.front().ends <= now) parts_.pop_front();
    const bool v4 = flow.source.family == 4;
    // Extension headers before the one for fragments would have to stay in front.
    if (!v4 && flow.next != kFragmentHeader) return {};
    const std::size_t before = v4 ? flow.header : kIpv6Header + kFragmentHeaderSize;
    if (flow.size < before) return {};
    const ByteView body = packet.first(flow.size).subspan(before);
    auto at = std::find_if(parts_.begin(), parts_.end(), [&](const Part& p) {
        return p.id == flow.fragment_id && p.protocol == flow.fragment_next &&
               sdk::same_address(p.source, flow.source) &&
               sdk::same_address(p.destination, flow.destination);
    });
    if (flow.fragment_offset == 0) {
        if (at != parts_.end()) parts_.erase(at);
        if (parts_.size() >= kMost) parts_.pop_front();
        Part part;
        part.source = flow.source;
        part.destination = flow.destination;
        part.protocol = flow.fragment_next;
        part.id = flow.fragment_id;
        part.ends = now + kLifetimeNs;
        part.header = v4 ? flow.header : kIpv6Header;
        part.packet.assign(packet.begin(),
                           packet.begin() + static_cast<std::ptrdiff_t>(part.header));
        parts_.push_back(std::move(part));
        at = std::prev(parts_.end());
    }
    if (at == parts_.end()) return {};
    const std::size_t have = at->packet.size() - at->header;
    if (have != flow.fragment_offset || at->packet.size() + body.size() > 0xffff) {
        parts_.erase(at);
        return {};
    }
    at->packet.insert(at->packet.end(), body.begin(), body.end());
    if (flow.more_fragments) return {};
    Bytes whole = std::move(at->packet);
    const std::size_t header = at->header;
    parts_.erase(at);
    if (v4) {
        put_u16(whole, 2, whole.size());
        put_u16(whole, 6, 0);
        renew_header_checksum(whole);
    } else {
        put_u16(whole, 4, whole.size() - header);
        whole[6] = flow.fragment_next;
    }
    return whole;
}

}  // namespace racoon::kernel_userspace
