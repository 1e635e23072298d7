#include "pfkey/dialect.hpp"

namespace racoon::pfkey {

const Dialect& native_dialect() {
#if defined(__FreeBSD__)
    return freebsd_dialect();
#elif defined(__NetBSD__)
    return netbsd_dialect();
#elif defined(__APPLE__)
    return macos_dialect();
#else
    return linux_dialect();
#endif
}

}  // namespace racoon::pfkey
