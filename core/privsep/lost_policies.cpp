#include "privsep/lost_policies.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "log/log.hpp"

namespace racoon::privsep {

namespace {
using std::chrono::seconds;
constexpr auto kShortest = seconds(1);
constexpr auto kLongest = seconds(64);
/// After so long without a loss the next one is put back at once again.
constexpr auto kPeace = seconds(300);
}  // namespace

void LostPolicies::set_kernel(Kernel* kernel) {
    forget();
    kernel_ = kernel;
}

void LostPolicies::forget() {
    if (armed_) loop_.cancel(timer_);
    armed_ = false;
    lost_.clear();
    told_.clear();
    under_way_ = back_ = 0;
    pause_ = {};
}

void LostPolicies::lost(PolicyId id) {
    if (kernel_ == nullptr || !find_(id)) return;
    lost_.insert(id.value);
    // Not before the backend is through with its events: a flush tells of many.
    if (armed_ || under_way_ != 0) return;
    const auto now = Clock::now();
    if (now - last_ > kPeace) pause_ = {};
    arm(std::max(Clock::duration(0), last_ + pause_ - now));
}

void LostPolicies::hold(bool held) {
    held_ = held;
    if (!held && !armed_ && under_way_ == 0 && !lost_.empty()) arm({});
}

void LostPolicies::arm(Clock::duration after) {
    armed_ = true;
    timer_ = loop_.arm(after, [this] { put_back(); });
}

void LostPolicies::put_back() {
    armed_ = false;
    if (held_) return;
    last_ = Clock::now();
    pause_ = std::clamp<Clock::duration>(pause_ * 2, kShortest, kLongest);
    std::vector<conf::Policy> all;
    for (const std::uint32_t id : std::exchange(lost_, {}))
        if (auto policy = find_(PolicyId{id})) all.push_back(std::move(*policy));
    back_ = 0;
    under_way_ = all.size();
    for (const conf::Policy& policy : all)
        kernel_->policy_add(policy, [this, policy](const Status& s) { is_back(policy, s); });
}

void LostPolicies::is_back(const conf::Policy& policy, const Status& status) {
    if (under_way_ == 0) return;
    --under_way_;
    if (status) {
        ++back_;
        told_.erase(policy.id.value);
    } else {
        lost_.insert(policy.id.value);
        if (told_.insert(policy.id.value).second)
            LOGE(
                "",
                fmt::format(
                    "policy {} was removed from the kernel by somebody else and cannot be put back: "
                    "its traffic is not protected: {}",
                    policy.selector.text(), status.error().text()));
    }
    if (under_way_ != 0) return;
    if (back_ != 0)
        LOGW("",
             fmt::format("{} {} removed from the kernel by somebody else, and {} back now", back_,
                         back_ == 1 ? "policy was" : "policies were", back_ == 1 ? "is" : "are"));
    if (!lost_.empty()) arm(pause_);
}

}  // namespace racoon::privsep
