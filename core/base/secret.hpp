// Secret: bytes that are wiped when they go, are never copied by accident, and cannot be logged
// (there is no formatter and no conversion to text).
//
//     Secret skeyid_d(prf_length);
//     prf(…, skeyid_d.span());
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/bytes.hpp"

namespace racoon {

/// Overwrites memory in a way the compiler keeps.
void wipe(std::span<std::uint8_t> memory);

class Secret {
  public:
    Secret() = default;
    explicit Secret(std::size_t size) : bytes_(size) {}
    /// Copies; the caller wipes its own.
    explicit Secret(ByteView from) : bytes_(from.begin(), from.end()) {}
    /// Takes the buffer over: nothing is left behind in `from`.
    explicit Secret(Bytes&& from) : bytes_(std::move(from)) {}
    Secret(Secret&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
    Secret& operator=(Secret&& other) noexcept {
        if (this != &other) {
            wipe(bytes_);
            bytes_ = std::exchange(other.bytes_, {});
        }
        return *this;
    }
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    ~Secret() { wipe(bytes_); }

    Secret clone() const { return Secret(view()); }
    ByteView view() const { return bytes_; }
    std::span<std::uint8_t> span() { return bytes_; }
    std::size_t size() const { return bytes_.size(); }
    bool empty() const { return bytes_.empty(); }
    /// Shortens; the cut bytes are wiped first.
    void truncate(std::size_t size);

  private:
    std::vector<std::uint8_t> bytes_;
};

}  // namespace racoon
