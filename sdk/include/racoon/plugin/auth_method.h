/* "racoon.auth-method/1": how a phase 1 proves who is who (RFC 2409 section 5). Engine zone.
 * Registration key: the racoon.conf name ("pre_shared_key").
 * Manifest: {"point": "racoon.auth-method/1", "key": "pre_shared_key", "ike": 1,
 *            "credential": "psk"}        credential: psk, key or none
 *
 * The core owns SKEYID and g^xy and computes HASH_I and HASH_R; the method says what SKEYID is made
 * of, which identity to send, and what carries the proof. A verdict is RACOON_AUTH_NONE until auth_in
 * sets another, and nothing but the return value RACOON_OK makes it count. */
#ifndef RACOON_PLUGIN_AUTH_METHOD_H
#define RACOON_PLUGIN_AUTH_METHOD_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RACOON_POINT_AUTH_METHOD "racoon.auth-method/1"

#define RACOON_ROLE_INITIATOR 1u
#define RACOON_ROLE_RESPONDER 2u

#define RACOON_SKEYID_PSK 1u       /* prf(pre-shared key, Ni_b | Nr_b) */
#define RACOON_SKEYID_SIGNATURE 2u /* prf(Ni_b | Nr_b, g^xy) */

#define RACOON_AUTH_NONE 0u       /* nothing was proved */
#define RACOON_AUTH_FULL 1u       /* the peer is who its identity says */
#define RACOON_AUTH_GROUP_ONLY 2u /* only membership was proved: quick mode stays closed */
#define RACOON_AUTH_OWES_XAUTH 3u

typedef struct racoon_auth_params {
    uint32_t struct_size;
    uint32_t role;          /* RACOON_ROLE_… */
    uint32_t exchange_type; /* RFC 2408 3.1: 2 main, 4 aggressive, 1 base */
    racoon_addr local;
    racoon_addr peer;
} racoon_auth_params;

/* A payload of the message under way: type (RFC 2408 3.1) and body without the generic header. */
typedef struct racoon_payload {
    uint32_t type;
    racoon_span body;
} racoon_payload;

typedef struct racoon_auth_out {
    uint32_t struct_size;
    uint32_t payload_type; /* 8 HASH or 9 SIG */
    uint32_t size;
    uint8_t body[2048];
} racoon_auth_out;

typedef struct racoon_auth_verdict {
    uint32_t struct_size;
    uint32_t verdict; /* RACOON_AUTH_… */
} racoon_auth_verdict;

typedef struct racoon_auth_method {
    uint32_t struct_size;
    /* [M] One session per phase 1 negotiation. */
    racoon_status (*begin)(void* impl, const racoon_auth_params* params,
                           void** session) RACOON_NOEXCEPT;
    void (*end)(void* impl, void* session) RACOON_NOEXCEPT;
    /* [M] RACOON_SKEYID_… */
    uint32_t (*skeyid_recipe)(void* impl, void* session) RACOON_NOEXCEPT;
    /* [M] Makes our proof of `hash` (HASH_I as initiator, HASH_R as responder). May be PENDING; the
     * result is a racoon_auth_out. */
    racoon_status (*auth_out)(void* impl, void* session, racoon_span hash, racoon_op op,
                              racoon_auth_out* out) RACOON_NOEXCEPT;
    /* [M] Judges the peer's payloads against the hash that we computed for it. May be PENDING; the
     * result is a racoon_auth_verdict. RACOON_DENIED: the proof is wrong. */
    racoon_status (*auth_in)(void* impl, void* session, racoon_span expected_hash,
                             const racoon_payload* payloads, size_t count,
                             const racoon_identity* peer_id, racoon_op op,
                             racoon_auth_verdict* out) RACOON_NOEXCEPT;
    void (*cancel)(void* impl, void* session, racoon_op op) RACOON_NOEXCEPT;
} racoon_auth_method;

#ifdef __cplusplus
}
#endif
#endif
