#include "guard.hpp"

#include <algorithm>

namespace racoon::kernel_userspace {

// As for what came through SAs: a rule of level use may be left out, and IPComp leaves out what would not get smaller.
bool admits_clear(const racoon_kernel_policy& policy) {
    if (policy.action != RACOON_POLICY_IPSEC) return policy.action == RACOON_POLICY_NONE;
    for (std::uint32_t i = 0; i < policy.template_count; ++i) {
        const racoon_kernel_template& t = policy.templates[i];
        const bool compresses =
            t.protocol == RACOON_IPPROTO_COMP && t.mode == RACOON_MODE_TRANSPORT;
        if (t.level != RACOON_LEVEL_USE && !compresses) return false;
    }
    return true;
}

std::vector<GuardRule> guard_rules(const std::vector<const racoon_kernel_policy*>& policies) {
    std::vector<const racoon_kernel_policy*> inbound;
    for (const racoon_kernel_policy* policy : policies)
        if (policy->direction == RACOON_DIR_IN) inbound.push_back(policy);
    std::stable_sort(inbound.begin(), inbound.end(),
                     [](const auto* a, const auto* b) { return a->priority > b->priority; });
    std::vector<GuardRule> rules;
    std::size_t needed = 0;
    for (const racoon_kernel_policy* policy : inbound) {
        rules.push_back({policy->selector, admits_clear(*policy)});
        if (!rules.back().admits) needed = rules.size();
    }
    rules.resize(needed);
    return rules;
}

}  // namespace racoon::kernel_userspace
