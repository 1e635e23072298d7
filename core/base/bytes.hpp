// Reader and Writer: the only code that touches the bytes of a packet, a file or a socket message.
// All integers are big-endian (network order), as everywhere in ISAKMP (RFC 2408 section 3).
//
//     Reader in(datagram);
//     RACOON_TRY(auto type, in.u16());
//     RACOON_TRY(Reader body, in.sub(length));   // a bounded view; `in` moves past it
//     …
//     Writer out;
//     auto mark = out.u16_later();               // a length that is known only afterwards
//     out.bytes(nonce);
//     out.patch_u16(mark, out.size() - start);
//
// A Reader never owns: its bytes must outlive it. Neither class is thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace racoon {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

inline ByteView as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(ByteView view) {
    return Bytes(view.begin(), view.end());
}
void append(Bytes& to, ByteView more);

/// Lower-case hexadecimal without separators.
std::string to_hex(ByteView bytes);
/// Inverse of to_hex; accepts upper case; an odd count or another character is Malformed.
Result<Bytes> from_hex(std::string_view hex);

/// Constant-time comparison; false at once when the lengths differ (lengths are no secret).
bool equal_constant_time(ByteView a, ByteView b);

class Reader {
  public:
    explicit Reader(ByteView in) : in_(in) {}
    /// A view that began `base` bytes into a larger input: errors then give offsets in the whole.
    Reader(ByteView in, std::size_t base) : in_(in), base_(base) {}

    std::size_t left() const { return in_.size() - pos_; }
    bool empty() const { return left() == 0; }
    /// Offset from the start of this view, plus the offset that the view had in its parent.
    std::size_t offset() const { return base_ + pos_; }

    Result<std::uint8_t> u8();
    Result<std::uint16_t> u16();
    Result<std::uint32_t> u32();
    Result<std::uint64_t> u64();
    /// The next n bytes, as a view into the input.
    Result<ByteView> bytes(std::size_t n);
    /// All that is left; never fails.
    ByteView rest();
    Status skip(std::size_t n);
    /// A Reader over the next n bytes whose offsets continue ours.
    Result<Reader> sub(std::size_t n);
    /// A 16-bit length and that many bytes (our own flat records, not ISAKMP).
    Result<ByteView> counted16();
    Result<ByteView> counted32();
    /// Everything from here, without moving.
    ByteView peek_rest() const { return in_.subspan(pos_); }

  private:
    Status need(std::size_t n) const;
    ByteView in_;
    std::size_t pos_ = 0;
    std::size_t base_ = 0;
};

class Writer {
  public:
    Writer() = default;
    explicit Writer(std::size_t reserve) { out_.reserve(reserve); }

    struct Mark {
        std::size_t at;
    };

    void u8(std::uint8_t v) { out_.push_back(v); }
    void u16(std::uint16_t v);
    void u32(std::uint32_t v);
    void u64(std::uint64_t v);
    void bytes(ByteView v) { append(out_, v); }
    void zeros(std::size_t n) { out_.resize(out_.size() + n); }
    void counted16(ByteView v);
    void counted32(ByteView v);
    /// Space for a value to be patched in later.
    Mark u8_later() {
        u8(0);
        return {size() - 1};
    }
    Mark u16_later() {
        u16(0);
        return {size() - 2};
    }
    Mark u32_later() {
        u32(0);
        return {size() - 4};
    }
    void patch_u8(Mark m, std::uint8_t v);
    void patch_u16(Mark m, std::size_t v);
    void patch_u32(Mark m, std::size_t v);

    std::size_t size() const { return out_.size(); }
    ByteView view() const { return out_; }
    Bytes take() && { return std::move(out_); }

  private:
    Bytes out_;
};

}  // namespace racoon
