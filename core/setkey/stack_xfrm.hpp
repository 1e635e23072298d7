// The kernel's stack by XFRM's netlink, which is Linux's own way to it.
#pragma once

#include <deque>

#include "setkey/stack.hpp"
#include "setkey/xfrm_requests.hpp"
#include "xfrm/socket.hpp"

namespace racoon::setkey {

class XfrmStack final : public Stack {
  public:
    Status open() override;
    const pfkey::Dialect& dialect() const override { return pfkey::linux_dialect(); }
    int transact(pfkey::Message& message, const Each& answer) override;
    Status watch() override;
    int fd() const override { return events_.fd(); }
    Got receive(Told* out) override;
    pfkey::ByteView last() const override { return last_; }

  private:
    int dump(const pfkey::Message& message, xfrm::Request& request, const Each& answer);
    int name_marked(const pfkey::Message& message,
                    const std::function<void(const xfrm::Message&)>& each);
    std::uint32_t unique_reqid();

    struct Event {
        Got got = Got::Message;
        Told told;
        std::vector<std::uint8_t> bytes;
    };

    xfrm::RequestSocket requests_;
    xfrm::EventSocket events_;
    std::uint32_t sequence_ = 0x40000000;
    std::uint32_t reqid_ = pfkey::kManualReqIdMax;
    std::deque<Event> waiting_;  // of a datagram that had several
    std::vector<std::uint8_t> last_;
};

}  // namespace racoon::setkey
