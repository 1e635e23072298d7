#include "base/bytes.hpp"

#include "base/check.hpp"

namespace racoon {

namespace {

template <typename T>
T read_be(ByteView in) {
    T v = 0;
    for (std::uint8_t b : in) v = static_cast<T>((v << 8) | b);
    return v;
}

template <typename T>
void write_be(Bytes& out, T v) {
    for (int shift = static_cast<int>(sizeof(T) * 8) - 8; shift >= 0; shift -= 8)
        out.push_back(static_cast<std::uint8_t>(v >> shift));
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

void append(Bytes& to, ByteView more) {
    to.insert(to.end(), more.begin(), more.end());
}

std::string to_hex(ByteView bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (std::uint8_t b : bytes) {
        out.push_back(kDigits[b >> 4]);
        out.push_back(kDigits[b & 15]);
    }
    return out;
}

Result<Bytes> from_hex(std::string_view hex) {
    if (hex.size() % 2 != 0) return fail(Errc::Malformed, "odd number of hexadecimal digits");
    Bytes out;
    out.reserve(hex.size() / 2);
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        const int high = hex_digit(hex[i]);
        const int low = hex_digit(hex[i + 1]);
        if (high < 0 || low < 0)
            return fail(Errc::Malformed, "not a hexadecimal digit").at(high < 0 ? i : i + 1);
        out.push_back(static_cast<std::uint8_t>(high << 4 | low));
    }
    return out;
}

bool equal_constant_time(ByteView a, ByteView b) {
    if (a.size() != b.size()) return false;
    volatile std::uint8_t diff = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        diff = static_cast<std::uint8_t>(diff | (a[i] ^ b[i]));
    return diff == 0;
}

Status Reader::need(std::size_t n) const {
    if (n <= left()) return ok();
    return fail(Errc::Truncated,
                "found " + std::to_string(left()) + " bytes, expected " + std::to_string(n))
        .at(offset());
}

Result<ByteView> Reader::bytes(std::size_t n) {
    RACOON_TRY_STATUS(need(n));
    ByteView v = in_.subspan(pos_, n);
    pos_ += n;
    return v;
}

Result<std::uint8_t> Reader::u8() {
    RACOON_TRY(ByteView v, bytes(1));
    return v[0];
}

Result<std::uint16_t> Reader::u16() {
    RACOON_TRY(ByteView v, bytes(2));
    return read_be<std::uint16_t>(v);
}

Result<std::uint32_t> Reader::u32() {
    RACOON_TRY(ByteView v, bytes(4));
    return read_be<std::uint32_t>(v);
}

Result<std::uint64_t> Reader::u64() {
    RACOON_TRY(ByteView v, bytes(8));
    return read_be<std::uint64_t>(v);
}

ByteView Reader::rest() {
    ByteView v = in_.subspan(pos_);
    pos_ = in_.size();
    return v;
}

Status Reader::skip(std::size_t n) {
    RACOON_TRY_STATUS(need(n));
    pos_ += n;
    return ok();
}

Result<Reader> Reader::sub(std::size_t n) {
    const std::size_t start = offset();
    RACOON_TRY(ByteView v, bytes(n));
    Reader r(v);
    r.base_ = start;
    return r;
}

Result<ByteView> Reader::counted16() {
    RACOON_TRY(auto n, u16());
    return bytes(n);
}

Result<ByteView> Reader::counted32() {
    RACOON_TRY(auto n, u32());
    return bytes(n);
}

void Writer::u16(std::uint16_t v) {
    write_be(out_, v);
}
void Writer::u32(std::uint32_t v) {
    write_be(out_, v);
}
void Writer::u64(std::uint64_t v) {
    write_be(out_, v);
}

void Writer::counted16(ByteView v) {
    RACOON_CHECK(v.size() <= 0xffff);
    u16(static_cast<std::uint16_t>(v.size()));
    bytes(v);
}

void Writer::counted32(ByteView v) {
    RACOON_CHECK(v.size() <= 0xffffffff);
    u32(static_cast<std::uint32_t>(v.size()));
    bytes(v);
}

void Writer::patch_u8(Mark m, std::uint8_t v) {
    RACOON_CHECK(m.at + 1 <= out_.size());
    out_[m.at] = v;
}

void Writer::patch_u16(Mark m, std::size_t v) {
    RACOON_CHECK(v <= 0xffff && m.at + 2 <= out_.size());
    out_[m.at] = static_cast<std::uint8_t>(v >> 8);
    out_[m.at + 1] = static_cast<std::uint8_t>(v);
}

void Writer::patch_u32(Mark m, std::size_t v) {
    RACOON_CHECK(v <= 0xffffffff && m.at + 4 <= out_.size());
    for (std::size_t i = 0; i < 4; ++i)
        out_[m.at + i] = static_cast<std::uint8_t>(v >> (24 - 8 * i));
}

}  // namespace racoon
