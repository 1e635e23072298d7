// What arrives in the clear although an inbound policy wants it protected: RFC 4301 5.2 drops it. It comes by another
// device than ours and never passes through the data process, so the kernel's packet filter holds the inbound
// policies once more: in their order, and without what is behind the last one that keeps anything out.
#pragma once

#include <vector>

#include <racoon/plugin/kernel.h>

namespace racoon::kernel_userspace {

/// The first rule that covers a packet in the clear decides about it.
struct GuardRule {
    racoon_selector selector{};
    bool admits = false;
};

/// Whether a packet that came through no SA satisfies the policy.
bool admits_clear(const racoon_kernel_policy& policy);

/// `policies`: of any direction, the oldest first. Empty: nothing is to be kept out.
std::vector<GuardRule> guard_rules(const std::vector<const racoon_kernel_policy*>& policies);

}  // namespace racoon::kernel_userspace
