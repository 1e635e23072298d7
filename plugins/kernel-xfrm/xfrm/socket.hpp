// The two XFRM sockets: one asks and waits for the kernel's answer, which comes at once; the other
// receives events and never blocks.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "xfrm/message.hpp"

struct mnl_socket;

namespace racoon::xfrm {

class RequestSocket {
  public:
    RequestSocket() = default;
    ~RequestSocket() { close(); }
    RequestSocket(const RequestSocket&) = delete;
    RequestSocket& operator=(const RequestSocket&) = delete;

    /// 0, or errno.
    int open();
    void close();
    std::uint32_t port() const { return port_; }

    /// Sends and waits for the acknowledgement; `answer` is called for other messages that belong to
    /// the request. 0, or the kernel's errno.
    int transact(Request& request, const std::function<void(const Message&)>& answer = {});

  private:
    mnl_socket* socket_ = nullptr;
    std::uint32_t port_ = 0;
    std::uint32_t sequence_ = 0;
    std::vector<std::uint8_t> buffer_;
};

class EventSocket {
  public:
    EventSocket() = default;
    ~EventSocket() { close(); }
    EventSocket(const EventSocket&) = delete;
    EventSocket& operator=(const EventSocket&) = delete;

    int open();
    void close();
    int fd() const;

    enum class Got : std::uint8_t { Nothing, Datagram, Overrun, Broken };
    /// The next datagram; valid until the next call.
    Got receive(ByteView* datagram);

  private:
    mnl_socket* socket_ = nullptr;
    std::vector<std::uint8_t> buffer_;
};

}  // namespace racoon::xfrm
