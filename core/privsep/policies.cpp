#include "privsep/policies.hpp"

#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "log/log.hpp"

namespace racoon::privsep {

namespace {

bool same(const conf::Policy& a, const conf::Policy& b) {
    if (a.direction != b.direction || a.action != b.action || a.priority != b.priority ||
        a.selector != b.selector || a.marks != b.marks || a.templates.size() != b.templates.size())
        return false;
    for (std::size_t i = 0; i < a.templates.size(); ++i) {
        const auto &x = a.templates[i], &y = b.templates[i];
        if (x.protocol != y.protocol || x.tunnel != y.tunnel || x.level != y.level ||
            x.reqid != y.reqid || x.local != y.local || x.remote != y.remote)
            return false;
    }
    return true;
}

/// What no kernel has two policies of one direction for.
using Traffic = std::tuple<TrafficSelector, std::uint32_t, Mark>;
Traffic traffic_of(const conf::Policy& policy) {
    return {policy.selector, policy.marks.if_id, policy.marks.mark};
}

conf::Policy forward_of(conf::Policy in) {
    in.id = PolicyId{in.id.value | kForwardBit};
    in.direction = conf::Direction::Forward;
    return in;
}

using ById = std::map<std::uint32_t, conf::Policy>;

ById wanted(const conf::Config& config, bool forward) {
    ById out;
    std::set<Traffic> given;
    for (const auto& policy : config.policies)
        if (policy.direction == conf::Direction::Forward) given.insert(traffic_of(policy));
    for (const auto& policy : config.policies) {
        out.emplace(policy.id.value, policy);
        if (!forward || policy.direction != conf::Direction::In ||
            given.contains(traffic_of(policy)))
            continue;
        conf::Policy also = forward_of(policy);
        out.emplace(also.id.value, std::move(also));
    }
    return out;
}

/// One policy at a time for each direction and traffic: no kernel takes a second one.
using Place = std::pair<conf::Direction, Traffic>;
Place place_of(const conf::Policy& policy) {
    return {policy.direction, traffic_of(policy)};
}

}  // namespace

std::optional<conf::Policy> installed_policy(const conf::Config& config, PolicyId id) {
    const PolicyId plain = without_forward(id);
    for (const conf::Policy& policy : config.policies)
        if (policy.id == plain) return id == plain ? policy : forward_of(policy);
    return {};
}

std::shared_ptr<PolicyChange> PolicyChange::make(Kernel& kernel, const conf::Config& before,
                                                 const conf::Config& after) {
    std::shared_ptr<PolicyChange> change(new PolicyChange(kernel));
    const bool forward = (kernel.capabilities().flags & RACOON_CAP_FWD_POLICY) != 0;
    const ById old = wanted(before, forward);
    const ById fresh = wanted(after, forward);
    const auto kept = [](const ById& in, std::uint32_t id, const conf::Policy& policy) {
        const auto found = in.find(id);
        return found != in.end() && same(found->second, policy);
    };
    std::multimap<Place, const conf::Policy*> gone;
    for (const auto& [id, policy] : old)
        if (!kept(fresh, id, policy)) gone.emplace(place_of(policy), &policy);
    for (const auto& [id, policy] : fresh) {
        if (kept(old, id, policy)) continue;
        const auto replaced = gone.find(place_of(policy));
        Step step;
        step.add = policy;
        if (replaced != gone.end()) {
            step.remove = *replaced->second;
            gone.erase(replaced);
        }
        change->prepare_.push_back(std::move(step));
    }
    for (const auto& [place, policy] : gone) change->commit_.push_back({*policy, std::nullopt});
    return change;
}

void PolicyChange::prepare(std::function<void(Status)> done) {
    begin(prepare_, false, [self = shared_from_this(), done = std::move(done)](Status result) {
        self->taken_.assign(self->prepare_.begin(),
                            self->prepare_.begin() + static_cast<std::ptrdiff_t>(self->next_));
        if (result) return done(std::move(result));
        self->rollback([done, result] { done(result); });
    });
}

void PolicyChange::commit(std::function<void()> done) {
    begin(commit_, true, [done = std::move(done)](const Status&) { done(); });
}

void PolicyChange::rollback(std::function<void()> done) {
    std::vector<Step> back(taken_.rbegin(), taken_.rend());
    for (Step& step : back) std::swap(step.remove, step.add);
    taken_.clear();
    begin(std::move(back), true, [done = std::move(done)](const Status&) { done(); });
}

void PolicyChange::begin(std::vector<Step> steps, bool go_on, std::function<void(Status)> done) {
    steps_ = std::move(steps);
    next_ = 0;
    go_on_ = go_on;
    result_ = ok();
    done_ = std::move(done);
    run();
}

/// Step by step; without recursion where the kernel answers at once.
void PolicyChange::run() {
    if (running_) return;
    const auto self = shared_from_this();  // the last callback may let go of us
    running_ = true;
    while (!waiting_ && next_ < steps_.size() && (result_ || go_on_)) {
        waiting_ = true;
        take(steps_[next_], [self](const Status& status) {
            self->waiting_ = false;
            if (status || self->go_on_) ++self->next_;
            if (!status && self->result_) self->result_ = status;
            self->run();
        });
    }
    running_ = false;
    if (waiting_) return;
    const auto done = std::exchange(done_, nullptr);
    done(result_);
}

void PolicyChange::take(const Step& step, std::function<void(const Status&)> done) {
    const std::string text = (step.add ? step.add : step.remove)->selector.text();
    if (step.add) {
        const auto installed = [text, done](const Status& status) {
            done(status ? ok()
                        : Status(fail(Errc::Io, "installing the policy " + text + ": " +
                                                    status.error().text())));
        };
        if (!step.remove) return kernel_.policy_add(*step.add, installed);
        const auto add = [&kernel = kernel_, policy = *step.add, installed](const Status& status) {
            // Somebody else has removed the one before.
            if (!status && status.error().code() == Errc::NotFound)
                return kernel.policy_add(policy, installed);
            installed(status);
        };
        return kernel_.policy_update(*step.remove, *step.add, add);
    }
    kernel_.policy_delete(step.remove->id, [text, done](const Status& status) {
        // What cannot be removed is most likely gone already.
        if (!status) LOGW("", "removing the policy " + text + ": " + status.error().text());
        done(ok());
    });
}

}  // namespace racoon::privsep
