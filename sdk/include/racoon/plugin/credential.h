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

/* What keys are for. */
#define RACOON_KEY_PSK 1u    /* pre-shared keys: `path pre_shared_key` */
#define RACOON_KEY_SIGN 2u   /* a private key of ours: `certificate_type` */
#define RACOON_KEY_VERIFY 3u /* public keys of peers: `peers_certfile` */

/* A file with keys, as racoon.conf names it. */
typedef struct racoon_key_file {
    uint32_t struct_size;
    uint32_t use;       /* RACOON_KEY_… */
    racoon_span format; /* "psk", else racoon.conf's word: "plain_rsa" */
    racoon_span path;   /* absolute */
} racoon_key_file;

/* Something about a file that is usable. */
typedef struct racoon_key_remark {
    uint32_t struct_size;
    uint32_t line;    /* from 1; 0: the file as a whole */
    uint32_t column;  /* from 1; 0: the line as a whole */
    racoon_span name; /* by which an administrator silences it: "weak_key" */
    racoon_span text; /* what was found, what to do; no key material */
} racoon_key_remark;

typedef struct racoon_key_query {
    uint32_t struct_size;
    uint32_t use;        /* RACOON_KEY_SIGN or RACOON_KEY_VERIFY */
    racoon_span format;  /* "plain_rsa" */
    racoon_span section; /* name of the `remote`, for the log */
    racoon_addr local;   /* of the exchange, for both uses */
    racoon_addr peer;
    const racoon_span* files; /* absolute paths, in the order of racoon.conf */
    size_t file_count;
} racoon_key_query;

/* How a hash is signed. */
#define RACOON_SIGN_RSA_BARE_HASH 1u /* PKCS#1 v1.5, no DigestInfo around the hash (RFC 2409 5.1) */

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
    void (*release)(void* impl, void* handle) RACOON_NOEXCEPT; /* [M] of either find */

    /* The functions below may be null: the provider then has no such keys and judges no file. */

    /* [M] Judges a file that racoon.conf names, at start, reload and `racoon -t`; also before start().
     * RACOON_NOT_FOUND: no format of this provider. Anything else but RACOON_OK refuses the
     * configuration: err has "file:line:column: what was found", without key material, and os_errno
     * where a system call failed. Weak points that do not refuse it go to `remark`. */
    racoon_status (*check_file)(void* impl, const racoon_key_file* file,
                                void (*remark)(void* arg, const racoon_key_remark* remark)
                                    RACOON_NOEXCEPT,
                                void* arg, racoon_error* err) RACOON_NOEXCEPT;
    /* [M] The keys that fit best, which are to be tried in their order: *count of them, at least one,
     * behind *handle, as they were at this moment. RACOON_NOT_FOUND: none fits. */
    racoon_status (*key_find)(void* impl, const racoon_key_query* query, void** handle,
                              size_t* count, racoon_error* err) RACOON_NOEXCEPT;
    /* [W] Signs `hash` with key `index` of a handle found for RACOON_KEY_SIGN. RACOON_NOT_SUPPORTED:
     * not this scheme with this key. */
    racoon_status (*sign)(void* impl, void* handle, size_t index, uint32_t scheme, racoon_span hash,
                          racoon_buffer* out) RACOON_NOEXCEPT;
    /* [A] The public half as DER, SubjectPublicKeyInfo (RFC 5280 4.1): who verifies needs no more. */
    racoon_status (*public_key)(void* impl, void* handle, size_t index,
                                racoon_buffer* out) RACOON_NOEXCEPT;
} racoon_credential;

#ifdef __cplusplus
}
#endif
#endif
