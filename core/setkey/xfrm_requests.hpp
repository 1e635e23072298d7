// What setkey asks, a message of PF_KEY, as the request of XFRM that means the same.
#pragma once

#include <functional>

#include "pfkey/message.hpp"
#include "xfrm/attributes.hpp"
#include "xfrm/message.hpp"

namespace racoon::setkey {

/// Of ESP, AH and IPComp; 0: XFRM has no such SAs. `satype` unspecified: 255, all three.
std::uint8_t protocol_of_satype(std::uint8_t satype);

struct XfrmRequest {
    int error = 0;  // errno, where PF_KEY would refuse it: then there is no request
    std::optional<xfrm::Request> request;
};

/// `unique`: numbers a rule whose request id the kernel is to choose; called for each such rule.
XfrmRequest xfrm_request(const pfkey::Message& message,
                         const std::function<std::uint32_t()>& unique);
/// GET or DELETE, with the mark that the SA is found by.
xfrm::Request xfrm_name_sa(const pfkey::Message& message, const racoon_kernel_mark& mark);

}  // namespace racoon::setkey
