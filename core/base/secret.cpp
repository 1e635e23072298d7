#include "base/secret.hpp"

#include <cstring>

namespace racoon {

void wipe(std::span<std::uint8_t> memory) {
    if (memory.empty()) return;
    std::memset(memory.data(), 0, memory.size());
    __asm__ __volatile__("" : : "r"(memory.data()) : "memory");  // keeps the store alive
}

void Secret::truncate(std::size_t size) {
    if (size >= bytes_.size()) return;
    wipe(std::span(bytes_).subspan(size));
    bytes_.resize(size);
}

}  // namespace racoon
