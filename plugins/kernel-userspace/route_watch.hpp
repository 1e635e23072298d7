// What others do to the device, the rules and the routes: the kernel's routing messages. Whoever sets the
// device down, flushes a table or takes rules away that are not his own has to be followed, or protected
// traffic would stand still, or leave in the clear.
#pragma once

#include <cstdint>

#include "devices.hpp"

struct nlmsghdr;

namespace racoon::kernel_userspace {

class RouteWatch {
  public:
    /// What to look after. `requests`: the netlink port of our own requests, whose echoes are no news.
    struct Ours {
        std::uint32_t device_index = 0;
        std::uint32_t table = 0;
        std::uint32_t requests = 0;
    };
    enum class Device : std::uint8_t { Unchanged, Up, Down };
    struct News {
        bool lost = false;  // a rule, a route or an address may have gone, or come
        Device device = Device::Unchanged;
    };

    bool open(std::uint32_t table, Failure* failure);
    void close() { fd_ = Fd(); }
    int fd() const { return fd_.get(); }
    /// Reads all that is there.
    News read(const Ours& ours);

  private:
    void judge(const nlmsghdr* message, const Ours& ours, News* news);

    Fd fd_;
    bool up_ = true;
};

}  // namespace racoon::kernel_userspace
