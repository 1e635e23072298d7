// Checks of our own invariants; never of anything that a peer, a file or a plugin supplies.
//   RACOON_ASSERT  debug builds only
//   RACOON_CHECK   always; ends the process with the place and the condition
#pragma once

namespace racoon {
[[noreturn]] void check_failed(const char* file, int line, const char* condition);
}

#define RACOON_CHECK(cond) \
    ((cond) ? static_cast<void>(0) : ::racoon::check_failed(__FILE__, __LINE__, #cond))
#ifdef NDEBUG
#define RACOON_ASSERT(cond) static_cast<void>(sizeof(cond))
#else
#define RACOON_ASSERT(cond) RACOON_CHECK(cond)
#endif
