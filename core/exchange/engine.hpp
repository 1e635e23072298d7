// Engine: IKEv1 without input or output. Datagrams, time, completed operations and kernel events go
// in; datagrams and operations come out through Output. It opens no socket, reads no clock and draws
// no randomness of its own, so two engines, a virtual clock and a lossy wire run whole tunnels in
// memory, and a fuzzer drives it directly.
//
//     Engine engine(config, output, options);
//     engine.kernel_capabilities(caps);
//     engine.datagram(received, now);          // calls output.send(…), output.start(…)
//     engine.complete(token, status, bytes, now);
//     if (auto due = engine.next_deadline()) … at that time: engine.tick(now);
//
// One thread. Output must not call back into the engine from inside send() or start(): it queues.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "conf/config.hpp"
#include "conf/select.hpp"
#include "exchange/operations.hpp"
#include "exchange/pair_keep.hpp"
#include "exchange/policy_match.hpp"

namespace racoon::exchange {

/// A UDP payload without the non-ESP marker. `bytes` is borrowed when received.
struct Datagram {
    Endpoint local;
    Endpoint remote;
    ByteView bytes;
    bool keepalive = false;  // leaves as it is, without a marker (RFC 3948 2.3)
};

/// Something that happened, for racoonctl show-event and scripts (reference 3.4).
struct Event {
    std::uint32_t code =
        0;  // 0x0100 phase 1 established, 0x0101 deleted, 0x0201 phase 2 established …
    Endpoint local, remote;
    std::string text;
};

class Output {
  public:
    virtual ~Output() = default;
    virtual void send(const Datagram& datagram) = 0;
    virtual void start(Operation operation) = 0;
    /// Nobody waits for the answer any more: it need not be given, and is ignored when it is. Never
    /// called for an operation that creates something (DhGenerate, Phase1Open, SpiGet, SaInstall):
    /// the engine waits for those and gives back what they made.
    virtual void cancel(OpToken token) = 0;
    virtual void event(const Event& event) = 0;
    /// Fills with random bytes; cannot fail (a failing source ends the process).
    virtual void random(std::span<std::uint8_t> out) = 0;
};

/// One row of `racoonctl show-sa`; a copy, nothing points into the engine.
struct Phase1Status {
    CookiePair cookies;
    Endpoint local, remote;
    std::string section;  // Remote::name
    std::string peer_id;  // "" until known
    bool initiator = false;
    int state = 0;  // racoon's numbers 0-11 (reference 3.3)
    int exchange = 2;
    std::int64_t age_seconds = 0;
    std::int64_t lifetime_seconds = 0;
    std::uint64_t bytes = 0, lifetime_kilobytes = 0;  // 0: no limit
    std::string cipher, hash, group, auth;
    unsigned key_bits = 0;
    unsigned phase2_count = 0;
    bool dpd = false;
};
/// What a reader of a capture needs to decrypt the messages of an ISAKMP SA.
struct Phase1Key {
    CookiePair cookies;
    Endpoint local, remote;
    std::string cipher;  // as in Phase1Status
    Secret key;          // Ka (RFC 2409 appendix B)
};
struct Phase2Status {
    CookiePair phase1;
    MessageId message_id;
    IpAddr local, remote;
    PolicyId policy;
    TrafficSelector selector;
    std::uint8_t protocol = 50;
    bool tunnel = true;
    bool established = false;
    bool initiator = false;
    Spi spi_in, spi_out;
    ReqId reqid;
    std::string encryption, integrity, pfs_group;  // of IPComp the compression is in the first
    unsigned key_bits = 0;
    bool esn = false;
    Marks marks;  // of the policy
    std::int64_t age_seconds = 0, lifetime_seconds = 0;
    std::uint64_t lifetime_kilobytes = 0;  // 0: no limit
};

/// What a new configuration did to the SAs that were up; pairs of IPsec SAs count once.
struct ReloadCounts {
    std::size_t phase1_kept = 0, phase1_deleted = 0;
    std::size_t phase2_kept = 0, phase2_deleted = 0;
};

/// How much of what strangers can fill is filled.
struct Load {
    std::size_t half_open = 0;    // records of main mode
    std::size_t offer_bytes = 0;  // that they share
    std::size_t early = 0;        // aggressive and base mode, not proved
    std::size_t phase1 = 0;       // ISAKMP SAs, those under negotiation included
};

class Engine {
  public:
    Engine(conf::ConfigPtr config, std::uint32_t generation, Output& output);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    void kernel_capabilities(const KernelCapabilities& caps);
    void datagram(const Datagram& in, TimePoint now);
    void complete(OpToken token, const Result<Bytes>& result, TimePoint now);
    void kernel_event(const KernelEvent& event, TimePoint now);
    /// The earliest time at which tick() has something to do; empty: nothing is due ever.
    std::optional<TimePoint> next_deadline() const;
    void tick(TimePoint now);

