// Core: the engine behind Engine: tables of SAs, requests for them, and what happens between
// exchanges. Datagrams are routed in core.cpp, what others begin starts in responder.cpp, ISAKMP SAs live
// and die in core_phase1.cpp, IPsec SAs in core_pairs.cpp, requests for them are in core_requests.cpp,
// informational messages in informational.cpp, dead peers in dpd.cpp.
//
// Nothing is destroyed while its own code may be on the stack: removed objects go to a graveyard that
// is emptied when the engine is left.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "exchange/admission.hpp"
#include "exchange/context.hpp"
#include "exchange/engine.hpp"
#include "exchange/flood_guard.hpp"
#include "exchange/pair_keep.hpp"
#include "exchange/pair_table.hpp"
#include "exchange/peer_identity.hpp"
#include "exchange/phase1.hpp"
#include "exchange/phase2.hpp"
#include "exchange/sa_table.hpp"
#include "exchange/verified.hpp"

namespace racoon::exchange {

using Done = Engine::Done;

/// Whose traffic it is, with whom where the policy leaves that open, and of several requests for the same traffic
/// which one.
using RequestKey = std::tuple<PolicyId, IpAddr, TrafficSelector, Bytes>;

/// With whom SAs are to be negotiated, of those that share an address.
struct Wanted {
    std::uint16_t port = 0;                     // where it was last; 0: any. Preferred
    PeerIdentity id;                            // whose SAs are renewed; unset: any
    std::vector<const conf::Remote*> sections;  // of a configured policy's peer: whom they name
};

/// Somebody wants IPsec SAs for a policy: the kernel, racoonctl, or the end of the SAs in use.
struct Request {
    RequestKey key;
    SettingsPtr settings;
    const conf::Policy* policy = nullptr;
    TrafficSelector selector;
    IpAddr local, peer;
    std::uint16_t peer_port = 0;  // of a peer behind a NAT, whose SAs are renewed; 0: any
    PeerIdentity peer_id;         // whose SAs are renewed, or whose policy it is; unset: any
    std::vector<std::uint64_t> acquires;
    std::vector<Done> done;
    PairId replaces;
    Phase2* running = nullptr;  // null: waits for a phase 1
    Timer limit;
    bool resolved = false;                     // the peer's name, where it has one
    std::shared_ptr<const conf::Policy> made;  // the policy, if it was made for the peer
};

/// A policy that was made for a peer (`generate_policy`), as long as it is in the kernel.
struct MadePolicy {
    std::shared_ptr<const conf::Policy> policy;
    IpAddr peer;
    PeerIdentity peer_id;
};

class Core : public Phase1Owner, public Phase2Owner {
  public:
    Core(conf::ConfigPtr config, std::uint32_t generation, Output& output);
    virtual ~Core();

    /// Sets the time, and buries the dead on the way out.
    class Entry {
      public:
        Entry(Core& core, TimePoint now) : core_(core) {
            core_.ctx_.now = now;
            ++core_.depth_;
        }
        Entry(const Entry&) = delete;
        Entry& operator=(const Entry&) = delete;
        ~Entry() {
            if (--core_.depth_ == 0) core_.bury();
        }

      private:
        Core& core_;
    };

    Context& ctx() { return ctx_; }
    const Context& ctx() const { return ctx_; }
    const SaTable& sas() const { return sas_; }
    const PairTable& pairs() const { return pairs_; }
    const FloodGuard& guard() const { return guard_; }
    const EarlyStarts& early() const { return early_; }

    // --- core.cpp ---
    void datagram(const Datagram& in);
    std::optional<TimePoint> next_deadline() const;
    void tick();
    void shutdown();
    void set_local_endpoints(std::vector<Endpoint> e) { local_endpoints_ = std::move(e); }
    /// Whether we listen on it.
    bool has_address(const IpAddr& addr) const;

    // --- reload.cpp ---
    ReloadCounts reconfigure(conf::ConfigPtr config, std::uint32_t generation);

    // --- adopt.cpp ---
    /// The pairs of an engine before this one, once, before anything else.
    void adopt_pairs(const std::vector<KeptPair>& pairs);

    // --- hosts.cpp ---
    void set_hosts(conf::HostAddresses hosts);

    // --- foreign.cpp ---
    void set_foreign(ForeignPolicies foreign);

    // --- starter.cpp ---
    /// `now`: also those that wait for their next try.
    void update_starters(bool now);
    /// What ends while one of these lives ends because the administrator wants it.
    class ByAdministrator {
      public:
        explicit ByAdministrator(Core& core) : core_(core) { core_.by_administrator_ = true; }
        ~ByAdministrator() { core_.by_administrator_ = false; }
        ByAdministrator(const ByAdministrator&) = delete;
        ByAdministrator& operator=(const ByAdministrator&) = delete;

