// ESP (RFC 4303), in tunnel and transport mode: one SA's packets, without addresses, sockets or clocks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <racoon/plugin/kernel.h>

#include "bytes.hpp"
#include "cipher.hpp"
#include "opened.hpp"
#include "replay.hpp"

namespace racoon::kernel_userspace {

class EspSa {
  public:
    /// Null: `error` says which algorithm is not supported. The keys of `sa` are not kept.
    static std::unique_ptr<EspSa> make(const racoon_kernel_sa& sa, std::string* error);

    /// Bytes of the ESP packet around that many bytes.
    std::size_t sealed_size(std::size_t inner) const;
    /// The most bytes that an ESP packet of at most `sealed` bytes has room for; 0: none.
    std::size_t most_inside(std::size_t sealed) const;

    /// ESP packet (from the SPI on) around `head` and then `body`, which are one IP packet in tunnel mode,
    /// else what follows its header. `out` has the sealed_size of both, and overlaps neither. False: the
    /// sequence numbers are used up (RFC 4303 3.3.3), or no random numbers.
    bool seal(ByteView head, ByteView body, std::uint8_t next_header, std::span<std::uint8_t> out);
    bool seal(ByteView inner, std::uint8_t next_header, Bytes* out) {
        out->resize(sealed_size(inner.size()));
        return seal(inner, {}, next_header, *out);
    }

    /// `packet` begins with the SPI and is decrypted in place; `inner` is a view into it.
    Opened open(std::span<std::uint8_t> packet, std::span<std::uint8_t>* inner,
                std::uint8_t* next_header);

    std::uint32_t replay_window() const { return window_.size(); }

  private:
    EspSa(std::unique_ptr<Transform> transform, const racoon_kernel_sa& sa);

    std::unique_ptr<Transform> transform_;
    std::uint32_t spi_;
    ReplayWindow window_;
    bool esn_;
    bool tunnel_;
    std::uint64_t sent_ = 0;
    // Of an SA that is made once more, without ESN: what stands above the number in an IV that is made of
    // it, so that none comes twice under the key, even if the first SA got further than was thought.
    std::uint64_t above_ = 0;
};

}  // namespace racoon::kernel_userspace
