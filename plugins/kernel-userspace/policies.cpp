#include "policies.hpp"

#include <algorithm>
#include <cstring>

#include <racoon/kernel_backend.hpp>

namespace racoon::kernel_userspace {
namespace {

// Whether the packet itself gets a header between its own; where a rule may be left out, the next one's.
bool begins_in_transport(const racoon_kernel_policy& policy) {
    for (std::uint32_t i = 0; i < policy.template_count; ++i) {
        const racoon_kernel_template& t = policy.templates[i];
        if (t.mode == RACOON_MODE_TRANSPORT) return true;
        if (t.level != RACOON_LEVEL_USE) return false;
    }
    return false;
}

}  // namespace

void Policies::insert(const racoon_kernel_policy& policy) {
    const auto at = std::find_if(policies_.begin(), policies_.end(),
                                 [&](const auto& p) { return p.priority < policy.priority; });
    policies_.emplace(at, policy);
    ++generation_;
}

bool Policies::erase(std::uint32_t id) {
    const auto at =
        std::find_if(policies_.begin(), policies_.end(), [&](const auto& p) { return p.id == id; });
    if (at == policies_.end()) return false;
    policies_.erase(at);
    ++generation_;
    return true;
}

const Policy* Policies::find(bool outbound, const racoon_addr& local, const racoon_addr& remote,
                             const Flow& flow) const {
    const auto same_end = [](const racoon_addr& a, const racoon_addr& b) {
        return a.port == b.port && sdk::same_address(a, b);
    };
    std::uint64_t hash = flow.protocol;
    for (const racoon_addr* end : {&local, &remote}) {
        std::uint64_t words[2];
        std::memcpy(words, end->bytes, sizeof(words));
        hash = (hash ^ words[0] ^ end->port) * 0x9e3779b97f4a7c15u;
        hash = (hash ^ words[1] ^ hash >> 29) * 0x9e3779b97f4a7c15u;
    }
    Known& known = known_[(hash >> 40 ^ (outbound ? 1u : 0u)) % kKnown];
    if (known.generation == generation_ && known.outbound == outbound &&
        known.ports_known == flow.ports_known && known.protocol == flow.protocol &&
        same_end(known.local, local) && same_end(known.remote, remote)) {
        return known.policy;
    }
    known = {generation_,
             outbound,
             flow.ports_known,
             flow.protocol,
             local,
             remote,
             look_up(outbound, local, remote, flow)};
    return known.policy;
}

const Policy* Policies::look_up(bool outbound, const racoon_addr& local, const racoon_addr& remote,
                                const Flow& flow) const {
    for (const auto& p : policies_) {
        if ((p.direction == RACOON_DIR_OUT) == outbound &&
            covers(p.selector, local, remote, flow)) {
            return &p;
        }
    }
    return nullptr;
}

bool Policies::wants_whole(const Flow& fragment) const {
    for (const auto& p : policies_) {
        if (p.direction != RACOON_DIR_OUT) continue;
        racoon_selector s = p.selector;
        s.local.port = s.remote.port = 0;
        if (!covers(s, fragment.source, fragment.destination, fragment)) continue;
        return p.selector.local.port != 0 || p.selector.remote.port != 0 ||
               (p.action == RACOON_POLICY_IPSEC && begins_in_transport(p));
    }
    return false;
}

}  // namespace racoon::kernel_userspace
