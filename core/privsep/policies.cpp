#include "privsep/policies.hpp"

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "log/log.hpp"

namespace racoon::privsep {

namespace {

bool same(const conf::Policy& a, const conf::Policy& b) {
    if (a.direction != b.direction || a.action != b.action || a.priority != b.priority ||
        a.selector != b.selector || a.templates.size() != b.templates.size())
        return false;
    for (std::size_t i = 0; i < a.templates.size(); ++i) {
        const auto &x = a.templates[i], &y = b.templates[i];
        if (x.protocol != y.protocol || x.tunnel != y.tunnel || x.level != y.level ||
            x.reqid != y.reqid || x.local != y.local || x.remote != y.remote)
            return false;
    }
    return true;
}

using ById = std::map<std::uint32_t, conf::Policy>;

ById wanted(const conf::Config& config, bool forward) {
    ById out;
    std::set<TrafficSelector> given;
    for (const auto& policy : config.policies)
        if (policy.direction == conf::Direction::Forward) given.insert(policy.selector);
    for (const auto& policy : config.policies) {
        out.emplace(policy.id.value, policy);
        if (!forward || policy.direction != conf::Direction::In || given.contains(policy.selector))
            continue;
        conf::Policy also = policy;
        also.id = PolicyId{policy.id.value | kForwardBit};
        also.direction = conf::Direction::Forward;
        out.emplace(also.id.value, std::move(also));
    }
    return out;
}

/// Shared by the calls of one change; the last one to end calls done. Calls that the kernel's end
/// cuts off never come back, and neither does it.
struct Round {
    std::function<void(Status)> done;
    Status result = ok();
    std::size_t left = 1;  // one for the function that starts them
    void end_one() {
        if (--left == 0) done(result);
    }
};

}  // namespace

void change_policies(Kernel& kernel, const conf::Config& before, const conf::Config& after,
                     std::function<void(Status)> done) {
    const bool forward = (kernel.capabilities().flags & RACOON_CAP_FWD_POLICY) != 0;
    const ById old = wanted(before, forward);
    const ById fresh = wanted(after, forward);
    auto round = std::make_shared<Round>();
    round->done = std::move(done);
    for (const auto& [id, policy] : old) {
        const auto kept = fresh.find(id);
        if (kept != fresh.end() && same(kept->second, policy)) continue;
        ++round->left;
        kernel.policy_delete(
            PolicyId{id}, [round, text = policy.selector.text()](const Status& status) {
                if (!status) LOGW("", "removing the policy " + text + ": " + status.error().text());
                round->end_one();
            });
    }
    for (const auto& [id, policy] : fresh) {
        const auto kept = old.find(id);
        if (kept != old.end() && same(kept->second, policy)) continue;
        ++round->left;
        kernel.policy_add(policy, [round, text = policy.selector.text()](const Status& status) {
            if (!status && round->result)
                round->result =
                    fail(Errc::Io, "installing the policy " + text + ": " + status.error().text());
            round->end_one();
        });
    }
    round->end_one();
}

}  // namespace racoon::privsep
