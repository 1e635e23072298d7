// What an SA or a policy of XFRM has and PF_KEY cannot say, in words.
#pragma once

#include <string>
#include <vector>

#include "xfrm/message.hpp"

namespace racoon::setkey {

/// `info`'s attributes stand behind `skip` bytes of the message.
void sa_beyond(const xfrm_usersa_info& info, const xfrm::Message& message, std::size_t skip,
               bool larval, std::vector<std::string>& out);
void policy_beyond(const xfrm_userpolicy_info& info, const xfrm::Message& message, std::size_t skip,
                   std::vector<std::string>& out);
void template_beyond(const xfrm_user_tmpl& rule, std::size_t number, std::vector<std::string>& out);
/// "selector=10.0.0.0/8-10.1.0.1[80]/tcp".
void selector_beyond(const xfrm_selector& selector, std::vector<std::string>& out);

}  // namespace racoon::setkey
