// AH (RFC 4302): one SA's packets, without sockets or clocks. AH covers the IP header, so that packets are
// whole here, and go out just as they were sealed.
//
//     [IP header … at)[AH: size()][what it protects]
//
//     if (ah->seal(packet, at, next) != Sealed::Done) drop;
//     Opened opened = ah->open(packet, at, &header);    // header.next, header.size
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <racoon/plugin/kernel.h>

#include "bytes.hpp"
#include "mac.hpp"
#include "opened.hpp"
#include "replay.hpp"

namespace racoon::kernel_userspace {

enum class Sealed : std::uint8_t {
    Done,
    Exhausted,    // the sequence numbers are used up (RFC 4302 3.3.2)
    Unsupported,  // a header of which nobody can say what the ICV covers
};

class AhSa {
  public:
    /// Null: `error` says which algorithm is not supported. The keys of `sa` are not kept.
    static std::unique_ptr<AhSa> make(const racoon_kernel_sa& sa, std::string* error);

    /// Bytes of the header that it makes.
    std::size_t size() const { return size_; }

    /// `packet` has IP headers of `at` bytes, just as they will be on the wire, then room of size() bytes.
    Sealed seal(std::span<std::uint8_t> packet, std::size_t at, std::uint8_t next_header);

    struct Header {
        std::uint8_t next = 0;
        std::size_t size = 0;
    };
    /// A whole packet with AH at `at`. `header` tells of a packet that is authentic and fresh.
    Opened open(ByteView packet, std::size_t at, Header* header);

    std::uint32_t replay_window() const { return window_.size(); }

  private:
    AhSa(std::unique_ptr<Mac> mac, const racoon_kernel_sa& sa);
    bool compute(ByteView packet, std::size_t at, std::size_t size, std::uint64_t sequence,
                 std::uint8_t* icv);

    std::unique_ptr<Mac> mac_;
    std::uint32_t spi_;
    std::size_t size_;
    bool v4_;
    ReplayWindow window_;
    bool esn_;
    std::uint64_t sent_;
    Bytes covered_;  // the headers of the packet at hand
};

}  // namespace racoon::kernel_userspace
