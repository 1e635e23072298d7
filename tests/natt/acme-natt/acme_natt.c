/* A dialect that no core has heard of: its own vendor ID, payload numbers and modes, and another order in
 * NAT-D. Nothing but this module makes racoon speak it. */
#include <string.h>

#include <racoon/plugin.h>

#include "racoon_manifest.h"

static const uint8_t kVendorId[] = "ACME NAT traversal 1";

static racoon_status put(racoon_buffer* out, const uint8_t* bytes, size_t size) {
    out->size = size;
    if (size > out->capacity) return RACOON_BUFFER_TOO_SMALL;
    memcpy(out->data, bytes, size);
    return RACOON_OK;
}

static racoon_status describe(void* impl, racoon_natt_info* out) {
    (void)impl;
    out->flags = RACOON_NATT_SPOKEN;
    out->natd_payload = 200;
    out->natoa_payload = 201;
    out->udp_tunnel_mode = 61500;
    out->udp_transport_mode = 61501;
    return RACOON_OK;
}

static racoon_status vendor_id(void* impl, uint32_t index, racoon_buffer* out) {
    (void)impl;
    return index == 0 ? put(out, kVendorId, sizeof kVendorId) : RACOON_NOT_FOUND;
}

static int32_t match_vendor_id(void* impl, racoon_span id) {
    (void)impl;
    return id.size == sizeof kVendorId && memcmp(id.data, kVendorId, id.size) == 0;
}

static racoon_status natd_input(void* impl, racoon_span cookies, const racoon_addr* end,
                                racoon_buffer* out) {
    uint8_t bytes[2 + 16 + 16];
    (void)impl;
    if (cookies.size != 16) return RACOON_INVALID_ARGUMENT;
    bytes[0] = (uint8_t)(end->port >> 8);
    bytes[1] = (uint8_t)end->port;
    memcpy(bytes + 2, end->bytes, 16);
    memcpy(bytes + 18, cookies.data, 16);
    return put(out, bytes, sizeof bytes);
}

static racoon_status natoa_write(void* impl, const racoon_addr* address, racoon_buffer* out) {
    uint8_t bytes[17];
    (void)impl;
    bytes[0] = address->family;
    memcpy(bytes + 1, address->bytes, 16);
    return put(out, bytes, sizeof bytes);
}

static racoon_status natoa_read(void* impl, racoon_span body, racoon_addr* out) {
    (void)impl;
    if (body.size != 17) return RACOON_INVALID_ARGUMENT;
    memset(out, 0, sizeof *out);
    out->family = body.data[0];
    memcpy(out->bytes, body.data + 1, 16);
    return RACOON_OK;
}

static const racoon_natt kTable = {sizeof(racoon_natt), describe,    vendor_id, match_vendor_id,
                                   natd_input,          natoa_write, natoa_read};

static racoon_status init(const racoon_host* host, void** ctx, racoon_error* err) {
    *ctx = NULL;
    return host->provide(host->ctx, RACOON_POINT_NATT, "acme", &kTable, NULL, err);
}

static void destroy(void* ctx) {
    (void)ctx;
}

RACOON_PLUGIN_ENTRY = {
    RACOON_PLUGIN_HEADER, "acme-natt", init, NULL, NULL, NULL, NULL, NULL, destroy, NULL,
};
