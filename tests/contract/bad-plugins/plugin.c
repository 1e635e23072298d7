/* One auth-method in plain C, and the ways in which it can be wrong: RACOON_TEST_FAULT picks one. */
#include <string.h>

#include <racoon/plugin.h>

#include "racoon_manifest.h"

#define FAULT_NONE 0
#define FAULT_UNDECLARED 1
#define FAULT_NOT_PROVIDED 2
#define FAULT_TWICE 3
#define FAULT_MAGIC 4
#define FAULT_SMALL_ENTRY 5
#define FAULT_MANIFEST_DIFFERS 6
#define FAULT_NULL_FUNCTION 7
#define FAULT_INIT_FAILS 8
#define FAULT_SELF_TEST_FAILS 9
#define FAULT_NULL_TABLE 10
#define FAULT_ENTRY_ABI 11
#define FAULT_UNKNOWN_STATUS 12
#define FAULT_START_FAILS 13
#define FAULT_NO_SYMBOL 14

static racoon_status begin(void* impl, const racoon_auth_params* params, void** session) {
    (void)params;
    *session = impl;
    return RACOON_OK;
}
static void end(void* impl, void* session) {
    (void)impl;
    (void)session;
}
static uint32_t skeyid_recipe(void* impl, void* session) {
    (void)impl;
    (void)session;
    return RACOON_SKEYID_PSK;
}
static racoon_status auth_out(void* impl, void* session, racoon_span hash, racoon_op op,
                              racoon_auth_out* out) {
    (void)impl;
    (void)session;
    (void)hash;
    (void)op;
    (void)out;
    return RACOON_NOT_SUPPORTED;
}
static racoon_status auth_in(void* impl, void* session, racoon_span expected,
                             const racoon_payload* payloads, size_t count,
                             const racoon_identity* id, racoon_op op, racoon_auth_verdict* out) {
    (void)impl;
    (void)session;
    (void)expected;
    (void)payloads;
    (void)count;
    (void)id;
    (void)op;
    (void)out;
    return RACOON_DENIED;
}

static const racoon_auth_method method = {sizeof(racoon_auth_method),
                                          begin,
                                          end,
                                          skeyid_recipe,
                                          auth_out,
#if RACOON_TEST_FAULT == FAULT_NULL_FUNCTION
                                          NULL,
#else
                                          auth_in,
#endif
                                          NULL};

static int context;
static int32_t value_in_force;
static int32_t value_pending;
static const racoon_host* the_host;

static racoon_status init(const racoon_host* host, void** ctx, racoon_error* err) {
    racoon_status status = RACOON_OK;
    the_host = host;
    *ctx = &context;
    (void)auth_in;
    (void)method;
    (void)status;
#if RACOON_TEST_FAULT == FAULT_INIT_FAILS
    err->status = RACOON_NOT_SUPPORTED;
    strncpy(err->text, "no entropy here", sizeof err->text - 1);
    return RACOON_NOT_SUPPORTED;
#elif RACOON_TEST_FAULT == FAULT_UNKNOWN_STATUS
    (void)err;
    return 77; /* neither OK nor an error of this ABI: must not pass for success */
#elif RACOON_TEST_FAULT == FAULT_NOT_PROVIDED
    (void)err;
    return RACOON_OK;
#elif RACOON_TEST_FAULT == FAULT_NULL_TABLE
    status = host->provide(host->ctx, RACOON_POINT_AUTH_METHOD, "test_method", NULL, &context, err);
    return status;
#else
    status =
        host->provide(host->ctx, RACOON_POINT_AUTH_METHOD, "test_method", &method, &context, err);
#if RACOON_TEST_FAULT == FAULT_UNDECLARED
    /* Ignores the status, as a careless plugin would. */
    host->provide(host->ctx, RACOON_POINT_AUTH_METHOD, "another", &method, &context, err);
    status = RACOON_OK;
#elif RACOON_TEST_FAULT == FAULT_TWICE
    host->provide(host->ctx, RACOON_POINT_AUTH_METHOD, "test_method", &method, &context, err);
#endif
    return status;
#endif
}

/* Takes "limit" from its block and refuses 13, so that rollback can be seen. */
static racoon_status configure(void* ctx, const racoon_section* conf, void** pending,
                               racoon_error* err) {
    const racoon_conf_service* service =
        (const racoon_conf_service*)the_host->get_service(the_host->ctx, RACOON_SERVICE_CONF);
    int64_t limit = 0;
    (void)ctx;
    if (!service) return RACOON_NOT_SUPPORTED;
    service->get_integer(the_host->ctx, conf, "limit", &limit);
    if (limit == 13) {
        strncpy(err->key, "limit", sizeof err->key - 1);
        strncpy(err->text, "found 13, expected luck", sizeof err->text - 1);
        return RACOON_CONFIG;
    }
    value_pending = (int32_t)limit;
    *pending = &value_pending;
    return RACOON_OK;
}
static void commit(void* ctx, void* pending) {
    const racoon_log_service* log =
        (const racoon_log_service*)the_host->get_service(the_host->ctx, RACOON_SERVICE_LOG);
    char text[] = "limit is 00";
    (void)ctx;
    value_in_force = *(int32_t*)pending;
    text[9] = (char)('0' + value_in_force / 10 % 10);
    text[10] = (char)('0' + value_in_force % 10);
    log->write(the_host->ctx, RACOON_LOG_WARNING, text, sizeof text - 1);
}
static void rollback(void* ctx, void* pending) {
    (void)ctx;
    (void)pending;
}
static racoon_status start(void* ctx, racoon_error* err) {
    (void)ctx;
#if RACOON_TEST_FAULT == FAULT_START_FAILS
    err->os_errno = 98;
    strncpy(err->text, "port taken\nby another", sizeof err->text - 1);
    return RACOON_IO;
#else
    (void)err;
    return RACOON_OK;
#endif
}
static void destroy(void* ctx) {
    (void)ctx;
}
static racoon_status self_test(void* ctx, racoon_error* err) {
    (void)ctx;
#if RACOON_TEST_FAULT == FAULT_SELF_TEST_FAILS
    strncpy(err->text, "vector 3 differs", sizeof err->text - 1);
    return RACOON_CRYPTO;
#else
    (void)err;
    return RACOON_OK;
#endif
}

#if RACOON_TEST_FAULT == FAULT_MAGIC
#define MAGIC 42
#else
#define MAGIC RACOON_PLUGIN_MAGIC
#endif
#if RACOON_TEST_FAULT == FAULT_SMALL_ENTRY
#define ENTRY_SIZE 16
#else
#define ENTRY_SIZE sizeof(racoon_plugin)
#endif
#if RACOON_TEST_FAULT == FAULT_MANIFEST_DIFFERS
#define MANIFEST_SIZE (RACOON_MANIFEST_SIZE - 1)
#else
#define MANIFEST_SIZE RACOON_MANIFEST_SIZE
#endif
#if RACOON_TEST_FAULT == FAULT_ENTRY_ABI
#define MINOR 9
#else
#define MINOR RACOON_ABI_MINOR
#endif

#if RACOON_TEST_FAULT == FAULT_NO_SYMBOL
extern const racoon_plugin wrongly_named;
const racoon_plugin wrongly_named =
#else
RACOON_PLUGIN_ENTRY =
#endif
    {MAGIC,     ENTRY_SIZE,      RACOON_ABI_MAJOR, MINOR,    0,
     0,         racoon_manifest, MANIFEST_SIZE,    "test 1", init,
     configure, commit,          rollback,         start,    NULL,
     destroy,   self_test};
