// The only code of this module that touches the bytes of packets and messages. A Reader that was asked
// for more than there is answers zeros from then on and says so in ok(), so that a parser checks once.
// Integers are big-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace racoon::kernel_userspace {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

/// Zero bytes between UDP and ESP on an IKE port (draft-ietf-ipsec-udp-encaps-00 2.1).
inline constexpr std::size_t kNonIkeMarker = 8;

class Reader {
  public:
    explicit Reader(ByteView in) : in_(in) {}

    bool ok() const { return ok_; }
    std::size_t left() const { return in_.size(); }
    ByteView rest() const { return in_; }

    /// The next n bytes, as a view; empty when there are fewer.
    ByteView bytes(std::size_t n) {
        if (n > in_.size()) {
            ok_ = false;
            in_ = {};
            return {};
        }
        const ByteView out = in_.first(n);
        in_ = in_.subspan(n);
        return out;
    }
    void skip(std::size_t n) { bytes(n); }
    std::uint64_t number(std::size_t width) {
        std::uint64_t value = 0;
        for (const std::uint8_t byte : bytes(width)) value = value << 8 | byte;
        return value;
    }
    std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
    std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
    std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
    std::uint64_t u64() { return number(8); }

  private:
    ByteView in_;
    bool ok_ = true;
};

class Writer {
  public:
    void number(std::uint64_t value, std::size_t width) {
        for (std::size_t i = width; i > 0; --i) {
            out_.push_back(static_cast<std::uint8_t>(value >> (8 * (i - 1))));
        }
    }
    void u8(std::uint8_t v) { number(v, 1); }
    void u16(std::uint16_t v) { number(v, 2); }
    void u32(std::uint32_t v) { number(v, 4); }
    void u64(std::uint64_t v) { number(v, 8); }
    void bytes(ByteView v) { out_.insert(out_.end(), v.begin(), v.end()); }
    ByteView view() const { return out_; }
    Bytes take() { return std::move(out_); }

  private:
    Bytes out_;
};

}  // namespace racoon::kernel_userspace
