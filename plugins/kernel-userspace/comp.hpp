// IPComp (RFC 3173) with DEFLATE (RFC 2394): one SA's packets. It has no keys and protects nothing; a packet
// that does not get smaller goes without it. Each packet is compressed by itself, so that all SAs share one
// compressor; not thread-safe.
//
//     if (comp->compress(payload, next, &out)) …;      // the header and what is compressed
//     if (comp->expand(header_and_payload, &next, &out)) …;
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <racoon/plugin/kernel.h>

#include "bytes.hpp"

namespace racoon::kernel_userspace {

class CompSa {
  public:
    static constexpr std::size_t kHeader = 4;  // next header, flags, CPI

    /// Null: `error` says what is not supported.
    static std::unique_ptr<CompSa> make(const racoon_kernel_sa& sa, std::string* error);

    /// False: it would not get smaller (RFC 3173 2.2).
    bool compress(ByteView payload, std::uint8_t next_header, Bytes* out);
    /// `packet` begins with the header. At most `most` bytes come out. False: malformed, or more than that.
    bool expand(ByteView packet, std::size_t most, std::uint8_t* next_header, Bytes* out);

  private:
    explicit CompSa(std::uint16_t cpi) : cpi_(cpi) {}

    std::uint16_t cpi_;
};

}  // namespace racoon::kernel_userspace
