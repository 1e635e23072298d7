/* "racoon.hash/1" and "racoon.prf/1". Registration key: the racoon.conf name ("sha256").
 * Manifest: {"point": "racoon.hash/1", "key": "sha256", "aliases": ["sha2_256"], "ike": 4,
 *            "digest": 32, "block": 64, "weak": false}
 * The PRF of a hash without a prf of the same key is its HMAC (RFC 2409 section 4). */
#ifndef RACOON_PLUGIN_HASH_H
#define RACOON_PLUGIN_HASH_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RACOON_POINT_HASH "racoon.hash/1"
#define RACOON_POINT_PRF "racoon.prf/1"
#define RACOON_MAX_DIGEST 64u

typedef struct racoon_hash {
    uint32_t struct_size;
    /* [A] Digest of the concatenated parts into out, which has the digest's size. */
    racoon_status (*digest)(void* impl, const racoon_span* parts, size_t count,
                            uint8_t* out) RACOON_NOEXCEPT;
    /* [A] HMAC (RFC 2104) with a key of any length. */
    racoon_status (*hmac)(void* impl, racoon_span key, const racoon_span* parts, size_t count,
                          uint8_t* out) RACOON_NOEXCEPT;
} racoon_hash;

typedef struct racoon_prf {
    uint32_t struct_size;
    /* [A] prf(key, parts) into out, which has the size given as "digest" in the manifest. */
    racoon_status (*compute)(void* impl, racoon_span key, const racoon_span* parts, size_t count,
                             uint8_t* out) RACOON_NOEXCEPT;
} racoon_prf;

#ifdef __cplusplus
}
#endif
#endif
