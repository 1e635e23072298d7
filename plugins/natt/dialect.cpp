#include "dialect.hpp"

#include <algorithm>

namespace natt {

namespace {

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
    out->flags = RACOON_NATT_SPOKEN;
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

void* impl(const Dialect& dialect) {
    // Constant; the functions of the table take it as their impl and only read.
    return const_cast<Dialect*>(&dialect);
}

racoon_status provide(const racoon_host* host, std::span<const Dialect> dialects,
                      racoon_error* err) {
    for (const Dialect& d : dialects) {
        const racoon_status status =
            host->provide(host->ctx, RACOON_POINT_NATT, d.name, &table(), impl(d), err);
        if (status != RACOON_OK) return status;
    }
    return RACOON_OK;
}

}  // namespace natt