      private:
        Core& core_;
    };

    // --- core_phase1.cpp ---
    void establish_phase1(const Endpoint& remote, std::string_view section, Done done);
    void establish_found(const std::string& section, const Status& status, const Done& done);
    std::size_t delete_phase1_between(const IpAddr& local, const IpAddr& remote);
    std::size_t flush_phase1();

    // --- core_requests.cpp, core_pairs.cpp ---
    /// `asked`: for a policy that leaves its hosts open.
    void establish_policy(PolicyId policy, const Between& asked, Done done);
    void establish_selector(const TrafficSelector& selector, Done done);
    void kernel_event(const KernelEvent& event);
    std::size_t flush_phase2(std::uint8_t protocol);
    std::size_t delete_phase2_between(std::uint8_t protocol, const IpAddr& local,
                                      const IpAddr& remote);

  private:
    enum class Tell : bool { No, Peer };
    using InfoMessage = Verified<isakmp::Informational>;

    void bury();
    static Received received(const Datagram& in, isakmp::Message message, std::uint64_t digest);
    void noise(const Endpoint& from, const std::string& text);

    // responder.cpp: exchanges that somebody else begins
    void first_message(const Datagram& in, isakmp::Message message, std::uint64_t digest);
    void main_mode_first(const Datagram& in, const isakmp::Message& message, std::uint64_t digest);
    void early_first(const Datagram& in, isakmp::Message message, std::uint64_t digest);
    void arm_guard();
    void answer_first_message(const Datagram& in, HalfOpen& h);
    bool trusted(const conf::Remote& section, const IpAddr& peer) const;
    bool promote(const Datagram& in, HalfOpen& h, isakmp::Message message, std::uint64_t digest);
    Cookie fresh_responder_cookie(const Cookie& initiator);
    void refuse_stranger(const Datagram& in, const CookiePair& cookies, const Error& why);
    void begun_by_peer(const Datagram& in, isakmp::ExchangeType exchange);
    /// Those of the list give their places to somebody else.
    void push_out(const std::vector<SaToken>& list);
    void answered_unproved(Phase1& sa) override;
    void responder_ended(const Phase1& sa);

    // core.cpp
    void whole_message(const Datagram& in, const isakmp::Header& header);
    bool keep_for_later(Phase1& sa, Received& in);
    void for_sa(Phase1& sa, Received in);
    void quick_mode(Phase1& sa, Received in);
    static void refuse_quick_mode(Phase1& sa, const Received& in, const Error& why, bool fresh);
    bool room_for_pair(const Phase1& sa) const;
    void bury_oldest(Phase1& sa);

    // fragments.cpp
    void fragment(const Datagram& in, const isakmp::Header& header);
    Reassembly* reassembly_for(const Datagram& in, const CookiePair& cookies, Phase1* sa,
                               std::uint16_t id);
    void put_together(const Datagram& in, const isakmp::Header& wrapper, Bytes whole);

    // core_phase1.cpp
    void cookies_known(Phase1& sa, const Cookie& responder) override;
    void phase1_established(Phase1& sa) override;
    void phase1_failed(Phase1& sa, const Error& error) override;
    void phase1_moved(Phase1& sa, const Endpoint& old_remote) override;
    void phase1_elsewhere(Phase1& sa, const Endpoint& local, const Endpoint& remote) override;
    Endpoint natt_endpoint(const Endpoint& local) const;
    Phase1* initiate(const Endpoint& from, const Endpoint& remote, SettingsPtr settings,
                     const conf::Remote& section);
    Phase1* initiate_to(const IpAddr& local, const IpAddr& peer, std::string& problem);
    Endpoint local_endpoint(const IpAddr& addr, Family family) const;
    /// The best established SA with a peer; `local` family None: any of our addresses.
    Phase1* usable_phase1(const IpAddr& local, const IpAddr& peer, const Wanted& who = {}) const;
    bool negotiating_as_initiator(const IpAddr& local, const IpAddr& peer) const;
    void arm_lifetime(Phase1& sa);
    void lifetime_due(Phase1& sa);
    void check_volume(Phase1& sa);
    bool rekeying_wanted(const Phase1& sa) const;
    bool has_successor(const Phase1& sa) const;
    void delete_phase1(Phase1& sa, Tell tell, std::string_view why);
    void take_out(Phase1& sa);
    void bound_owner(const Phase1& sa);
    void finish_waiters(Phase1& sa, const Status& status);

