// ForeignPolicies: the policies in the kernel that are neither the configuration's nor made here, but setkey's or
// another tool's. They are served like the configuration's: the engine is told of those that can be
// negotiated, and the rules let it install SAs for them, which have what their templates ask for.
//
//     ForeignPolicies foreign(loop, [&](const ForeignList& change) { send(*channel, Kind::Foreign, change); });
//     kernel.watch_policies(foreign);
//     foreign.tell_all();                   // to a new engine
//     foreign.find(id)                      // null: no such policy, or none that is served
//
// Changes go out together, 50 ms after the first of them. Nothing here changes a policy. Main thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>

#include "conf/config.hpp"
#include "loop/event_loop.hpp"
#include "privsep/protocol.hpp"

namespace racoon::privsep {

class ForeignPolicies {
  public:
    using Tell = std::function<void(const ForeignList&)>;

    /// The loop outlives it.
    ForeignPolicies(loop::EventLoop& loop, Tell tell);
    ~ForeignPolicies();
    ForeignPolicies(const ForeignPolicies&) = delete;
    ForeignPolicies& operator=(const ForeignPolicies&) = delete;

    // --- the backend's word ---
    /// An ipsec policy of direction in or out. A number stands for the same policy for ever, but for its priority.
    void put(conf::Policy policy);
    void gone(PolicyId id);

    /// Outbound and negotiable.
    const conf::Policy* find(PolicyId id) const;
    const std::map<std::uint32_t, conf::Policy>& served() const { return served_; }
    static bool is_foreign(PolicyId id);
    /// Of an acquire: whether it is followed. One for a policy that cannot be served, or whose peer is a
    /// `stranger`, may be another daemon's to answer. Says once of each policy why not, or that nothing takes
    /// what comes back.
    bool follows(PolicyId id, const IpAddr& peer, bool stranger);

    /// From now on `tell` is called: first with all there are, from within this call.
    void tell_all();
    /// Nobody is there to be told.
    void tell_nobody() { telling_ = false; }
    /// What has changed is told now.
    void flush();

  private:
    void changed();
    std::map<std::uint32_t, conf::Policy> judge();
    void tell(const ForeignList& list);

    loop::EventLoop& loop_;
    Tell tell_;
    std::map<std::uint32_t, conf::Policy> all_, served_;
    std::set<std::uint32_t> refused_, lonely_, warned_;
    bool telling_ = false, pending_ = false;
    loop::TimerToken timer_;
};

}  // namespace racoon::privsep
