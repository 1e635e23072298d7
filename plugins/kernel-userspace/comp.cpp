#include "comp.hpp"

#include <zlib.h>

#include <cstring>

namespace racoon::kernel_userspace {
namespace {

// Streams without zlib's header and check sum (RFC 2394 2). A peer may have compressed with any window; what
// it expands with may be as small as Linux's.
constexpr int kExpandWindow = -15;
constexpr int kCompressWindow = -11;
constexpr int kMemory = 6;  // of 9: packets are small
// What is shorter gains nothing (RFC 2394 3: 90 bytes).
constexpr std::size_t kWorthwhile = 90;

struct Streams {
    z_stream compress{};
    z_stream expand{};
    bool ready = false;

    Streams() {
        ready = deflateInit2(&compress, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kCompressWindow, kMemory,
                             Z_DEFAULT_STRATEGY) == Z_OK &&
                inflateInit2(&expand, kExpandWindow) == Z_OK;
    }
    ~Streams() {
        deflateEnd(&compress);
        inflateEnd(&expand);
    }
    Streams(const Streams&) = delete;
    Streams& operator=(const Streams&) = delete;
};

Streams& streams() {
    static Streams all;
    return all;
}

}  // namespace

std::unique_ptr<CompSa> CompSa::make(const racoon_kernel_sa& sa, std::string* error) {
    const std::string name(sa.enc.xfrm_name, ::strnlen(sa.enc.xfrm_name, sizeof(sa.enc.xfrm_name)));
    if (!name.empty() && name != "deflate") {
        *error = "compression \"" + name + "\" is not deflate";
    } else if (sa.auth.xfrm_name[0] != '\0' || sa.is_aead != 0) {
        *error = "IPComp protects nothing";
    } else if ((sa.flags & RACOON_SA_UDP_ENCAP) != 0) {
        *error = "IPComp in UDP";
    } else if (sa.spi > 0xffff) {
        *error = "a CPI has 16 bits";
    } else if (sa.mode != RACOON_MODE_TUNNEL && sa.mode != RACOON_MODE_TRANSPORT) {
        *error = "neither tunnel nor transport mode";
    } else {
        if (streams().ready)
            return std::unique_ptr<CompSa>(new CompSa(static_cast<std::uint16_t>(sa.spi)));
        *error = "no memory for compression";
    }
    return nullptr;
}

bool CompSa::compress(ByteView payload, std::uint8_t next_header, Bytes* out) {
    z_stream& z = streams().compress;
    if (payload.size() < kWorthwhile || deflateReset(&z) != Z_OK) return false;
    // One byte less than would be no gain.
    out->resize(payload.size() - 1);
    (*out)[0] = next_header;
    (*out)[1] = 0;
    (*out)[2] = static_cast<std::uint8_t>(cpi_ >> 8);
    (*out)[3] = static_cast<std::uint8_t>(cpi_);
    z.next_in = const_cast<Bytef*>(payload.data());
    z.avail_in = static_cast<uInt>(payload.size());
    z.next_out = out->data() + kHeader;
    z.avail_out = static_cast<uInt>(out->size() - kHeader);
    if (deflate(&z, Z_FINISH) != Z_STREAM_END) return false;
    out->resize(out->size() - z.avail_out);
    return true;
}

bool CompSa::expand(ByteView packet, std::size_t most, std::uint8_t* next_header, Bytes* out) {
    z_stream& z = streams().expand;
    if (packet.size() <= kHeader || inflateReset(&z) != Z_OK) return false;
    *next_header = packet[0];
    out->resize(most);
    z.next_in = const_cast<Bytef*>(packet.data()) + kHeader;
    z.avail_in = static_cast<uInt>(packet.size() - kHeader);
    z.next_out = out->data();
    z.avail_out = static_cast<uInt>(out->size());
    const bool whole = inflate(&z, Z_FINISH) == Z_STREAM_END;
    out->resize(out->size() - z.avail_out);
    return whole && !out->empty();
}

}  // namespace racoon::kernel_userspace
