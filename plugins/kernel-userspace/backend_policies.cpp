// The policies: in the data process, and as rules of routing. A data process that a policy does not reach is
// started anew and given all of them, so that only the rules can make a request fail.
#include <algorithm>

#include "backend.hpp"

namespace racoon::kernel_userspace {
namespace {

std::string request_text(const char* request, std::uint32_t policy_id) {
    return std::string(request) + " of policy " + std::to_string(policy_id);
}

// What is forwarded comes out of SAs as everything else does, and meets the policies of direction in: one of direction
// fwd is setkey's copy of such a one, and is only shown.
bool is_kept_here(const racoon_kernel_policy& policy) {
    return policy.direction == RACOON_DIR_FWD;
}

}  // namespace

void Backend::send_policy(const racoon_kernel_policy& policy) {
    if (is_kept_here(policy)) return;
    Writer out = begin_frame(Message::PolicySet, 0);
    write_policy(out, policy);
    send(request_text("policy_add", policy.id), out.view(), nullptr);
}

// In the order in which the data process has got them: of two with one priority the older one counts.
std::vector<const racoon_kernel_policy*> Backend::policies_by_age() const {
    std::vector<const Installed*> all;
    for (const auto& [id, installed] : policies_) all.push_back(&installed);
    std::sort(all.begin(), all.end(), [](const auto* a, const auto* b) { return a->age < b->age; });
    std::vector<const racoon_kernel_policy*> out;
    for (const Installed* installed : all) out.push_back(&installed->policy);
    return out;
}

racoon_status Backend::check(const racoon_kernel_policy& policy, racoon_error* err) {
    if (!opened_) return sdk::fail(err, RACOON_STATE, "the backend is not open");
    racoon_status valid = sdk::check_policy(policy, err);
    if (valid == RACOON_OK) valid = sdk::refuse_marks(policy, err);
    if (valid != RACOON_OK) return valid;
    if (policy.action != RACOON_POLICY_IPSEC) return RACOON_OK;
    bool known = policy.template_count >= 1;
    for (std::uint32_t i = 0; i < policy.template_count; ++i) {
        const racoon_kernel_template& t = policy.templates[i];
        const bool ends = t.local.family != 0 && t.local.family == t.remote.family;
        known = known && (ends || t.mode != RACOON_MODE_TUNNEL) &&
                (t.protocol == RACOON_IPPROTO_ESP || t.protocol == RACOON_IPPROTO_AH ||
                 t.protocol == RACOON_IPPROTO_COMP);
    }
    if (!known) {
        return sdk::fail(err, RACOON_NOT_SUPPORTED,
                         "kernel-userspace does policies of ESP, AH and IPComp rules");
    }
    // What does not get smaller comes as a plain tunnel, which is not for us unless something is around it.
    const racoon_kernel_template& outermost = policy.templates[policy.template_count - 1];
    if (outermost.protocol == RACOON_IPPROTO_COMP && outermost.mode == RACOON_MODE_TUNNEL) {
        return sdk::fail(err, RACOON_NOT_SUPPORTED,
                         "kernel-userspace does a tunnel of IPComp only inside of ESP or AH");
    }
    return RACOON_OK;
}

// From here on it is known to be possible.
racoon_status Backend::put_policy(const Installed& installed, racoon_error* err) {
    const racoon_kernel_policy& policy = installed.policy;
    for (const auto& [id, other] : policies_)
        if (id == policy.id || sdk::same_place(other.policy, policy))
            return sdk::fail(err, RACOON_STATE, "the policy exists");
    Failure failure;
    if (policy.direction == RACOON_DIR_OUT && !routes_.add(policy, &failure)) {
        return sdk::fail(err, RACOON_IO, failure.text, failure.os_errno);
    }
    policies_[policy.id] = installed;
    policies_[policy.id].age = ++ages_;
    guard_changed();
    send_policy(policy);
    return RACOON_OK;
}

racoon_status Backend::remove_policy(std::uint32_t policy_id, racoon_error* err) {
    Failure failure;
    if (!routes_.remove(policy_id, &failure)) {
        return sdk::fail(err, RACOON_IO, failure.text, failure.os_errno);
    }
    const bool kept_here = is_kept_here(policies_.at(policy_id).policy);
    policies_.erase(policy_id);
    guard_changed();
    if (kept_here) return RACOON_OK;
    Writer out = begin_frame(Message::PolicyDelete, 0);
    out.u32(policy_id);
    send(request_text("policy_delete", policy_id), out.view(), nullptr);
    return RACOON_OK;
}

racoon_status Backend::replace_policy(std::uint32_t old_id, const Installed& installed,
                                      racoon_error* err) {
    const racoon_kernel_policy& policy = installed.policy;
    Failure failure;
    if (policy.direction == RACOON_DIR_OUT && !routes_.replace(old_id, policy, &failure)) {
        return sdk::fail(err, RACOON_IO, failure.text, failure.os_errno);
    }
    policies_.erase(old_id);
    policies_[policy.id] = installed;
    policies_[policy.id].age = ++ages_;
    guard_changed();
    if (is_kept_here(policy)) return RACOON_OK;
    Writer out = begin_frame(Message::PolicyUpdate, 0);
    out.u32(old_id);
    write_policy(out, policy);
    send(request_text("policy_update", old_id), out.view(), nullptr);
    return RACOON_OK;
}

bool Backend::ask_used(std::uint32_t policy_id, std::function<void(racoon_status)> then) {
    if (is_kept_here(policies_.at(policy_id).policy)) return false;
    const std::uint32_t number = next_number();
    Writer frame = begin_frame(Message::PolicyQuery, number);
    frame.u32(policy_id);
    std::string what = request_text("policy_query", policy_id);
    if (send(what, frame.view(), nullptr) != RACOON_OK) return false;
    pending_[number] = {0, false, {}, std::move(what), std::move(then), policy_id};
    return true;
}

racoon_status Backend::policy_add(const racoon_kernel_policy& policy, racoon_op,
                                  racoon_error* err) {
    racoon_status status = check(policy, err);
    if (status != RACOON_OK) return status;
    const Installed installed{policy, next_index(policy.direction), wall_seconds(), 0, false};
    status = put_policy(installed, err);
    if (status == RACOON_OK) tell_setkey(pfkey::kSpdAdd, installed);
    return status;
}

racoon_status Backend::policy_delete(std::uint32_t policy_id, racoon_op, racoon_error* err) {
    const auto at = policies_.find(policy_id);
    if (at == policies_.end()) return sdk::fail(err, RACOON_NOT_FOUND, "no such policy");
    const Installed gone = at->second;
    const racoon_status status = remove_policy(policy_id, err);
    if (status == RACOON_OK) tell_setkey(pfkey::kSpdDelete, gone);
    return status;
}

racoon_status Backend::policy_update(std::uint32_t old_id, const racoon_kernel_policy& policy,
                                     racoon_op, racoon_error* err) {
    const racoon_status valid = check(policy, err);
    if (valid != RACOON_OK) return valid;
    const auto at = policies_.find(old_id);
    if (at == policies_.end()) return sdk::fail(err, RACOON_NOT_FOUND, "no such policy");
    if (!sdk::same_place(at->second.policy, policy))
        return sdk::fail(err, RACOON_INVALID_ARGUMENT, "the policy is for other traffic");
    if (policy.id != old_id && policies_.count(policy.id) != 0)
        return sdk::fail(err, RACOON_STATE, "the policy exists");
    const Installed installed{policy, at->second.index, wall_seconds(), 0, false};
    const racoon_status status = replace_policy(old_id, installed, err);
    if (status == RACOON_OK) tell_setkey(pfkey::kSpdUpdate, installed);
    return status;
}

racoon_status Backend::policy_dump(EachPolicy each, void* arg, racoon_error*) {
    const std::map<std::uint32_t, Installed> all = policies_;
    for (const auto& [id, installed] : all)
        if (!installed.manual) each(arg, &installed.policy);
    return RACOON_OK;
}

racoon_status Backend::acquire_done(std::uint64_t token, racoon_status status) {
    Writer out = begin_frame(Message::AcquireDone, 0);
    out.u64(token);
    out.u8(status == RACOON_OK ? 1 : 0);
    return send("the end of an acquire", out.view(), nullptr);
}

}  // namespace racoon::kernel_userspace
