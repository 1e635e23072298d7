// ESP in tunnel mode (RFC 4303): one SA's packets, without addresses, sockets or clocks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <racoon/plugin/kernel.h>

#include "bytes.hpp"
#include "cipher.hpp"
#include "replay.hpp"

namespace racoon::kernel_userspace {

enum class Opened : std::uint8_t {
    Packet,  // `inner` holds an IP packet of the family told by `next_header`
    Dummy,   // traffic flow padding (RFC 4303 2.6): nothing to deliver
    Replayed,
    Forged,     // ICV wrong, or too short to be anything
    Malformed,  // authentic, but the padding or the content is nonsense
};

class EspSa {
  public:
    /// Null: `error` says which algorithm is not supported. The keys of `sa` are not kept.
    static std::unique_ptr<EspSa> make(const racoon_kernel_sa& sa, std::string* error);

    /// ESP packet (from the SPI on) around a whole IP packet. False: the sequence numbers are used
    /// up (RFC 4303 3.3.3), or no random numbers.
    bool seal(ByteView inner, std::uint8_t next_header, Bytes* out);

    /// `packet` begins with the SPI and is decrypted in place; `inner` is a view into it.
    Opened open(std::span<std::uint8_t> packet, ByteView* inner, std::uint8_t* next_header);

    std::uint32_t replay_window() const { return window_.size(); }

  private:
    EspSa(std::unique_ptr<Transform> transform, std::uint32_t spi, std::uint32_t window, bool esn)
        : transform_(std::move(transform)), spi_(spi), window_(window), esn_(esn) {}

    std::unique_ptr<Transform> transform_;
    std::uint32_t spi_;
    ReplayWindow window_;
    bool esn_;
    std::uint64_t sent_ = 0;
};

}  // namespace racoon::kernel_userspace
