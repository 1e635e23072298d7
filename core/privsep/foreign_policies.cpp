#include "privsep/foreign_policies.hpp"

#include <fmt/format.h>
#include <racoon/plugin.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "log/log.hpp"

namespace racoon::privsep {

namespace {

constexpr auto kTogether = std::chrono::milliseconds(50);
/// For each policy that is served, so long is between two messages.
constexpr auto kForEach = std::chrono::microseconds(100);
/// Of one message to the engine.
constexpr std::size_t kAtOnce = 256;

}  // namespace

ForeignPolicies::ForeignPolicies(loop::EventLoop& loop, Tell tell)
    : loop_(loop), tell_(std::move(tell)) {}

ForeignPolicies::~ForeignPolicies() {
    if (pending_) loop_.cancel(timer_);
}

bool ForeignPolicies::is_foreign(PolicyId id) {
    return id.value >= RACOON_FOREIGN_POLICY_FIRST && id.value <= RACOON_FOREIGN_POLICY_LAST;
}

void ForeignPolicies::use(conf::ConfigPtr config) {
    marks_.reset();
    config_ = std::move(config);
    marks_.emplace(*config_);
    for (const auto& [id, one] : all_)
        if (one.policy.direction == conf::Direction::Out) changed_.insert(id);
    if (!changed_.empty()) changed();
}

void ForeignPolicies::put(conf::Policy policy) {
    if (!is_foreign(policy.id) || policy.templates.empty()) return;
    const auto [at, fresh] = all_.try_emplace(policy.id.value);
    One& one = at->second;
    if (fresh) {
        one.policy = std::move(policy);
        add(one);
    } else {
        // The rest is what its number stands for.
        if (one.policy.priority == policy.priority) return;
        one.policy.priority = policy.priority;
        if (one.policy.direction == conf::Direction::Out) changed_.insert(at->first);
    }
    changed();
}

void ForeignPolicies::add(One& one) {
    conf::Policy& p = one.policy;
    if (p.direction != conf::Direction::Out) {
        ways_back_.add(p);
        return way_back_changed(p);
    }
    outbound_[traffic_of(p)].insert(p.id.value);
    changed_.insert(p.id.value);
    const auto was = gone_.find(p.id.value);
    if (was == gone_.end()) return;
    p.marks.output_mark = was->second.output_mark;
    for (std::size_t i = 0; i < p.templates.size() && i < was->second.back.size(); ++i)
        p.templates[i].reqid_in = was->second.back[i];
    set_told(one, std::move(was->second));
    gone_.erase(was);
}

void ForeignPolicies::gone(PolicyId id) {
    const auto at = all_.find(id.value);
    if (at == all_.end()) return;
    One& one = at->second;
    const conf::Policy& p = one.policy;
    if (p.direction != conf::Direction::Out) {
        ways_back_.remove(p);
        way_back_changed(p);
    } else {
        const auto same = outbound_.find(traffic_of(p));
        same->second.erase(id.value);
        if (same->second.empty()) outbound_.erase(same);
        changed_.erase(id.value);
        if (one.told) gone_.emplace(id.value, *one.told);
        set_told(one, {});
    }
    all_.erase(at);
    changed();
}

void ForeignPolicies::way_back_changed(const conf::Policy& in) {
    const auto same = outbound_.find(traffic_of(in));
    if (same != outbound_.end()) changed_.insert(same->second.begin(), same->second.end());
}

const conf::Policy* ForeignPolicies::find(PolicyId id) const {
    const auto found = all_.find(id.value);
    return found == all_.end() || !found->second.told ? nullptr : &found->second.policy;
}

std::vector<const conf::Policy*> ForeignPolicies::served() const {
    std::vector<const conf::Policy*> out;
    out.reserve(served_);
    for (const auto& [id, one] : all_)
        if (one.told) out.push_back(&one.policy);
    return out;
}

void ForeignPolicies::changed() {
    if (pending_) return;
    pending_ = true;
    const Duration since = loop_.now() - last_;
    const Duration work = kForEach * static_cast<std::int64_t>(served_);
    timer_ = loop_.arm(std::max<Duration>(kTogether, work - since), [this] { flush(); });
}

void ForeignPolicies::set_told(One& one, std::optional<Told> told) {
    if (one.told) --served_;
    one.told = std::move(told);
    if (one.told) ++served_;
}

/// Nothing: it is not served.
std::optional<ForeignPolicies::Told> ForeignPolicies::judge(One& one) {
    conf::Policy& p = one.policy;
    if (const std::string why = conf::why_not_negotiable(p); !why.empty()) {
        if (!std::exchange(one.refused, true))
            LOGN("", fmt::format("the policy {} in the kernel, which is not of racoon.conf, "
                                 "is not served: it has {}",
                                 p.selector.text(), why));
        return {};
    }
    const conf::Policy* back = ways_back_.with_rules_of(p);
    one.lonely = back == nullptr;
    const conf::SaInfo* info = marks_ ? marks_->of(p) : nullptr;
    p.marks.output_mark = info != nullptr ? info->marks.output_mark : Mark{};
    Told out;
    out.priority = p.priority;
    out.output_mark = p.marks.output_mark;
    for (std::size_t i = 0; i < p.templates.size(); ++i) {
        conf::PolicyTemplate& t = p.templates[i];
        t.reqid_in.reset();
        if (back != nullptr && back->templates[i].reqid != t.reqid)
            t.reqid_in = back->templates[i].reqid;
        out.back.push_back(t.reqid_in);
    }
    return out;
}

bool ForeignPolicies::follows(PolicyId id, const IpAddr& peer, bool stranger) {
    const auto found = all_.find(id.value);
    if (found == all_.end() || !found->second.told) return false;
    One& one = found->second;
    if ((stranger || one.lonely) && !std::exchange(one.warned, true))
        LOGN(peer.text(),
             stranger
                 ? fmt::format("traffic of the policy {} in the kernel wants SAs, and no remote "
                               "section is for its peer",
                               one.policy.selector.text())
                 : fmt::format("no inbound policy in the kernel is for the same traffic as "
                               "{}: what comes back may be unprotected",
                               one.policy.selector.text()));
    return !stranger;
}

void ForeignPolicies::flush() {
    if (!pending_) return;
    loop_.cancel(timer_);
    pending_ = false;
    ForeignList change;
    for (const auto& [id, told] : std::exchange(gone_, {})) change.gone.push_back(PolicyId{id});
    for (const std::uint32_t id : std::exchange(changed_, {})) {
        One& one = all_.at(id);
        std::optional<Told> now = judge(one);
        if (now && now != one.told) change.policies.push_back(one.policy);
        if (!now && one.told) change.gone.push_back(PolicyId{id});
        set_told(one, std::move(now));
    }
    if (change.gone.empty() && change.policies.empty()) return;
    LOGI("", fmt::format("policies in the kernel that are not of racoon.conf: {} are served "
                         "({} new or changed, {} gone)",
                         served_, change.policies.size(), change.gone.size()));
    tell(change);
}

void ForeignPolicies::tell_all() {
    flush();
    telling_ = true;
    ForeignList list;
    list.anew = true;
    for (const conf::Policy* p : served()) list.policies.push_back(*p);
    tell(list);
}

void ForeignPolicies::tell(const ForeignList& list) {
    if (!telling_) return;
    for (std::size_t at = 0; at == 0 || at < list.policies.size(); at += kAtOnce) {
        ForeignList part;
        const std::size_t end = std::min(at + kAtOnce, list.policies.size());
        for (std::size_t i = at; i < end; ++i) part.policies.push_back(list.policies[i]);
        part.anew = list.anew && at == 0;
        if (at == 0) part.gone = list.gone;
        part.more = end < list.policies.size();
        tell_(part);
    }
    last_ = loop_.now();
}

}  // namespace racoon::privsep
