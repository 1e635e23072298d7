/* "racoon.credential/1": where pre-shared keys and private keys live. Keeper zone; several providers
 * may be loaded and are asked in order until one answers other than RACOON_NOT_FOUND. */
#ifndef RACOON_PLUGIN_CREDENTIAL_H
#define RACOON_PLUGIN_CREDENTIAL_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RACOON_POINT_CREDENTIAL "racoon.credential/1"

typedef struct racoon_psk_query {
    uint32_t struct_size;
    uint32_t role;          /* RACOON_ROLE_… */
    uint32_t exchange_type; /* RFC 2408 3.1 */
    uint32_t has_peer_id;   /* 0 in main mode: the ID is not known yet */
    racoon_addr local;
    racoon_addr peer;
    racoon_identity peer_id;
    racoon_span section; /* name of the `remote`, for the log */
    uint32_t
        address_fallback; /* with a peer id: 1 to try the address after it (verify_identifier off) */
} racoon_psk_query;

typedef struct racoon_credential {
    uint32_t struct_size;
    /* [M] The first key that matches. RACOON_NOT_FOUND, or RACOON_DENIED/IO/CONFIG with the file and
     * the remedy in err. *handle is released with release(). */
    racoon_status (*psk_find)(void* impl, const racoon_psk_query* query, void** handle,
                              racoon_error* err) RACOON_NOEXCEPT;
    /* [M] prf(key, parts) with the named hash's PRF: SKEYID = prf(psk, Ni_b | Nr_b) (RFC 2409 5).
     * out has room for RACOON_MAX_DIGEST bytes. */
    racoon_status (*psk_prf)(void* impl, void* handle, const char* hash, const racoon_span* parts,
                             size_t count, racoon_buffer* out) RACOON_NOEXCEPT;
    void (*release)(void* impl, void* handle) RACOON_NOEXCEPT;
} racoon_credential;

#ifdef __cplusplus
}
#endif
#endif
