// Restore: racoon -B. The pairs that the daemon before this one had saved, judged by the configuration as
// any request of an engine is, and brought back: what the kernel still has is left as it is, what is gone
// from there is made anew.
//
//     auto restore = Restore::make(*saved, *book);             // what may come back
//     … Kernel::open(…, restore->keep()) …                     // and is not cleared away
//     restore->run(*kernel, desk, *book, foreign, [] { … });   // after the policies are there
//
// Whether the policy of others that an SA is for is still there, is known last: until then it may come back. So may SAs
// whose policy was made for the peer; that is made once more, as if the peer had asked for it.
//
// An SA that is made anew begins with a sequence number that no packet of the old one can have had, since
// the peer refuses what it has seen, and a number that comes twice breaks a cipher like AES-GCM. The
// replay window of the old one is lost, so such pairs are renewed soon.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "privsep/desk.hpp"
#include "privsep/foreign_policies.hpp"
#include "privsep/kernel.hpp"
#include "privsep/rules.hpp"
#include "privsep/saved_sas.hpp"

namespace racoon::privsep {

class Restore : public std::enable_shared_from_this<Restore> {
  public:
    /// Reads and judges; what may not come back is logged, and taken out of the store. Errors: those of
    /// SavedSas::load().
    static Result<std::shared_ptr<Restore>> make(SavedSas& saved, const Book& book);

    /// The SAs that may come back.
    std::vector<const exchange::SaInstall*> keep() const;
    /// `done` may be called before this returns.
    void run(Kernel& kernel, Desk& desk, const Book& book, const ForeignPolicies& foreign,
             std::function<void()> done);

  private:
    explicit Restore(SavedSas& saved) : saved_(saved) {}
    void take(SavedSas::Pair pair);
    void go_on();
    void begin(SavedSas::Sa& sa);
    void found(SavedSas::Sa& sa, const Status& status);
    void installed(const SavedSas::Sa& sa, const Status& status);
    void next();
    void give_up(const SavedSas::Pair& pair, const std::string& why);
    void finish_pair();
    Status make_policy(const Book& book, SavedSas::Pair& pair);
    void use_policy(const exchange::PairKeep& record, std::int64_t age);

    SavedSas& saved_;
    std::vector<SavedSas::Pair> pairs_;
    std::vector<SavedSas::Pair> not_ours_yet_;  // whose policy no configuration has
    Kernel* kernel_ = nullptr;
    Desk* desk_ = nullptr;
    std::function<void()> done_;
    std::size_t pair_ = 0, sa_ = 0;
    bool anew_ = false;  // an SA of this pair was gone
    bool failed_ = false;
    bool running_ = false, waiting_ = false;
    std::size_t kept_ = 0, made_ = 0;
};

}  // namespace racoon::privsep
