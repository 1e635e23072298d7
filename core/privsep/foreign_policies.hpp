// ForeignPolicies: the policies in the kernel that are neither the configuration's nor made here, but setkey's or
// another tool's. They are served like the configuration's: the engine is told of those that can be
// negotiated, and the rules let it install SAs for them, which have what their templates ask for.
//
//     ForeignPolicies foreign(loop, [&](const ForeignList& change) { send(*channel, Kind::Foreign, change); });
//     kernel.watch_policies(foreign);
//     foreign.tell_all();                   // to a new engine
//     foreign.find(id)                      // null: no such policy, or none that is served
//
// Changes go out together, 50 ms after the first of them, and later where there are many policies and the last ones
// have just gone out: the engine's work is for all of them. Here a change costs what it touches: the outbound
// policies for the same traffic. Nothing here changes a policy in the kernel; to its SAs the sainfo gives its
// output_mark, as to those of the configuration's policies, but no mark that the policy has not: they would never be
// found. Main thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "conf/config.hpp"
#include "conf/marks.hpp"
#include "conf/policies.hpp"
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

    /// The configuration in force.
    void use(conf::ConfigPtr config);

    // --- the backend's word ---
    /// An ipsec policy of direction in or out. A number stands for the same policy for ever, but for its priority.
    void put(conf::Policy policy);
    void gone(PolicyId id);

    /// Outbound and negotiable.
    const conf::Policy* find(PolicyId id) const;
    std::vector<const conf::Policy*> served() const;
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
    /// What may differ from one time to the next in what the engine is told of a policy.
    struct Told {
        std::int32_t priority = 0;
        Mark output_mark = {};
        std::vector<std::optional<ReqId>> back;  // of each template, the way back's
        friend bool operator==(const Told&, const Told&) = default;
    };
    struct One {
        conf::Policy policy;
        std::optional<Told> told;  // it is served, and the engine has it so
        bool refused = false, lonely = false, warned = false;
    };
    using Traffic = std::pair<TrafficSelector, std::uint32_t>;  // and the if_id
    static Traffic traffic_of(const conf::Policy& p) { return {p.selector, p.marks.if_id}; }

    void add(One& one);
    void way_back_changed(const conf::Policy& in);
    void changed();
    std::optional<Told> judge(One& one);
    void set_told(One& one, std::optional<Told> told);
    void tell(const ForeignList& list);

    loop::EventLoop& loop_;
    Tell tell_;
    conf::ConfigPtr config_;
    std::optional<conf::SainfoMarks> marks_;
    std::map<std::uint32_t, One> all_;
    conf::WaysBack ways_back_;
    std::map<Traffic, std::set<std::uint32_t>> outbound_;
    std::set<std::uint32_t> changed_;     // outbound ones that have to be judged
    std::map<std::uint32_t, Told> gone_;  // that the engine still has
    std::size_t served_ = 0;
    bool telling_ = false, pending_ = false;
    TimePoint last_{};  // when changes went out
    loop::TimerToken timer_;
};

}  // namespace racoon::privsep
