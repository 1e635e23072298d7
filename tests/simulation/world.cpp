// The clock and the wire, and what a test compares at the end.
#include "simulation/world.hpp"

#include <algorithm>
#include <utility>

namespace racoon::sim {

World::World(std::uint64_t seed, const ConfigOptions& options, const ConfigOptions* other)
    : World(seed, make_config(ip("192.0.2.1"), ip("192.0.2.2"), options),
            make_config(ip("192.0.2.2"), ip("192.0.2.1"), other ? *other : options)) {}

World::World(std::uint64_t seed, conf::ConfigPtr config_a, conf::ConfigPtr config_b)
    : addr_a(ip("192.0.2.1")), addr_b(ip("192.0.2.2")), rng_(seed * 2 + 1) {
    const auto schedule = [this](Duration d, std::function<void()> f) { after(d, std::move(f)); };
    a = std::make_unique<SimHost>("a", std::move(config_a), seed * 3 + 1, schedule,
                                  [this](const exchange::Datagram& d) { transmit(d); });
    b = std::make_unique<SimHost>("b", std::move(config_b), seed * 3 + 2, schedule,
                                  [this](const exchange::Datagram& d) { transmit(d); });
    for (SimHost* h : {a.get(), b.get()}) h->clock = [this] { return now; };
    a->engine->local_endpoints({Endpoint{addr_a, 500}});
    b->engine->local_endpoints({Endpoint{addr_b, 500}});
}

World::~World() {
    a->engine.reset();
    b->engine.reset();
}

void World::acquire(SimHost& h, PolicyId policy, std::uint64_t token) {
    exchange::KernelEvent e;
    e.type = RACOON_KERNEL_ACQUIRE;
    e.acquire_token = token;
    e.policy = policy;
    h.engine->kernel_event(e, now);
}

void World::deliver(const IpAddr& from, const IpAddr& to, ByteView bytes, std::uint16_t from_port) {
    exchange::Datagram d;
    d.local = Endpoint{to, 500};
    d.remote = Endpoint{from, from_port};
    d.bytes = bytes;
    if (SimHost& h = host(to); h.engine) h.engine->datagram(d, now);
}

void World::after(Duration d, std::function<void()> f) {
    queue_.push(Item{now + d, ++order_, std::make_shared<std::function<void()>>(std::move(f))});
}

void World::run_until(TimePoint end) {
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

std::string World::compare() const {
    for (const auto& [mine, theirs] : {std::pair(a.get(), b.get()), std::pair(b.get(), a.get())})
        for (const auto& [key, sa] : mine->sas) {
            const auto it = theirs->sas.find(key);
            const std::string what = (sa.inbound ? "inbound SA " : "outbound SA ") +
                                     std::to_string(std::get<1>(key)) + " of " + sa.dst.text();
            if (it == theirs->sas.end()) return what + " exists at one end only";
            if (it->second.inbound == sa.inbound) return what + " has one direction at both ends";
            if (it->second.key != sa.key || it->second.encryption != sa.encryption ||
                it->second.integrity != sa.integrity || it->second.compression != sa.compression ||
                it->second.esn != sa.esn || it->second.protocol != sa.protocol)
                return what + " has other keys or algorithms at the other end";
        }
    return "";
}

std::string World::leaks(const SimHost& h) {
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

std::string World::end_and_find_leaks() {
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

void World::transmit(const exchange::Datagram& d) {
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

Duration World::part(Duration d) {
    return d.count() <= 0 ? Duration(0)
                          : Duration(static_cast<std::int64_t>(
                                rng_() % static_cast<std::uint64_t>(d.count())));
}

}  // namespace racoon::sim
