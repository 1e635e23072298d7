/* "racoon.state-store/1": what a daemon that starts again must know of the one before it: the SAs that
 * were negotiated, with their keys. Keeper zone, exclusive. All functions are [M] and answer at once. */
#ifndef RACOON_PLUGIN_STATE_STORE_H
#define RACOON_PLUGIN_STATE_STORE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RACOON_POINT_STATE_STORE "racoon.state-store/1"

#define RACOON_STATE_MAX_KEY 255u     /* bytes of a key, 1 at least */
#define RACOON_STATE_MAX_VALUE 16384u /* bytes of a value */

typedef struct racoon_state_store {
    uint32_t struct_size;
    /* Opens what the configuration names. NOT_FOUND: it names nothing, and no state is kept; any other
     * error: it cannot be used, and err says why. */
    racoon_status (*open)(void* impl, racoon_error* err) RACOON_NOEXCEPT;
    void (*close)(void* impl) RACOON_NOEXCEPT; /* what was saved stays */
    /* Every record that is there, in no order; key and value are borrowed until `each` returns. Values
     * hold keys of SAs: a copy is wiped after its use. What is damaged is left out, with a line in the
     * log. */
    racoon_status (*load)(void* impl,
                          void (*each)(void* arg, racoon_span key, racoon_span value)
                              RACOON_NOEXCEPT,
                          void* arg, racoon_error* err) RACOON_NOEXCEPT;
    /* A record, in place of an earlier one of that key. When it returns RACOON_OK the record outlives
     * the daemon, whatever ends that; a crash in the middle leaves either the old or the new one. */
    racoon_status (*save)(void* impl, racoon_span key, racoon_span value,
                          racoon_error* err) RACOON_NOEXCEPT;
    /* OK also where there is none. */
    racoon_status (*remove)(void* impl, racoon_span key, racoon_error* err) RACOON_NOEXCEPT;
    racoon_status (*clear)(void* impl, racoon_error* err) RACOON_NOEXCEPT; /* all records */
} racoon_state_store;

#ifdef __cplusplus
}
#endif
#endif
