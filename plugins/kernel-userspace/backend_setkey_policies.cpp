// Policies by hand: they lead packets here and protect them as the configuration's do, and the daemon is told of them
// as policies of others, so that it negotiates for them. What setkey does to the daemon's own policies, it is told.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "backend.hpp"

namespace racoon::kernel_userspace {
namespace {

namespace pf = racoon::pfkey;

constexpr std::size_t kMostPoliciesWithManual = sdk::ForeignPolicies::kMost;
// Numbers from here on are the configuration's.
constexpr std::uint32_t kFirstReqid = pf::kManualReqIdMax + 1, kLastReqid = 0xffff;

}  // namespace

// Chosen as a kernel does for a rule of level unique that names none.
std::uint32_t Backend::fresh_reqid() {
    const auto used = [this](std::uint32_t number) {
        for (const auto& [id, installed] : policies_)
            for (std::uint32_t i = 0; i < installed.policy.template_count; ++i)
                if (installed.policy.templates[i].reqid == number) return true;
        return std::any_of(sas_.begin(), sas_.end(),
                           [&](const auto& entry) { return entry.second.info.reqid == number; });
    };
    constexpr std::uint32_t kCount = kLastReqid - kFirstReqid + 1;
    for (std::uint32_t i = 0; i < kCount; ++i) {
        const std::uint32_t number = kFirstReqid + reqids_++ % kCount;
        if (!used(number)) return number;
    }
    return 0;
}

// 0 or errno. What was there for the same traffic is replaced, with no instant in between, and keeps setkey's number.
int Backend::put_manual(racoon_kernel_policy policy, bool replace, std::uint32_t* id) {
    policy.struct_size = sizeof(policy);
    const auto old = std::find_if(policies_.begin(), policies_.end(), [&](const auto& entry) {
        return sdk::same_place(entry.second.policy, policy);
    });
    const bool there = old != policies_.end();
    if (there && !replace) return EEXIST;
    if (!there && policies_.size() >= kMostPoliciesWithManual) return ENOBUFS;
    racoon_error why{};
    why.struct_size = sizeof(why);
    const racoon_status valid = check(policy, &why);
    if (valid != RACOON_OK) return valid == RACOON_NOT_SUPPORTED ? EOPNOTSUPP : EINVAL;
    const Installed before = there ? old->second : Installed{};
    Installed now{policy, there ? before.index : next_index(policy.direction), wall_seconds(), 0,
                  true};
    foreign_.put(now.index, policy);
    // What the daemon need not know has a number from the other end.
    const std::uint32_t told = foreign_.number_of(now.index);
    now.policy.id = told != 0 ? told : RACOON_FOREIGN_POLICY_LAST - now.index / 8;
    const racoon_status status =
        there ? replace_policy(before.policy.id, now, &why) : put_policy(now, &why);
    if (status != RACOON_OK) {
        log(RACOON_LOG_ERROR, std::string("a policy of setkey's is not installed: ") + why.text);
        if (there && before.manual)
            foreign_.put(before.index, before.policy);
        else
            foreign_.remove(now.index);
        return why.os_errno != 0 ? why.os_errno : EIO;
    }
    const std::string complaint = foreign_.complaint();
    if (!complaint.empty()) log(RACOON_LOG_WARNING, complaint);
    *id = now.policy.id;
    if (there && !before.manual) {
        racoon_kernel_event event{};
        event.struct_size = sizeof(event);
        event.type = RACOON_KERNEL_POLICY_CHANGED;
        event.policy_id = before.policy.id;
        events_.event(events_.arg, &event);
    }
    return 0;
}

int Backend::take_policy_away(std::uint32_t id) {
    const Installed gone = policies_.at(id);
    racoon_error why{};
    why.struct_size = sizeof(why);
    if (remove_policy(id, &why) != RACOON_OK) {
        log(RACOON_LOG_ERROR, std::string("a policy is not removed for setkey: ") + why.text);
        return why.os_errno != 0 ? why.os_errno : EIO;
    }
    if (gone.manual) {
        foreign_.remove(gone.index);
        return 0;
    }
    racoon_kernel_event event{};
    event.struct_size = sizeof(event);
    event.type = RACOON_KERNEL_POLICY_CHANGED;
    event.policy_id = id;
    events_.event(events_.arg, &event);
    return 0;
}

void Backend::setkey_policy_add(ClientId from, const pf::Message& request) {
    racoon_kernel_policy policy{};
    std::uint32_t id = 0;
    int error = read_policy(
        request, [this] { return fresh_reqid(); }, &policy);
    if (error == 0) error = put_manual(policy, request.type == pf::kSpdUpdate, &id);
    if (error != 0) return refuse_setkey(from, request, error);
    const auto at = policies_.find(id);
    if (at == policies_.end()) return refuse_setkey(from, request, ESRCH);
    const Installed& i = at->second;
    announce(from, request, describe(request.type, i.policy, i.index, i.created, i.used));
}

void Backend::setkey_policy_delete(ClientId from, const pf::Message& request) {
    racoon_kernel_policy place{};
    if (const int error = read_place(request, &place)) return refuse_setkey(from, request, error);
    const auto at = std::find_if(policies_.begin(), policies_.end(), [&](const auto& entry) {
        return sdk::same_place(entry.second.policy, place);
    });
    if (at == policies_.end()) return refuse_setkey(from, request, ENOENT);
    const Installed gone = at->second;
    if (const int error = take_policy_away(at->first)) return refuse_setkey(from, request, error);
    announce(from, request,
             describe(request.type, gone.policy, gone.index, gone.created, gone.used));
}

// By number: it is shown, or taken away.
void Backend::setkey_policy_get(ClientId from, const pf::Message& request) {
    if (request.policy() == nullptr) return refuse_setkey(from, request, EINVAL);
    const std::uint32_t index = request.policy()->id;
    const auto at = std::find_if(policies_.begin(), policies_.end(),
                                 [&](const auto& entry) { return entry.second.index == index; });
    if (at == policies_.end()) return refuse_setkey(from, request, ENOENT);
    const Installed found = at->second;
    const pf::Message answer =
        describe(request.type, found.policy, found.index, found.created, found.used);
    if (request.type == pf::kSpdGet) return reply_setkey(from, request, answer);
    if (const int error = take_policy_away(at->first)) return refuse_setkey(from, request, error);
    announce(from, request, answer);
}

void Backend::setkey_policy_flush(ClientId from, const pf::Message& request) {
    std::vector<std::uint32_t> all;
    for (const auto& [id, installed] : policies_) all.push_back(id);
    int failed = 0;
    for (const std::uint32_t id : all) {
        if (!opened_) return;
        if (policies_.count(id) == 0) continue;
        if (const int error = take_policy_away(id)) failed = error;
    }
    if (failed != 0) return refuse_setkey(from, request, failed);
    pf::Message answer;
    answer.type = request.type;
    announce(from, request, answer);
}

void Backend::tell_setkey(std::uint8_t type, const Installed& i) {
    if (!setkey_.anybody_listens()) return;
    pf::Message m = describe(type, i.policy, i.index, i.created, i.used);
    m.pid = static_cast<std::uint32_t>(::getpid());
    setkey_.tell(encode(m, pf::linux_dialect()), 0);
}

void Backend::setkey_acquire(const racoon_kernel_event& event) {
    const auto at = policies_.find(event.policy_id);
    if (at == policies_.end() || !setkey_.anybody_listens()) return;
    const racoon_kernel_policy& p = at->second.policy;
    pf::Message m;
    m.type = pf::kAcquire;
    m.seq = ++acquires_told_;
    m.satype = satype_of(event.protocol);
    // Of the SA that is wanted, as a kernel tells it.
    const racoon_kernel_template& t = p.templates[0];
    const bool tunnel = t.mode == RACOON_MODE_TUNNEL;
    for (const auto& [to, end] : {std::pair(&m.src, tunnel ? t.local : event.src),
                                  std::pair(&m.dst, tunnel ? t.remote : event.dst)}) {
        to->emplace();
        (*to)->addr = end;
        (*to)->addr.port = 0;
        (*to)->prefix = end.family == 6 ? 128 : 32;
    }
    pf::Policy policy;
    policy.dir = pf::kDirOut;
    policy.id = at->second.index;
    m.policies.push_back(policy);
    setkey_.tell(encode(m, pf::linux_dialect()), 0);
}

}  // namespace racoon::kernel_userspace
