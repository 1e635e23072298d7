// What the kernel must be told about its policies when a configuration takes the place of another.
//
//     auto change = PolicyChange::make(kernel, *before, *after);
//     change->prepare([change](Status s) { … });    // what is new is in the kernel, or nothing has changed
//     …                                             // both processes commit
//     change->commit([change] { … });               // what is gone goes
//     change->rollback([change] { … });             // instead of commit
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "conf/config.hpp"
#include "privsep/kernel.hpp"

namespace racoon::privsep {

/// Forwarded packets of an inbound tunnel policy need a policy of their own on Linux; the keeper
/// adds it, as setkey does, under the inbound policy's number with the top bit set.
inline constexpr std::uint32_t kForwardBit = 0x80000000u;
inline PolicyId without_forward(PolicyId id) {
    return PolicyId{id.value & ~kForwardBit};
}

/// The policy that a number stands for in the kernel, with kForwardBit that for forwarded packets.
std::optional<conf::Policy> installed_policy(const conf::Config& config, PolicyId id);

/// Policies that are the same in both configurations are not touched. The callbacks may come before
/// the call returns; those that the kernel's end cuts off never come.
class PolicyChange : public std::enable_shared_from_this<PolicyChange> {
  public:
    static std::shared_ptr<PolicyChange> make(Kernel& kernel, const conf::Config& before,
                                              const conf::Config& after);

    /// Adds what is new; it replaces a policy in its place, for the same traffic in the same direction,
    /// so that no packet finds neither. When one is refused, the steps taken are undone, and `done` gets
    /// the reason.
    void prepare(std::function<void(Status)> done);
    /// Removes what no new policy has replaced; a failure is logged.
    void commit(std::function<void()> done);
    /// Undoes prepare().
    void rollback(std::function<void()> done);

  private:
    /// Both: the one takes the other's place.
    struct Step {
        std::optional<conf::Policy> remove, add;
    };
    explicit PolicyChange(Kernel& kernel) : kernel_(kernel) {}
    void begin(std::vector<Step> steps, bool go_on, std::function<void(Status)> done);
    void run();
    void take(const Step& step, std::function<void(const Status&)> done);

    Kernel& kernel_;
    std::vector<Step> prepare_, commit_;
    std::vector<Step> taken_;  // of prepare_, in order
    // The steps under way.
    std::vector<Step> steps_;
    std::size_t next_ = 0;
    bool go_on_ = false;  // after a failure
    bool running_ = false, waiting_ = false;
    Status result_;
    std::function<void(Status)> done_;
};

}  // namespace racoon::privsep
