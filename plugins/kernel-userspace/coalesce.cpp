#include "coalesce.hpp"

#include <algorithm>
#include <cstring>

#include <racoon/kernel_backend.hpp>

#include "checksum.hpp"
#include "tcp.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::size_t kFlagsAt = 13;
constexpr std::size_t kChecksumAt = 16;

void put_u16(std::uint8_t* at, std::size_t value) {
    at[0] = static_cast<std::uint8_t>(value >> 8);
    at[1] = static_cast<std::uint8_t>(value);
}

std::uint32_t sequence_of(ByteView packet, const Flow& flow) {
    return Reader(packet.subspan(flow.header + 4)).u32();
}

bool same_end(const racoon_addr& a, const racoon_addr& b) {
    return a.port == b.port && sdk::same_address(a, b);
}

bool checksum_holds(ByteView packet, const Flow& flow) {
    const std::uint64_t sum =
        pseudo_header_sum(flow.source, flow.destination, kProtoTcp, flow.size - flow.header);
    return folded(add_to_sum(sum, packet.subspan(flow.header))) == 0xffff;
}

}  // namespace

Coalescer::Slot* Coalescer::slot_of(const Flow& flow) {
    for (Slot& s : slots_) {
        if (s.size != 0 && same_end(s.flow.source, flow.source) &&
            same_end(s.flow.destination, flow.destination)) {
            return &s;
        }
    }
    return nullptr;
}

// All of the headers is the same but for length, identification, IPv4's checksum, sequence number, PSH and
// TCP's checksum.
bool Coalescer::continues(const Slot& slot, ByteView packet, std::size_t head) {
    if (head != slot.head || sequence_of(packet, slot.flow) != slot.next) return false;
    if (packet.size() - head > slot.segment || slot.size + packet.size() - head > 0xffff) {
        return false;
    }
    const std::uint8_t* a = slot.bytes.data();
    const std::uint8_t* b = packet.data();
    const std::size_t tcp = slot.flow.header;
    const bool v4 = slot.flow.source.family == 4;
    const bool ip = v4 ? std::memcmp(a, b, 2) == 0 && std::memcmp(a + 6, b + 6, 4) == 0
                       : std::memcmp(a, b, 4) == 0 && std::memcmp(a + 6, b + 6, 2) == 0;
    const unsigned flags = unsigned{a[tcp + kFlagsAt]} ^ b[tcp + kFlagsAt];
    return ip && (flags & ~unsigned{tcp_flag::kPush}) == 0 &&
           std::memcmp(a + tcp + 8, b + tcp + 8, 5) == 0 &&    // acknowledged, size of the header
           std::memcmp(a + tcp + 14, b + tcp + 14, 2) == 0 &&  // window
           std::memcmp(a + tcp + 18, b + tcp + 18, head - tcp - 18) == 0;
}

void Coalescer::add(ByteView packet, const Flow& flow) {
    const auto head = tcp_payload_at(packet, flow);
    Slot* slot = head ? slot_of(flow) : nullptr;
    const bool plain =
        head && *head < packet.size() && packet.size() == flow.size &&
        flow.header == (flow.source.family == 4 ? kIpv4Header : kIpv6Header) &&
        (packet[flow.header + kFlagsAt] & ~unsigned{tcp_flag::kPush}) == tcp_flag::kAck &&
        checksum_holds(packet, flow);
    if (slot != nullptr && !(plain && continues(*slot, packet, *head))) {
        flush(*slot);
        slot = nullptr;
    }
    if (!plain) return sink_.write({}, packet);
    const std::size_t payload = packet.size() - *head;
    const bool push = (packet[flow.header + kFlagsAt] & tcp_flag::kPush) != 0;
    if (slot == nullptr) {
        slot = &*std::min_element(slots_.begin(), slots_.end(), [](const Slot& a, const Slot& b) {
            return a.size == 0 ? b.size != 0 : b.size != 0 && a.age < b.age;
        });
        flush(*slot);
        slot->flow = flow;
        slot->head = *head;
        slot->segment = payload;
        slot->count = 0;
        slot->size = *head;
        slot->next = sequence_of(packet, flow);
        slot->age = ++age_;
        std::memcpy(slot->bytes.data(), packet.data(), *head);
    }
    std::memcpy(slot->bytes.data() + slot->size, packet.data() + *head, payload);
    slot->size += payload;
    slot->next += static_cast<std::uint32_t>(payload);
    ++slot->count;
    if (push) slot->bytes[flow.header + kFlagsAt] |= tcp_flag::kPush;
    if (push || payload < slot->segment) flush(*slot);
}

void Coalescer::flush(Slot& slot) {
    if (slot.size == 0) return;
    const std::span<std::uint8_t> packet = std::span(slot.bytes).first(slot.size);
    slot.size = 0;
    VnetHeader header;
    if (slot.count == 1) {
        header.flags = vnet::kChecksumValid;
        return sink_.write(header, packet);
    }
    const bool v4 = slot.flow.source.family == 4;
    put_u16(packet.data() + (v4 ? 2 : 4), packet.size() - (v4 ? 0 : kIpv6Header));
    if (v4) renew_header_checksum(packet);
    // The kernel, or a network card, completes the sum of each segment when it cuts them again.
    put_u16(packet.data() + slot.flow.header + kChecksumAt,
            folded(pseudo_header_sum(slot.flow.source, slot.flow.destination, kProtoTcp,
                                     packet.size() - slot.flow.header)));
    header.flags = vnet::kNeedsChecksum;
    header.gso_type = v4 ? vnet::kTcp4 : vnet::kTcp6;
    header.header_size = static_cast<std::uint16_t>(slot.head);
    header.gso_size = static_cast<std::uint16_t>(slot.segment);
    header.checksum_start = static_cast<std::uint16_t>(slot.flow.header);
    header.checksum_offset = kChecksumAt;
    sink_.write(header, packet);
}

void Coalescer::flush() {
    for (Slot& s : slots_) flush(s);
}

}  // namespace racoon::kernel_userspace
