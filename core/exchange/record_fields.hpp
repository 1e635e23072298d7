// What the records of operations are made of: small reads that check, for the files that define records.
#pragma once

#include <racoon/plugin.h>

#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace racoon::exchange::fields {

inline constexpr std::size_t kMaxName = 255;     // of a section
inline constexpr std::size_t kMaxWord = 64;      // of an algorithm
inline constexpr std::size_t kMaxLacks = 1024;   // more than modules can offer
inline constexpr std::size_t kMaxPublic = 2048;  // a public value or shared secret
inline constexpr std::size_t kMaxNonce = 256;    // RFC 2409 5
inline constexpr std::size_t kMinNonce = 8;
inline constexpr std::size_t kMaxIdentity = 4096;
inline constexpr std::size_t kMaxKey = 256;  // of one cipher or MAC, and SKEYID

inline Result<ByteView> blob(Reader& in, std::size_t min, std::size_t max, std::string_view what) {
    const std::size_t at = in.offset();
    RACOON_TRY(ByteView v, in.counted16());
    if (v.size() < min || v.size() > max)
        return fail(Errc::TooLong, std::string(what) + " of " + std::to_string(v.size()) +
                                       " bytes, expected " + std::to_string(min) + " to " +
                                       std::to_string(max))
            .at(at);
    return v;
}

inline Result<std::string> text(Reader& in, std::size_t max, std::string_view what) {
    RACOON_TRY(ByteView v, blob(in, 0, max, what));
    for (std::uint8_t c : v)
        if (c < 0x20 || c == 0x7f)
            return fail(Errc::Malformed, std::string(what) + " with a control character");
    return std::string(as_text(v));
}

inline void put_text(Writer& out, const std::string& v) {
    out.counted16(as_bytes(v));
}

inline Result<bool> flag(Reader& in) {
    RACOON_TRY(auto v, in.u8());
    if (v > 1) return fail(Errc::Malformed, "a flag of " + std::to_string(v));
    return v == 1;
}

inline Result<std::uint8_t> ipsec_protocol(Reader& in) {
    RACOON_TRY(auto v, in.u8());
    if (v != RACOON_IPPROTO_ESP && v != RACOON_IPPROTO_AH && v != RACOON_IPPROTO_COMP)
        return fail(Errc::Malformed, "protocol " + std::to_string(v) + " is not esp, ah or ipcomp");
    return v;
}

inline Result<std::uint64_t> handle_of(Reader& in) {
    RACOON_TRY(auto v, in.u64());
    if (v == 0) return fail(Errc::Malformed, "handle 0");
    return v;
}

}  // namespace racoon::exchange::fields
