#include "esp.hpp"

#include <algorithm>

#include "packet.hpp"

namespace racoon::kernel_userspace {
namespace {
constexpr std::size_t kHeader = 8;   // SPI, sequence number
constexpr std::size_t kTrailer = 2;  // pad length, next header
}  // namespace

std::unique_ptr<EspSa> EspSa::make(const racoon_kernel_sa& sa, std::string* error) {
    if (sa.protocol != RACOON_IPPROTO_ESP || sa.mode != RACOON_MODE_TUNNEL) {
        *error = "only ESP in tunnel mode";
        return nullptr;
    }
    std::unique_ptr<Transform> transform = make_transform(sa.enc, sa.auth, sa.is_aead != 0, error);
    if (!transform) return nullptr;
    return std::unique_ptr<EspSa>(
        new EspSa(std::move(transform), sa.spi, sa.replay_window, (sa.flags & RACOON_SA_ESN) != 0));
}

bool EspSa::seal(ByteView inner, std::uint8_t next_header, Bytes* out) {
    const std::uint64_t limit = esn_ ? ~std::uint64_t{0} : 0xffffffffu;
    if (sent_ >= limit) return false;
    const std::uint64_t sequence = ++sent_;
    const std::size_t block = std::max<std::size_t>(4, transform_->block());
    const std::size_t plain = (inner.size() + kTrailer + block - 1) / block * block;
    const std::size_t padding = plain - inner.size() - kTrailer;

    Writer w;
    w.u32(spi_);
    w.u32(static_cast<std::uint32_t>(sequence));
    w.bytes(Bytes(transform_->iv_size()));
    w.bytes(inner);
    for (std::size_t i = 1; i <= padding; ++i) w.u8(static_cast<std::uint8_t>(i));
    w.u8(static_cast<std::uint8_t>(padding));
    w.u8(next_header);
    w.bytes(Bytes(transform_->icv_size()));
    *out = w.take();
    return transform_->seal(*out, sequence, esn_);
}

Opened EspSa::open(std::span<std::uint8_t> packet, ByteView* inner, std::uint8_t* next_header) {
    const std::size_t overhead = kHeader + transform_->iv_size() + transform_->icv_size();
    if (packet.size() < overhead + kTrailer) return Opened::Forged;
    Reader in(packet);
    in.skip(4);
    const auto sequence = window_.infer(in.u32(), esn_);
    if (!sequence || !window_.fresh(*sequence)) return Opened::Replayed;
    if (!transform_->open(packet, *sequence, esn_)) return Opened::Forged;
    // Without an ICV a forged number would move the window and shut the peer out.
    if (transform_->icv_size() != 0) window_.accept(*sequence);

    const ByteView plain =
        ByteView(packet).subspan(kHeader + transform_->iv_size(), packet.size() - overhead);
    Reader trailer(plain.last(kTrailer));
    const std::size_t padding = trailer.u8();
    *next_header = trailer.u8();
    if (padding + kTrailer > plain.size()) return Opened::Malformed;
    const ByteView content = plain.first(plain.size() - kTrailer - padding);
    // The monotonic padding is checked as RFC 4303 2.4 advises.
    for (std::size_t i = 0; i < padding; ++i) {
        if (plain[content.size() + i] != static_cast<std::uint8_t>(i + 1)) return Opened::Malformed;
    }
    if (*next_header == kProtoNone) return Opened::Dummy;
    if (*next_header != kProtoIpv4 && *next_header != kProtoIpv6) return Opened::Malformed;
    *inner = content;
    return Opened::Packet;
}

}  // namespace racoon::kernel_userspace
