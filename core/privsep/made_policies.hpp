// MadePolicies: the policies that the keeper made for peers (`generate_policy`), beside those of the
// configuration. Each is made for one peer and one kind of traffic after Book::check_policy_make() has
// judged it, comes into the kernel when its SAs are up, and goes when it is dropped or its time is over.
//
//     RACOON_TRY(auto reply, made.make(request, phase1));      // number and reqid
//     made.use(reply.policy, 3600, [](Status) { … });          // into the kernel, for an hour
//     made.drop(reply.policy);
//
// An engine that dies leaves them until their time is over, as it leaves the SAs. Main thread only.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <vector>

#include "conf/config.hpp"
#include "exchange/operations.hpp"
#include "loop/event_loop.hpp"
#include "privsep/kernel.hpp"
#include "privsep/rules.hpp"

namespace racoon::privsep {

class MadePolicies {
  public:
    explicit MadePolicies(loop::EventLoop& loop) : loop_(loop) {}
    ~MadePolicies();
    MadePolicies(const MadePolicies&) = delete;
    MadePolicies& operator=(const MadePolicies&) = delete;

    /// Null: none is open; what was in the former is forgotten.
    void set_kernel(Kernel* kernel);
    /// The request has been judged by the Book. Denied: it overlaps what another peer has.
    /// `of_then`: the request id of one that comes back, whose SAs have it; 0: a new one. Busy: it is another's.
    Result<exchange::PolicyMake::Reply> make(const exchange::PolicyMake& request,
                                             const Phase1Facts& phase1, ReqId of_then = {});
    void use(PolicyId id, std::uint64_t seconds, std::function<void(Status)> done);
    void drop(PolicyId id);
    /// Those that were to stay until an engine drops them get a time: it is gone.
    void forget_engine();
    /// The outbound one; null: there is none of that number.
    const conf::Policy* find(PolicyId id) const;
    /// The one of that number as it is in the kernel, in any direction; nothing: none of these is.
    std::optional<conf::Policy> installed(PolicyId id) const;
    std::size_t size() const { return made_.size(); }

  private:
    struct Made {
        conf::Policy out;
        IpAddr peer;
        std::vector<PolicyId> installed;
        loop::TimerToken timer;
        bool armed = false;
    };
    std::vector<conf::Policy> directions(const conf::Policy& out) const;
    Result<ReqId> fresh_reqid(conf::Level level);
    Result<ReqId> same_reqid(ReqId of_then);
    void install(std::uint32_t id, std::size_t at, std::function<void(Status)> done);
    void age(Made& made, std::uint64_t seconds);

    loop::EventLoop& loop_;
    Kernel* kernel_ = nullptr;
    std::map<std::uint32_t, Made> made_;
    std::set<std::uint32_t> reqids_;
    std::uint32_t last_id_ = 0, last_reqid_ = 0;
};

}  // namespace racoon::privsep
