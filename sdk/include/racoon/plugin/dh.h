/* "racoon.dh-group/1": Diffie-Hellman groups (RFC 2409 section 6, RFC 3526, 5114, 5903, 6932, 8031).
 * Registration key: the racoon.conf name ("modp2048"); the number is an alias.
 * Manifest: {"point": "racoon.dh-group/1", "key": "modp2048", "aliases": ["14"], "ike": 14,
 *            "public": 256, "secret": 256, "strength": 112, "weak": false}
 * Public values and secrets are fixed-size big-endian numbers, padded with zeros on the left; an ECP
 * public value is x | y and the secret is x alone (RFC 5903 section 7). Curve25519's are 32 octets as
 * RFC 7748 encodes them. */
#ifndef RACOON_PLUGIN_DH_H
#define RACOON_PLUGIN_DH_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RACOON_POINT_DH_GROUP "racoon.dh-group/1"

typedef struct racoon_dh_group {
    uint32_t struct_size;
    /* [W] A fresh key pair. public_out: the manifest's size. *private_key: freed with free(). */
    racoon_status (*generate)(void* impl, uint8_t* public_out, void** private_key) RACOON_NOEXCEPT;
    /* [A] Check of a peer's value as far as it is cheap, since the loop calls it: range for MODP, curve
     * equation for ECP, size. Anything but RACOON_OK refuses it. What needs an exponentiation (y^q = 1
     * where p is no safe prime, a secret that is zero) is compute's to refuse. */
    racoon_status (*check_public)(void* impl, racoon_span peer_public) RACOON_NOEXCEPT;
    /* [W] The shared secret; checks the peer's value too. */
    racoon_status (*compute)(void* impl, void* private_key, racoon_span peer_public,
                             uint8_t* secret_out) RACOON_NOEXCEPT;
    void (*free)(void* impl, void* private_key) RACOON_NOEXCEPT; /* [A] wipes it */
} racoon_dh_group;

#ifdef __cplusplus
}
#endif
#endif
