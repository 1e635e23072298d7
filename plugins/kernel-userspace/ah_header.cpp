#include "ah_header.hpp"

#include <algorithm>

#include "checksum.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::size_t kProtocolField = 9;
constexpr std::uint8_t kHopByHop = 0;
constexpr std::uint8_t kRouting = 43;
constexpr std::uint8_t kFragment = 44;

// Options of IPv4 that nobody changes on the way (RFC 4302 appendix A1): security, extended and commercial
// security, router alert, sender directed delivery. Any other one counts as zeros, whatever it is.
bool stays_on_the_way(std::uint8_t option) {
    return option == 0x82 || option == 0x85 || option == 0x86 || option == 0x94 || option == 0x95;
}

bool is_source_route(std::uint8_t option) {
    return option == 0x83 || option == 0x89;
}

// Calls `each` with every option of more than one byte; false: a length that leads nowhere.
template <typename View, typename Each>
bool each_ipv4_option(View options, Each each) {
    for (std::size_t at = 0; at < options.size();) {
        if (options[at] == 0) return true;  // the end
        if (options[at] == 1) {             // no operation
            ++at;
            continue;
        }
        if (at + 1 >= options.size()) return false;
        const std::size_t size = options[at + 1];
        if (size < 2 || size > options.size() - at) return false;
        if (!each(options.subspan(at, size))) return false;
        at += size;
    }
    return true;
}

// RFC 4302 3.3.3.1.2.2: the data of an option whose third highest bit is set counts as zeros.
bool cover_ipv6_options(std::span<std::uint8_t> header) {
    for (std::size_t at = 2; at < header.size();) {
        if (header[at] == 0) {  // Pad1
            ++at;
            continue;
        }
        if (at + 1 >= header.size()) return false;
        const std::size_t size = header[at + 1];
        if (size > header.size() - at - 2) return false;
        const auto data = header.subspan(at + 2, size);
        if ((header[at] & 0x20) != 0) std::fill(data.begin(), data.end(), std::uint8_t{0});
        at += 2 + size;
    }
    return true;
}

bool cover_ipv4(std::span<std::uint8_t> header) {
    if (header.size() < kIpv4Header) return false;
    // Type of service, flags and offset, TTL, checksum.
    for (const std::size_t at : {1u, 6u, 7u, 8u, 10u, 11u}) header[at] = 0;
    return each_ipv4_option(header.subspan(kIpv4Header), [](std::span<std::uint8_t> option) {
        if (!stays_on_the_way(option[0])) std::fill(option.begin(), option.end(), std::uint8_t{0});
        return true;
    });
}

bool cover_ipv6(std::span<std::uint8_t> headers) {
    if (headers.size() < kIpv6Header) return false;
    headers[0] = 0x60;  // without traffic class and flow label
    for (const std::size_t at : {1u, 2u, 3u, 7u}) headers[at] = 0;
    std::uint8_t type = headers[6];
    for (std::size_t at = kIpv6Header; at < headers.size();) {
        if (type != kHopByHop && type != kProtoDestination) return false;
        if (at + 1 >= headers.size()) return false;
        const std::size_t size = std::size_t{headers[at + 1]} * 8 + 8;
        if (size > headers.size() - at) return false;
        if (!cover_ipv6_options(headers.subspan(at, size))) return false;
        type = headers[at];
        at += size;
    }
    return true;
}

// Which byte says what stands at `at`.
std::size_t field_of(ByteView packet, std::size_t at) {
    if (packet[0] >> 4 == 4) return kProtocolField;
    std::size_t field = 6;
    for (std::size_t header = kIpv6Header; header + 1 < at;) {
        field = header;
        header += std::size_t{packet[header + 1]} * 8 + 8;
    }
    return field;
}

}  // namespace

std::uint8_t next_at(ByteView packet, std::size_t at) {
    return packet[field_of(packet, at)];
}

std::optional<std::size_t> place_for_ah(ByteView packet, const Flow& flow) {
    if (flow.source.family == 4) {
        const ByteView options = packet.first(flow.header).subspan(kIpv4Header);
        const bool plain =
            each_ipv4_option(options, [](ByteView option) { return !is_source_route(option[0]); });
        return plain ? std::optional(flow.header) : std::nullopt;
    }
    std::size_t at = kIpv6Header;
    std::uint8_t type = flow.next;
    if (type == kHopByHop) {
        if (at + 2 > flow.size) return {};
        type = packet[at];
        at += std::size_t{packet[at + 1]} * 8 + 8;
        if (at > flow.size) return {};
    }
    if (type == kHopByHop || type == kRouting || type == kFragment) return {};
    return at;
}

void set_length(std::span<std::uint8_t> packet) {
    const bool v4 = packet[0] >> 4 == 4;
    const std::size_t size = v4 ? packet.size() : packet.size() - kIpv6Header;
    const std::size_t at = v4 ? 2 : 4;
    packet[at] = static_cast<std::uint8_t>(size >> 8);
    packet[at + 1] = static_cast<std::uint8_t>(size);
}

void set_next(std::span<std::uint8_t> packet, std::size_t at, std::uint8_t next) {
    set_length(packet);
    packet[field_of(packet, at)] = next;
    if (packet[0] >> 4 == 4) renew_header_checksum(packet);
}

bool cover(ByteView headers, Bytes* out) {
    out->assign(headers.begin(), headers.end());
    if (headers.empty()) return false;
    return headers[0] >> 4 == 4 ? cover_ipv4(*out) : cover_ipv6(*out);
}

}  // namespace racoon::kernel_userspace
