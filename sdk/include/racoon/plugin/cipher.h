/* "racoon.cipher/1": symmetric ciphers for ISAKMP messages (RFC 2409 appendix B, CBC mode).
 * Registration key: the racoon.conf name ("aes"). Manifest entry:
 *   {"point": "racoon.cipher/1", "key": "aes", "aliases": ["rijndael"], "ike": 7,
 *    "key_bits": {"min": 128, "max": 256, "step": 64, "default": 128}, "block": 16, "weak": false}
 * "key_bits" with equal min and max: a fixed length, no Key Length attribute on the wire. "absent" in it
 * (optional): what a peer means whose transform has no Key Length; without it such a transform is refused. */
#ifndef RACOON_PLUGIN_CIPHER_H
#define RACOON_PLUGIN_CIPHER_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RACOON_POINT_CIPHER "racoon.cipher/1"

typedef struct racoon_cipher {
    uint32_t struct_size;
    /* [M] A key schedule from key_size bytes. */
    racoon_status (*key_new)(void* impl, const uint8_t* key, size_t key_size,
                             void** out) RACOON_NOEXCEPT;
    void (*key_free)(void* impl, void* key) RACOON_NOEXCEPT; /* wipes it */
    /* [M] CBC in place. iv: one block, read and replaced by the last ciphertext block. size must be a
     * multiple of the block; 0 is allowed and leaves iv alone. encrypt: 1 or 0. */
    racoon_status (*crypt)(void* impl, void* key, int32_t encrypt, uint8_t* iv, uint8_t* data,
                           size_t size) RACOON_NOEXCEPT;
} racoon_cipher;

#ifdef __cplusplus
}
#endif
#endif
