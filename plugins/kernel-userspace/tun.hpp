// The TUN device as the data process has it: large packets in both directions (TCP segmentation and
// checksums are left to us, and to the kernel), cut and put together here.
#pragma once

#include <cstdint>

#include "coalesce.hpp"
#include "data_path.hpp"

namespace racoon::kernel_userspace {

class Tun final : private Coalescer::Sink {
  public:
    explicit Tun(int fd) : fd_(fd), coalescer_(*this) {}

    /// Gives what is there to the path, at most `most` packets. False: the device is gone.
    bool read(DataPath& path, int most, std::int64_t now);
    void add(ByteView packet, const Flow& flow) { coalescer_.add(packet, flow); }
    void flush() { coalescer_.flush(); }

    std::uint64_t lost() const { return lost_; }

    /// What a read gave: `packet` behind its header. Public for tests.
    static void take(const VnetHeader& header, std::span<std::uint8_t> packet, DataPath& path,
                     std::int64_t now);

  private:
    void write(const VnetHeader& header, ByteView packet) override;

    int fd_;
    Coalescer coalescer_;
    std::uint64_t lost_ = 0;
};

}  // namespace racoon::kernel_userspace
