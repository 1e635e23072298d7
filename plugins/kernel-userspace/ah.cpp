#include "ah.hpp"

#include <algorithm>
#include <array>

#include "ah_header.hpp"
#include "cipher.hpp"

namespace racoon::kernel_userspace {
namespace {

constexpr std::size_t kFixed = 12;  // next header, length, reserved, SPI, sequence number

// RFC 4302 2.2, 2.6: a multiple of 4 bytes in IPv4, of 8 in IPv6.
std::size_t header_size(std::size_t icv, bool v4) {
    const std::size_t unit = v4 ? 4 : 8;
    return (kFixed + icv + unit - 1) / unit * unit;
}

}  // namespace

AhSa::AhSa(std::unique_ptr<Mac> mac, const racoon_kernel_sa& sa)
    : mac_(std::move(mac)),
      spi_(sa.spi),
      size_(header_size(mac_->size(), sa.dst.family == 4)),
      v4_(sa.dst.family == 4),
      window_(sa.replay_window),
      esn_((sa.flags & RACOON_SA_ESN) != 0),
      sent_(sa.sequence) {}

std::unique_ptr<AhSa> AhSa::make(const racoon_kernel_sa& sa, std::string* error) {
    if (sa.mode != RACOON_MODE_TUNNEL && sa.mode != RACOON_MODE_TRANSPORT) {
        *error = "neither tunnel nor transport mode";
        return nullptr;
    }
    if ((sa.flags & RACOON_SA_UDP_ENCAP) != 0) {
        *error = "AH in UDP, whose addresses a NAT would change";
        return nullptr;
    }
    if (sa.is_aead != 0 || sa.enc.xfrm_name[0] != '\0') {
        *error = "AH encrypts nothing";
        return nullptr;
    }
    if (sa.auth.key_size > sizeof(sa.auth.key)) {
        *error = "key longer than its field";
        return nullptr;
    }
    std::unique_ptr<Mac> mac = make_mac(sa.auth, error);
    if (!mac) return nullptr;
    return std::unique_ptr<AhSa>(new AhSa(std::move(mac), sa));
}

// RFC 4302 3.3.3: the headers without what may change, AH with an ICV of zeros, the rest of the packet, and
// with ESN the number's upper half behind it.
bool AhSa::compute(ByteView packet, std::size_t at, std::size_t size, std::uint64_t sequence,
                   std::uint8_t* icv) {
    if (!cover(packet.first(at), &covered_)) return false;
    const ByteView ah = packet.subspan(at, size);
    covered_.insert(covered_.end(), ah.begin(), ah.begin() + kFixed);
    covered_.resize(covered_.size() + mac_->size());
    covered_.insert(covered_.end(), ah.begin() + static_cast<std::ptrdiff_t>(kFixed + mac_->size()),
                    ah.end());
    std::array<std::uint8_t, 8> number{};
    write_number(number, sequence);
    return mac_->compute(
        {covered_, packet.subspan(at + size), ByteView(number).first(esn_ ? 4 : 0)}, icv);
}

Sealed AhSa::seal(std::span<std::uint8_t> packet, std::size_t at, std::uint8_t next_header) {
    const std::uint64_t limit = esn_ ? ~std::uint64_t{0} : 0xffffffffu;
    if (sent_ >= limit) return Sealed::Exhausted;
    const std::uint64_t sequence = sent_ + 1;
    const std::span<std::uint8_t> ah = packet.subspan(at, size_);
    std::fill(ah.begin(), ah.end(), std::uint8_t{0});
    ah[0] = next_header;
    ah[1] = static_cast<std::uint8_t>(size_ / 4 - 2);
    write_number(ah.subspan(4, 4), spi_);
    write_number(ah.subspan(8, 4), sequence & 0xffffffffu);
    std::array<std::uint8_t, kMaxIcv> icv{};
    if (const std::size_t iv_size = mac_->iv_size()) {
        // A sequence number never repeats under a key.
        const std::span<std::uint8_t> iv = std::span(icv).first(iv_size);
        write_number(iv, sequence);
        mac_->set_iv(iv);
    }
    if (!compute(packet, at, size_, sequence, icv.data())) return Sealed::Unsupported;
    std::copy_n(icv.begin(), mac_->size(), ah.begin() + kFixed);
    sent_ = sequence;
    return Sealed::Done;
}

Opened AhSa::open(ByteView packet, std::size_t at, Header* header) {
    if (at > packet.size()) return Opened::Forged;
    Reader in(packet.subspan(at));
    const std::uint8_t next = in.u8();
    const std::size_t size = (std::size_t{in.u8()} + 2) * 4;
    in.skip(6);
    const std::uint32_t low = in.u32();
    // Some senders pad to 8 bytes in IPv4, too; the padding is covered.
    const std::size_t least = kFixed + mac_->size();
    if (!in.ok() || size < least || size > packet.size() - at || size >= least + 8 ||
        (!v4_ && size % 8 != 0)) {
        return Opened::Forged;
    }
    const auto sequence = window_.infer(low, esn_);
    if (!sequence || !window_.fresh(*sequence)) return Opened::Replayed;
    const ByteView received = packet.subspan(at + kFixed, mac_->size());
    if (mac_->iv_size() != 0) mac_->set_iv(received.first(mac_->iv_size()));
    std::array<std::uint8_t, kMaxIcv> icv{};
    if (!compute(packet, at, size, *sequence, icv.data())) return Opened::Unsupported;
    if (!same_secret(ByteView(icv).first(mac_->size()), received)) {
        return Opened::Forged;
    }
    window_.accept(*sequence);
    *header = {next, size};
    return Opened::Packet;
}

}  // namespace racoon::kernel_userspace
