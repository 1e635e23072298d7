/* Compiled as C99, C11, C++17 and C++20: the headers must be clean in each and the layout the same. */
#include <stddef.h>

#include <racoon/plugin.h>

#if defined(__cplusplus)
#define CHECK(condition, what) static_assert(condition, what " has moved");
#elif __STDC_VERSION__ >= 201112L
#define CHECK(condition, what) _Static_assert(condition, what " has moved");
#else
#define CHECK_NAME_(line) layout_check_##line
#define CHECK_NAME(line) CHECK_NAME_(line)
#define CHECK(condition, what) extern char CHECK_NAME(__LINE__)[(condition) ? 1 : -1];
#endif

#include "layout.inc"

/* Never called; shows that the macro for grown structs works in this language. */
static inline int has_text(const racoon_error* e) {
    return RACOON_HAS(e, text) ? 1 : 0;
}
