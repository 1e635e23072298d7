// The list of what this backend is about to install, so that after a crash exactly that is removed and
// nothing of anybody else's. One line per entry, written before the kernel is asked:
//
//     +sa 50 10.9.0.1 10.9.0.2 4097 7             protocol, source, destination, SPI, request id
//     +policy out 0 7 0 192.168.1.0/24 0 192.168.2.0/24 0
//     -sa …                                        the same text: it is gone
//
// The file belongs to one network namespace and is locked while it is in use.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <racoon/plugin/kernel.h>

namespace racoon::kernel_xfrm {

std::string sa_entry(const racoon_kernel_sa_id& id, std::uint32_t reqid);
std::string policy_entry(const racoon_kernel_policy& policy, std::uint32_t direction);
/// False: the text is no such entry.
bool parse_sa_entry(const std::string& text, racoon_kernel_sa_id* id, std::uint32_t* reqid);
/// Fills direction, priority, selector and the first template's request id.
bool parse_policy_entry(const std::string& text, racoon_kernel_policy* policy);

class Journal {
  public:
    ~Journal() { close(); }
    enum class Opened : std::uint8_t { Yes, InUse, No };
    /// `left` gets the entries of a run that did not remove them. `No`: `error` says why, and nothing
    /// is recorded.
    Opened open(const std::string& folder, std::vector<std::string>* left, std::string* error);
    void close();

    void add(const std::string& entry);
    void remove(const std::string& entry);

  private:
    void write(const std::string& line);
    void compact();

    int fd_ = -1;
    bool locked_ = false;
    std::string path_;
    std::set<std::string> live_;
    std::size_t lines_ = 0;
};

}  // namespace racoon::kernel_xfrm
