/* "racoon.natt/1": one dialect of NAT traversal in IKEv1 (RFC 3947, or a draft of it). Engine zone.
 * Registration key: the dialect's name as logs show it ("rfc3947"). The dialects of all modules are
 * offered together, those with the higher priority in the manifest first; a vendor's dialect needs a
 * module of its own and nothing else.
 * Manifest: {"point": "racoon.natt/1", "key": "rfc3947", "priority": 60}; with "ike_port": true nobody
 * moves to the NAT-T port: IKE stays where it began, and ESP comes to the same port behind eight zero
 * bytes, the non-IKE marker of the first drafts. Spoken where the kernel backend can do it.
 *
 * What is the same in all dialects is the core's: how the ends find out where the NAT is, the move to
 * the NAT-T port, the non-ESP marker (RFC 3948 2.2), keepalives. */
#ifndef RACOON_PLUGIN_NATT_H
#define RACOON_PLUGIN_NATT_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RACOON_POINT_NATT "racoon.natt/1"

/* The dialect is sent and accepted; without it its vendor ID is only recognised, for the log. */
#define RACOON_NATT_SPOKEN 1u

/* Of racoon_natt.vendor_id: bytes of one vendor ID. */
#define RACOON_NATT_MAX_VENDOR_ID 64u
/* Of racoon_natt.natd_input and natoa_write: bytes that they may write. */
#define RACOON_NATT_MAX_BYTES 64u

typedef struct racoon_natt_info {
    uint32_t struct_size;
    uint32_t flags;           /* RACOON_NATT_… */
    uint32_t natd_payload;    /* ISAKMP payload type of NAT-D, 1 to 255 */
    uint32_t natoa_payload;   /* of NAT-OA */
    uint32_t udp_tunnel_mode; /* values of the attribute Encapsulation Mode (RFC 2407 4.5) */
    uint32_t udp_transport_mode;
} racoon_natt_info;

/* All functions are [M] and pure: the same answer for the same question. */
typedef struct racoon_natt {
    uint32_t struct_size;
    /* The numbers of this dialect. */
    racoon_status (*describe)(void* impl, racoon_natt_info* out) RACOON_NOEXCEPT;
    /* The vendor IDs that announce it, index 0 first: an initiator sends them all, a responder answers
     * with the first of them that it got. NOT_FOUND: there are no more. */
    racoon_status (*vendor_id)(void* impl, uint32_t index, racoon_buffer* out) RACOON_NOEXCEPT;
    /* 1: a received vendor ID announces this dialect. */
    int32_t (*match_vendor_id)(void* impl, racoon_span vendor_id) RACOON_NOEXCEPT;
    /* What the hash of phase 1 is taken of for the NAT-D payload of `end` (RFC 3947 3.2). `cookies`
     * has 16 bytes, the initiator's first. */
    racoon_status (*natd_input)(void* impl, racoon_span cookies, const racoon_addr* end,
                                racoon_buffer* out) RACOON_NOEXCEPT;
    /* The body of a NAT-OA payload for an address (RFC 3947 5.2), and the address in a received one:
     * INVALID_ARGUMENT if it holds none. */
    racoon_status (*natoa_write)(void* impl, const racoon_addr* address,
                                 racoon_buffer* out) RACOON_NOEXCEPT;
    racoon_status (*natoa_read)(void* impl, racoon_span body, racoon_addr* out) RACOON_NOEXCEPT;
} racoon_natt;

#ifdef __cplusplus
}
#endif
#endif
