#include "privsep/made_policies.hpp"

#include <fmt/format.h>
#include <racoon/plugin.h>

#include <algorithm>

#include "log/log.hpp"
#include "privsep/policies.hpp"

namespace racoon::privsep {

namespace {

using std::chrono::seconds;

constexpr std::size_t kMaxMade = 200'000;
/// Two numbers each, far above those of a configuration and below kForwardBit.
constexpr std::uint32_t kFirstId = 0x40000000;
/// Request ids of `unique` are those that setkey can name; others lie above what anybody writes.
constexpr std::uint32_t kLastUnique = 0x3ffe;
constexpr std::uint32_t kFirstRequired = 0x20000000;
/// How long one waits for its SAs, and how long one that was to stay outlives its engine; in seconds.
constexpr std::uint64_t kUnused = 180;
constexpr std::uint64_t kOrphaned = 3600;

bool overlap(const Prefix& a, const Prefix& b) {
    return a.addr.family == b.addr.family && (a.contains(b) || b.contains(a));
}

}  // namespace

MadePolicies::~MadePolicies() {
    for (auto& [id, made] : made_)
        if (made.armed) loop_.cancel(made.timer);
}

void MadePolicies::set_kernel(Kernel* kernel) {
    kernel_ = kernel;
    if (kernel != nullptr) return;
    for (auto& [id, made] : made_)
        if (made.armed) loop_.cancel(made.timer);
    made_.clear();
    reqids_.clear();
}

const conf::Policy* MadePolicies::find(PolicyId id) const {
    const auto found = made_.find(id.value);
    return found == made_.end() ? nullptr : &found->second.out;
}

std::optional<conf::Policy> MadePolicies::installed(PolicyId id) const {
    const std::uint32_t plain = without_forward(id).value;
    const auto found = made_.find(plain & ~1u);  // the outbound one has the even number
    if (found == made_.end() || kernel_ == nullptr) return {};
    const auto& there = found->second.installed;
    if (std::find(there.begin(), there.end(), id) == there.end()) return {};
    for (conf::Policy& one : directions(found->second.out))
        if (one.id == id) return std::move(one);
    return {};
}

Result<ReqId> MadePolicies::fresh_reqid(conf::Level level) {
    const bool unique = level == conf::Level::Unique;
    const std::uint32_t first = unique ? 1 : kFirstRequired;
    const std::uint32_t count = unique ? kLastUnique : kMaxMade * 2;
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint32_t number = first + last_reqid_++ % count;
        if (reqids_.insert(number).second) return ReqId{number};
    }
    return fail(Errc::Busy, "no request id is left for another policy");
}

Result<ReqId> MadePolicies::same_reqid(ReqId of_then) {
    if (reqids_.insert(of_then.value).second) return of_then;
    return fail(Errc::Busy, fmt::format("its request id {} is another's now", of_then.value));
}

Result<exchange::PolicyMake::Reply> MadePolicies::make(const exchange::PolicyMake& request,
                                                       const Phase1Facts& phase1, ReqId of_then) {
    conf::Policy out = policy_of(request, phase1);
    const auto same_rules = [&](const conf::Policy& p) {
        return std::equal(p.templates.begin(), p.templates.end(), out.templates.begin(),
                          out.templates.end(), [](const auto& a, const auto& b) {
                              return a.protocol == b.protocol && a.tunnel == b.tunnel &&
                                     a.local == b.local && a.remote == b.remote;
                          });
    };
    for (auto& [id, made] : made_) {
        if (made.peer != phase1.peer.addr) {
            if (overlap(made.out.selector.remote.net, out.selector.remote.net))
                return fail(
                    Errc::Denied,
                    fmt::format("{} overlaps {}, which {} has", out.selector.remote.net.text(),
                                made.out.selector.remote.net.text(), made.peer.text()));
            continue;
        }
        if (made.out.selector != out.selector) continue;
        const ReqId has = made.out.templates.front().reqid;
        if (made.out.marks == out.marks && same_rules(made.out)) {
            if (of_then.value == 0 || of_then == has)
                return exchange::PolicyMake::Reply{PolicyId{id}, has};
            return fail(Errc::Conflict, "a newer one has its policy, with another request id");
        }
        // The kernel takes one policy for each traffic: the peer wants another form of it now.
        drop(PolicyId{id});
        break;
    }
    if (made_.size() >= kMaxMade) return fail(Errc::Busy, "too many policies are made");
    RACOON_TRY(const ReqId reqid,
               of_then.value != 0 ? same_reqid(of_then) : fresh_reqid(out.templates.front().level));
    for (auto& t : out.templates) t.reqid = reqid;
    do {
        last_id_ = (last_id_ + 2) % kFirstId;
    } while (made_.contains(kFirstId + last_id_));
    out.id = PolicyId{kFirstId + last_id_};
    Made& made = made_[out.id.value];
    made.out = out;
    made.peer = phase1.peer.addr;
    age(made, kUnused);
    return exchange::PolicyMake::Reply{out.id, reqid};
}

