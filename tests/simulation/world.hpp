// World: two SimHosts, a virtual clock and a wire in memory that loses, repeats, delays and damages.
//
//     World w(seed);
//     w.wire.loss = 0.2;
//     w.acquire(w.a);
//     w.run_for(60s);
//     EXPECT_EQ(w.compare(), "");
#pragma once

#include <chrono>
#include <map>
#include <queue>

#include "simulation/host.hpp"

namespace racoon::sim {

using namespace std::chrono_literals;

struct WireModel {
    double loss = 0, duplicate = 0, reorder = 0, corrupt = 0;
    Duration delay = 10ms;
    Duration jitter = 0ms;    // of every packet
    Duration held_back = 2s;  // at most, of a reordered one
};

struct ConfigOptions {
    bool pfs = false;
    bool gcm = false;
    bool tunnel = true;
    conf::seconds phase1_lifetime{28800}, phase2_lifetime{3600};
    std::uint64_t phase1_kilobytes = 0, phase2_kilobytes = 0;  // 0: no limit
    conf::Dpd dpd{true, conf::seconds(0), conf::seconds(5), 5};
    conf::Timer timer{};
    conf::ProposalCheck check = conf::ProposalCheck::Obey;
    conf::Rekey rekey = conf::Rekey::On;
    bool sainfo = true;
    unsigned policies = 1;
    bool passive = false;
    std::vector<conf::Unsupported> remote_asks, sainfo_asks;  // for what this release lacks
    std::vector<conf::ExchangeMode> modes{conf::ExchangeMode::Main};
    bool named = false;      // identities are names and are verified, else addresses
    bool signature = false;  // SKEYID as with signatures
    bool initial_contact = true;
    // The rules of each policy, the innermost first: protocol, and whether it is a tunnel. Empty: ESP alone
    // as `tunnel` says.
    std::vector<std::pair<std::uint8_t, bool>> rules;
    bool complex_bundle = true;
    bool esn = false;
    bool support_proxy = false;
    conf::Offer ike_frag = conf::Offer::Off;
    bool large = false;  // public values of 1,024 bytes
};

/// "h1.example": the host whose address ends so, where identities are names.
std::string name_of(const IpAddr& a);

IpAddr ip(std::string_view text);
Prefix net(std::string_view addr, unsigned length);
TrafficSelector selector_of(const IpAddr& local, const IpAddr& peer, const ConfigOptions& o,
                            unsigned index);
conf::ConfigPtr make_config(const IpAddr& local, const IpAddr& peer, const ConfigOptions& o);

class World {
  public:
    static constexpr PolicyId kPolicy{1};

    explicit World(std::uint64_t seed, const ConfigOptions& options = {},
                   const ConfigOptions* other = nullptr);
    World(std::uint64_t seed, conf::ConfigPtr config_a, conf::ConfigPtr config_b);
    ~World();

    IpAddr addr_a, addr_b;
    std::unique_ptr<SimHost> a, b;
    WireModel wire;
    TimePoint now{std::chrono::hours(1)};
    /// Sees every datagram before the wire does; false swallows it.
    std::function<bool(const exchange::Datagram&)> tap;

    SimHost& host(const IpAddr& addr) { return addr == addr_a ? *a : *b; }

    void acquire(SimHost& h, PolicyId policy = kPolicy, std::uint64_t token = 7);
    void deliver(const IpAddr& from, const IpAddr& to, ByteView bytes,
                 std::uint16_t from_port = 500);
    void after(Duration d, std::function<void()> f);

    /// Everything that is due up to then happens, in order.
    void run_until(TimePoint end);
    void run_for(Duration d) { run_until(now + d); }
    bool stuck = false;  // too many steps: something spins

    /// Whether both ends hold the same SAs: "" or what is different.
    std::string compare() const;
    std::size_t pairs(const SimHost& h) const { return h.sas.size() / 2; }

    /// What an engine that is going down, or has nothing left to do, must not hold: "" or what.
    static std::string leaks(const SimHost& h);
    /// Ends both engines in order; "" or what they left behind.
    std::string end_and_find_leaks();

    void transmit(const exchange::Datagram& d);

  private:
    struct Item {
        TimePoint when;
        std::uint64_t order;
        std::shared_ptr<std::function<void()>> f;
        friend bool operator<(const Item& x, const Item& y) {
            return x.when != y.when ? x.when > y.when : x.order > y.order;
        }
    };
    bool chance(double p) { return p > 0 && static_cast<double>(rng_() >> 11) * 0x1p-53 < p; }
    Duration part(Duration d);
    Rng rng_;
    std::priority_queue<Item> queue_;
    std::uint64_t order_ = 0;
};

}  // namespace racoon::sim
