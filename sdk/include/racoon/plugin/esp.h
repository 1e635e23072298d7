/* "racoon.esp-transform/1": what phase 2 may negotiate and what a kernel is asked to do. Pure data,
 * all of it in the manifest, so the table is only a marker that the module was loaded. The key is the
 * racoon.conf name ("aes", "hmac_sha256"); "kind" tells encryption, aead, integrity, compression apart.
 *
 * Manifest, encryption or aead:
 *   {"point": "racoon.esp-transform/1", "key": "aes", "kind": "encryption", "aliases": ["rijndael"],
 *    "esp": 12, "key_bits": {"min": 128, "max": 256, "step": 64, "default": 128},
 *    "block": 16, "iv": 16, "xfrm": "cbc(aes)", "pfkey": 12}
 *   {… "key": "aes_gcm_16", "kind": "aead", "esp": 20, "salt": 4, "icv": 16, "iv": 8,
 *    "xfrm": "rfc4106(gcm(aes))"}
 * integrity:
 *   {… "key": "hmac_sha256", "kind": "integrity", "attribute": 5, "ah": 5, "key_bytes": 32,
 *    "icv": 16, "xfrm": "hmac(sha256)", "pfkey": 5, "hash": "sha256"}
 * Keys of one name and different kinds may coexist. Key material taken from KEYMAT is key_bits/8 +
 * salt (RFC 4106 section 8.1), then key_bytes + salt of the integrity algorithm. A salt with "encryption"
 * is a counter mode's nonce (RFC 3686): never without integrity. With "integrity" it belongs to a mode that
 * AH alone may use (RFC 4543). */
#ifndef RACOON_PLUGIN_ESP_H
#define RACOON_PLUGIN_ESP_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RACOON_POINT_ESP_TRANSFORM "racoon.esp-transform/1"

typedef struct racoon_esp_transform {
    uint32_t struct_size;
    uint32_t reserved;
} racoon_esp_transform;

#ifdef __cplusplus
}
#endif
#endif
