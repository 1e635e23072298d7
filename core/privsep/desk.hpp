// Desk: where the engine's operations are judged and served. Knows which phase 1 SAs, reserved SPIs
// and installed SAs there are, asks the Book whether a request is within the configuration, and the
// kernel backend or the credential modules to carry it out.
//
//     Desk desk(loop, host, [&](const OpResult& r) { send(*channel, Kind::Result, r); });
//     desk.use(book, previous_book);
//     desk.operation(message.body);            // each operation is answered exactly once
//
// A request that is not well formed or not allowed fails alone. Main thread only.
#pragma once

#include <functional>
#include <memory>

#include "loop/event_loop.hpp"
#include "plugin/lifecycle.hpp"
#include "privsep/foreign_policies.hpp"
#include "privsep/kernel.hpp"
#include "privsep/protocol.hpp"
#include "privsep/rules.hpp"
#include "privsep/saved_sas.hpp"

namespace racoon::privsep {

struct DeskCounters {
    std::uint64_t operations = 0, refused = 0, malformed = 0, skeyids = 0;
    std::size_t phase1s = 0, sas = 0, pending = 0;
    std::size_t larval = 0;  // SPIs that phase 1s account for, and have not installed yet
};

class Desk {
  public:
    /// loop and host outlive the desk.
    Desk(loop::EventLoop& loop, plugin::PluginHost& host,
         std::function<void(const OpResult&)> reply);
    ~Desk();
    Desk(const Desk&) = delete;
    Desk& operator=(const Desk&) = delete;

    /// The configuration in force and the one before, from which requests may still be on their
    /// way.
    void use(std::shared_ptr<const Book> book, std::shared_ptr<const Book> previous);
    /// Sees to a fresh answer for a host name of the configuration; "": for all, and calls back at once.
    using ResolveHost = std::function<void(const std::string& host, bool again,
                                           std::function<void(const Status&)> done)>;
    void set_resolve(ResolveHost resolve);
    /// Null: none is open.
    void set_kernel(Kernel* kernel);
    /// One that was made for a peer, as it is in the kernel in any direction; nothing: there is none.
    std::optional<conf::Policy> made_policy(PolicyId id) const;
    /// Null: no policies but the configuration's and those that are made here.
    void set_foreign(const ForeignPolicies* foreign);
    /// Null: nothing is saved.
    void set_saved(SavedSas* saved);
    /// The policy that an earlier run had made for a peer, judged as a new one is, but with its request id. Where no
    /// SA comes back for it, its time is soon over.
    Result<PolicyId> make_again(const exchange::PolicyMake& request, const Phase1Facts& phase1,
                                const Book& book, ReqId reqid);
    /// Its SAs are there: it comes into the kernel, for so many seconds unless an engine says otherwise.
    void use_again(PolicyId id, std::uint64_t seconds, std::function<void(const Status&)> done);
    /// A pair of an earlier run is in the kernel. `anew`: its SAs had to be made once more.
    void restored(const SavedSas::Pair& pair, Duration age, bool anew);
    /// What the next engine is told of the pairs of those before it, and of what their end cut off;
    /// the latter once.
    std::vector<exchange::KeptPair> kept_pairs();

    void operation(ByteView body);
    void cancel(OpToken token);
    /// Counts and, not too often, logs what cannot be read.
    void malformed(const char* what, const Error& error);

    /// Remembers an acquire that the engine is told of, for a packet to `dst`; false: too many are open.
    bool hand_out_acquire(std::uint64_t token, const conf::Policy& policy, const IpAddr& dst);
    /// The kernel says that an SA is no more.
    void sa_gone(std::uint8_t protocol, Spi spi, const IpAddr& dst);
    /// Events of the kernel were lost, and these SAs are what it has: forgets those of ours that are not
    /// among them, and has the backend forget them. For each, what the engine would have been told.
    std::vector<exchange::KernelEvent> reconcile(const std::vector<Kernel::DumpedSa>& there);
    /// Everything that an engine had under way; pairs that had come up whole stay, other SAs go.
    void forget_engine();

    DeskCounters counters() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace racoon::privsep
