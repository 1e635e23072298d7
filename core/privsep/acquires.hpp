// Acquires: which acquires of the kernel the engine has, and when a failed one goes back. Until it does,
// the kernel holds back the acquires of the packets that follow. Without a pause, a tunnel that cannot
// come up would be negotiated once for every packet, which fills both ends' logs.
//
//     Acquires acquires(loop, [&](std::uint64_t token, bool success) { kernel->acquire_done(token, success); });
//     if (!acquires.add(token, policy)) …        // too many: tell the kernel that it failed
//     acquires.done(token, success);             // by the engine; unknown tokens are ignored
//
// The first failure goes back at once, so that what was a mishap is tried again by the next packet; those
// after it when 1 s, 2 s, 4 s, at most 8 s have passed. Main thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>

#include "base/ids.hpp"
#include "loop/event_loop.hpp"

namespace racoon::privsep {

class Acquires {
  public:
    using GiveBack = std::function<void(std::uint64_t token, bool success)>;

    /// The loop outlives it. `give_back` may be called from done() and forget…().
    Acquires(loop::EventLoop& loop, GiveBack give_back);
    ~Acquires();
    Acquires(const Acquires&) = delete;
    Acquires& operator=(const Acquires&) = delete;

    /// Token 0 is one that nobody waits for. False: too many are open.
    bool add(std::uint64_t token, PolicyId policy);
    /// Whether the engine has it.
    bool contains(std::uint64_t token) const;
    void done(std::uint64_t token, bool success);
    /// Another configuration, or somebody who knows better: what rests goes back, and nothing rests
    /// until it fails again.
    void forget_failures();
    /// The engine is gone: all go back as failed.
    void forget_all();

  private:
    struct Failing {
        unsigned times = 0;
        TimePoint last;
    };
    Duration pause(PolicyId policy);

    loop::EventLoop& loop_;
    GiveBack give_back_;
    std::unordered_map<std::uint64_t, PolicyId> open_;
    std::unordered_map<std::uint64_t, loop::TimerToken> resting_;
    std::unordered_map<std::uint32_t, Failing> failing_;  // bounded by those of two minutes
};

}  // namespace racoon::privsep
