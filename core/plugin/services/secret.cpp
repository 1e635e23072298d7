// racoon.secret/1: memory that is locked and kept out of core dumps where the system lets us, and
// wiped when freed.
#include <sys/mman.h>
#include <unistd.h>

#include "base/secret.hpp"
#include "plugin/services/services.hpp"

namespace racoon::plugin {

namespace {

// A psk.txt of 200,000 lines fits, and the page after the largest file of keys.
constexpr std::size_t kMaxSecret = std::size_t{32} << 20;

std::size_t mapped_size(std::size_t size) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return (std::max<std::size_t>(size, 1) + page - 1) / page * page;
}

void* allocate(void*, std::size_t size) noexcept {
    if (size > kMaxSecret) return nullptr;
    // Pages of their own, so that locking and unlocking one never touches another.
    void* memory = ::mmap(nullptr, mapped_size(size), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    (void)::mlock(memory, mapped_size(size));  // may pass RLIMIT_MEMLOCK: then it is only wiped
#ifdef MADV_DONTDUMP
    (void)::madvise(memory, mapped_size(size), MADV_DONTDUMP);
#endif
    return memory;
}

void wipe_memory(void*, void* memory, std::size_t size) noexcept {
    if (memory) wipe({static_cast<std::uint8_t*>(memory), size});
}

void free_memory(void* host, void* memory, std::size_t size) noexcept {
    if (!memory || size > kMaxSecret) return;
    wipe_memory(host, memory, size);
    ::munmap(memory, mapped_size(size));
}

std::int32_t equal(void*, racoon_span a, racoon_span b) noexcept {
    return equal_constant_time({a.data, a.size}, {b.data, b.size}) ? 1 : 0;
}

constexpr racoon_secret_service kTable = {sizeof(racoon_secret_service), allocate, free_memory,
                                          wipe_memory, equal};

}  // namespace

const racoon_secret_service* secret_service() {
    return &kTable;
}

}  // namespace racoon::plugin
