#include "dialects.hpp"

#include <algorithm>
#include <array>

namespace natt {

namespace {

using VendorId = std::array<std::uint8_t, 16>;  // MD5 of the document's name

struct Numbers {
    std::uint8_t natd, natoa;
    std::uint16_t tunnel, transport;
};
// Drafts 00 to 03 used private numbers, 04 to 08 those that IANA had in view, RFC 3947 what it gave.
constexpr Numbers kPrivate{130, 131, 61443, 61444};
constexpr Numbers kExpected{15, 16, 3, 4};
constexpr Numbers kAssigned{20, 21, 3, 4};

struct Dialect {
    const char* name;
    Numbers numbers;
    bool spoken;
    std::array<VendorId, 2> vendor_ids;
    std::uint32_t vendor_id_count;
};

constexpr Dialect kDialects[] = {
    {"rfc3947",
     kAssigned,
     true,
     {{{0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45, 0x5c, 0x57, 0x28, 0xf2, 0x0e, 0x95, 0x45,
        0x2f}}},
     1},
    {"draft-08",
     kExpected,
     true,
     {{{0x8f, 0x8d, 0x83, 0x82, 0x6d, 0x24, 0x6b, 0x6f, 0xc7, 0xa8, 0xa6, 0xa4, 0x28, 0xc1, 0x1d,
        0xe8}}},
     1},
    {"draft-07",
     kExpected,
     true,
     {{{0x43, 0x9b, 0x59, 0xf8, 0xba, 0x67, 0x6c, 0x4c, 0x77, 0x37, 0xae, 0x22, 0xea, 0xb8, 0xf5,
        0x82}}},
     1},
    {"draft-06",
     kExpected,
     true,
     {{{0x4d, 0x1e, 0x0e, 0x13, 0x6d, 0xea, 0xfa, 0x34, 0xc4, 0xf3, 0xea, 0x9f, 0x02, 0xec, 0x72,
        0x85}}},
     1},
    {"draft-05",
     kExpected,
     true,
     {{{0x80, 0xd0, 0xbb, 0x3d, 0xef, 0x54, 0x56, 0x5e, 0xe8, 0x46, 0x45, 0xd4, 0xc8, 0x5c, 0xe3,
        0xee}}},
     1},
    {"draft-04",
     kExpected,
     true,
     {{{0x99, 0x09, 0xb6, 0x4e, 0xed, 0x93, 0x7c, 0x65, 0x73, 0xde, 0x52, 0xac, 0xe9, 0x52, 0xfa,
        0x6b}}},
     1},
    {"draft-03",
     kPrivate,
     true,
     {{{0x7d, 0x94, 0x19, 0xa6, 0x53, 0x10, 0xca, 0x6f, 0x2c, 0x17, 0x9d, 0x92, 0x15, 0x52, 0x9d,
        0x56}}},
     1},
    // Some have hashed the name with the end of its line.
    {"draft-02",
     kPrivate,
     true,
     {{{0xcd, 0x60, 0x46, 0x43, 0x35, 0xdf, 0x21, 0xf8, 0x7c, 0xfd, 0xb2, 0xfc, 0x68, 0xb6, 0xa4,
        0x48},
       {0x90, 0xcb, 0x80, 0x91, 0x3e, 0xbb, 0x69, 0x6e, 0x08, 0x63, 0x81, 0xb5, 0xec, 0x42, 0x7b,
        0x1f}}},
     2},
    {"draft-01",
     kPrivate,
     false,
     {{{0x16, 0xf6, 0xca, 0x16, 0xe4, 0xa4, 0x06, 0x6d, 0x83, 0x82, 0x1a, 0x0f, 0x0a, 0xea, 0xa8,
        0x62}}},
     1},
    {"draft-00",
     kPrivate,
     false,
     {{{0x44, 0x85, 0x15, 0x2d, 0x18, 0xb6, 0xbb, 0xcd, 0x0b, 0xe8, 0xa8, 0x46, 0x95, 0x79, 0xdd,
        0xcc}}},
     1},
};

const Dialect& dialect(void* impl) {
    return *static_cast<const Dialect*>(impl);
}

racoon_status put(racoon_buffer* out, const std::uint8_t* bytes, std::size_t size) {
    out->size = size;
    if (size > out->capacity) return RACOON_BUFFER_TOO_SMALL;
    std::copy_n(bytes, size, out->data);
    return RACOON_OK;
}

std::size_t address_size(const racoon_addr& a) {
    return a.family == 4 ? 4 : a.family == 6 ? 16 : 0;
}

racoon_status describe(void* impl, racoon_natt_info* out) noexcept {
    const Dialect& d = dialect(impl);
    out->flags = d.spoken ? RACOON_NATT_SPOKEN : 0;
    out->natd_payload = d.numbers.natd;
    out->natoa_payload = d.numbers.natoa;
    out->udp_tunnel_mode = d.numbers.tunnel;
    out->udp_transport_mode = d.numbers.transport;
    return RACOON_OK;
}

racoon_status vendor_id(void* impl, std::uint32_t index, racoon_buffer* out) noexcept {
    const Dialect& d = dialect(impl);
    if (index >= d.vendor_id_count) return RACOON_NOT_FOUND;
    return put(out, d.vendor_ids[index].data(), d.vendor_ids[index].size());
}

// A vendor ID may go on behind the known bytes.
std::int32_t match_vendor_id(void* impl, racoon_span id) noexcept {
    const Dialect& d = dialect(impl);
    for (std::uint32_t i = 0; i < d.vendor_id_count; ++i) {
        const VendorId& known = d.vendor_ids[i];
        if (id.size >= known.size() && std::equal(known.begin(), known.end(), id.data)) return 1;
    }
    return 0;
}

// CKY-I | CKY-R | IP | port (RFC 3947 3.2), the port in network order.
racoon_status natd_input(void*, racoon_span cookies, const racoon_addr* end,
                         racoon_buffer* out) noexcept {
    std::uint8_t bytes[16 + 16 + 2];
    const std::size_t address = address_size(*end);
    if (cookies.size != 16 || address == 0) return RACOON_INVALID_ARGUMENT;
    std::uint8_t* at = std::copy_n(cookies.data, cookies.size, bytes);
    at = std::copy_n(end->bytes, address, at);
    *at++ = static_cast<std::uint8_t>(end->port >> 8);
    *at++ = static_cast<std::uint8_t>(end->port & 0xff);
    return put(out, bytes, static_cast<std::size_t>(at - bytes));
}

// ID type, three reserved bytes, address (RFC 3947 5.2).
constexpr std::uint8_t kIdIpv4 = 1, kIdIpv6 = 5;
constexpr std::size_t kOaHeader = 4;

racoon_status natoa_write(void*, const racoon_addr* address, racoon_buffer* out) noexcept {
    std::uint8_t bytes[kOaHeader + 16] = {};
    const std::size_t size = address_size(*address);
    if (size == 0) return RACOON_INVALID_ARGUMENT;
    bytes[0] = address->family == 4 ? kIdIpv4 : kIdIpv6;
    std::copy_n(address->bytes, size, bytes + kOaHeader);
    return put(out, bytes, kOaHeader + size);
}

racoon_status natoa_read(void*, racoon_span body, racoon_addr* out) noexcept {
    if (body.size < kOaHeader) return RACOON_INVALID_ARGUMENT;
    racoon_addr address{};
    address.family = body.data[0] == kIdIpv4 ? 4 : body.data[0] == kIdIpv6 ? 6 : 0;
    const std::size_t size = address_size(address);
    if (size == 0 || body.size != kOaHeader + size) return RACOON_INVALID_ARGUMENT;
    std::copy_n(body.data + kOaHeader, size, address.bytes);
    *out = address;
    return RACOON_OK;
}

const racoon_natt kTable = {sizeof(racoon_natt), describe,    vendor_id, match_vendor_id,
                            natd_input,          natoa_write, natoa_read};

}  // namespace

const racoon_natt& table() {
    return kTable;
}

std::size_t count() {
    return std::size(kDialects);
}

const char* name(std::size_t i) {
    return kDialects[i].name;
}

void* impl(std::size_t i) {
    // Constant; the functions of the table take it as their impl and only read.
    return const_cast<Dialect*>(&kDialects[i]);
}

}  // namespace natt
