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
inline std::string name_of(const IpAddr& a) {
    return "h" + std::to_string(a.bytes[3]) + ".example";
}

inline IpAddr ip(std::string_view text) {
    return *IpAddr::parse(text);
}
inline Prefix net(std::string_view addr, unsigned length) {
    return *Prefix::make(ip(addr), length);
}

inline TrafficSelector selector_of(const IpAddr& local, const IpAddr& peer, const ConfigOptions& o,
                                   unsigned index) {
    TrafficSelector s;
    if (!o.tunnel) {
        s.local.net = Prefix::host(local);
        s.remote.net = Prefix::host(peer);
        if (index > 0) s.protocol = static_cast<std::uint8_t>(index);
        return s;
    }
    // 10.<last byte of the host>.<index>.0/24
    const auto side = [&](const IpAddr& host) {
        return net("10." + std::to_string(host.bytes[3]) + "." + std::to_string(index) + ".0", 24);
    };
    s.local.net = side(local);
    s.remote.net = side(peer);
    return s;
}

inline conf::ConfigPtr make_config(const IpAddr& local, const IpAddr& peer,
                                   const ConfigOptions& o) {
    const TestCatalog& c = catalog();
    auto config = std::make_shared<conf::Config>();
    config->timer = o.timer;
    config->complex_bundle = o.complex_bundle;
    conf::Remote r;
    r.name = peer.text() + "[500]";
    r.address = Endpoint{peer, 500};
    r.modes = o.modes;
    r.initial_contact = o.initial_contact;
    if (o.named) {
        r.my_identifier.type = 2;
        r.my_identifier.value = name_of(local);
        conf::IdentitySpec theirs;
        theirs.type = 2;
        theirs.value = name_of(peer);
        r.peers_identifiers.push_back(theirs);
        r.verify_identifier = true;
    }
    r.dpd = o.dpd;
    r.proposal_check = o.check;
    r.rekey = o.rekey;
    r.passive = o.passive;
    r.support_proxy = o.support_proxy;
    r.unsupported = o.remote_asks;
    r.ike_frag = o.ike_frag;
    conf::Phase1Proposal p;
    p.cipher = &c.cipher;
    p.key_bits = 256;
    p.hash = &c.hash;
    p.auth = o.signature ? &c.signature : &c.psk;
    p.group = o.large ? &c.large_group : &c.group;
    p.lifetime = o.phase1_lifetime;
    r.proposals.push_back(p);
    config->remotes.push_back(r);
    if (o.sainfo) {
        conf::SaInfo s;
        s.lifetime = o.phase2_lifetime;
        if (o.pfs) s.pfs_group = o.large ? &c.large_group : &c.other_group;
        if (o.gcm) s.encryption.push_back({&c.gcm, 256});
        s.encryption.push_back({&c.aes, 128});
        s.integrity = {&c.sha256, &c.sha1};
        s.compression = {&c.deflate};
        s.esn = o.esn;
        s.unsupported = o.sainfo_asks;
        config->sainfos.push_back(s);
    }
    for (unsigned i = 0; i < o.policies; ++i) {
        conf::Policy out;
        out.id = PolicyId{i + 1};
        out.selector = selector_of(local, peer, o, i);
        auto rules = o.rules;
        if (rules.empty()) rules.emplace_back(50, o.tunnel);
        for (const auto& [protocol, tunnel] : rules) {
            conf::PolicyTemplate t;
            t.protocol = protocol;
            t.tunnel = tunnel;
            t.reqid = ReqId{100 + i};
            if (tunnel) {
                t.local = local;
                t.remote = peer;
            }
            out.templates.push_back(t);
        }
        config->policies.push_back(out);
    }
    return config;
}

class World {
  public:
    static constexpr PolicyId kPolicy{1};

    explicit World(std::uint64_t seed, const ConfigOptions& options = {},
                   const ConfigOptions* other = nullptr)
        : World(seed, make_config(ip("192.0.2.1"), ip("192.0.2.2"), options),
                make_config(ip("192.0.2.2"), ip("192.0.2.1"), other ? *other : options)) {}
    World(std::uint64_t seed, conf::ConfigPtr config_a, conf::ConfigPtr config_b)
        : addr_a(ip("192.0.2.1")), addr_b(ip("192.0.2.2")), rng_(seed * 2 + 1) {
        const auto schedule = [this](Duration d, std::function<void()> f) {
            after(d, std::move(f));
        };
        a = std::make_unique<SimHost>("a", std::move(config_a), seed * 3 + 1, schedule,
                                      [this](const exchange::Datagram& d) { transmit(d); });
        b = std::make_unique<SimHost>("b", std::move(config_b), seed * 3 + 2, schedule,
                                      [this](const exchange::Datagram& d) { transmit(d); });
        for (SimHost* h : {a.get(), b.get()}) h->clock = [this] { return now; };
        a->engine->local_endpoints({Endpoint{addr_a, 500}});
        b->engine->local_endpoints({Endpoint{addr_b, 500}});
    }
    ~World() {
        a->engine.reset();
        b->engine.reset();
    }

    IpAddr addr_a, addr_b;
    std::unique_ptr<SimHost> a, b;
    WireModel wire;
    TimePoint now{std::chrono::hours(1)};
    /// Sees every datagram before the wire does; false swallows it.
    std::function<bool(const exchange::Datagram&)> tap;

