#include "privsep/foreign_policies.hpp"

#include <fmt/format.h>
#include <racoon/plugin.h>

#include <chrono>
#include <tuple>
#include <utility>
#include <vector>

#include "conf/policies.hpp"
#include "log/log.hpp"

namespace racoon::privsep {

namespace {

constexpr auto kTogether = std::chrono::milliseconds(50);
/// Of one message to the engine.
constexpr std::size_t kAtOnce = 256;

/// What an outbound policy and the one for the way back have in common.
using MirrorKey = std::tuple<TrafficSelector, std::uint32_t, Mark,
                             std::vector<std::tuple<std::uint8_t, bool, IpAddr, IpAddr>>>;
MirrorKey mirror_key(const conf::Policy& p, const Mark& mark) {
    MirrorKey key{p.selector, p.marks.if_id, mark, {}};
    for (const conf::PolicyTemplate& t : p.templates)
        std::get<3>(key).emplace_back(t.protocol, t.tunnel, t.local, t.remote);
    return key;
}

bool same(const conf::Policy& a, const conf::Policy& b) {
    if (a.priority != b.priority || a.templates.size() != b.templates.size()) return false;
    for (std::size_t i = 0; i < a.templates.size(); ++i)
        if (a.templates[i].reqid_in != b.templates[i].reqid_in) return false;
    return true;  // the rest is what its number stands for
}

}  // namespace

ForeignPolicies::ForeignPolicies(loop::EventLoop& loop, Tell tell)
    : loop_(loop), tell_(std::move(tell)) {}

ForeignPolicies::~ForeignPolicies() {
    if (pending_) loop_.cancel(timer_);
}

bool ForeignPolicies::is_foreign(PolicyId id) {
    return id.value >= RACOON_FOREIGN_POLICY_FIRST && id.value <= RACOON_FOREIGN_POLICY_LAST;
}

void ForeignPolicies::put(conf::Policy policy) {
    if (!is_foreign(policy.id) || policy.templates.empty()) return;
    all_.insert_or_assign(policy.id.value, std::move(policy));
    changed();
}

void ForeignPolicies::gone(PolicyId id) {
    if (all_.erase(id.value) == 0) return;
    for (auto* list : {&refused_, &lonely_, &warned_}) list->erase(id.value);
    changed();
}

const conf::Policy* ForeignPolicies::find(PolicyId id) const {
    const auto found = served_.find(id.value);
    return found == served_.end() || !all_.contains(id.value) ? nullptr : &found->second;
}

void ForeignPolicies::changed() {
    if (pending_) return;
    pending_ = true;
    timer_ = loop_.arm(kTogether, [this] { flush(); });
}

std::map<std::uint32_t, conf::Policy> ForeignPolicies::judge() {
    std::map<MirrorKey, const conf::Policy*> inbound;
    for (const auto& [id, p] : all_)
        if (p.direction == conf::Direction::In) inbound.emplace(mirror_key(p, p.marks.mark), &p);
    std::map<std::uint32_t, conf::Policy> out;
    lonely_.clear();
    for (const auto& [id, p] : all_) {
        if (p.direction != conf::Direction::Out) continue;
        if (const std::string why = conf::why_not_negotiable(p); !why.empty()) {
            if (refused_.insert(id).second)
                LOGN("", fmt::format("the policy {} in the kernel, which is not of racoon.conf, "
                                     "is not served: it has {}",
                                     p.selector.text(), why));
            continue;
        }
        conf::Policy& served = out.emplace(id, p).first->second;
        // Without a mark it takes what a marked policy has brought in, too.
        auto mirror = inbound.find(mirror_key(p, p.marks.mark));
        if (mirror == inbound.end()) mirror = inbound.find(mirror_key(p, {}));
        if (mirror == inbound.end()) {
            lonely_.insert(id);
            continue;
        }
        for (std::size_t i = 0; i < served.templates.size(); ++i) {
            const ReqId in = mirror->second->templates[i].reqid;
            if (in != served.templates[i].reqid) served.templates[i].reqid_in = in;
        }
    }
    return out;
}

bool ForeignPolicies::follows(PolicyId id, const IpAddr& peer, bool stranger) {
    const conf::Policy* policy = find(id);
    if (policy == nullptr) return false;
    if ((stranger || lonely_.contains(id.value)) && warned_.insert(id.value).second)
        LOGN(peer.text(),
             stranger
                 ? fmt::format("traffic of the policy {} in the kernel wants SAs, and no remote "
                               "section is for its peer",
                               policy->selector.text())
                 : fmt::format("no inbound policy in the kernel is for the same traffic as "
                               "{}: what comes back may be unprotected",
                               policy->selector.text()));
    return !stranger;
}

void ForeignPolicies::flush() {
    if (!pending_) return;
    loop_.cancel(timer_);
    pending_ = false;
    const auto before = std::exchange(served_, judge());
    ForeignList change;
    for (const auto& [id, p] : before)
        if (!served_.contains(id)) change.gone.push_back(PolicyId{id});
    for (const auto& [id, p] : served_)
        if (const auto was = before.find(id); was == before.end() || !same(was->second, p))
            change.policies.push_back(p);
    if (change.gone.empty() && change.policies.empty()) return;
    LOGI("", fmt::format("policies in the kernel that are not of racoon.conf: {} are served "
                         "({} new or changed, {} gone)",
                         served_.size(), change.policies.size(), change.gone.size()));
    tell(change);
}

void ForeignPolicies::tell_all() {
    flush();
    telling_ = true;
    ForeignList list;
    list.anew = true;
    for (const auto& [id, p] : served_) list.policies.push_back(p);
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
}

}  // namespace racoon::privsep
