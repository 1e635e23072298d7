/* What the host gives a plugin: one small base table, everything else as a service asked for by a
 * versioned name. */
#ifndef RACOON_PLUGIN_HOST_H
#define RACOON_PLUGIN_HOST_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct racoon_host {
    uint32_t struct_size;
    uint16_t abi_major;
    uint16_t abi_minor;
    const char* version; /* of the daemon, text */
    void* ctx;           /* first argument of every function of the host and its services */

    /* [M] The service's table, or null if this host has none of that name. Valid for ever. */
    const void* (*get_service)(void* ctx, const char* name)RACOON_NOEXCEPT;
    /* [M] In init only: offers `vtable` (a table of the point's type, static) under (point, key).
     * Must be declared in the manifest. The host copies the table. `impl` comes back as the first
     * argument of the table's functions. */
    racoon_status (*provide)(void* ctx, const char* point, const char* key, const void* vtable,
                             void* impl, racoon_error* err) RACOON_NOEXCEPT;
} racoon_host;

/* "racoon.log/1": levels as in racoon.conf. [A] */
#define RACOON_LOG_ERROR 1u
#define RACOON_LOG_WARNING 2u
#define RACOON_LOG_NOTIFY 3u
#define RACOON_LOG_INFO 4u
#define RACOON_LOG_DEBUG 5u
#define RACOON_LOG_DEBUG2 6u
#define RACOON_SERVICE_LOG "racoon.log/1"
typedef struct racoon_log_service {
    uint32_t struct_size;
    int32_t (*enabled)(void* host, uint32_t level) RACOON_NOEXCEPT;
    /* UTF-8 text without secrets; the host adds the plugin's name and escapes control characters. */
    void (*write)(void* host, uint32_t level, const char* text, size_t size) RACOON_NOEXCEPT;
} racoon_log_service;

/* "racoon.clock/1": nanoseconds; virtual in tests. [A] */
#define RACOON_SERVICE_CLOCK "racoon.clock/1"
typedef struct racoon_clock_service {
    uint32_t struct_size;
    int64_t (*monotonic_ns)(void* host) RACOON_NOEXCEPT;
    int64_t (*wall_ns)(void* host) RACOON_NOEXCEPT; /* since the epoch, UTC */
} racoon_clock_service;

/* "racoon.timer/1": one-shot. Cancelling a fired token is harmless. [M] */
#define RACOON_SERVICE_TIMER "racoon.timer/1"
typedef struct racoon_timer_service {
    uint32_t struct_size;
    racoon_status (*arm)(void* host, int64_t delay_ns, void (*callback)(void* arg) RACOON_NOEXCEPT,
                         void* arg, uint64_t* token) RACOON_NOEXCEPT;
    void (*cancel)(void* host, uint64_t token) RACOON_NOEXCEPT;
} racoon_timer_service;

/* "racoon.fd/1": level-triggered readiness. Unwatch before close. [M] */
#define RACOON_FD_READ 1u
#define RACOON_FD_WRITE 2u
#define RACOON_SERVICE_FD "racoon.fd/1"
typedef struct racoon_fd_service {
    uint32_t struct_size;
    racoon_status (*watch)(void* host, int32_t fd, uint32_t events,
                           void (*callback)(void* arg, uint32_t events) RACOON_NOEXCEPT, void* arg,
                           uint64_t* token) RACOON_NOEXCEPT;
    void (*unwatch)(void* host, uint64_t token) RACOON_NOEXCEPT;
} racoon_fd_service;

/* "racoon.post/1": the only way back to the main loop from a foreign thread. [A] */
#define RACOON_SERVICE_POST "racoon.post/1"
typedef struct racoon_post_service {
    uint32_t struct_size;
    racoon_status (*post)(void* host, void (*callback)(void* arg) RACOON_NOEXCEPT,
                          void* arg) RACOON_NOEXCEPT;
} racoon_post_service;

/* "racoon.work/1": bounded pool of worker threads. job runs as [W], done as [M] after it (also when
 * cancelled before it began: then status is RACOON_CANCELLED). RACOON_BUSY: the queue is full. [M] */
#define RACOON_SERVICE_WORK "racoon.work/1"
typedef struct racoon_work_service {
    uint32_t struct_size;
    racoon_status (*submit)(void* host, void (*job)(void* arg) RACOON_NOEXCEPT,
                            void (*done)(void* arg, racoon_status status) RACOON_NOEXCEPT,
                            void* arg, uint64_t* token) RACOON_NOEXCEPT;
    void (*cancel)(void* host, uint64_t token) RACOON_NOEXCEPT;
} racoon_work_service;

