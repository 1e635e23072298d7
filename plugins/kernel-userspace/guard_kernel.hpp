// The guard in the kernel: its table of the packet filter, and who takes it away.
#pragma once

#include <cstdint>
#include <vector>

#include "devices.hpp"
#include "guard_messages.hpp"

namespace racoon::kernel_userspace {

class Guard {
  public:
    /// Replaces what was there, with no instant in between.
    bool put(const GuardTable& table, const std::vector<GuardRule>& rules, Failure* failure);
    bool remove(const std::string& name, Failure* failure);
    /// The numbers of the guards that there are, of whatever run; none where the kernel has no packet filter.
    std::vector<std::uint32_t> tables();

    /// Descriptor of a socket that tells what happens to the filter; -1: it cannot be had.
    int watch(Failure* failure);
    void unwatch() { watched_ = Fd(); }
    /// Reads all that is there. True: somebody else has taken something of that table away.
    bool lost(const std::string& name);

    /// Whether that is because this kernel has no packet filter that could do it.
    static bool is_missing(const Failure& failure);

  private:
    bool open(Failure* failure);
    bool talk(const GuardBatch& batch, Failure* failure);

    Fd netlink_;
    Fd watched_;
    std::uint32_t port_ = 0;  // of netlink_
    std::uint32_t sequence_ = 0;
};

}  // namespace racoon::kernel_userspace
