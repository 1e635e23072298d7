/* racoon plugin ABI, version 1: the types that every other header builds on.
 *
 * Rules of the boundary (sdk/doc/abi-policy.md has them in full):
 *   - C99, <stdint.h> and <stddef.h> only; no bool, enum, long, bit-field or library type crosses.
 *   - Every struct that crosses begins with struct_size, stamped by whoever fills it; members are
 *     appended, never changed. Read a member only if RACOON_HAS(p, member).
 *   - Inputs are borrowed until the call returns. Outputs go into the caller's memory. Whoever makes
 *     a handle frees it; no memory is freed by the other side.
 *   - No function may throw, longjmp, fork, exec or change process state.
 * Thread tags: [M] main loop thread only, [A] any thread, [W] called on a worker thread.
 */
#ifndef RACOON_PLUGIN_BASE_H
#define RACOON_PLUGIN_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define RACOON_NOEXCEPT noexcept
#define RACOON_EXTERN_C extern "C"
extern "C" {
#else
#define RACOON_NOEXCEPT
#define RACOON_EXTERN_C extern
#endif

#define RACOON_ABI_MAJOR 1u
#define RACOON_ABI_MINOR 0u

/* True if the struct that `p` points to was filled by somebody who knew `member`. */
#ifdef __cplusplus
#define RACOON_HAS(p, member)                                                              \
    ((p)->struct_size >= static_cast<size_t>(reinterpret_cast<const char*>(&(p)->member) - \
                                             reinterpret_cast<const char*>(p)) +           \
                             sizeof((p)->member))
#else
#define RACOON_HAS(p, member) \
    ((p)->struct_size >=      \
     (size_t)((const char*)&(p)->member - (const char*)(p)) + sizeof((p)->member))
#endif

/* Result of a call. An unknown negative value from a newer plugin is taken as RACOON_INTERNAL. */
typedef int32_t racoon_status;
#define RACOON_OK 0
#define RACOON_PENDING 1 /* the op will be completed later, exactly once */
#define RACOON_INVALID_ARGUMENT (-1)
#define RACOON_NOT_SUPPORTED (-2)
#define RACOON_NOT_FOUND (-3)
#define RACOON_NO_MEMORY (-4)
#define RACOON_BUFFER_TOO_SMALL (-5)
#define RACOON_BUSY (-6)
#define RACOON_TIMEOUT (-7)
#define RACOON_CANCELLED (-8)
#define RACOON_DENIED (-9)
#define RACOON_CONFIG (-10)
#define RACOON_IO (-11)
#define RACOON_CRYPTO (-12)
#define RACOON_PROTOCOL (-13)
#define RACOON_STATE (-14)
#define RACOON_ABI (-15)
#define RACOON_INTERNAL (-16)

/* Borrowed bytes. */
typedef struct racoon_span {
    const uint8_t* data;
    size_t size;
} racoon_span;

/* Caller's memory for a result: the callee writes at most `capacity` bytes and sets `size`; if that
 * is too little it sets `size` to what is needed and returns RACOON_BUFFER_TOO_SMALL. */
typedef struct racoon_buffer {
    uint8_t* data;
    size_t capacity;
    size_t size;
} racoon_buffer;

/* An address: `family` is 4 or 6 (0: none), bytes in network order (IPv4 in the first four), port in
 * host order, scope the interface index of a link-local IPv6 address. */
typedef struct racoon_addr {
    uint8_t family;
    uint8_t reserved;
    uint16_t port;
    uint32_t scope;
    uint8_t bytes[16];
} racoon_addr;

/* An ISAKMP identity: ID type (RFC 2407 4.6.2.1), protocol, port (host order) and its data. */
typedef struct racoon_identity {
    uint32_t type;
    uint16_t port;
    uint8_t protocol;
    uint8_t reserved;
    racoon_span data;
} racoon_identity;

/* Filled by a failing control call; the caller zeroes and stamps it. */
typedef struct racoon_error {
    uint32_t struct_size;
    racoon_status status;
    int32_t os_errno;     /* 0: no system call failed */
    uint32_t notify_type; /* with RACOON_PROTOCOL: what to tell the peer (RFC 2408 3.14.1) */
    char key[64];         /* with RACOON_CONFIG: the offending key */
    char text[256];       /* lower case, what was found and expected; NUL-terminated */
} racoon_error;

/* Token of an asynchronous operation: slot and generation. 0 is no operation. */
typedef uint64_t racoon_op;

/* Opaque to the other side. */
typedef struct racoon_section racoon_section; /* a `module "name" { … }` block */

/* What a plugin exports under the name racoon_plugin_v1; constant. */
struct racoon_host;
typedef struct racoon_plugin {
    uint64_t magic; /* RACOON_PLUGIN_MAGIC */
    uint32_t struct_size;
    uint16_t abi_major; /* of the SDK it was built with */
    uint16_t abi_minor;
    uint16_t min_host_minor; /* lowest host minor that it can live with */
    uint16_t reserved;
    const char* manifest; /* the bytes of the ELF note, without a NUL */
    size_t manifest_size;
    const char* build_id; /* free text, NUL-terminated */

    /* [M] Registers extension points through host->provide. No I/O, no threads, no files: it also
     * runs under `racoon -t`. *ctx is handed to all other functions. */
    racoon_status (*init)(const struct racoon_host* host, void** ctx,
                          racoon_error* err) RACOON_NOEXCEPT;
    /* [M] Builds a new configuration from the module's block (null: none was given), without side
     * effects; may be called many times. Null: the plugin has no configuration. */
    racoon_status (*configure)(void* ctx, const racoon_section* conf, void** pending,
                               racoon_error* err) RACOON_NOEXCEPT;
    void (*commit)(void* ctx, void* pending) RACOON_NOEXCEPT;   /* [M] makes it the one in force */
    void (*rollback)(void* ctx, void* pending) RACOON_NOEXCEPT; /* [M] throws it away */
    /* [M] Opens sockets and the like, in the process where the plugin serves. May be null. */
    racoon_status (*start)(void* ctx, racoon_error* err) RACOON_NOEXCEPT;
    /* [M] Accepts nothing new and ends what runs; ops are completed or cancelled on return. */
    void (*stop)(void* ctx) RACOON_NOEXCEPT;
    void (*destroy)(void* ctx) RACOON_NOEXCEPT; /* [M] last call */
    /* [M] Known-answer tests; mandatory for cipher, hash, prf and dh-group. */
    racoon_status (*self_test)(void* ctx, racoon_error* err) RACOON_NOEXCEPT;
} racoon_plugin;

#define RACOON_PLUGIN_MAGIC UINT64_C(0x5241434f4f4e5031) /* "RACOONP1" */
#define RACOON_PLUGIN_SYMBOL "racoon_plugin_v1"
#define RACOON_NOTE_OWNER "Racoon" /* ELF note: owner, type 1, descriptor = plugin.json */
#define RACOON_NOTE_MANIFEST 1u

/* The one exported symbol, constant in C and C++. After
 * "racoon_manifest.h", which racoon_add_plugin() generates:
 *     RACOON_PLUGIN_ENTRY = {RACOON_PLUGIN_HEADER, "build id", init, …};  */
#define RACOON_PLUGIN_ENTRY                                                                      \
    RACOON_EXTERN_C __attribute__((visibility("default"))) const racoon_plugin racoon_plugin_v1; \
    const racoon_plugin racoon_plugin_v1
#define RACOON_PLUGIN_HEADER                                                              \
    RACOON_PLUGIN_MAGIC, sizeof(racoon_plugin), RACOON_ABI_MAJOR, RACOON_ABI_MINOR, 0, 0, \
        racoon_manifest, RACOON_MANIFEST_SIZE

#ifdef __cplusplus
}
#endif
#endif