/// Out, in, and on Linux fwd.
std::vector<conf::Policy> MadePolicies::directions(const conf::Policy& out) const {
    std::vector<conf::Policy> list{out};
    conf::Policy in = out;
    in.id = PolicyId{out.id.value + 1};
    in.direction = conf::Direction::In;
    for (auto& t : in.templates)  // what did not get smaller comes uncompressed
        if (t.protocol == RACOON_IPPROTO_COMP) t.level = conf::Level::Use;
    list.push_back(in);
    if ((kernel_->capabilities().flags & RACOON_CAP_FWD_POLICY) != 0) {
        in.id = PolicyId{in.id.value | kForwardBit};
        in.direction = conf::Direction::Forward;
        list.push_back(in);
    }
    return list;
}

void MadePolicies::age(Made& made, std::uint64_t seconds_left) {
    if (made.armed) loop_.cancel(made.timer);
    made.armed = seconds_left != 0;
    if (!made.armed) return;
    constexpr std::uint64_t kMost = 10ull * 365 * 86400;
    const PolicyId id = made.out.id;
    made.timer = loop_.arm(seconds(std::min(seconds_left, kMost)), [this, id] {
        if (const auto found = made_.find(id.value); found != made_.end())
            found->second.armed = false;
        drop(id);
    });
}

void MadePolicies::use(PolicyId id, std::uint64_t seconds_left, std::function<void(Status)> done) {
    const auto found = made_.find(id.value);
    if (found == made_.end() || kernel_ == nullptr)
        return done(fail(Errc::NotFound, fmt::format("no policy {} was made", id.value)));
    age(found->second, seconds_left);
    if (!found->second.installed.empty()) return done(ok());
    install(id.value, 0, std::move(done));
}

void MadePolicies::forget_engine() {
    for (auto& [id, made] : made_)
        if (!made.armed) age(made, kOrphaned);
}

void MadePolicies::install(std::uint32_t id, std::size_t at, std::function<void(Status)> done) {
    const auto found = made_.find(id);
    if (found == made_.end() || kernel_ == nullptr)
        return done(fail(Errc::Cancelled, "the policy was dropped meanwhile"));
    const std::vector<conf::Policy> list = directions(found->second.out);
    if (at == list.size()) return done(ok());
    const PolicyId one = list[at].id;
    kernel_->policy_add(list[at], [this, id, at, one, done](const Status& status) {
        const auto still = made_.find(id);
        if (!status) {
            if (still != made_.end()) drop(PolicyId{id});
            return done(fail(Errc::Io, "installing a policy: " + status.error().text()));
        }
        if (still == made_.end()) {  // dropped while the kernel was at it
            if (kernel_ != nullptr) kernel_->policy_delete(one, [](const Status&) {});
            return done(fail(Errc::Cancelled, "the policy was dropped meanwhile"));
        }
        still->second.installed.push_back(one);
        install(id, at + 1, done);
    });
}

void MadePolicies::drop(PolicyId id) {
    const auto found = made_.find(id.value);
    if (found == made_.end()) return;
    if (found->second.armed) loop_.cancel(found->second.timer);
    const std::vector<PolicyId> installed = std::move(found->second.installed);
    reqids_.erase(found->second.out.templates.front().reqid.value);
    made_.erase(found);
    if (kernel_ == nullptr) return;
    for (const PolicyId one : installed)
        kernel_->policy_delete(one, [](const Status& status) {
            if (!status) LOGW("", "removing a policy: " + status.error().text());
        });
}

}  // namespace racoon::privsep
