// LostPolicies: policies of ours that somebody else took out of the kernel (`setkey -FP`, `ip xfrm policy flush`) are
// put back: at once, and where that goes on, with pauses that grow, so that two daemons do not fight for ever.
//
//     LostPolicies lost(loop, [&](PolicyId id) { return installed_policy(config, id); });
//     lost.set_kernel(kernel);
//     lost.lost(event.policy);
//
// A policy of somebody else for the same traffic that stands there now is not overwritten: that is logged, and tried
// again later. Main thread only.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <set>

#include "conf/config.hpp"
#include "loop/event_loop.hpp"
#include "privsep/kernel.hpp"

namespace racoon::privsep {

class LostPolicies {
  public:
    /// The policy of that number as it is to be in the kernel now; nothing: it is not any more.
    using Find = std::function<std::optional<conf::Policy>(PolicyId)>;

    LostPolicies(loop::EventLoop& loop, Find find) : loop_(loop), find_(std::move(find)) {}
    ~LostPolicies() { forget(); }
    LostPolicies(const LostPolicies&) = delete;
    LostPolicies& operator=(const LostPolicies&) = delete;

    /// Null: none is open; what was lost in the former is forgotten.
    void set_kernel(Kernel* kernel);
    /// The kernel has it no more.
    void lost(PolicyId id);
    /// While a reload changes policies nothing is put back: it comes after it.
    void hold(bool held);
    std::size_t size() const { return lost_.size(); }

  private:
    using Clock = std::chrono::steady_clock;
    void forget();
    void arm(Clock::duration after);
    void put_back();
    void is_back(const conf::Policy& policy, const Status& status);

    loop::EventLoop& loop_;
    Find find_;
    Kernel* kernel_ = nullptr;
    std::set<std::uint32_t> lost_;
    std::set<std::uint32_t> told_;  // as not to be had back
    std::size_t under_way_ = 0, back_ = 0;
    bool held_ = false, armed_ = false;
    loop::TimerToken timer_;
    Clock::duration pause_{0};  // before the next try
    Clock::time_point last_{};  // when something was put back
};

}  // namespace racoon::privsep
