#include "esp.hpp"

#include <openssl/rand.h>

#include <algorithm>

#include "packet.hpp"

namespace racoon::kernel_userspace {
namespace {
constexpr std::size_t kHeader = 8;   // SPI, sequence number
constexpr std::size_t kTrailer = 2;  // pad length, next header
}  // namespace

EspSa::EspSa(std::unique_ptr<Transform> transform, const racoon_kernel_sa& sa)
    : transform_(std::move(transform)),
      spi_(sa.spi),
      window_(sa.replay_window),
      esn_((sa.flags & RACOON_SA_ESN) != 0),
      tunnel_(sa.mode == RACOON_MODE_TUNNEL) {}

std::unique_ptr<EspSa> EspSa::make(const racoon_kernel_sa& sa, std::string* error) {
    if (sa.protocol != RACOON_IPPROTO_ESP) {
        *error = "only ESP";
        return nullptr;
    }
    if (sa.mode != RACOON_MODE_TUNNEL && sa.mode != RACOON_MODE_TRANSPORT) {
        *error = "neither tunnel nor transport mode";
        return nullptr;
    }
    std::unique_ptr<Transform> transform = make_transform(sa.enc, sa.auth, sa.is_aead != 0, error);
    if (!transform) return nullptr;
    std::unique_ptr<EspSa> made(new EspSa(std::move(transform), sa));
    made->sent_ = sa.sequence;
    if (sa.sequence != 0 && !made->esn_) {
        std::uint32_t above = 0;
        if (RAND_bytes(reinterpret_cast<unsigned char*>(&above), sizeof above) != 1) {
            *error = "no random numbers";
            return nullptr;
        }
        made->above_ = std::uint64_t{above | 1} << 32;
    }
    return made;
}

std::size_t EspSa::sealed_size(std::size_t inner) const {
    const std::size_t block = std::max<std::size_t>(4, transform_->block());
    return kHeader + transform_->iv_size() + (inner + kTrailer + block - 1) / block * block +
           transform_->icv_size();
}

std::size_t EspSa::most_inside(std::size_t sealed) const {
    const std::size_t block = std::max<std::size_t>(4, transform_->block());
    const std::size_t overhead = kHeader + transform_->iv_size() + transform_->icv_size();
    if (sealed < overhead + block) return 0;
    return (sealed - overhead) / block * block - kTrailer;
}

bool EspSa::seal(ByteView head, ByteView body, std::uint8_t next_header,
                 std::span<std::uint8_t> out) {
    const std::uint64_t limit = esn_ ? ~std::uint64_t{0} : 0xffffffffu;
    const std::size_t inner = head.size() + body.size();
    if (sent_ >= limit || out.size() != sealed_size(inner)) return false;
    const std::uint64_t sequence = ++sent_;
    const std::size_t content = kHeader + transform_->iv_size();
    const std::size_t trailer = out.size() - transform_->icv_size() - kTrailer;
    const std::size_t padding = trailer - content - inner;

    write_number(out.first(4), spi_);
    write_number(out.subspan(4, 4), sequence & 0xffffffffu);
    std::copy(head.begin(), head.end(), out.begin() + static_cast<std::ptrdiff_t>(content));
    std::copy(body.begin(), body.end(),
              out.begin() + static_cast<std::ptrdiff_t>(content + head.size()));
    for (std::size_t i = 0; i < padding; ++i) {
        out[content + inner + i] = static_cast<std::uint8_t>(i + 1);
    }
    out[trailer] = static_cast<std::uint8_t>(padding);
    out[trailer + 1] = next_header;
    return transform_->seal(out, sequence | above_, esn_);
}

Opened EspSa::open(std::span<std::uint8_t> packet, std::span<std::uint8_t>* inner,
                   std::uint8_t* next_header) {
    const std::size_t overhead = kHeader + transform_->iv_size() + transform_->icv_size();
    if (packet.size() < overhead + kTrailer) return Opened::Forged;
    Reader in(packet);
    in.skip(4);
    const auto sequence = window_.infer(in.u32(), esn_);
    if (!sequence || !window_.fresh(*sequence)) return Opened::Replayed;
    if (!transform_->open(packet, *sequence, esn_)) return Opened::Forged;
    // Without an ICV a forged number would move the window and shut the peer out.
    if (transform_->icv_size() != 0) window_.accept(*sequence);

    const std::span<std::uint8_t> plain =
        packet.subspan(kHeader + transform_->iv_size(), packet.size() - overhead);
    Reader trailer(ByteView(plain.last(kTrailer)));
    const std::size_t padding = trailer.u8();
    *next_header = trailer.u8();
    if (padding + kTrailer > plain.size()) return Opened::Malformed;
    const std::span<std::uint8_t> content = plain.first(plain.size() - kTrailer - padding);
    // The monotonic padding is checked as RFC 4303 2.4 advises.
    for (std::size_t i = 0; i < padding; ++i) {
        if (plain[content.size() + i] != static_cast<std::uint8_t>(i + 1)) return Opened::Malformed;
    }
    if (*next_header == kProtoNone) return Opened::Dummy;
    if (tunnel_ && *next_header != kProtoIpv4 && *next_header != kProtoIpv6) {
        return Opened::Malformed;
    }
    *inner = content;
    return Opened::Packet;
}

}  // namespace racoon::kernel_userspace
