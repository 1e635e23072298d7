// SAs and policies of the ABI as messages of PF_KEY, and back.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <racoon/plugin/kernel.h>

#include "pfkey/message.hpp"

namespace racoon::kernel_pfkey {

/// PF_KEY takes request ids up to 16383 from outside and chooses the larger ones itself, so the daemon's,
/// which begin above, get small ones of ours while a policy or an SA uses them.
class RequestIds {
  public:
    /// `others`: whether somebody else has a policy with this number now, so that none of the daemon's
    /// becomes it.
    using Others = std::function<bool(std::uint32_t)>;
    explicit RequestIds(Others others) : others_(std::move(others)) {}

    /// 0: there is none left. 0 stays 0.
    std::uint32_t take(std::uint32_t wanted);
    void give_back(std::uint32_t wanted);

  private:
    struct Use {
        std::uint32_t number = 0;
        std::size_t users = 0;
    };
    std::map<std::uint32_t, Use> used_;
    std::set<std::uint32_t> numbers_;
    Others others_;
    std::uint32_t next_ = 1;
};

using pfkey::protocol_of;
using pfkey::satype_of;

/// Empty: PF_KEY can say it; else what it cannot.
std::string cannot(const racoon_kernel_sa& sa, const pfkey::Dialect& dialect);
/// ADD or UPDATE; keys are in it. `reqid`: the kernel's.
pfkey::Message sa_message(std::uint8_t type, const racoon_kernel_sa& sa, std::uint32_t reqid,
                          const pfkey::Dialect& dialect);
/// UPDATE that gives an SA in UDP, as GET's answer tells it, another port of its peer's. Nothing: it is not in
/// UDP. Keys are in it.
std::optional<pfkey::Message> move_message(const pfkey::Message& sa, bool inbound,
                                           std::uint16_t port, const pfkey::Dialect& dialect);
/// DELETE or GET.
pfkey::Message name_sa(std::uint8_t type, const racoon_kernel_sa_id& id);
pfkey::Message spi_message(const racoon_kernel_spi_request& request, std::uint32_t reqid);
/// SPDADD, or by its selector SPDDELETE, for the direction given. `reqids`: the kernel's, of each template.
pfkey::Message policy_message(std::uint8_t type, const racoon_kernel_policy& policy,
                              std::uint32_t direction, const std::uint32_t* reqids);
/// setkey's priorities grow with importance, the kernel's shrink.
std::uint32_t kernel_priority(std::int32_t priority);
std::int32_t priority_of_kernel(std::uint32_t priority);
/// A whole policy of an in or out direction, as somebody has installed it; without a number. Nothing: it is a
/// single socket's, or says what racoon_kernel_policy cannot.
std::optional<racoon_kernel_policy> read_whole_policy(const pfkey::Message& message,
                                                      const pfkey::Dialect& dialect);
/// Fills what an SA's message says of it; state and counters included.
void read_info(const pfkey::Message& message, racoon_kernel_sa_info* out);
/// The address of an SA's end, with the port of UDP encapsulation.
racoon_addr end_of(const std::optional<pfkey::Address>& address,
                   const std::optional<std::uint16_t>& port);

}  // namespace racoon::kernel_pfkey
