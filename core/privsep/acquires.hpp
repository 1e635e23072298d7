// Acquires: which acquires of the kernel the engine has, and when a failed one goes back. Until it does,
// the kernel holds back the acquires of the packets that follow. Without a pause, a tunnel that cannot
// come up would be negotiated once for every packet, which fills both ends' logs.
//
//     Acquires acquires(loop, [&](std::uint64_t token, bool success) { kernel->acquire_done(token, success); });
//     if (!acquires.add(token, {policy, {}})) …  // too many: tell the kernel that it failed
//     acquires.done(token, success);             // by the engine; unknown tokens are ignored
//
// A policy that leaves its peer to the packets has many, and one that does not answer is no reason to wait for
// the others.
//
// The first failure goes back at once, so that what was a mishap is tried again by the next packet; those
// after it when 1 s, 2 s, 4 s, at most 8 s have passed. Main thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>

#include "base/ids.hpp"
#include "base/net_addr.hpp"
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

    /// What is negotiated: a policy, and with whom if that is the packet's to say (else family None).
    struct Tunnel {
        PolicyId policy;
        IpAddr peer = {};
        friend auto operator<=>(const Tunnel&, const Tunnel&) = default;
    };
    /// Token 0 is one that nobody waits for. False: too many are open.
    bool add(std::uint64_t token, const Tunnel& tunnel);
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
    Duration pause(const Tunnel& tunnel);

    loop::EventLoop& loop_;
    GiveBack give_back_;
    std::unordered_map<std::uint64_t, Tunnel> open_;
    std::unordered_map<std::uint64_t, loop::TimerToken> resting_;
    std::map<Tunnel, Failing> failing_;  // those of two minutes, or at most kMaxAcquires
};

}  // namespace racoon::privsep