    // core_requests.cpp
    void request(SettingsPtr settings, const conf::Policy& policy, const TrafficSelector& asked,
                 const Between& hosts, std::uint64_t acquire, Done done,
                 const SaPair* renews = nullptr);
    Request* find_request(const RequestKey& wanted, const PeerIdentity& who) const;
    static bool carries_all(const SaPair& pair, const conf::Policy& policy, const Between& hosts);
    static std::vector<const conf::Remote*> sections_for(const Settings& settings,
                                                         const IpAddr& peer);
    static Wanted wanted_by(const Request& r);
    bool may_have(const Phase2& x, const conf::Policy& policy) const override;
    static bool is_with(const Phase1& sa, const Wanted& who);
    static bool serves(const Phase1& sa, const Request& r);
    void advance(Request& r);
    bool start_quick_mode(Phase1& sa, Request& r);
    void serve_waiting(Phase1& sa);
    void finish_request(Request& r, const Status& status);
    Request* request_of(const Phase2& x);
    void release_child(Phase2& x);
    void acquire(PolicyId id, const Between& packet, std::uint64_t token);
    void acquired(std::uint64_t token, bool success);
    Phase2* nearly_up(const conf::Policy& policy, const Between& hosts);
    bool claim_traffic(const Phase2& x) override;
    bool outbound_taken(const Phase2& x) const override;
    const conf::Policy* policy_of(PolicyId id) const;
    void drop_made(PolicyId id);

    // foreign.cpp
    bool is_wanted(const conf::Policy& policy) const;

    // core_pairs.cpp
    void phase2_established(Phase2& x) override;
    void phase2_failed(Phase2& x, const Error& error) override;
    void phase2_repeated(Phase2& x) override;
    void pair_timer(SaPair& pair);
    void rekey(SaPair& pair);
    void retire(SaPair& pair);
    bool has_newer(const SaPair& pair) const;  // for the same traffic
    void settle_duplicates(PairId id);
    /// Removes both SAs of a pair; with Tell::Peer the peer is told, several times if need be.
    void delete_pair(SaPair& pair, Tell tell, bool insist, std::string_view why);
    /// The same, because the peer is gone or wants it so: its section says what follows.
    void lose_pair(SaPair& pair, Tell tell, bool dead, std::string_view why);
    void announce_delete(const std::vector<SaParams>& sas, const Endpoint& local,
                         const Endpoint& remote, const PeerIdentity& who, bool insist);
    using DeleteKey = std::tuple<IpAddr, Bytes, Spi>;  // the peer, and the SPI towards it
    void repeat_delete(const DeleteKey& key);

    // adopt.cpp
    void phase2_installs(const Phase2& x) override;
    std::unique_ptr<SaPair> pair_of(const Phase2& x) const;
    /// The keeper learns what the next engine must know of a pair.
    void keep(const SaPair& pair);
    void adopt_pair(const KeptPair& kept);
    const conf::Policy* adopt_policy(const PairKeep& record);
    void meet_peers();

    // informational.cpp
    void informational(Phase1& sa, Received in);
    void ignored_informational(Phase1& sa, const isakmp::Message& message);
    void handle(Phase1& sa, const InfoMessage& info, const Received& in);
    void handle_delete(Phase1& sa, const isakmp::Delete& d);
    void delete_of_phase1(Phase1& sa, ByteView spi);
    void handle_notify(Phase1& sa, const isakmp::Notification& n, MessageId id, const Received& in);
    void handle_error_notify(Phase1& sa, const isakmp::Notification& n, MessageId id);
    void send_initial_contact(Phase1& sa);
    void initial_contact(Phase1& sa);

    // nat.cpp
    void keep_alive(const Endpoint& local, const Endpoint& remote);
    bool needs_keepalive(const Endpoint& local, const Endpoint& remote) const;
    void keepalive_due(const std::pair<Endpoint, Endpoint>& key);
    void move_pair(SaPair& pair, const Endpoint& remote);
    void mapping_changed(SaPair& pair, const Endpoint& remote);

    // dpd.cpp
    void start_dpd(Phase1& sa);
    void dpd_due(Phase1& sa);
    void peer_alive(Phase1& sa);
    void dpd_notify(Phase1& sa, const isakmp::Notification& n, const Received& in);
    void peer_dead(Phase1& sa);
    std::uint32_t unguessed_number(Phase1& sa);
    bool may_move(const Phase1& sa, const IpAddr& to) const;
    void ask_elsewhere(Phase1& sa);
    void answered_elsewhere(Phase1& sa, std::uint32_t sequence, const Received& in);