/* "racoon.proc/1": the helper programs that the installed manifest lists, by index (keys "helpers":
 * [{"program": "/usr/lib/racoon/helper/x", "user": "nobody"}]). Keeper zone. A helper speaks framed
 * messages on its descriptor 3: 32-bit big-endian length, then the bytes, 64 KiB at most. With
 * `racoon.fd` numbers in `fds` handed over as 4, 5, … [M] */
#define RACOON_SERVICE_PROC "racoon.proc/1"
typedef struct racoon_proc_events {
    uint32_t struct_size;
    void (*message)(void* arg, racoon_span bytes) RACOON_NOEXCEPT;
    /* wait(2)'s status; no call follows */
    void (*ended)(void* arg, int32_t wait_status) RACOON_NOEXCEPT;
} racoon_proc_events;
typedef struct racoon_proc_service {
    uint32_t struct_size;
    racoon_status (*start)(void* host, uint32_t helper_index, const int32_t* fds, size_t fd_count,
                           const racoon_proc_events* events, void* arg, uint64_t* token,
                           racoon_error* err) RACOON_NOEXCEPT;
    racoon_status (*send)(void* host, uint64_t token, racoon_span bytes) RACOON_NOEXCEPT;
    void (*kill)(void* host, uint64_t token) RACOON_NOEXCEPT;
} racoon_proc_service;

/* "racoon.conf/1": typed getters on the module's own block, already checked against the manifest's
 * schema; paths on `path` directives. RACOON_NOT_FOUND: not set and no default. [M] */
#define RACOON_SERVICE_CONF "racoon.conf/1"
typedef struct racoon_conf_service {
    uint32_t struct_size;
    racoon_status (*get_flag)(void* host, const racoon_section* s, const char* key,
                              int32_t* out) RACOON_NOEXCEPT;
    racoon_status (*get_integer)(void* host, const racoon_section* s, const char* key,
                                 int64_t* out) RACOON_NOEXCEPT;
    racoon_status (*get_duration_ns)(void* host, const racoon_section* s, const char* key,
                                     int64_t* out) RACOON_NOEXCEPT;
    racoon_status (*get_text)(void* host, const racoon_section* s, const char* key,
                              racoon_span* out)
        RACOON_NOEXCEPT; /* borrowed until configure returns */
    /* A `path KIND "…";` of racoon.conf, e.g. "pre_shared_key"; with a null section. */
    racoon_status (*get_path)(void* host, const char* kind, racoon_span* out) RACOON_NOEXCEPT;
} racoon_conf_service;

/* "racoon.secret/1": memory for secrets, wiped when freed. [A] */
#define RACOON_SERVICE_SECRET "racoon.secret/1"
typedef struct racoon_secret_service {
    uint32_t struct_size;
    void* (*allocate)(void* host, size_t size)RACOON_NOEXCEPT; /* zeroed; null: no memory */
    void (*free)(void* host, void* memory, size_t size) RACOON_NOEXCEPT;
    void (*wipe)(void* host, void* memory, size_t size) RACOON_NOEXCEPT;
    int32_t (*equal)(void* host, racoon_span a,
                     racoon_span b) RACOON_NOEXCEPT; /* constant time; 1 = equal */
} racoon_secret_service;

/* "racoon.random/1": the system's generator. The status must be looked at. [A] */
#define RACOON_SERVICE_RANDOM "racoon.random/1"
typedef struct racoon_random_service {
    uint32_t struct_size;
    racoon_status (*fill)(void* host, uint8_t* out, size_t size) RACOON_NOEXCEPT;
} racoon_random_service;

/* "racoon.crypto/1": hashes of the loaded modules, by their racoon.conf name ("sha256"). The input is
 * the concatenation of `parts`. [A] */
#define RACOON_SERVICE_CRYPTO "racoon.crypto/1"
typedef struct racoon_crypto_service {
    uint32_t struct_size;
    racoon_status (*hash)(void* host, const char* name, const racoon_span* parts, size_t count,
                          racoon_buffer* out) RACOON_NOEXCEPT;
    racoon_status (*hmac)(void* host, const char* name, racoon_span key, const racoon_span* parts,
                          size_t count, racoon_buffer* out) RACOON_NOEXCEPT;
} racoon_crypto_service;

/* "racoon.op/1": completes what returned RACOON_PENDING. `result` is the point's flat result record
 * (copied), null on failure. A second or late completion is ignored and counted against the plugin.
 * complete [A], alive [M]. */
#define RACOON_SERVICE_OP "racoon.op/1"
typedef struct racoon_op_service {
    uint32_t struct_size;
    void (*complete)(void* host, racoon_op op, racoon_status status, const void* result,
                     size_t size) RACOON_NOEXCEPT;
    int32_t (*alive)(void* host, racoon_op op) RACOON_NOEXCEPT;
} racoon_op_service;

#ifdef __cplusplus
}
#endif
#endif