    SimHost& host(const IpAddr& addr) { return addr == addr_a ? *a : *b; }

    void acquire(SimHost& h, PolicyId policy = kPolicy, std::uint64_t token = 7) {
        exchange::KernelEvent e;
        e.type = RACOON_KERNEL_ACQUIRE;
        e.acquire_token = token;
        e.policy = policy;
        h.engine->kernel_event(e, now);
    }
    void deliver(const IpAddr& from, const IpAddr& to, ByteView bytes,
                 std::uint16_t from_port = 500) {
        exchange::Datagram d;
        d.local = Endpoint{to, 500};
        d.remote = Endpoint{from, from_port};
        d.bytes = bytes;
        if (SimHost& h = host(to); h.engine) h.engine->datagram(d, now);
    }
    void after(Duration d, std::function<void()> f) {
        queue_.push(Item{now + d, ++order_, std::make_shared<std::function<void()>>(std::move(f))});
    }

    /// Everything that is due up to then happens, in order.
    void run_until(TimePoint end) {
        for (std::uint64_t steps = 0; steps < 2000000; ++steps) {
            TimePoint next = end;
            if (!queue_.empty()) next = std::min(next, queue_.top().when);
            for (SimHost* h : {a.get(), b.get()})
                if (h->engine)
                    if (auto due = h->engine->next_deadline()) next = std::min(next, *due);
            now = std::max(now, next);
            bool did = false;
            while (!queue_.empty() && queue_.top().when <= now) {
                auto f = queue_.top().f;
                queue_.pop();
                (*f)();
                did = true;
            }
            for (SimHost* h : {a.get(), b.get()})
                if (h->engine)
                    if (auto due = h->engine->next_deadline(); due && *due <= now) {
                        h->engine->tick(now);
                        did = true;
                    }
            if (!did && now >= end) return;
        }
        stuck = true;
    }
    void run_for(Duration d) { run_until(now + d); }
    bool stuck = false;  // too many steps: something spins

    /// Whether both ends hold the same SAs: "" or what is different.
    std::string compare() const {
        for (const auto& [mine, theirs] :
             {std::pair(a.get(), b.get()), std::pair(b.get(), a.get())})
            for (const auto& [key, sa] : mine->sas) {
                const auto it = theirs->sas.find(key);
                const std::string what = (sa.inbound ? "inbound SA " : "outbound SA ") +
                                         std::to_string(std::get<1>(key)) + " of " + sa.dst.text();
                if (it == theirs->sas.end()) return what + " exists at one end only";
                if (it->second.inbound == sa.inbound)
                    return what + " has one direction at both ends";
                if (it->second.key != sa.key || it->second.encryption != sa.encryption ||
                    it->second.integrity != sa.integrity ||
                    it->second.compression != sa.compression || it->second.esn != sa.esn ||
                    it->second.protocol != sa.protocol)
                    return what + " has other keys or algorithms at the other end";
            }
        return "";
    }
    std::size_t pairs(const SimHost& h) const { return h.sas.size() / 2; }

    /// What an engine that is going down, or has nothing left to do, must not hold: "" or what.
    static std::string leaks(const SimHost& h) {
        std::string out;
        const auto say = [&](std::size_t n, const char* what) {
            if (n != 0) out += std::to_string(n) + " " + what + ", ";
        };
        say(h.dh_keys.size(), "DH keys");
        say(h.uses.size(), "open phase 1");
        say(h.larval.size(), "larval SPIs");
        say(h.sas.size(), "SAs");
        for (const auto& p : h.problems) out += p + ", ";
        return out;
    }
    /// Ends both engines in order; "" or what they left behind.
    std::string end_and_find_leaks() {
        for (SimHost* h : {a.get(), b.get()}) h->engine->shutdown(now);
        run_for(5s);
        std::string out;
        for (SimHost* h : {a.get(), b.get()}) {
            if (h->engine->pending_operations() != 0) out += "operations still open, ";
            h->engine.reset();
            out += leaks(*h);
        }
        return out;
    }

    void transmit(const exchange::Datagram& d) {
        if (tap && !tap(d)) return;
        if (chance(wire.loss)) return;
        const int copies = chance(wire.duplicate) ? 2 : 1;
        for (int i = 0; i < copies; ++i) {
            Bytes bytes = to_bytes(d.bytes);
            if (chance(wire.corrupt) && !bytes.empty())
                bytes[rng_() % bytes.size()] ^= static_cast<std::uint8_t>(1u << (rng_() % 8));
            Duration delay = wire.delay + part(wire.jitter);
            if (chance(wire.reorder)) delay += part(wire.held_back);
            after(delay, [this, from = d.local, to = d.remote, bytes = std::move(bytes)] {
                deliver(from.addr, to.addr, bytes, from.port);
            });
        }
    }

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
    Duration part(Duration d) {
        return d.count() <= 0 ? Duration(0)
                              : Duration(static_cast<std::int64_t>(
                                    rng_() % static_cast<std::uint64_t>(d.count())));
    }
    Rng rng_;
    std::priority_queue<Item> queue_;
    std::uint64_t order_ = 0;
};

}  // namespace racoon::sim