    // reload.cpp
    /// What new settings mean for an ISAKMP SA.
    struct Rematch {
        const conf::Remote* section = nullptr;  // null: the SA has to go
        std::string why;
    };
    class Comparison;
    Rematch rematch(const Phase1& sa, const Settings& next, Comparison& compared) const;
    const Rematch& verdict_of(const Phase1& sa, const Settings& next, Comparison& compared) const;
    void adopt(Phase1& sa, const SettingsPtr& next, const conf::Remote* section);
    std::string rematch_pair(SaPair& pair, const SettingsPtr& next, Comparison& compared);
    bool settle_phase1(Phase1& sa);
    void settle_pair(PairId id);

    // hosts.cpp
    /// A question under way, and who waits for it.
    struct HostLookup final : public OpWaiter {
        HostLookup(Core& c, std::string s) : core(c), section(std::move(s)) {}
        ~HostLookup();
        void completed(OpToken, const Result<Bytes>& result) override;
        Core& core;
        std::string section;
        OpToken token;
        std::vector<Done> done;
    };
    void find_host(const conf::Remote& section, Done done);
    void host_found(const std::string& section, const Status& status);
    bool resolve_for(Request& r);
    void stranger_seen();
    void doubt_host(const conf::Remote& section);
    std::optional<Endpoint> host_endpoint(const conf::Remote& section) const;

    // starter.cpp
    /// A policy and, where that leaves them open, hosts; or policy 0 and a section.
    struct StarterKey {
        PolicyId policy;
        std::string section;
        Between hosts = {};
        friend auto operator<=>(const StarterKey&, const StarterKey&) = default;
    };
    static StarterKey starter_of(const SaPair& pair);
    struct Starter {
        Timer timer;
        unsigned failures = 0;
        bool asked = false;  // a request is under way
        bool held = false;   // taken down by the administrator
        bool once = false;   // dpd_action or close_action: forgotten when it is up
    };
    bool is_up(const StarterKey& key) const;
    void start_one(const StarterKey& key);
    void start_ended(const StarterKey& key, const Status& status);
    void started(const StarterKey& key);
    void start_again(const StarterKey& key, Starter& s);
    void start_lost(const StarterKey& key, TimePoint since);
    void restart(const SaPair& pair);

    struct PendingDelete {
        std::uint8_t protocol = 50;
        Spi spi_in;
        Endpoint local, remote;
        PeerIdentity who;
        unsigned sent = 0;
        Timer timer;
    };

    Context ctx_;
    SaTable sas_;
    FloodGuard guard_;
    MainModeStarts main_;
    EarlyStarts early_;
    KnownPeers known_;
    PairTable pairs_;
    std::unordered_map<PolicyId, MadePolicy> made_;
    std::set<const Phase2*> claims_;                  // negotiations for which a policy is made
    std::map<Bytes, std::vector<SaToken>> of_owner_;  // established ISAKMP SAs, oldest first
    Timer guard_timer_;
    std::map<RequestKey, std::unique_ptr<Request>> requests_;
    std::unordered_map<IpAddr, std::vector<Request*>, IpAddrHash> waiting_;  // for a phase 1
    std::unordered_map<SaToken, std::vector<Done>> phase1_waiters_;
    std::map<DeleteKey, std::unique_ptr<PendingDelete>> deletes_;
    std::unordered_map<PairId, std::unique_ptr<Timer>> settle_timers_;
    std::vector<Endpoint> local_endpoints_;
    std::vector<std::pair<IpAddr, IpAddr>> unmet_;  // hosts of adopted pairs without an ISAKMP SA
    Timer meet_timer_;
    std::uint64_t last_token_ = 0;
    std::map<StarterKey, std::unique_ptr<Starter>> starters_;
    conf::HostAddresses hosts_;
    ForeignPolicies foreign_;
    std::map<std::string, std::unique_ptr<HostLookup>> lookups_;  // by section
    std::set<std::string> doubted_;                               // sections
    TimePoint strangers_until_{};  // names are not asked for again before
    std::map<std::pair<Endpoint, Endpoint>, std::unique_ptr<Timer>> keepalives_;
    bool by_administrator_ = false;
    bool stopping_ = false;

    int depth_ = 0;
    std::vector<std::unique_ptr<Phase2>> dead_phase2_;
    std::vector<std::unique_ptr<Phase1>> dead_phase1_;
    std::vector<std::unique_ptr<SaPair>> dead_pairs_;
    std::vector<std::unique_ptr<Request>> dead_requests_;
    std::vector<std::unique_ptr<PendingDelete>> dead_deletes_;
    std::vector<std::unique_ptr<Timer>> dead_timers_;
    std::vector<std::unique_ptr<Starter>> dead_starters_;
    std::vector<std::unique_ptr<HostLookup>> dead_lookups_;
};

}  // namespace racoon::exchange
