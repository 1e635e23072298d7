// racoon.random/1
#include <sys/random.h>

#include <cerrno>

#include "plugin/services/services.hpp"

namespace racoon::plugin {

namespace {

racoon_status fill(void*, std::uint8_t* out, std::size_t size) noexcept {
    if (!out && size != 0) return RACOON_INVALID_ARGUMENT;
    std::size_t done = 0;
    while (done < size) {
        const ssize_t n = ::getrandom(out + done, size - done, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return RACOON_IO;
        done += static_cast<std::size_t>(n);
    }
    return RACOON_OK;
}

constexpr racoon_random_service kTable = {sizeof(racoon_random_service), fill};

}  // namespace

const racoon_random_service* random_service() {
    return &kTable;
}

}  // namespace racoon::plugin