    /// A reloaded configuration: SAs whose section is unchanged stay; the others are matched again, and
    /// deleted where the new configuration does not select exactly one section that accepts them.
    ReloadCounts reconfigure(conf::ConfigPtr config, std::uint32_t generation, TimePoint now);
    /// What the host names of the configuration stand for from now on. Before each negotiation with such
    /// a peer the keeper is asked for a fresh answer (Resolve), which comes in this way.
    void hosts(conf::HostAddresses hosts, TimePoint now);
    /// The policies that others have in the kernel, all of them, at every change. What is up for one that has
    /// gone stays until it expires, and is not renewed.
    void foreign_policies(ForeignPolicies policies, TimePoint now);
    /// The pairs of IPsec SAs of an engine that died: this one goes on with them, and negotiates anew
    /// for those that were not complete. Once, before everything else but capabilities, endpoints and
    /// the policies of others.
    void adopt(const std::vector<KeptPair>& pairs, TimePoint now);
    /// Brings up the tunnels of remotes with `start on`, from now on; a reload sees to it by itself.
    void start_tunnels(TimePoint now);
    /// The local addresses that we may initiate from; empty: any.
    void local_endpoints(std::vector<Endpoint> endpoints);
    /// Those of them that carry the non-ESP marker (RFC 3948 2.2). Without any there is no NAT-T.
    void natt_endpoints(std::vector<Endpoint> endpoints);

    // --- control (racoonctl) ---
    std::vector<Phase1Status> phase1_status(TimePoint now) const;
    /// Of each ISAKMP SA that has come as far as its keys. For root's eyes alone.
    std::vector<Phase1Key> phase1_keys() const;
    std::vector<Phase2Status> phase2_status(TimePoint now) const;
    /// Called once, also from within the call that it was given to; may be empty. It must not call
    /// the engine.
    using Done = std::function<void(Status)>;
    /// Starts phase 1 with a peer; done is called when it is established or has failed, at once if up.
    void establish_phase1(const Endpoint& remote, std::string_view section, TimePoint now,
                          Done done);
    /// Negotiates for the outbound policy that covers the selector.
    void establish_phase2(const TrafficSelector& selector, TimePoint now, Done done);
    void establish_policy(PolicyId policy, TimePoint now, Done done);
    /// Deletes phase 1 SAs (and their phase 2) between two addresses, telling the peer; the count.
    /// local family None: any.
    std::size_t delete_phase1(const IpAddr& local, const IpAddr& remote, TimePoint now);
    std::size_t flush_phase1(TimePoint now);
    /// Deletes IPsec SAs of a protocol (0: all) between two outer addresses, telling the peer.
    std::size_t delete_phase2(std::uint8_t protocol, const IpAddr& local, const IpAddr& remote,
                              TimePoint now);
    /// Deletes IPsec SAs of a protocol (0: all), telling the peers.
    std::size_t flush_phase2(std::uint8_t protocol, TimePoint now);
    /// Sends deletes for everything and forgets it. After it only complete() of deletions is needed.
    void shutdown(TimePoint now);
    /// Operations of SaDelete still under way, so that a caller can wait for an orderly end.
    std::size_t pending_operations() const;
    Load load() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace racoon::exchange
